"""One way to say messages and calls: every export writes the same of them, and tells the same calls as broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from formats.releases.spoken import arguments_of, speak, spell_call, tools_of
from schemas.message import Message, ToolCall
from tests.formats.releases.test_trainers import FORMS, call, export, row, say

BROKEN = {
    "no JSON": "{path: /}",
    "a list": '["/"]',
    "a text": '"/"',
    "null": "null",
    "no number of JSON": '{"at": NaN}',
    "beyond what a double holds": '{"at": 1e999}',
    "an integer that no JSON reader of 64 bits keeps": '{"at": 123456789012345678901}',
    "half a pair of surrogates": '{"at": "\\ud800"}',
    "cut off": '{"at": ',
    "too deep": '{"at": ' + "[" * 2000 + "]" * 2000 + "}",
}
PARSING = ("axolotl", "llamafactory", "llamafactory-v1", "megatron-bridge", "ms-swift", "trl")


def calling(arguments: str) -> Message:
    return say("assistant", "", True, tool_calls=(call(1, arguments),))


@pytest.mark.parametrize("arguments", BROKEN.values(), ids=BROKEN)
def test_arguments_that_cannot_be_said_are_broken_in_every_export_that_parses_them(arguments: str) -> None:
    held = row(say("user", "Look."), calling(arguments))
    assert arguments_of(held.messages[1].tool_calls[0]) is None
    assert {name: export(FORMS[name], held) for name in PARSING} == dict.fromkeys(PARSING, "broken_arguments")


@pytest.mark.parametrize("arguments", ["", "{}"])
def test_no_arguments_are_an_empty_object_in_every_export(arguments: str) -> None:
    held = row(say("user", "Look."), calling(arguments))
    written = {name: json.dumps(export(FORMS[name], held)) for name in (*PARSING, "openai")}
    same = {name: json.dumps(export(FORMS[name], row(say("user", "Look."), calling("{}")))) for name in written}
    assert written == same


@pytest.mark.parametrize("parsed", [True, False])
def test_a_message_is_said_without_what_is_empty(parsed: bool) -> None:
    made = ToolCall(call_id="c1", name="ls", arguments='{"path": "/é", "n": 1.0}')
    said = speak(say("assistant", "I look.", True, tool_calls=(made,), reasoning_content="Hm."), parsed=parsed)
    given = {"path": "/é", "n": 1.0} if parsed else made.arguments
    assert said == {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "ls", "arguments": given}}],
        "reasoning_content": "Hm.",
    }
    assert speak(say("tool", "etc", tool_call_id="c1")) == {"role": "tool", "content": "etc", "tool_call_id": "c1"}
    assert speak(say("assistant", "")) == {"role": "assistant", "content": ""}


def test_a_call_in_words_is_one_json_text() -> None:
    assert spell_call(call(1, '{"path":"/é"}')) == '{"name": "ls", "arguments": {"path": "/é"}}'
    assert tools_of(None) == tools_of("") == {}
    assert tools_of('[{"type": "function"}]') == {"tools": [{"type": "function"}]}


def test_no_export_reads_arguments_or_opens_its_lines_by_itself() -> None:
    """The class of which a case was found: an export with a reading of its own."""
    folder = Path(__file__).parents[3] / "formats" / "releases"
    signs = ("loads(call.arguments", 'jsonl").open(', "write_call(call)}")
    texts = {path.name: path.read_text() for path in folder.glob("*.py")}
    own = {name: [one for one in signs if one in text] for name, text in texts.items()}
    assert {name for name, found in own.items() if found} == set()
