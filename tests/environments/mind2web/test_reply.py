"""How a choice is read: what models write, what AgentBench would have made of it, and what is told instead."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.base import Action
from environments.mind2web.dialect import CHOOSE, ChoiceText
from environments.mind2web.reply import Chosen, Unreadable, read_choice, write_choice
from environments.mind2web.state import OPERATIONS

DIALECT = ChoiceText(prompts.load("solve_mind2web"))
SELECT = Chosen("C", "SELECT", "2 adults")

READ = {
    "as the worked rounds": ("Thought: I set it.\nAnswer: C.\nAction: SELECT\nValue: 2 adults", "I set it.", SELECT),
    "without a thought": ("Answer: C.\nAction: SELECT\nValue: 2 adults", None, SELECT),
    "none of them": ("Thought: Nothing fits.\nAnswer: A.", "Nothing fits.", Chosen("A")),
    "none in words": ("Thought: No.\nAnswer: None of the above", "No.", Chosen("A")),
    "none, and what would be done": ("Answer: A.\nAction: CLICK\nValue: None", None, Chosen("A")),
    "bold labels": ("**Thought:** Set it.\n**Answer:** C\n**Action:** SELECT\n**Value:** 2 adults", "Set it.", SELECT),
    "bold values": ("Answer: **C**\nAction: **SELECT**\nValue: **2 adults**", None, SELECT),
    "a list": ("- Answer: C\n- Action: SELECT\n- Value: 2 adults", None, SELECT),
    "headings": ("### Answer: C\n### Action: SELECT\n### Value: 2 adults", None, SELECT),
    "a code block": ("```\nAnswer: C.\nAction: SELECT\nValue: 2 adults\n```", None, SELECT),
    "all on one line": ("Thought: Set it. Answer: C. Action: SELECT Value: 2 adults", "Set it.", SELECT),
    "the element behind the letter": ("Answer: C. <select id=2>\nAction: SELECT\nValue: 2 adults", None, SELECT),
    "a letter in brackets": ("Answer: (C)\nAction: select\nValue: 2 adults", None, SELECT),
    "a small letter": ("answer: c\naction: select\nvalue: 2 adults", None, SELECT),
    "option C": ("Answer: Option C\nAction: SELECT\nValue: 2 adults", None, SELECT),
    "final answer": ("Final Answer: C\nAction: SELECT\nValue: 2 adults", None, SELECT),
    "quotes around the value": ('Answer: C\nAction: SELECT\nValue: "2 adults"', None, SELECT),
    "select option": ("Answer: C\nAction: SELECT option\nValue: 2 adults", None, SELECT),
    "the value behind the action": ("Answer: C\nAction: SELECT: 2 adults", None, SELECT),
    "the value behind the action, bare": ("Answer: C\nAction: SELECT 2 adults", None, SELECT),
    "an option behind the action": ("Answer: C\nAction: SELECT option 2 adults", None, SELECT),
    "bold lines": ("**Answer: C**\n**Action: SELECT**\n**Value: 2 adults**", None, SELECT),
    "a remark behind": ("Answer: C\nAction: SELECT\nValue: 2 adults\n\nThis sets the number.", None, SELECT),
    "blank lines between": ("I set it.\n\nAnswer: C. `<a>`\n\nAction: SELECT\n\nValue: 2 adults", "I set it.", SELECT),
    "the value in brackets": ("Answer: C\nAction: SELECT(2 adults)", None, SELECT),
    "the action first": ("Action: SELECT\nValue: 2 adults\nAnswer: C.", None, SELECT),
    "windows line ends": ("Thought: Set it.\r\nAnswer: C.\r\nAction: SELECT\r\nValue: 2 adults", "Set it.", SELECT),
    "reasoning in the text": ("<think>Answer: B?</think>Answer: C.\nAction: SELECT\nValue: 2 adults", None, SELECT),
    "an object": ('{"thought": "Set it.", "answer": "C", "action": "SELECT", "value": "2 adults"}', "Set it.", SELECT),
    "an object in a block": ('```json\n{"answer": "C", "action": "SELECT", "value": "2 adults"}\n```', None, SELECT),
    "a value that is a number": ('{"answer": "C", "action": "TYPE", "value": 7}', None, Chosen("C", "TYPE", "7")),
    "a click with no value": ("Answer: F.\nAction: CLICK\nValue: None", None, Chosen("F", "CLICK")),
    "a click with a dash": ("Answer: F.\nAction: CLICK\nValue: -", None, Chosen("F", "CLICK")),
    "a click with a value": ("Answer: F.\nAction: CLICK\nValue: Go", None, Chosen("F", "CLICK", "Go")),
    "several rounds invented": (
        "Answer: B.\nAction: CLICK\n\n'''\n<html>\n'''\nAnswer: C.\nAction: TYPE\nValue: x", None, Chosen("B", "CLICK")
    ),
    "a value with a colon": ("Answer: B\nAction: TYPE\nValue: Re: hello", None, Chosen("B", "TYPE", "Re: hello")),
    "another script": ("Answer：B\nAction：TYPE\nValue：東京", None, Chosen("B", "TYPE", "東京")),
    "letters alone": ("B.\nCLICK", None, Chosen("B", "CLICK")),
    "A alone": ("A.", None, Chosen("A")),
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_what_models_write_is_read(name: str) -> None:
    reply, thought, chosen = READ[name]
    assert read_choice(reply) == (thought, chosen)


TOLD = {
    "nothing": ("", "no line `Answer:`"),
    "talk": ("I would rather talk about the weather.", "no line `Answer:`"),
    "no answer": ("Thought: hm.\nAction: CLICK", "no line `Answer:`"),
    "a word for a letter": ("Answer: Apple\nAction: CLICK", "name one letter"),
    "an article for a letter": ("Answer: a button that sends\nAction: CLICK", "name one letter"),
    "an element for a letter": ("Answer: <button id=2> Go\nAction: CLICK", "name one letter"),
    "a number for a letter": ("Answer: 3\nAction: CLICK", "name one letter"),
    "an empty answer": ("Answer:\nAction: CLICK", "name one letter"),
    "no action": ("Thought: I press it.\nAnswer: B.", "`Action:` is to be one of CLICK, TYPE, SELECT; there is none"),
    "an unknown action": ("Answer: B.\nAction: SET\nValue: a b c", "this says 'SET'"),
    "hovering": ("Answer: B.\nAction: HOVER", "this says 'HOVER'"),
    "typing nothing": ("Answer: B.\nAction: TYPE", "TYPE needs a line `Value:`"),
    "selecting nothing": ("Answer: B.\nAction: SELECT\nValue: None", "SELECT needs a line `Value:`"),
    "a value without end": ("Answer: B.\nAction: TYPE\nValue: " + "x" * 5000, "5,000 characters"),
    "an object without a letter": ('{"answer": ["B"], "action": "CLICK"}', "no text under `answer`"),
    "an object of another kind": ('{"function": "click", "id": 3}', "no text under `answer`"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_what_is_no_choice_is_told(name: str) -> None:
    reply, told = TOLD[name]
    with pytest.raises(Unreadable, match=re.escape(told)):
        read_choice(reply)
    reading = DIALECT.read_text(reply)
    assert reading.actions == () and told in reading.problem


def as_the_original(reply: str) -> tuple[str, str]:
    """What AgentBench's three patterns make of a reply: letter, and `OP value`."""
    letter = re.search(r"Answer: (A|B|C|D|E|F)", reply)
    action = re.search(r"Action: (CLICK|SELECT|TYPE)", reply)
    value = re.search(r"Value: (.*)$", reply, re.MULTILINE)
    said = f"{action[1] if action else ''} {value[1].strip() if value else ''}"
    return letter[1] if letter else "A", said.strip()


@given(
    st.sampled_from("ABCDEF"), st.sampled_from(OPERATIONS), st.text("abcdef XYZ0:'-", min_size=1, max_size=20),
    st.text("abc .", max_size=20),
)  # fmt: skip
def test_whole_replies_are_read_as_the_original_reads_them(letter: str, op: str, value: str, thought: str) -> None:
    value = " ".join(value.split())
    if not re.search(r"[a-zA-Z0]{2}", value) or value[0] in "'-" or value.lower() in ("none", "na", "nil", "null"):
        value = "some words"
    reply = f"Thought: {thought}\nAnswer: {letter}.\nAction: {op}\nValue: {value}"
    _, chosen = read_choice(reply)
    ours = (chosen.letter, chosen.action)
    assert ours == (as_the_original(reply) if letter != "A" else ("A", ""))


@given(st.sampled_from("BCDEF"), st.sampled_from(OPERATIONS), st.text(min_size=1, max_size=30), st.text(max_size=60))
def test_what_is_written_of_what_was_read_reads_the_same(letter: str, op: str, value: str, thought: str) -> None:
    reply = f"Thought: {thought}\nAnswer: {letter}.\nAction: {op}\nValue: {value}"
    try:
        _, chosen = read_choice(reply)
    except Unreadable:
        return
    assert read_choice(write_choice(chosen)) == (None, chosen)


@given(st.text(max_size=200))
def test_any_text_is_read_or_told(reply: str) -> None:
    reading = DIALECT.read_text(reply)
    assert bool(reading.actions) != bool(reading.problem)
    assert all(action.kind == CHOOSE for action in reading.actions)


def test_a_thought_that_holds_an_answer_does_not_read_back() -> None:
    action = Action(CHOOSE, write_choice(SELECT))
    assert read_choice(DIALECT.write_text("I set it.", action)) == ("I set it.", SELECT)
    thought, chosen = read_choice(DIALECT.write_text("So,\nAnswer: B.\nAction: CLICK", action))
    assert chosen == Chosen("B", "CLICK") and thought == "So,"
