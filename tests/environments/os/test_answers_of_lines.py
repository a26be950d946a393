"""Answers of several lines: where the problem asks for them, in any form that has one line for each."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.admission import admit
from environments.base import Action
from environments.dialects.tool_calls import ToolCalls
from environments.os.answer import canonical_answer, lines_asked
from environments.os.dialect import OsDialect
from environments.os.near_misses import wrong_answers
from environments.os.world import OsWorld
from schemas.episode import Turn
from schemas.message import ToolCall
from schemas.task_spec import Check, Lines, Script, TaskSpec

DIALECT = OsDialect(prompts.load("solve_os"))
NAMES = "main\ncache\nmail"


@pytest.mark.parametrize(
    ("problem", "lines"),
    [
        ("Which users have bash? Answer with their names, one per line, sorted.", "in_order"),
        ("List the three largest files, each on its own line.", "in_order"),
        ("Give the sections on separate lines, in any order.", "in_any_order"),
        ("Answer with a line each; the order does not matter.", "in_any_order"),
        ("Print them line by line.", "in_order"),
        ("How many lines does /root/a have? Answer with the number.", "one"),
        ("Which line of the log has an error? Answer with its number.", "one"),
        ("Add a line to /root/a that says hello.", "one"),
        ("How many words does each line have at most?", "one"),
        ("Is there an error on a line of its own?", "one"),
        ("What is the longest line in /root/a?", "one"),
    ],
)
def test_the_problem_says_how_many_lines_an_answer_has(problem: str, lines: str) -> None:
    assert lines_asked(problem) == lines


@pytest.mark.parametrize(
    ("answer", "lines", "is_right"),
    [
        (NAMES, "in_order", True),
        ("main\n\ncache \n mail\n", "in_order", True),
        ("- main\n- cache\n- mail", "in_order", True),
        ("1. main\n2. cache\n3. mail", "in_order", True),
        ("`main`\n`cache`\n`mail`", "in_order", True),
        ("cache\nmain\nmail", "in_order", False),
        ("cache\nmain\nmail", "in_any_order", True),
        ('- "mail"\n- main\n- cache', "in_any_order", True),
        ("main\ncache", "in_any_order", False),
        ("main\ncache\nmail\nmail", "in_any_order", False),
        ("main\nmain\ncache\nmail", "in_any_order", False),
        ("main, cache, mail", "in_order", False),
        ("main\ncache\nmail", "one", True),
        ("cache\nmain\nmail", "one", False),
    ],
)
def test_lines_are_compared_one_by_one(answer: str, lines: Lines, is_right: bool) -> None:
    assert (canonical_answer(answer, NAMES + "\n", "Which?", lines) == NAMES) is is_right


def test_a_line_takes_the_form_of_its_fellow() -> None:
    assert canonical_answer("1,174 files\n3", "1174\n3", "How many?", "in_order") == "1174\n3"
    assert canonical_answer("3\n1,174 files", "1174\n3", "How many?", "in_any_order") == "1174\n3"
    assert canonical_answer("- a\n- b", "- a\n- b", "Which?", "in_order") == "- a\n- b"


@pytest.mark.parametrize(
    "reply",
    [
        "Think: x\n\nAct: answer\n```\nmain\ncache\nmail\n```",
        "Think: x\nAct: answer(main\ncache\nmail)",
        "Think: x\nAct: answer\nmain\ncache\nmail",
        "Think: x\n**Act:** answer\n\nmain\ncache\nmail\n\nThese are the sections.",
        "Think: x\nAct: answer(\nmain\ncache\nmail\n)",
        "Think: x\nAct: answer(\n```\nmain\ncache\nmail\n```\n)",
        'Think: x\nAct: answer("main\ncache\nmail")',
        "Think: x\nAct: answer\n```text\nmain\ncache\nmail\n```\nDone.",
        '{"thought": "x", "action": "answer", "answer": "main\\ncache\\nmail"}',
    ],
)
def test_an_answer_of_lines_is_read_in_every_form(reply: str) -> None:
    assert DIALECT.read_text(reply).actions == (Action("answer", NAMES),)


def test_a_call_s_argument_has_its_lines() -> None:
    call = ToolCall(call_id="1", name="answer", arguments='{"answer": "main\\ncache\\nmail"}')
    action = ToolCalls(prompts.load("solve_os_tools")).action_of(call)
    assert isinstance(action, Action) and (action.kind, action.text) == ("answer", NAMES)


LINE = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)


@given(st.lists(LINE, min_size=2, max_size=6).map("\n".join))
def test_what_is_written_is_read_back(answer: str) -> None:
    turn = {"episode_id": "e", "landing": "l", "index": 0, "observation": "?", "thought": "I saw them."}
    if DIALECT.reads_back(Turn(**turn, thought_source="teacher", action=answer, action_kind="answer")):
        (read,) = DIALECT.read_text(DIALECT.write_text("I saw them.", Action("answer", answer))).actions
        assert read.text.strip() == answer.strip()
    else:
        assert "```" in answer or ":" in answer or answer.strip() != answer, "few texts cannot be carried"


def test_in_any_order_no_wrong_answer_is_a_right_one() -> None:
    wrong = wrong_answers("a\nb\nc", ("x",), "in_any_order")
    assert all(sorted(one.split("\n")) != ["a", "b", "c"] for one in wrong) and "b\nc" in wrong
    assert "c\nb\na" in wrong_answers("a\nb\nc", ("x",), "in_order")


SECTIONS = {
    "instruction": "Which sections does /root/a.ini have? Answer with their names, one per line{}.",
    "init": "printf '[main]\\nx=1\\n[cache]\\ny=2\\n[mail]\\n' > /root/a.ini",
    "reference": "sed -n 's/^\\[\\(.*\\)\\]$/\\1/p' /root/a.ini",
}


async def test_a_task_with_an_answer_of_lines_comes_in_and_is_judged(
    world: OsWorld, make_task: Callable[..., TaskSpec]
) -> None:
    evaluation = Script(code='[ "$1" = "$2" ]')
    said = {**SECTIONS, "instruction": SECTIONS["instruction"].format(", in any order")}
    spec = make_task(**said, check=Check(kind="script", scripts=(evaluation,), lines="in_any_order"))
    assert [probe for probe in await admit(world, spec) if not probe.passed] == []
    for answer, verdict in (
        ("mail\nmain\ncache", "passed"),
        ("mail\nmain", "failed"),
        ("- mail\n- main\n- cache", "passed"),
    ):
        async with world.open(spec) as episode:
            await episode.reset()
            await episode.step(Action("bash", "cat /root/a.ini"))
            await episode.step(Action("answer", answer))
            assert (await episode.verify()).name == verdict
    async with world.open(spec) as episode:
        await episode.reset()
        await episode.step(Action("bash", "ls /root"))
        await episode.step(Action("answer", "mail\nmain\ncache"))
        judged = await episode.verify()
    assert judged.name == "failed" and judged.detail.startswith("answer_not_earned")


async def test_several_lines_that_nobody_asked_for_are_refused(
    world: OsWorld, make_task: Callable[..., TaskSpec]
) -> None:
    spec = make_task(**{**SECTIONS, "instruction": "Which sections does /root/a.ini have?"})
    refused = (await admit(world, spec))[-1]
    assert not refused.passed and "the problem asks for one line, and the reference printed several" in refused.detail
