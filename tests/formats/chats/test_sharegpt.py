"""What ShareGPT rows say, in all their spellings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.chats import sharegpt
from formats.chats.chat import Chat, RawRow, Unreadable, normalise_model, read_rows
from formats.chats.sharegpt import read_chat
from schemas.rejection import Rejection


def messages(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"from": name, "value": text} for name, text in pairs]


def reason(value: Any) -> str:
    found = read_chat(value)
    assert isinstance(found, Unreadable)
    return found.reason


@pytest.mark.parametrize(
    ("human", "gpt"),
    [("human", "gpt"), ("user", "chatgpt"), ("user", "bard"), ("Human", "bing"), ("user", "assistant")],
)
def test_all_spellings_of_the_two_roles_are_read(human: str, gpt: str) -> None:
    chat = read_chat({"id": "a_0", "conversations": messages((human, "Hi"), (gpt, "Hello"))})
    assert chat == Chat("a_0", None, [("user", "Hi"), ("assistant", "Hello")])


def test_openai_messages_are_read_with_text_parts_joined() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": parts}]}
    assert read_chat(row) == Chat(None, None, [("user", "Hi"), ("assistant", "Hello")])


def test_a_system_column_becomes_the_first_message() -> None:
    chat = read_chat({"system": "Be brief.", "conversations": messages(("human", "Hi"), ("gpt", "Hello"))})
    assert isinstance(chat, Chat)
    assert chat.messages[0] == ("system", "Be brief.")


@pytest.mark.parametrize("role", ["function_call", "observation", "tool", "function"])
def test_tool_roles_are_told_apart_from_unknown_ones(role: str) -> None:
    assert reason({"conversations": messages(("human", "Hi"), (role, "{}"))}) == "tool_roles"
    assert reason({"conversations": messages(("human", "Hi"), ("narrator", "Then"))}) == "unknown_role"


def test_tool_calls_without_text_and_plugins_are_tool_chats() -> None:
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}
    assert reason({"messages": [{"role": "user", "content": "Hi"}, called]}) == "tool_roles"
    assert reason({"plugins": ["browser"], "conversations": messages(("human", "Hi"))}) == "tool_roles"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "not_an_object"),
        ([1], "not_an_object"),
        ({}, "no_messages"),
        ({"conversations": []}, "no_messages"),
        ({"conversations": "text"}, "no_messages"),
        ({"conversations": ["text"]}, "malformed_message"),
        ({"conversations": [{"from": "human"}]}, "malformed_message"),
        ({"conversations": [{"from": "human", "value": 5}]}, "malformed_message"),
        ({"conversations": [{"from": "human", "value": [{"type": "image"}]}]}, "media"),
        ({"conversations": [{"from": "human", "value": [{"type": "refusal"}]}]}, "malformed_message"),
        ({"conversations": [{"value": "Hi"}]}, "unknown_role"),
        ({"conversations": [{"from": ["human"], "value": "Hi"}]}, "unknown_role"),
    ],
)
def test_what_is_no_chat_has_a_reason(value: Any, expected: str) -> None:
    assert reason(value) == expected


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Model: GPT-4", "gpt-4"),
        ("gpt4", "gpt-4"),
        ("gpt-4-0314", "gpt-4"),
        ("gpt-4-32k-0613", "gpt-4"),
        ("GPT-4 Turbo", "gpt-4-turbo"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("Default (GPT-3.5)", "gpt-3.5"),
        ("gpt-3.5-turbo-0301", "gpt-3.5-turbo"),
        ("gpt-35-turbo", "gpt-3.5-turbo"),
        ("offline-a", "offline-a"),
        ("Vicuna 13B v1.5", "vicuna-13b-v1.5"),
        ("Model: ", None),
        ("", None),
    ],
)
def test_a_model_has_one_name(said: str, name: str | None) -> None:
    assert normalise_model(said) == name


def test_the_model_is_read_from_either_column() -> None:
    chats = [read_chat({key: "gpt4", "conversations": messages(("human", "Hi"))}) for key in ("model", "source_model")]
    assert [chat.model for chat in chats if isinstance(chat, Chat)] == ["gpt-4", "gpt-4"]


def test_a_bad_line_is_a_rejection_with_file_line_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "wild.txt"
    path.write_bytes(b'{"a": 1}\n{"a": \n{"a": "\xff"}\n\nnull\n')
    first, truncated, not_utf8, scalar = read_rows(path)
    assert first == RawRow("wild.txt", 1, b'{"a": 1}', {"a": 1})
    assert isinstance(truncated, Rejection)
    assert (truncated.stage, truncated.reason, truncated.source) == ("ingest", "not_json", "wild.txt:2")
    assert truncated.raw == '{"a":'
    assert isinstance(not_utf8, Rejection)
    assert (not_utf8.reason, not_utf8.source) == ("not_json", "wild.txt:3")
    assert isinstance(scalar, RawRow)
    assert scalar.source == "wild.txt:5"


def test_a_cut_file_is_one_rejection(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text('[{"a": 1}, {"a": 2}, {"conver')
    *whole, cut = read_rows(path)
    assert [row.value for row in whole if isinstance(row, RawRow)] == [{"a": 1}, {"a": 2}]
    assert isinstance(cut, Rejection)
    assert (cut.reason, cut.source, cut.raw) == ("cut_off", "cut.json:3", '{"conver')


_WORDS = st.sampled_from(["Hi", "", "<image> what is it?", "a < b", "<video>"])
_PLAIN_ITEMS = st.fixed_dictionaries(
    {"from": st.sampled_from(["human", "gpt", "GPT ", "system", "who"]), "value": _WORDS},
    optional={"weight": st.sampled_from([0, 1]), "images": st.just(["a.png"])},
) | st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", None]), "content": _WORDS | st.none()})
_PLAIN_ROWS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from([None, 7, "a"]),
        "model": st.sampled_from(["Model: GPT-4", None, 3]),
        "conversations": st.lists(_PLAIN_ITEMS, max_size=4) | st.none(),
        "messages": st.lists(_PLAIN_ITEMS, max_size=2),
        "system": st.just("Be brief."),
    },
)


@settings(deadline=None, max_examples=400)
@given(row=_PLAIN_ROWS)
def test_a_row_of_nothing_but_words_is_read_as_any_other(row: dict[str, Any]) -> None:
    assert sharegpt.read_chat(row) == sharegpt._read_any(row)


@pytest.mark.parametrize("key", ["conversations", "messages"])
def test_a_list_that_is_spelled_as_a_text_of_json_is_read(key: str) -> None:
    told = messages(("human", "Hi"), ("gpt", "Hello"))
    assert read_chat({"id": "a", key: json.dumps(told)}) == Chat("a", None, [("user", "Hi"), ("assistant", "Hello")])


@pytest.mark.parametrize("text", ["[{'from': 'human'}]", "[1, ", "Hi", "[\ud800]"])
def test_a_text_that_holds_no_list_is_said_to_be_one(text: str) -> None:
    found = read_chat({"id": "a", "conversations": text})
    assert isinstance(found, Unreadable) and found.reason == "no_messages"
    assert "conversations is a text that holds no JSON list" in found.detail
