"""Seeds load, requests are drawn by their key, replies are tasks or have a reason."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.base import Ask, Draw
from environments.os.author import (
    PROMPT,
    TOPICS,
    OsAuthor,
    OsDraft,
    Surroundings,
    example_of,
    load_seeds,
    make_spec,
    read_task,
)
from environments.os.config import OsConfig
from environments.os.image_facts import ImageFacts
from environments.self_instruct import read_own_tasks
from schemas.completion import CompletionRequest
from schemas.errors import ConfigError
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec
from teachers.scripted import receipt

SEEDS = load_seeds()
REQUEST = CompletionRequest(purpose="generate_tasks", teacher="t", model="m", messages=())
REPLY = """### Problem
Count.
### Explanation
Easy.
### Initialisation
```bash
touch a
```
### Reference
```bash
ls | wc -l
```
### Evaluation
```bash
[ "$1" = "$2" ]
```"""


def made(draft: OsDraft, topic: str = "files", parents: tuple[str, ...] = ()) -> TaskSpec:
    return make_spec(draft, Ask((), prompts.load(PROMPT), "test", parents, topic))


def draw(*machine_made: TaskSpec, build: int = 1, seed: int = 0) -> Draw:
    return Draw(GenerateConfig(), seed, build, 0, machine_made)


async def ask(drawn: Draw, seeds: str = "built-in") -> Ask:
    """Return a round's first request."""
    return (await OsAuthor(OsConfig(requests=7, seeds=seeds)).asks(drawn))[0]


def test_at_least_24_seeds_of_ours_cover_every_topic() -> None:
    topics = Counter(seed.name.split("-")[0] for seed in SEEDS)
    assert len(SEEDS) >= 24
    assert set(topics) == {topic.split()[0] for topic in TOPICS}
    assert min(topics.values()) >= 4


def test_a_folder_of_the_users_own_seeds_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text(REPLY)
    (example,) = load_seeds(str(tmp_path))
    assert example.name == "mine"
    assert example.task == OsDraft("Count.", "Easy.", "touch a", "ls | wc -l", '[ "$1" = "$2" ]')


def test_a_jsonl_file_of_the_users_own_seeds_is_read(tmp_path: Path) -> None:
    row = {"problem": "p", "explanation": "", "init": "", "reference": "r", "evaluation": "e"}
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(row) + "\n\n" + json.dumps({**row, "name": "second"}) + "\n")
    assert [example.name for example in load_seeds(str(path))] == ["own-1", "second"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("own.jsonl", "{", r"own\.jsonl:1 is no JSON"),
        ("own.jsonl", '{"problem": "p"}', r"own\.jsonl:1 needs the texts problem"),
        ("own.jsonl", "", "holds no seed"),
        ("folder/bad.md", "### Problem\nx", r"bad\.md is no task \(missing_section\)"),
        ("elsewhere", None, "no seeds at"),
    ],
)
def test_wrong_seeds_are_told_before_anything_is_spent(tmp_path: Path, name: str, text: str | None, said: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_seeds(str(path.parent if path.suffix == ".md" else path))


@pytest.mark.parametrize("seeds", [0, 1, 6])
async def test_a_request_holds_as_many_seeds_and_machine_made_examples_as_are_configured(seeds: int) -> None:
    specs = [made(OsDraft(f"Count {i}.", "", "", "echo", "true")) for i in range(5)]
    generate = GenerateConfig(seed_examples=seeds, machine_examples=2, grow=0)
    asked = (await OsAuthor(OsConfig(requests=7)).asks(Draw(generate, 0, 4, 0, tuple(specs))))[0]
    assert len(asked.parents) == seeds + 2
    assert len({spec.task_id for spec in specs} & set(asked.parents)) == 2
    assert asked.messages[0].content.count("## Example ") == seeds + 2


async def test_seeds_stand_in_where_no_machine_made_example_is_there() -> None:
    assert len(set((await ask(draw())).parents)) == 2


async def test_a_build_that_began_with_the_first_prompt_goes_on_with_it() -> None:
    generate = GenerateConfig(seed_examples=6, machine_examples=2, tasks_per_request=1, grow=0)
    with prompts.keeping({PROMPT: "v1"}):
        asked = await OsAuthor(OsConfig(requests=7)).asks(Draw(generate, 0, 4, 0, ()))
    assert [(one.prompt.version, one.tasks, one.facts) for one in asked] == [("v1", 1, "archives")]
    task = OsAuthor(OsConfig()).read_all(receipt(REQUEST, REPLY), asked[0], (0,))[0].told
    assert isinstance(task, TaskSpec) and (task.family, task.skill, task.difficulty) == ("archives", None, None)


async def test_the_key_alone_decides_which_examples_are_drawn(tmp_path: Path) -> None:
    for number, seed in enumerate(reversed(SEEDS)):
        with (tmp_path / "reversed.jsonl").open("a") as file:
            file.write(json.dumps({"name": seed.name, **vars(seed.task), "number": number}) + "\n")
    first = await ask(draw())
    assert first == await ask(draw(), str(tmp_path / "reversed.jsonl"))
    assert first.parents != (await ask(draw(seed=1))).parents


async def test_topics_take_turns_and_start_elsewhere_in_the_next_build() -> None:
    asked = await OsAuthor(OsConfig(requests=7)).asks(Draw(GenerateConfig(rounds=1), 0, 1, 0, ()))
    assert [order.topic for one in asked for order in one.facts] == [*TOPICS[1:], TOPICS[0]]
    assert [one.tasks for one in asked] == [3, 3, 1]


def test_a_spec_runs_its_reference_on_the_initial_state() -> None:
    draft = read_task(REPLY)
    assert isinstance(draft, OsDraft)
    spec = made(draft, parents=("x",))
    assert (spec.check.kind, spec.check.reference_on) == ("script", "initial")
    assert (spec.origin, spec.family, spec.license) == ("self_instruct", "files", "Apache-2.0")
    assert (spec.parents, spec.provenance.source) == (("x",), "test")
    assert example_of(spec).task == draft


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("### Reference", "### Remarks", "missing_section"),
        ("### Explanation", "### Problem", "repeated_section"),
        ("Count.", "", "empty_section"),
        ("ls | wc -l", " ", "empty_section"),
        ("```bash\ntouch a\n```", "A file is made.", "no_code_block"),
        ("touch a\n```", "touch a\n```\n```bash\ntouch b\n```", "several_blocks"),
        ("```\n### Reference", "### Elsewhere", "unclosed_block"),
        ("Count.", "Count. " * 2000, "too_long"),
        ("Count.", "Count\x07", "control_characters"),
    ],
)
def test_a_reply_that_is_no_task_has_a_reason(old: str, new: str, reason: str) -> None:
    problem = read_task(REPLY.replace(old, new, 1))
    assert isinstance(problem, Refusal)
    assert problem.reason == reason


async def test_what_was_dealt_stands_in_the_prompt_and_on_the_task() -> None:
    asked = await ask(draw())
    replies = "\n".join(
        f"## Task {n}\n{REPLY.replace('Count.', word)}" for n, word in ((1, "One."), (2, "Two."), (3, "Three."))
    )
    parts = OsAuthor(OsConfig()).read_all(receipt(REQUEST, replies), asked, range(3))
    for number, (told, order) in enumerate(zip((part.told for part in parts), asked.facts, strict=True), start=1):
        assert isinstance(told, TaskSpec)
        assert (told.family, told.skill, told.subtopic, told.situation, told.difficulty) == order[:5]
        assert f"- Task {number} ({order.topic}): {order.skill}, {order.subtopic}." in asked.messages[0].content


async def test_prompts_say_what_the_image_has_and_what_an_agent_may() -> None:
    async def look() -> ImageFacts:
        return ImageFacts(("jq", "git"), ("gcc", "tree"))

    author = OsAuthor(OsConfig(requests=3), look, Surroundings(turns=11, seconds=7, check_seconds=21))
    text = (await author.asks(Draw(GenerateConfig(rounds=1), 0, 1, 0, ())))[0].messages[0].content
    assert author.looks and "jq git" in text and "Not there: gcc tree." in text
    assert "11 turns" in text and "7 seconds each" in text and "It has 21 seconds" in text
    assert "Not there" not in (await ask(draw())).messages[0].content


async def test_the_newest_problems_of_the_same_skills_are_named_as_taken() -> None:
    first = await ask(draw())
    skill = first.facts[0].skill
    there = [
        made(OsDraft(f"Problem {n} {'x ' * 90}", "", "", "echo", "true")).model_copy(
            update={"skill": skill if n else "another", "build": n}
        )
        for n in range(9)
    ]
    generate = GenerateConfig(grow=0, machine_examples=0)
    asked = (await OsAuthor(OsConfig(requests=7)).asks(Draw(generate, 0, 1, 0, tuple(there))))[0]
    lines = [line for line in asked.messages[0].content.splitlines() if line.startswith("- Problem ") and " x" in line]
    assert [line.split()[2] for line in lines] == ["8", "7", "6", "5", "4", "3"]
    assert all(len(line) < 125 for line in lines)


async def test_a_request_may_ask_for_harder_versions_of_proven_tasks_each_once() -> None:
    there = tuple(
        made(OsDraft(f"Count {i}.", "", "", f"echo {i}", "true")).model_copy(update={"skill": "tar", "difficulty": 2})
        for i in range(7)
    )
    author = OsAuthor(OsConfig(requests=9))
    asked = await author.asks(Draw(GenerateConfig(rounds=1, grow=1), 0, 1, 0, there))
    names = [[order.parent.task_id if order.parent else None for order in one.facts] for one in asked]
    assert [one.prompt.name for one in asked] == ["grow_os", "grow_os", PROMPT], "for the third too few are left"
    assert len({*names[0], *names[1]}) == 6 and names[2] == [None] * 3
    told = author.read_all(receipt(REQUEST, f"## Task 1\n{REPLY}"), asked[0], range(3))[0].told
    assert isinstance(told, TaskSpec) and (told.parent, told.skill, told.difficulty) == (names[0][0], "tar", 3)
    grown = tuple(spec.model_copy(update={"parent": there[0].task_id}) for spec in there[1:])
    later = await author.asks(Draw(GenerateConfig(rounds=1, grow=1), 0, 1, 0, (there[0], *grown)))
    assert there[0].task_id not in [order.parent and order.parent.task_id for one in later for order in one.facts]


async def test_whole_tasks_of_ones_own_are_seeds(tmp_path: Path) -> None:
    mine = made(OsDraft("Count mine.", "", "", "echo 1", "true"))
    path = tmp_path / "mine.jsonl"
    path.write_text(mine.model_dump_json(exclude={"task_id", "probes", "build", "provenance"}) + "\n")
    (example,) = load_seeds(str(path))
    assert example.task.problem == "Count mine."
    own = Draw(GenerateConfig(), 0, 1, 0, (), tuple(read_own_tasks(path)))
    asked = (await OsAuthor(OsConfig(requests=7)).asks(own))[0]
    assert asked.messages[0].content.count("Count mine.") == 1 == asked.messages[0].content.count("## Example ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "holds no task"),
        ("{", r"mine\.jsonl:1 is no JSON"),
        ('{"instruction": "x"}', r"mine\.jsonl:1 is no task .*environment"),
        ('"x"', r"mine\.jsonl:1 is no task"),
        ('{"environment": "os", "instruction": "x", "check": {"kind": "script"}}', "has no reference"),
    ],
)
def test_a_wrong_task_among_ones_own_is_told_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(line)
    with pytest.raises(ConfigError, match=said):
        read_own_tasks(path)


def test_headings_inside_code_are_code() -> None:
    draft = read_task(REPLY.replace("touch a", "cat > a.md <<'EOF'\n### Problem\nEOF"))
    assert isinstance(draft, OsDraft)
    assert "### Problem" in draft.init


def test_small_liberties_of_models_are_read() -> None:
    reply = "Sure!\n" + REPLY.replace("Initialisation", "Initialization:").replace("```bash", "```sh") + "\nEnjoy!"
    assert isinstance(read_task(reply), OsDraft)


@given(st.text())
def test_no_reply_breaks_the_reader(reply: str) -> None:
    assert isinstance(read_task(reply), OsDraft | Refusal)
