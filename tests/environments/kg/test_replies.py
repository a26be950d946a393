"""Replies as models write them, each read as the act that it means, or told why not. The first act counts."""

from __future__ import annotations

import orjson
import pytest

import prompts
from environments.base import Action, Reading
from environments.dialects.tool_calls import ToolCalls
from environments.kg.dialect import KgDialect
from schemas.completion import Completion, CompletionRequest
from schemas.message import Message, ToolCall
from teachers.scripted import receipt

REACT = KgDialect(prompts.load("solve_kg"))
TOOLS = ToolCalls(prompts.load("solve_kg_tools"))


def completion(reply: str, *calls: tuple[str, str]) -> Completion:
    request = CompletionRequest(
        purpose="collect_episodes", teacher="t", model="m", messages=(Message(role="user", content="?"),)
    )
    made = tuple(ToolCall(call_id=f"c{n}", name=name, arguments=text) for n, (name, text) in enumerate(calls))
    return receipt(request, reply).model_copy(update={"tool_calls": made})


def read(reply: str, *calls: tuple[str, str]) -> Reading:
    return REACT.read(completion(reply, *calls))


def said(reading: Reading) -> list[tuple[str, str]]:
    return [(action.kind, action.text) for action in reading.actions]


def neighbors(variable: str, relation: str) -> tuple[str, str]:
    return "get_neighbors", orjson.dumps({"relation": relation, "variable": variable}).decode()


ONE = ("get_relations", "Vessa Reach")
READ = {
    "Thought: I look.\nAction: get_relations(Vessa Reach)": ONE,
    "Action: get_relations(Vessa Reach)": ONE,
    "**Thought:** I look.\n**Action:** `get_relations(Vessa Reach)`": ONE,
    "Thought: I look.\n\nAction:\nget_relations(Vessa Reach)": ONE,
    "Thought: I look.\nAction:\n```\nget_relations(Vessa Reach)\n```": ONE,
    "Thought: I look.\nAction: ```get_relations(Vessa Reach)```": ONE,
    "Thought: I look.\nAction 1: get_relations(variable: Vessa Reach)": ONE,
    'Thought: I look.\nAction: get_relations("Vessa Reach")': ONE,
    "Action: get_relations(variable='Vessa Reach').": ONE,
    "Action: Get_Relations(Vessa Reach)": ONE,
    "Action: I call get_relations(Vessa Reach)": ONE,
    "Action: get\\_relations(Vessa Reach)": ONE,
    "Thought: I look.\nAction: get_relations\nAction Input: Vessa Reach": ONE,
    'Thought: I look.\nAction: get_relations\nAction Input: {"variable": "Vessa Reach"}': ONE,
    '{"thought": "I look.", "action": "get_relations", "action_input": {"variable": "Vessa Reach"}}': ONE,
    '{"name": "get_relations", "arguments": {"variable": "Vessa Reach"}}': ONE,
    '<tool_call>\n{"name": "get_relations", "arguments": {"variable": "Vessa Reach"}}\n</tool_call>': ONE,
    "I look at the port first.\n\nget_relations(Vessa Reach)": ONE,
    "Thought: a\nAction: get_relations(Vessa Reach)\nObservation: [x]\nThought: b\nAction: count(#0)": ONE,
    "Action: get_relations(Vessa Reach), get_relations(#0)": ONE,
    "Thought: I look.\nAction: get_relations(Vessa Reach)\nFinal Answer: #3": ONE,
    "Action: get_relations(The Keel, the Keel)": ("get_relations", "The Keel, the Keel"),
    "Action: get_relations(Low Tide (Slow Air))": ("get_relations", "Low Tide (Slow Air)"),
    "Action: get_neighbors(Vessa Reach, travel.port.region)": neighbors("Vessa Reach", "travel.port.region"),
    "Action: get_neighbors(#0,travel.ship.captain)": neighbors("#0", "travel.ship.captain"),
    "Action: get_neighbors(variable #0, 'travel.ship.captain')": neighbors("variable #0", "travel.ship.captain"),
    "Action: get_neighbors(variable=#0, relation=travel.ship.captain)": neighbors("#0", "travel.ship.captain"),
    "Action: get_neighbors(The Keel, the Keel, culture.song.about)": neighbors(
        "The Keel, the Keel", "culture.song.about"
    ),
    "Action: get_neighbors(#0, travel.ship.ports\\_called)": neighbors("#0", "travel.ship.ports_called"),
    'Action: get_neighbors\nAction Input: {"variable": "#0", "relation": "a.b.c"}': neighbors("#0", "a.b.c"),
    "Action: get_neighbors\nAction Input: #0, a.b.c": neighbors("#0", "a.b.c"),
    "Action: intersection(#0, #1)": ("intersection", '{"variable1":"#0","variable2":"#1"}'),
    "Action: argmax(#2, travel.ship.crew)": ("argmax", '{"attribute":"travel.ship.crew","variable":"#2"}'),
    "Action: count(#2)": ("count", "#2"),
    "Thought: It is #3.\nFinal Answer: #3": ("answer", "#3"),
    "Thought: It is.\nFind Answer: #3": ("answer", "#3"),
    "**Final Answer:** #3": ("answer", "#3"),
    "Final Answer: variable #3": ("answer", "#3"),
    "Final Answer: #3, which holds the captains (not #2).": ("answer", "#3"),
    "Final Answer:\n#3": ("answer", "#3"),
    "Action: Final Answer: #3": ("answer", "#3"),
    "Action: answer(#3)": ("answer", "#3"),
    "Action: Final Answer(#3)": ("answer", "#3"),
    "Thought: There it is.\n\nThe final answer is #3.": ("answer", "#3"),
    "Final Answer: `#3`": ("answer", "#3"),
    "Thought: I have #0. Action: get_relations(Vessa Reach)": ONE,
    "Action: get_relations(Vessa Reach)  # what leads on": ONE,
    "<think>\nget_relations(#0)?\n</think>\nAction: get_relations(`Vessa Reach`)": ONE,
    "Action: Finish[#3]": ("answer", "#3"),
    "So I am done, and the Final Answer: #3 it is.": ("answer", "#3"),
    "Final Answer: \\#12": ("answer", "#12"),
    "思考：我看看。\n行动：get_relations(Vessa Reach)": ONE,
    "Action: union(#0, #1)": ("call", "union(#0, #1)"),
    "Action: search(Vessa Reach)": ("call", "search(Vessa Reach)"),
    "Action: get_neighbors(#0)": ("get_neighbors", '{"variable":"#0"}'),
    "Action: get_relations()": ("get_relations", ""),
}
"""Reply -> the act that it is."""


@pytest.mark.parametrize("reply", READ)
def test_a_reply_is_read(reply: str) -> None:
    reading = read(reply)
    assert said(reading) == [READ[reply]], reading


@pytest.mark.parametrize(
    ("reply", "thought"),
    [
        ("Thought: There it is.\n\nThe final answer is #3.", "There it is."),
        ("#3 holds them. Thus the Final Answer: #3", "#3 holds them."),
        ("So the Final Answer: #3", None),
        ("Thought: I look.\nAction: count(#0)", "I look."),
    ],
)
def test_what_stands_before_an_act_is_its_thought(reply: str, thought: str | None) -> None:
    assert read(reply).thought == thought


UNREAD = {
    "": "No executable function found!",
    "I would rather talk about the weather.": "No executable function found!",
    "Final Answer: the captain of the Silver Heron": "A final answer names a variable",
    "Final Answer: 3": "A final answer names a variable",
    "Thought: done.\nFinal Answer:": "A final answer names a variable",
    "Action: get_relations(Vessa Reach": "No executable function found!",
    "Action: look around": "No executable function found!",
    "Action:": "No executable function found!",
    "Thought: get_relations(Vessa Reach) might help, but so might others.": "No executable function found!",
    "[1, 2]": "No executable function found!",
    "```": "No executable function found!",
    '{"action": "get_relations"}': "get_relations came without its arguments",
    "Action: get_neighbors\nAction Input: {broken": "no JSON",
    "(" * 3000 + "get_relations": "No executable function found!",
}
"""Reply -> what is told about it."""


@pytest.mark.parametrize("reply", UNREAD)
def test_what_is_no_act_is_told(reply: str) -> None:
    reading = read(reply)
    assert reading.actions == () and UNREAD[reply] in reading.problem, reading


@pytest.mark.parametrize(
    "reply",
    [
        "Action: get_relations(" + "x" * 200_000 + ")",
        "Action: " + "(" * 5000,
        "\x00" * 1000,
        "Action: f(" * 3000,
        "Action: " + "f(" * 9999 + ")" * 9999,
    ],
)
def test_a_hostile_reply_is_read_within_reason(reply: str) -> None:
    assert len(read(reply).actions) <= 1


def test_a_native_call_is_read_where_the_text_has_no_act() -> None:
    assert said(read("I look.", ("get_relations", '{"variable": "Vessa Reach"}'))) == [ONE]
    assert said(read("", ("intersection", '{"variable1": "#0", "variable2": "#1"}'))) == [
        ("intersection", '{"variable1":"#0","variable2":"#1"}')
    ]


@pytest.mark.parametrize(
    "action",
    [
        Action("get_relations", "Low Tide (Slow Air)"),
        Action("get_relations", "The Keel, the Keel"),
        Action.of("get_neighbors", {"variable": "The Keel, the Keel", "relation": "culture.song.about"}),
        Action.of("argmin", {"variable": "#0", "attribute": "a.b"}),
        Action("answer", "#11"),
        Action("call", "union(#0, #1)"),
    ],
)
@pytest.mark.parametrize("thought", [None, "I think.", "Two lines:\nget_relations(#0) or count(#0)?"])
def test_what_is_written_is_read_as_the_same(action: Action, thought: str | None) -> None:
    reading = REACT.read_text(REACT.write_text(thought, action))
    assert (said(reading), reading.thought) == ([(action.kind, action.text)], thought)


# Native tool calls.


@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("get_relations", '{"variable": "Vessa Reach"}', [ONE]),
        ("get_relations", "Vessa Reach", [ONE]),
        ("get_relations", '{"entity": "Vessa Reach"}', [ONE]),
        ("functions.get_neighbors:0", '{"variable": "#0", "relation": "a.b"}', [neighbors("#0", "a.b")]),
        ("get_neighbors", '{"variable": "#0"}', []),
        ("get_neighbors", '{"variable": 0, "relation": "a.b"}', []),
        ("union", '{"variable1": "#0", "variable2": "#1"}', []),
        ("answer", '{"variable": "#3"}', [("answer", "#3")]),
        ("answer", '{"variable": 3}', [("answer", "3")]),
    ],
)
def test_a_native_call_is_read_or_told(name: str, arguments: str, wanted: list[tuple[str, str]]) -> None:
    reading = TOOLS.read(completion("", (name, arguments)))
    assert said(reading) == wanted and bool(reading.problem) == (not wanted)


def test_several_native_calls_are_acts_in_their_order() -> None:
    calls = [("get_relations", '{"variable": "#0"}'), ("count", '{"variable": "#0"}')]
    assert said(TOOLS.read(completion("", *calls))) == [("get_relations", "#0"), ("count", "#0")]
