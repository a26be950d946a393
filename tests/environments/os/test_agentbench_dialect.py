"""The `agentbench` dialect reads the shell's turns as AgentBench does, and what it writes it reads again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.base import Action
from environments.os.agentbench_dialect import AgentBenchOs

DIALECT = AgentBenchOs(prompts.load("solve_os"))


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        ("Think: look\n\nAct: bash\n\n```bash\nls\n```", Action("bash", "ls")),
        ("Act: bash\n```bash\na\n```\nand\n```bash\nb\n```", Action("bash", "a\n\nb")),
        ("Act: bash", Action("bash", "")),
        ("Act: Finish", Action("finish")),
        ("Act: ANSWER(220)", Action("answer", "220")),
        ("Act: answer(f(x) (y)) ok", Action("answer", "f(x) (y)")),
        ("Act: answer()", Action("answer", "")),
        ("Act: bash\n```bash\nls\n```\nAct: finish", Action("finish")),
        ("Act: finish\nAct: answer 5", Action("finish")),
        ("Act: finish\nAct: dance(5)", Action("finish")),
        ("I will now\nAct:\n\nfinish", Action("finish")),
    ],
)
def test_the_last_act_that_can_be_understood_wins(reply: str, action: Action) -> None:
    assert DIALECT.read_text(reply).actions == (action,)


def test_all_think_lines_are_the_thought() -> None:
    assert DIALECT.read_text("Think: one\nThink:  two\nAct: finish").thought == "one\ntwo"
    assert DIALECT.read_text("Act: finish").thought is None


def test_a_reply_without_an_act_is_malformed_and_kept_as_the_candidate() -> None:
    reading = DIALECT.read_text("ls -l")
    assert reading.actions == ()
    assert reading.problem == "no `Act:` line"
    assert reading.candidate == "ls -l"


def test_an_unknown_act_is_malformed_and_named() -> None:
    reading = DIALECT.read_text("Act: answer 5")
    assert reading.actions == ()
    assert "answer 5" in reading.problem
    assert reading.candidate == "answer 5"


LINE = (
    st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1)
    .map(str.strip)
    .filter(lambda line: line and not any(mark in line for mark in ("Act:", "Think:", "```")))
)
THOUGHT = st.none() | st.lists(LINE, min_size=1, max_size=3).map("\n".join)
ACTION = st.one_of(
    st.lists(LINE, min_size=1, max_size=4).map(lambda lines: Action("bash", "\n".join(lines))),
    LINE.map(lambda answer: Action("answer", answer)),
    st.just(Action("finish")),
)


@given(THOUGHT, ACTION)
def test_reading_is_the_inverse_of_writing(thought: str | None, action: Action) -> None:
    reading = DIALECT.read_text(DIALECT.write_text(thought, action))
    assert (reading.thought, reading.actions) == (thought, (action,))


@given(st.text())
def test_no_reply_breaks_the_reader(reply: str) -> None:
    reading = DIALECT.read_text(reply)
    assert (not reading.actions) == bool(reading.problem)
