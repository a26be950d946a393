"""Turns of the database world as models write them: each kind of deviation once or more, and what is no act at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.base import Action, Reading
from environments.db.dialect import DbDialect
from schemas.completion import Completion, CompletionRequest
from schemas.episode import Turn
from schemas.message import ToolCall
from teachers.scripted import receipt

DIALECT = DbDialect(prompts.load("solve_db"))
COUNT = Action("sql", "SELECT COUNT(*)\nFROM t")


def read(reply: str, *calls: ToolCall, is_cut: bool = False) -> Reading:
    request = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=())
    ended = {"finish_reason": "length" if is_cut else "stop", "tool_calls": calls}
    completion: Completion = receipt(request, reply).model_copy(update=ended)
    return DIALECT.read(completion)


@pytest.mark.parametrize(
    "reply",
    [
        "I count.\n\nAction: Operation\n```sql\nSELECT COUNT(*)\nFROM t\n```",
        "Thought: I count.\n**Action:** Operation\n```SQL \nSELECT COUNT(*)\nFROM t\n```",
        "**Thought**: I count.\n**Action**: Operation\n```postgresql\nSELECT COUNT(*)\nFROM t\n```",
        "### Thought\nI count.\n### Action\nOperation\n```\nSELECT COUNT(*)\nFROM t\n```",
        "I count.\nAction: Query\n~~~sqlite\nSELECT COUNT(*)\nFROM t\n~~~",
        "I count.\nAction: Operation\nSELECT COUNT(*)\nFROM t",
        "I count.\nAction: Operation\n\nSELECT COUNT(*)\nFROM t\n\nThis gives the number of rows.",
        "I count.\nAction: Operation\n```sql\nSELECT COUNT(*)\nFROM t",
        "I count.\nAction: Operation\n```sql SELECT COUNT(*)\nFROM t\n```",
        "I count.\nAction: Operation\n```sql\nSELECT COUNT(*)\nFROM t```",
        "I count.\nAction: Operation\n   ```sql\n   SELECT COUNT(*)\n   FROM t\n   ```",
        "I count.\nAction:\n```sql\nSELECT COUNT(*)\nFROM t\n```",
        "I count.\nAction: Operation\n```mysql\nmysql> SELECT COUNT(*)\n    -> FROM t\n```",
        "I count.\nAct: execute_sql\n```sql\nSELECT COUNT(*)\nFROM t\n```",
        "I count.\n\n```sql\nSELECT COUNT(*)\nFROM t\n```",
        "I count.\nAction: Operation\n```sql\nSELECT COUNT(*)\nFROM t\n```\nObservation: 3\nFinal Answer: [3]",
        "I count.\nAction: Operation\n```sql\nSELECT COUNT(*)\nFROM t\n```\nThen:\n```sql\nDELETE FROM t\n```",
        "I count.\nAction: Operation\nSELECT COUNT(*)\nFROM t\nFinal Answer: [3]",
        "```\nI count.\nAction: Operation\nSELECT COUNT(*)\nFROM t\n```",
        'I count.\n<tool_call>{"name": "execute_sql", "arguments": {"sql": "SELECT COUNT(*)\\nFROM t"}}</tool_call>',
        'I count.\n[TOOL_CALLS]execute_sql[ARGS]{"sql": "SELECT COUNT(*)\\nFROM t"}',
        '{"thought": "I count.", "action": "Operation", "query": "SELECT COUNT(*)\\nFROM t"}',
        '{"thought": "I count.", "sql": "SELECT COUNT(*)\\nFROM t"}',
    ],
)
def test_a_statement_is_read_in_any_dress(reply: str) -> None:
    reading = read(reply)
    assert (reading.thought, reading.actions, reading.problem) == ("I count.", (COUNT,), "")


@pytest.mark.parametrize(
    "reply",
    [
        "Action: Operation\nSELECT 1;\nThe result will be one.",
        "Action: Operation `SELECT 1;`",
        "Action: Operation: SELECT 1;",
        "Action: Operation - SELECT 1;",
        "Action: Operation\nAction Input: SELECT 1;",
        "Action: Operation\nSQL: SELECT 1;",
        "Action: SELECT 1;",
        "Action: Operation\n<sql>SELECT 1;</sql>",
        "Action: Operation ```sql SELECT 1; ```",
    ],
)
def test_a_short_statement_may_stand_on_its_label_s_line(reply: str) -> None:
    assert read(reply).actions == (Action("sql", "SELECT 1;"),)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ('Action: Answer\nFinal Answer: ["a", 1]', '["a", 1]'),
        ('**Action:** Answer\n**Final Answer:** ["a", 1]', '["a", 1]'),
        ('**Action: Answer**\n**Final Answer: ["a", 1]**', '["a", 1]'),
        ('Action: Answer\n["a", 1]', '["a", 1]'),
        ('Action: Answer: ["a", 1]', '["a", 1]'),
        ('Action: Final Answer: ["a", 1]', '["a", 1]'),
        ('Final Answer: ["a", 1]', '["a", 1]'),
        ('Answer: ["a", 1]', '["a", 1]'),
        ('The final answer is: ["a", 1]', '["a", 1]'),
        ('Action: Answer\nFinal Answer:\n```json\n["a", 1]\n```', '["a", 1]'),
        ('Action: Answer\nFinal Answer: `["a", 1]`', '["a", 1]'),
        ('Action: Answer\nFinal Answer: \\boxed{["a", 1]}', '["a", 1]'),
        ('Action: Answer\nFinal Answer: ["a", 1].', '["a", 1]'),
        ('```\nAction: Answer\nFinal Answer: ["a", 1]\n```', '["a", 1]'),
        ('Action: Answer\nFinal Answer: ["a", 1]\n\nUser: Right. Next:\n\nAction: Operation', '["a", 1]'),
        ('Action: Answer\nFinal Answer: ["a", 1]\n\nNote that it is sorted.', '["a", 1]'),
        ("Action: Answer\nFinal Answer: done", "done"),
        ("Action: Answer\nFinal Answer:\n- a\n- b", "- a\n- b"),
        ("Action: Answer\nFinal Answer:\n| a |\n| - |\n| b |", "| a |\n| - |\n| b |"),
        ('{"action": "Answer", "final_answer": ["a", 1]}', '["a",1]'),
        ('<tool_call>{"name": "answer", "arguments": {"answer": "[1]"}}</tool_call>', "[1]"),
    ],
)  # fmt: skip
def test_an_answer_s_own_text_is_delivered(reply: str, answer: str) -> None:
    assert read(reply).actions == (Action("answer", answer),)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        ("", "no `Action:` line"),
        ("I do not know.", "no `Action:` line"),
        ("Action: Operation", "without anything to run"),
        ("Action: Operation\n```sql\n\n```", "without anything to run"),
        ("Action: Operation\n```sql\n-- the statement\n```", "without anything to run"),
        ("Action: Operation\nI will count the rows of the table.", "without anything to run"),
        ("Action: Operation\n```python\nprint(1)\n```", "the block is python"),
        ("Action: Answer", "without a `Final Answer:` line"),
        ("Action: Look\nx", "no act among sql, answer"),
        ('<tool_call>{"name": "list_tables", "arguments": {}}</tool_call>', "no act 'list_tables'"),
    ],
)
def test_what_says_nothing_that_could_be_done_is_unreadable_with_a_reason(reply: str, problem: str) -> None:
    reading = read(reply)
    assert reading.actions == () and problem in reading.problem


@pytest.mark.parametrize(
    "reply",
    [
        "Action: Operation\n```sql\nSELECT name FROM t WHE",
        "Action: Operation\nSELECT name FROM t WHE",
        'Action: Answer\nFinal Answer: ["a", "b',
        "Action: Answer\nFinal Answer: The num",
        "First I",
    ],
)
def test_a_reply_that_was_cut_before_its_act_was_whole_says_so(reply: str) -> None:
    reading = read(reply, is_cut=True)
    assert reading.actions == () and "cut at the maximum" in reading.problem


def test_an_act_that_was_whole_before_the_cut_counts() -> None:
    assert read("Action: Operation\n```sql\nSELECT COUNT(*)\nFROM t\n```\nThis cou", is_cut=True).actions == (COUNT,)
    assert read('Action: Answer\nFinal Answer: ["a"]\n\nI took', is_cut=True).actions[0].kind == "answer"


def test_a_native_call_counts_where_the_text_has_no_act() -> None:
    call = ToolCall(call_id="1", name="execute_sql", arguments='{"sql": "SELECT COUNT(*)\\nFROM t"}')
    assert read("I count.", call) == Reading("I count.", (COUNT,))


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")) | st.sampled_from("\n`~:*#()[]\"' "), min_size=1
)
MARKS = st.sampled_from(
    ["Action: Answer", "```", "```sql", "Thought: x", "Final Answer: 1", "SELECT 1", "-- a", "**", "{}"]
)
ROUGH = st.lists(TEXT | MARKS, min_size=1, max_size=6).map("\n".join)


@given(thought=st.none() | ROUGH, text=ROUGH, kind=st.sampled_from(["sql", "answer"]))
def test_what_is_written_is_read_back_or_refused(thought: str | None, text: str, kind: str) -> None:
    given_turn = {"index": 0, "observation": "?", "thought": thought, "thought_source": None}
    turn = Turn(episode_id="e", landing="l", action=text, action_kind=kind, **given_turn)
    if DIALECT.reads_back(turn):
        (action,) = DIALECT.read_text(DIALECT.write_text(thought, Action(kind, text))).actions
        assert (action.kind, action.text.strip()) == (kind, text.strip())


@given(ROUGH, st.booleans())
def test_no_reply_breaks_the_reader(reply: str, is_cut: bool) -> None:
    reading = read(reply, is_cut=is_cut)
    assert (not reading.actions) == bool(reading.problem)
    assert all(action.text.strip() for action in reading.actions)
