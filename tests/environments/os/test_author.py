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
from environments.os.author import PROMPT, TOPICS, OsAuthor, OsDraft, example_of, load_seeds, make_spec, read_task
from environments.os.config import OsConfig
from schemas.errors import ConfigError
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec

SEEDS = load_seeds()
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


async def test_a_request_holds_six_seeds_and_two_machine_made_examples() -> None:
    specs = [made(OsDraft(f"Count {i}.", "", "", "echo", "true")) for i in range(5)]
    asked = await ask(draw(*specs, build=4))
    assert len(asked.parents) == 8
    assert len({spec.task_id for spec in specs} & set(asked.parents)) == 2
    assert "Topic: archives." in asked.messages[0].content
    assert all(f"## Example {i}" in asked.messages[0].content for i in range(1, 9))


async def test_seeds_stand_in_where_no_machine_made_example_is_there() -> None:
    asked = await ask(draw())
    assert len(set(asked.parents)) == 8


async def test_the_key_alone_decides_which_examples_are_drawn(tmp_path: Path) -> None:
    for number, seed in enumerate(reversed(SEEDS)):
        with (tmp_path / "reversed.jsonl").open("a") as file:
            file.write(json.dumps({"name": seed.name, **vars(seed.task), "number": number}) + "\n")
    first = await ask(draw())
    assert first == await ask(draw(), str(tmp_path / "reversed.jsonl"))
    assert first.parents != (await ask(draw(seed=1))).parents


async def test_topics_take_turns_and_start_elsewhere_in_the_next_build() -> None:
    topics = [
        ask.facts for ask in await OsAuthor(OsConfig(requests=7)).asks(Draw(GenerateConfig(rounds=1), 0, 1, 0, ()))
    ]
    assert topics == [*TOPICS[1:], TOPICS[0]]


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
