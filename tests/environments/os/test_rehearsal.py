"""The OS world's stand-in for a teacher: what it drafts, how it reads problems back, which faults it shows."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import pytest
from rapidfuzz.distance import Indel

import prompts
from environments.base import Action, Reading
from environments.deals import Order
from environments.os.answer import canonical_answer
from environments.os.author import SECTIONS, SKILLS, TOPICS, OsDraft, Surroundings, load_seeds, read_task
from environments.os.dialect import OsDialect
from environments.os.families.catalogue import FAMILIES, recognise
from environments.os.families.family import Family
from environments.os.families.solver import another, other_form
from environments.os.families.task_faults import TASK_FAULTS
from environments.os.image_facts import ImageFacts
from environments.os.rehearsal import OsRehearsal
from environments.task_parts import cut_tasks
from rehearsals.base import Move
from rehearsals.orders import for_one, numbers_in
from rehearsals.plan import SOLVER_FAULTS, task_fault
from rehearsals.replies import respond
from schemas.message import Message
from schemas.run_config import FaultsConfig

REHEARSAL = OsRehearsal()
DIALECT = OsDialect(prompts.load("solve_os"))


def prompt_for(topic: str) -> str:
    return prompts.load("generate_os", "v1").render(examples=[], topic=topic)


def newer_prompt(*orders: Order, parents: Sequence[OsDraft] = ()) -> str:
    """Word the prompt that asks for several tasks, or for harder versions of some."""
    said = Surroundings().said(ImageFacts(("jq",), ("gcc",)))
    worded = [order._asdict() for order in orders]
    if parents:
        return prompts.load("grow_os").render(**said, parents=[asdict(one) for one in parents], orders=worded)
    examples = [asdict(seed.task) for seed in load_seeds()[:2]]
    return prompts.load("generate_os").render(**said, examples=examples, taken=["Task 3 is late."], orders=worded)


def draft(topic: str, seed: object, fault: str | None = None) -> OsDraft:
    task = read_task(REHEARSAL.draft(prompt_for(topic), random.Random(str(seed)), fault))
    assert isinstance(task, OsDraft), task
    return task


def conversation(problem: str, *replies_and_observations: str) -> list[Message]:
    """Return a solver's conversation; replies and observations take turns after the problem."""
    texts = [*prompts.load("solve_os").sections(problem=problem), *replies_and_observations]
    return [Message(role=("user", "assistant")[i % 2], content=text) for i, text in enumerate(texts)]


def problems_of(family: Family, count: int) -> list[tuple[dict[str, str], str]]:
    rng = random.Random(family.name)
    drawn = [family.draw(rng) for _ in range(count)]
    return [(params, family.problem.format(**params)) for params in drawn]


def say(messages: Sequence[Message], fault: str | None = None) -> str:
    return REHEARSAL.say(REHEARSAL.solve(messages, fault))


def test_every_topic_has_a_question_and_a_change() -> None:
    kinds = Counter((family.topic, family.kind == "change") for family in FAMILIES)
    assert len(kinds) == 14 and set(kinds.values()) == {1}, kinds
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


@pytest.mark.parametrize("topic", TOPICS)
def test_drafts_are_tasks_of_the_topic_that_the_prompt_names(topic: str) -> None:
    for seed in range(30):
        found = recognise(draft(topic, seed).problem)
        assert found is not None and topic.startswith(found.family.topic.removesuffix("s"))


def test_the_generation_prompt_is_known_with_examples_and_nothing_else_is() -> None:
    prompt = prompts.load("generate_os", "v1").render(examples=[seed.task for seed in load_seeds()[:8]], topic="files")
    assert REHEARSAL.drafts(prompt)
    assert recognise(str(read_task(REHEARSAL.draft(prompt, random.Random(1), None)).problem))  # type: ignore[union-attr]
    assert not REHEARSAL.drafts(prompts.load("generate_db").text)
    assert not REHEARSAL.drafts("Write me a poem about files.")


def test_the_same_rng_gives_the_same_draft() -> None:
    assert draft("archives", 7) == draft("archives", 7)
    assert draft("archives", 7) != draft("archives", 8)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_problem_is_read_back_to_its_family_and_parameters(family: Family) -> None:
    for params, problem in problems_of(family, 40):
        found = recognise(problem)
        assert found is not None, problem
        assert (found.family.name, found.params) == (family.name, params), problem


@pytest.mark.parametrize("family", [f for f in FAMILIES if f.kind != "change"], ids=lambda family: family.name)
def test_other_forms_of_an_answer_say_the_same_and_other_values_do_not(family: Family) -> None:
    for i, (_, problem) in enumerate(problems_of(family, 40)):
        right = REHEARSAL.expected(problem)
        assert right
        other = other_form(right, family.unit, random.Random(i))
        assert other != right and canonical_answer(other, right, problem) == right, other
        assert canonical_answer(another(right), right, problem) != right


def test_large_numbers_and_thousands_separators_occur() -> None:
    questions = [f for f in FAMILIES if f.kind == "number"]
    values = [REHEARSAL.expected(problem) or "" for family in questions for _, problem in problems_of(family, 10)]
    assert sum(int(value) >= 1000 for value in values) >= 20
    forms = {other_form("1174", ("file", "files"), random.Random(i)) for i in range(40)}
    assert {"1,174", "1174 files", "1,174 files"} <= forms


def test_five_builds_in_a_row_pass_the_novelty_gate() -> None:
    words = re.compile(r"[a-z0-9]+")
    admitted: list[list[str]] = []
    turned_away = Counter[int]()
    for build in range(1, 6):
        for i in range(96):
            problem = words.findall(draft(TOPICS[(build + i) % 7], f"{build}:{i}").problem.lower())
            # F1 = 2 * LCS / (m + n) is the normalised Indel similarity.
            if any(Indel.normalized_similarity(problem, old, score_cutoff=0.7) >= 0.7 for old in admitted):
                turned_away[build] += 1
            else:
                admitted.append(problem)
    assert turned_away[5] <= 0.15 * 96, turned_away
    assert len(admitted) >= 0.95 * 480, turned_away


def test_a_few_drafts_show_times_or_random_names_and_that_can_be_switched_off() -> None:
    def share(rehearsal: OsRehearsal) -> float:
        replies = [rehearsal.draft(prompt_for(TOPICS[i % 7]), random.Random(i), None) for i in range(700)]
        tasks = [task for reply in replies if isinstance(task := read_task(reply), OsDraft)]
        assert len(tasks) == 700
        return sum(found.family.volatile for task in tasks if (found := recognise(task.problem))) / len(tasks)

    assert 0.05 <= share(REHEARSAL) <= 0.2
    assert share(OsRehearsal(volatile=False)) == 0


def test_scripts_leave_nothing_to_chance_or_the_network() -> None:
    chance = re.compile(r"RANDOM|shuf|mktemp|urandom|\bdate\b|curl|wget|/dev/tcp")
    for seed in range(300):
        task = draft(TOPICS[seed % 7], seed)
        assert not chance.search("\n".join((task.init, task.reference, task.evaluation))), task


@pytest.mark.parametrize("fault", TASK_FAULTS)
def test_task_faults_change_what_they_say_and_leave_the_problem(fault: str) -> None:
    assert fault in REHEARSAL.task_faults(prompt_for("files"))
    for seed in range(40):
        task = draft(TOPICS[seed % 7], seed, fault)
        found = recognise(task.problem)
        assert found is not None
        sound = (found.scene.initialisation, found.scene.reference, found.scene.evaluation)
        changed = [a != b for a, b in zip((task.init, task.reference, task.evaluation), sound, strict=True)]
        assert sum(changed) == 1, changed


def test_of_several_tasks_each_is_of_the_topic_that_was_asked_for() -> None:
    orders = [SKILLS.deal(topic, 0, number) for number, topic in enumerate(TOPICS)]
    prompt = newer_prompt(*orders)
    assert REHEARSAL.drafts(prompt) and numbers_in(prompt) == list(range(1, 8))
    for number, order in enumerate(orders, start=1):
        task = read_task(REHEARSAL.draft(for_one(prompt, number), random.Random(number), None))
        found = recognise(task.problem) if isinstance(task, OsDraft) else None
        assert found is not None and order.topic.startswith(found.family.topic.removesuffix("s"))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_proven_task_is_grown_and_solved_with_a_further_step(family: Family) -> None:
    (_, problem), *_ = problems_of(family, 1)
    parent = recognise(problem)
    assert parent is not None
    shown = OsDraft(problem, "", parent.scene.initialisation, parent.scene.reference, parent.scene.evaluation)
    one = for_one(
        newer_prompt(Order(family.topic, difficulty=2), Order("files", difficulty=2), parents=(shown, shown)), 1
    )
    task = read_task(REHEARSAL.draft(one, random.Random(1), None))
    assert isinstance(task, OsDraft)
    grown = recognise(task.problem)
    assert grown is not None
    if family.name in ("extract_member", "background_job"):  # their checks are their own: another task is made up
        assert grown.grown_from is None
        return
    assert task.problem.startswith(problem) and grown.grown_from == family.kind
    assert len(grown.scene.moves) == len(parent.scene.moves) + 1 and grown.family.kind == "change"
    assert "any_answer_passes" not in REHEARSAL.task_faults(one)
    assert (
        recognise(f"{task.problem} Then write into ~/a-b.txt how many files lie below ~/x now, at any depth.") is None
    )


def test_a_reply_holds_every_task_that_was_asked_for_each_with_a_fault_of_its_own_or_none() -> None:
    prompt = newer_prompt(*(SKILLS.deal("files", 0, number) for number in range(5)))
    faults = FaultsConfig(task=0.5)
    body = {"model": "offline-a", "seed": 3, "messages": [{"role": "user", "content": prompt}]}
    pieces = cut_tasks(SECTIONS, respond(body, [REHEARSAL], faults).content, 5)
    assert [piece.number for piece in pieces] == [1, 2, 3, 4, 5]
    ones = [for_one(prompt, number) for number in range(1, 6)]
    planted = [task_fault(one, 3, REHEARSAL.task_faults(one), faults) for one in ones]
    assert len(set(planted)) > 1 and None in planted
    told = prompts.load("repair_task").render(
        reason="", unread=[{"number": 2, "reason": "x"}, {"number": 4, "reason": "y"}]
    )
    turns = [{"role": "assistant", "content": "?"}, {"role": "user", "content": told}]
    again = cut_tasks(SECTIONS, respond({**body, "messages": body["messages"] + turns}, [REHEARSAL], faults).content, 2)
    assert again == [pieces[1]._replace(text=again[0].text), pieces[3]._replace(text=again[1].text)]
    assert [one.text.strip() for one in again] == [pieces[1].text.strip(), pieces[3].text.strip()]


def test_only_the_solver_conversation_holds_a_problem() -> None:
    messages = conversation("How many dogs?", "Think: hm.\n\nAct: finish")
    assert REHEARSAL.problem(messages) == "How many dogs?"
    assert REHEARSAL.problem(conversation("x")[:-1]) is None
    assert REHEARSAL.problem([Message(role="user", content=prompt_for("files"))]) is None
    with pytest.raises(ValueError, match="no OS problem"):
        REHEARSAL.solve(conversation("x")[:-1], None)


def test_the_answer_is_what_the_last_command_printed() -> None:
    family = next(f for f in FAMILIES if f.name == "count_extension")
    _, problem = problems_of(family, 1)[0]
    moves = ["Think: a\n\nAct: bash", "The output of the OS:\n\n./a\n./b", "Think: b\n\nAct: bash"]
    seen = say(conversation(problem, *moves, "The output of the OS:\n\n4321"))
    assert DIALECT.read_text(seen).actions == DIALECT.read_text("Act: answer(4321)").actions
    nothing = say(conversation(problem, *moves, "The output of the OS is empty."))
    assert DIALECT.read_text(nothing).actions == DIALECT.read_text("Act: finish").actions


@pytest.mark.parametrize("fault", [None, *SOLVER_FAULTS])
def test_with_tools_the_same_moves_are_made_and_the_last_output_is_answered(fault: str | None) -> None:
    for family in FAMILIES:
        _, problem = problems_of(family, 1)[0]
        if fault is not None and fault not in REHEARSAL.solver_faults(problem):
            continue
        system, task = prompts.load("solve_os_tools").sections(problem=problem)
        called = [Message(role="system", content=system), Message(role="user", content=task)]
        texts: list[str] = []
        for turn, output in enumerate(("a", "", "17", "18", "19", "20")):
            worded = conversation(problem, *texts)
            assert REHEARSAL.problem(called) == REHEARSAL.problem(worded) == problem
            move = REHEARSAL.solve(called, fault)
            assert move == REHEARSAL.solve(worded, fault)
            called.append(Message(role="assistant", content=move.thought or ""))
            called.append(Message(role="tool", content=output or "(no output)", tool_call_id=f"call_{turn}"))
            texts += [
                REHEARSAL.say(move),
                f"The output of the OS:\n\n{output}" if output else "The output of the OS is empty.",
            ]


def test_moves_are_said_in_the_words_of_the_dialect_and_have_tools() -> None:
    for move in (Move("I look.", "bash", "ls -A"), Move("That is it.", "answer", "17"), Move(None, "finish")):
        assert DIALECT.read_text(REHEARSAL.say(move)) == Reading(move.thought, (Action(move.kind, move.text),))
        assert REHEARSAL.say(move) == DIALECT.write_text(move.thought, Action(move.kind, move.text))
    tools = [REHEARSAL.tool_of(kind) for kind in ("bash", "answer", "finish")]
    assert tools == [("bash", "command"), ("answer", "answer"), ("finish", None)]


def test_a_strange_problem_is_looked_at_and_given_up_honestly() -> None:
    problem = "Which user owns /srv/data/report.txt?"
    assert recognise(problem) is None and REHEARSAL.expected(problem) is None
    replies: list[str] = []
    while not replies or "Act: bash" in replies[-1]:
        turns = [text for reply in replies for text in (reply, "The output of the OS:\n\nsomething")]
        replies.append(say(conversation(problem, *turns)))
    assert 2 <= len(replies) <= 3 and replies[-1].endswith("Act: finish")
    assert "/srv/data/report.txt" in replies[1]


def test_seed_problems_are_strangers() -> None:
    assert [seed.name for seed in load_seeds() if recognise(seed.task.problem)] == []


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_solver_faults_fit_what_is_asked(family: Family) -> None:
    _, problem = problems_of(family, 1)[0]
    faults = set(REHEARSAL.solver_faults(problem))
    assert {"repeats", "malformed", "gives_up"} <= faults
    assert faults.isdisjoint({"claimed_write", "extra_write", "rolled_back"}) == (family.kind != "change")
    assert faults.isdisjoint({"wrong_value", "no_action", "other_form"}) == (family.kind == "change")
