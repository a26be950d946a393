"""How replies are read: as the prompt asks for them, as models write them, and what cannot be read."""

from __future__ import annotations

import json

import pytest

import prompts
from environments.base import Action
from environments.dialects.tool_calls import ToolCalls
from environments.webshop.dialect import AgentBenchShop, ShopReAct
from schemas.completion import CompletionRequest
from schemas.message import Message, ToolCall
from teachers.scripted import receipt

PROMPT = prompts.load("solve_webshop")
REACT, BENCHMARK = ShopReAct(PROMPT), AgentBenchShop(PROMPT)
TOOLS = ToolCalls(prompts.load("solve_webshop_tools"))
REQUEST = CompletionRequest(
    purpose="collect_episodes", teacher="t", model="m", messages=(Message(role="user", content="?"),)
)
SEARCH, CLICK = Action("search", "red shoes"), Action("click", "buy now")


@pytest.mark.parametrize(
    ("reply", "thought", "action"),
    [
        ("Thought:\nI think so.\n\nAction:\nsearch[red shoes]", "I think so.", SEARCH),
        ("Thought: I think so.\nAction: search[red shoes]", "I think so.", SEARCH),
        ("Thought:\nFine.\n\nAction: \nclick[buy now]\n\nObservation:\nThank you", "Fine.", CLICK),
        ("I buy it.\n\n**Action:** click[buy now]", "I buy it.", CLICK),
        ("Thought: ok\nAction:\n```\nclick[buy now]\n```", "ok", CLICK),
        ("Thought: ok\nAction: `click[buy now]`", "ok", CLICK),
        ("### Thought\nok\n### Action\nsearch[red shoes]", "ok", SEARCH),
        ("I look for it first.\nsearch[red shoes]", "I look for it first.", SEARCH),
        ('{"thought": "ok", "action": "search", "keywords": "red shoes"}', "ok", SEARCH),
        ('{"thought": "ok", "action": "click", "action_input": "buy now"}', "ok", CLICK),
        ("Thought: ok\nAction: search(red shoes)", "ok", SEARCH),
        ('Thought: ok\nAction: click("buy now")', "ok", CLICK),
        ("Thought: ok\nAction: search\nAction Input: red shoes", "ok", SEARCH),
        ("Thought: ok\nAction: click: buy now", "ok", CLICK),
        ("Thought: ok\nAction: Click[buy now]", "ok", CLICK),
        ("Thought: ok\nAction: click[value=buy now]", "ok", CLICK),
        ("Thought: ok\nAction: search[red shoes] and then click[buy now]", "ok", SEARCH),
        ("Thought: ok\nAction:\nclick[buy now]\nAction:\nclick[back to search]", "ok", CLICK),
        ("<think>\nhm\n</think>\n\nThought: ok\nAction: click[buy now]", "hm\n\n\nok", CLICK),
        ('<tool_call>\n{"name": "search", "arguments": {"keywords": "red shoes"}}\n</tool_call>', None, SEARCH),
        ("Thought: ok\nAction: click[38 | 40 mm]", "ok", Action("click", "38 | 40 mm")),
        ("Thought: ok\nAction: click[8 ounce (pack of 6)]", "ok", Action("click", "8 ounce (pack of 6)")),
        ("Thought: ok\nAction: click[< prev]", "ok", Action("click", "< prev")),
        ("Thought: ok\nAction: click[next >]", "ok", Action("click", "next >")),
        ("Thought: ok\nAction: click on [buy now]", "ok", CLICK),
        ("Thought: ok\nAction: Click 'Buy Now'", "ok", Action("click", "Buy Now")),
        ("I buy the first one.\n\nAction:\n\nclick[buy now]", "I buy the first one.", CLICK),
        ("```\nThought: ok\nAction: click[buy now]\n```", "ok", CLICK),
        ("Thought: ok. Action: click[buy now]", "ok.", CLICK),
        ('{"name": "click_action", "arguments": {"value": "buy now"}}', None, CLICK),
        ("Thought: ok\n\nAction:\nclick[buy now]\n\nThought: done\n\nAction:\nclick[description]", "ok", CLICK),
        ("Thought: The price is 5 [cheap].\nAction: click[buy now]", "The price is 5 [cheap].", CLICK),
        ("> Thought: ok\n> Action: click[buy now]", "ok", CLICK),
        ("Thought: ok\nAction: click[buy now].", "ok", CLICK),
        ("<thought>ok</thought>\n<action>click[buy now]</action>", "ok", CLICK),
        ("Thought: 好\nAction: search[Café crème ☕]", "好", Action("search", "Café crème ☕")),
    ],
)
def test_react_reads_what_models_write(reply: str, thought: str | None, action: Action) -> None:
    reading = REACT.read_text(reply)
    assert [(one.kind, one.text) for one in reading.actions] == [(action.kind, action.text)]
    assert reading.thought == thought


UNREADABLE = (
    "",
    "I would rather talk about the weather.",
    "Thought: I look at it.\nAction:",
    "Thought: ok\nAction: search[]",
    "Thought: ok\nAction: click[ ]",
    "Action: think[hard]",
    "Action: buy[shoes]",
    "Final Answer: I bought it.",
    "Answer: done",
    "Action: 42",
    "Thought: ok\nAction:\n```bash\nls\n```",
    '{"action": "purchase"}',
    "null",
    "[1, 2]",
    "Action: " + "x" * 100_000,
    "Action: [[[[[[",
    "Action:\n```\n```",
)


@pytest.mark.parametrize("reply", UNREADABLE)
def test_what_cannot_be_read_is_no_action_and_has_a_reason(reply: str) -> None:
    reading = REACT.read_text(reply)
    assert reading.actions == () and reading.problem


@pytest.mark.parametrize(
    ("reply", "action"),
    [
        ("Thought:\nok\n\nAction:\nclick[buy now]", CLICK),
        ("Action: \nsearch[red shoes] or not", SEARCH),
        ("action:   \n   click[buy now]", CLICK),
        ("Action: click[buy now]", None),  # the paper's; later ones take it
        ("Action:\nclick[a [b] c]", Action("click", "a [b")),  # up to the first bracket
        ("Action:\n\nclick[buy now]", None),  # one line below, and no further
        ("ACTION:\nclick[buy now]", None),
        ("Action:\nClick[buy now]", None),
        ("Action:\n`click[buy now]`", None),
        ("click[buy now]", None),
        ("Action:\nclick[]", None),
    ],
)
def test_the_benchmark_s_dialect_reads_what_its_pattern_finds(reply: str, action: Action | None) -> None:
    reading = BENCHMARK.read_text(reply)
    assert list(reading.actions) == ([action] if action else []) and bool(reading.problem) == (action is None)


def called(*calls: tuple[str, str]) -> list[tuple[str, str]] | str:
    made = tuple(ToolCall(call_id=str(n), name=name, arguments=text) for n, (name, text) in enumerate(calls))
    reading = TOOLS.read(receipt(REQUEST, "").model_copy(update={"tool_calls": made}))
    return [(one.kind, one.text) for one in reading.actions] or reading.problem


@pytest.mark.parametrize(
    ("calls", "read"),
    [
        ([("search_action", '{"keywords": "red shoes"}')], [("search", "red shoes")]),
        ([("click_action", '{"value": "buy now"}')], [("click", "buy now")]),
        ([("click", '{"value": "buy now"}')], [("click", "buy now")]),
        ([("click_action", '"buy now"')], [("click", "buy now")]),
        ([("click_action", '{"button": "buy now"}')], [("click", "buy now")]),
        (
            [("search_action", '{"keywords": "x"}'), ("click_action", '{"value": "y"}')],
            [("search", "x"), ("click", "y")],
        ),
        ([("search_action", '{"keywords": ["a", "b"]}')], [("search", '["a","b"]')]),
        ([("search_action", "{}")], "the call of search_action lacks keywords"),
        ([("search_action", '{"keywords": ""}')], "the keywords of search_action is empty"),
        ([("buy", "{}")], "there is no tool 'buy'; there are search_action, click_action"),
    ],
)
def test_calls_are_searches_and_clicks(calls: list[tuple[str, str]], read: object) -> None:
    assert called(*calls) == read


def test_a_cut_reply_does_nothing_where_its_action_may_be_longer() -> None:
    cut = receipt(REQUEST, "Thought: ok\nAction: search[red sho").model_copy(update={"finish_reason": "length"})
    assert REACT.read(cut).actions == ()
    whole = receipt(REQUEST, "Thought: ok\nAction: search[red shoes]\nObs").model_copy(
        update={"finish_reason": "length"}
    )
    assert [one.text for one in REACT.read(whole).actions] == ["red shoes"]


def test_the_example_is_played_on_pages_as_the_shop_words_them() -> None:
    messages = PROMPT.sections(observation="", world={})[2:-1]
    for page, reply in zip(messages[::2], messages[1::2], strict=True):
        text, _, listed = page.removeprefix("Observation:\n").partition("\n\nAvailable Actions:\n")
        can = json.loads(listed.replace("'", '"').replace("False", "false").replace("True", "true"))
        for reading in (REACT.read_text(reply), BENCHMARK.read_text(reply)):
            (action,) = reading.actions
            assert action.kind == "search" or action.text in can["clickables"]
            assert reading.thought
        assert " [SEP] Instruction: [SEP] " in f" [SEP] {text}"
        assert all(one in text.lower() for one in can["clickables"])
