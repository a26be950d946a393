"""The `agentbench` dialect reads turns of the database world as dbbench does, and what is written is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.base import Action
from environments.db.agentbench_dialect import AgentBenchDb

DIALECT = AgentBenchDb(prompts.load("solve_db"))
LINES = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="`*"), min_size=1)
TEXT = st.lists(LINES, min_size=1, max_size=3).map("\n".join).filter(lambda text: ":" not in text)


@given(st.none() | TEXT, TEXT, st.sampled_from(["sql", "answer"]))
def test_reading_is_the_inverse_of_writing(thought: str | None, text: str, kind: str) -> None:
    reading = DIALECT.read_text(DIALECT.write_text(thought, Action(kind, text)))
    assert (reading.thought, reading.actions) == (thought, (Action(kind, text),))


def test_the_first_action_counts_and_sql_keeps_its_lines() -> None:
    reply = "I count.\n\nAction: Operation\n```sql\nSELECT 1 -- one\nFROM t\n```\nAction: Answer\nFinal Answer: 3"
    assert DIALECT.read_text(reply).actions == (Action("sql", "SELECT 1 -- one\nFROM t"),)


@pytest.mark.parametrize(
    "reply",
    [
        "Thought: done\n**Action:** Answer\n**Final Answer:** [1]",
        "done\nAction: answer\nFinal Answer:[1]",
        "done\nFinal Answer: [1]",
        "done\nAction: Finish\nFinal Answer: [1]",
    ],
)
def test_answers_are_read_as_leniently_as_the_benchmark_does(reply: str) -> None:
    reading = DIALECT.read_text(reply)
    assert (reading.thought, reading.actions) == ("done", (Action("answer", "[1]"),))


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("I do not know.", "no `Action:` line"),
        ("", "no `Action:` line"),
        ("```sql\nSELECT 1\n```", "no `Action:` line"),
        ("Action: Operation\nSELECT 1", "without a ```sql block"),
        ("Action: Operation\n```sql\n\n```", "without a ```sql block"),
        ("Action: Answer\n42", "without a `Final Answer:` line"),
    ],
)
def test_a_reply_that_says_nothing_runnable_is_malformed(reply: str, problem: str) -> None:
    reading = DIALECT.read_text(reply)
    assert reading.actions == ()
    assert problem in reading.problem
