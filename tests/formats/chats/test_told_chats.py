"""Rows as they are found in the wild: filled columns, masks, calls, media, parts, Alpaca."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from formats.catalogue import find_importers
from formats.chats.agentinstruct import write_messages
from formats.chats.chat import Chat, ChatRow, Unreadable
from formats.chats.sharegpt import IMPORTER, read_chat
from schemas.message import Message

ASK, REPLY = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}
PLAIN = [("user", "Why?"), ("assistant", "So.")]


def read(value: Any) -> Chat:
    chat = read_chat(value)
    assert isinstance(chat, Chat), chat
    return chat


def reason(value: Any) -> str:
    chat = read_chat(value)
    assert isinstance(chat, Unreadable), chat
    return chat.reason


def trained(chat: Chat) -> list[bool]:
    said = [m if isinstance(m, Message) else Message(role=m[0], content=m[1], train=True) for m in chat.messages]
    return [message.train for message in said if message.role == "assistant"]


NULLS = {"from": None, "value": None, "tool_calls": None, "name": None, "weight": None, "images": None, "text": None}
FILLED: dict[str, dict[str, Any]] = {
    "another list is null": {"conversations": None, "messages": [ASK, REPLY]},
    "another list is empty": {"conversations": [], "messages": [ASK, REPLY]},
    "another list is a text": {"conversations": "", "messages": [ASK, REPLY]},
    "a list behind is null": {"conversations": [ASK, REPLY], "messages": None, "items": None},
    "turns have null fields": {"messages": [ASK | NULLS, REPLY | NULLS]},
    "turns have empty fields": {"messages": [ASK | {"from": "", "value": ""}, REPLY | {"from": "", "value": ""}]},
    "role and content are null": {
        "conversations": [
            {"from": "human", "value": "Why?", "role": None, "content": None},
            {"from": "gpt", "value": "So.", "role": None, "content": None},
        ]
    },
    "the row has null fields": {
        "messages": [ASK, REPLY],
        **dict.fromkeys(["id", "model", "system", "tools", "plugins", "images", "loss", "instruction"]),
    },
    "the row has empty fields": {"messages": [ASK, REPLY], "images": [], "tools": "[]", "plugins": [], "videos": []},
}


@pytest.mark.parametrize("filled", FILLED)
def test_columns_that_are_null_or_empty_say_nothing(filled: str) -> None:
    assert list(read(FILLED[filled]).messages) == PLAIN


@pytest.mark.parametrize("key", ["conversations", "messages", "conversation", "items", "dialog", "dialogue", "turns"])
def test_every_name_of_the_list_is_known(key: str) -> None:
    assert list(read({key: [ASK, REPLY]}).messages) == PLAIN


MASKS = ["weight", "loss", "train", "loss_weight", "trainable", "step_loss_mask", "loss_mask", "training"]


@pytest.mark.parametrize("said", [0, 0.0, False, "false", "0"])
@pytest.mark.parametrize("name", MASKS)
def test_a_reply_that_its_source_masks_is_not_trained_on(name: str, said: Any) -> None:
    row = {"messages": [ASK, REPLY | {name: said}, ASK, REPLY | {name: 1}, ASK, REPLY | {name: None}]}
    assert trained(read(row)) == [False, True, True]


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_of_the_row_holds_for_its_replies(name: str) -> None:
    whole = {"messages": [ASK, REPLY, ASK, REPLY]}
    assert trained(read(whole | {name: 0})) == [False, False]
    assert trained(read(whole | {name: 1})) == [True, True]
    assert trained(read(whole | {name: [0, 1]})) == [False, True]
    assert trained(read(whole | {name: [0, 1, 0, 0]})) == [True, False]
    assert reason(whole | {name: [0, 1, 1]}) == "unknown_mask"


@pytest.mark.parametrize("said", [0.5, 2, -1, "maybe", {}, [1]])
@pytest.mark.parametrize("name", MASKS)
def test_a_mask_that_says_neither_yes_nor_no_is_told(name: str, said: Any) -> None:
    assert reason({"messages": [ASK, REPLY | {name: said}]}) == "unknown_mask"


def test_one_no_outweighs_every_yes() -> None:
    assert trained(read({"messages": [ASK, REPLY | {"weight": 1, "loss": False}]})) == [False]
    assert trained(read({"messages": [ASK, REPLY | {"weight": 0}], "loss": True})) == [False]


def test_what_a_release_wrote_comes_in_with_its_masks() -> None:
    whole = [
        Message(role="user", content="Why?"),
        Message(role="assistant", content="Ok."),
        Message(role="user", content="And?"),
        Message(role="assistant", content="So.", train=True),
    ]
    assert trained(read({"conversations": write_messages(whole)})) == [False, True]
    assert trained(read({"messages": [m.model_dump() for m in whole]})) == [False, True]


@pytest.mark.parametrize(
    "row",
    [
        *(
            {"messages": [ASK, REPLY], key: ["a.png"]}
            for key in ("images", "image", "videos", "video", "audios", "audio")
        ),
        *({"messages": [ASK | {key: "a.png"}, REPLY]} for key in ("image", "images", "video", "audio")),
        *({"messages": [ASK | {"content": [{"type": kind}]}, REPLY]} for kind in ("image_url", "input_audio", "video")),
        *({"messages": [ASK | {"content": f"<{kind}>\nWhat is it?"}, REPLY]} for kind in ("image", "video", "audio")),
        {"messages": [ASK | {"content": "What is it? <image>"}, REPLY], "images": ["a.png"]},
        {"instruction": "What is it?", "output": "A cat.", "images": ["a.png"]},
    ],
    ids=str,
)
def test_media_are_told_apart(row: dict[str, Any]) -> None:
    assert reason(row) == "media"


def test_words_about_media_are_no_media() -> None:
    asks = "How does <image> differ from <img>?"
    assert ("user", asks) in read({"messages": [ASK | {"content": asks}, REPLY]}).messages


CALL = {"name": "look_up", "arguments": {"what": "basil"}}
GIVEN = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
CALLING: dict[str, list[dict[str, Any]]] = {
    "OpenAI": [
        ASK,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": CALL}]},
        {"role": "tool", "tool_call_id": "c1", "content": "a herb"},
        REPLY,
    ],
    "OpenAI, first form": [
        ASK,
        {"role": "assistant", "content": None, "function_call": CALL},
        {"role": "function", "name": "look_up", "content": "a herb"},
        REPLY,
    ],
    "ShareGPT": [
        {"from": "human", "value": "Why?"},
        {"from": "function_call", "value": '{"name": "look_up", "arguments": {"what": "basil"}}'},
        {"from": "observation", "value": "a herb"},
        {"from": "gpt", "value": "So."},
    ],
    "tagged": [
        {"from": "human", "value": "Why?"},
        {"from": "tool_call", "value": '<tool_call>{"name": "look_up", "arguments": {"what": "basil"}}</tool_call>'},
        {"from": "tool_response", "value": "a herb"},
        {"from": "gpt", "value": "So."},
    ],
}


@pytest.mark.parametrize("form", CALLING)
def test_tool_chats_come_in_with_calls_and_results_paired(form: str) -> None:
    chat = read({"messages": CALLING[form], "tools": GIVEN})
    asked, called, gave, said = chat.messages
    assert (asked, said) == tuple(PLAIN)
    assert isinstance(called, Message) and isinstance(gave, Message)
    (call,) = called.tool_calls
    assert (call.name, call.arguments) == ("look_up", '{"what":"basil"}')
    assert (gave.role, gave.content, gave.tool_call_id) == ("tool", "a herb", call.call_id)
    assert chat.tools is not None and '"look_up"' in chat.tools


@pytest.mark.parametrize(
    "messages",
    [
        CALLING["OpenAI"][:2],
        [*CALLING["OpenAI"][:2], REPLY],
        [ASK, *CALLING["OpenAI"][2:]],
        [*CALLING["OpenAI"][:2], {"role": "tool", "tool_call_id": "c2", "content": "x"}, REPLY],
        [ASK, {"role": "assistant", "tool_calls": [{"id": "1"}]}, REPLY],
        [ASK, {"from": "function_call", "value": "look_up(basil)"}, REPLY],
    ],
    ids=["no result", "a reply for a result", "no call", "another call's result", "no name", "no JSON"],
)
def test_calls_that_cannot_be_paired_are_told(messages: list[dict[str, Any]]) -> None:
    assert reason({"messages": messages}) == "tool_roles"


def test_content_parts_and_alpaca_are_read() -> None:
    parts = [{"type": "text", "text": "Wh"}, "y?"]
    assert list(read({"messages": [ASK | {"content": parts}, REPLY]}).messages) == PLAIN
    assert list(read({"instruction": "Why?", "input": "", "output": "So."}).messages) == PLAIN
    assert list(read({"prompt": "Why?", "completion": "So."}).messages) == PLAIN
    told = read({"instruction": "Sum", "input": "1, 2", "output": "3", "system": "Be brief.", "history": [["a", "b"]]})
    assert list(told.messages) == [
        ("system", "Be brief."),
        *(("user", "a"), ("assistant", "b")),
        *(("user", "Sum\n\n1, 2"), ("assistant", "3")),
    ]


def test_a_table_that_fills_columns_comes_in_from_parquet(tmp_path: Path) -> None:
    rows = [
        {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]},
        {"messages": [ASK, REPLY | {"weight": 0.0}]},
    ]
    pq.write_table(
        pa.Table.from_pylist(
            rows,
            schema=pa.schema(
                [
                    ("conversations", pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())]))),
                    (
                        "messages",
                        pa.list_(
                            pa.struct([("role", pa.string()), ("content", pa.string()), ("weight", pa.float64())])
                        ),
                    ),
                ]
            ),
        ),
        tmp_path / "chats.parquet",
    )
    (path,) = IMPORTER.find([tmp_path]).files
    first, second = (row.chat for row in IMPORTER.rows([path], {}) if isinstance(row, ChatRow))
    assert isinstance(first, Chat) and isinstance(second, Chat)
    assert (list(first.messages), trained(second)) == (PLAIN, [False])


def test_a_folder_gives_its_packed_files_too(tmp_path: Path) -> None:
    names = ["a.json", "b.jsonl.gz", "c.jsonl.zst", "d.parquet", "e.ndjson.xz"]
    for name in (*names, "f.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_importers()["sharegpt"].find([tmp_path]).files] == names
