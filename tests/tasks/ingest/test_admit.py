"""A raw row becomes a Conversation or a Rejection with a reason, never nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.chats.chat import ChatRow, read_chats
from formats.chats.sharegpt import read_chat
from rehearsals.chat_faults import REPAIRABLE
from schemas.message import approximate_tokens
from schemas.rejection import Rejection
from schemas.trajectory import Conversation
from tasks.ingest.admit import REASONS, admit_conversations, admit_row

SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "sharegpt"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/sharegpt is absent")

ASK = "How do I keep basil alive on a kitchen window?"
REPLY = "Give it light, and water it when the soil feels dry."


def row(value: Any, line: int = 1) -> ChatRow:
    return ChatRow("chats.json", line, json.dumps(value).encode(), read_chat(value))


def chat(*pairs: tuple[str, Any], **fields: Any) -> ChatRow:
    return row({"conversations": [{"from": name, "value": text} for name, text in pairs], **fields})


def admitted(raw: ChatRow, **options: Any) -> Conversation:
    made = admit_row(raw, license="unknown", **options)
    assert isinstance(made, list), made
    (result,) = made
    return result


def rejected(raw: ChatRow) -> Rejection:
    result = admit_row(raw, license="unknown")
    assert isinstance(result, Rejection), result
    return result


def test_a_good_chat_is_kept_as_it_stands_and_trained_on_its_replies() -> None:
    kept = admitted(chat(("human", ASK), ("gpt", REPLY), id="x_0", model="Model: GPT-4"))
    assert [(m.role, m.content, m.train) for m in kept.messages] == [("user", ASK, False), ("assistant", REPLY, True)]
    assert (kept.n_trained, kept.trained_tokens) == (1, approximate_tokens(REPLY))
    assert kept.tokens == approximate_tokens(ASK) + approximate_tokens(REPLY)
    assert (kept.language, kept.source_model, kept.repaired) == ("en", "gpt-4", ())
    assert (kept.source_id, kept.source_file, kept.source_line) == ("x_0", "chats.json", 1)


@pytest.mark.parametrize(
    ("pairs", "repair"),
    [
        ((("gpt", "Welcome!"), ("human", ASK), ("gpt", REPLY)), "dropped_leading_reply"),
        ((("human", ASK), ("gpt", REPLY), ("human", "And then?")), "dropped_trailing_question"),
        ((("system", " "), ("human", ASK), ("gpt", REPLY)), "dropped_empty_system"),
    ],
)
def test_what_can_be_repaired_is_repaired_and_said(pairs: tuple[tuple[str, str], ...], repair: str) -> None:
    kept = admitted(chat(*pairs))
    assert kept.repaired == (repair,)
    assert [m.content for m in kept.messages] == [ASK, REPLY]


def test_messages_of_one_role_that_follow_each_other_become_one() -> None:
    kept = admitted(chat(("human", "Hello."), ("human", ASK), ("gpt", REPLY), ("gpt", "Turn it weekly.")))
    assert kept.repaired == ("merged_same_role",)
    assert [m.content for m in kept.messages] == [f"Hello.\n\n{ASK}", f"{REPLY}\n\nTurn it weekly."]


def test_a_system_message_at_the_start_stays_and_is_not_trained_on() -> None:
    kept = admitted(chat(("system", "Be brief."), ("human", ASK), ("gpt", REPLY)))
    assert [(m.role, m.train) for m in kept.messages] == [("system", False), ("user", False), ("assistant", True)]


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ((("human", ASK), ("system", "Be brief."), ("gpt", REPLY)), "not_alternating"),
        ((("human", ASK), ("gpt", "")), "empty_message"),
        ((("human", "\n"), ("gpt", REPLY)), "empty_message"),
        ((("human", "Hi"), ("gpt", "Hello!")), "too_short"),
        ((("human", ASK), ("human", "Anyone?")), "too_short"),
        ((("gpt", REPLY),), "too_short"),
        ((("human", ASK), ("gpt", "Too many requests in 1 hour. Try again later.")), "service_error"),
        ((("human", ASK), ("gpt", "Too many requests in 1 hour. Try again later!")), "service_error"),
        ((("human", "Wie halte ich Basilikum am Leben?"), ("gpt", "Viel Licht und wenig Wasser.")), "language"),
        ((("human", ASK), ("function_call", "{}"), ("gpt", REPLY)), "tool_roles"),
    ],
)
def test_what_cannot_be_repaired_is_rejected_with_its_reason(pairs: tuple[tuple[str, str], ...], reason: str) -> None:
    rejection = rejected(chat(*pairs))
    assert (rejection.stage, rejection.reason, rejection.source) == ("ingest", reason, "chats.json:1")
    assert reason in REASONS


def test_a_chat_too_short_to_tell_its_language_is_kept_as_undetermined() -> None:
    assert admitted(chat(("human", "print(6 * 7 * 1000)"), ("gpt", "42000"))).language == "und"


def test_the_row_names_its_model_before_the_importer_does() -> None:
    said, unsaid = chat(("human", ASK), ("gpt", REPLY), model="gpt4"), chat(("human", ASK), ("gpt", REPLY))
    assert admitted(said, source_model="gpt-3.5").source_model == "gpt-4"
    assert admitted(unsaid, source_model="gpt-3.5").source_model == "gpt-3.5"
    assert admitted(unsaid).source_model is None


def test_the_same_chat_again_is_a_duplicate_within_a_run_and_over_runs() -> None:
    raw = chat(("human", ASK), ("gpt", REPLY))
    first, second = admit_conversations([raw, raw], license="unknown")
    assert isinstance(first, Conversation)
    assert isinstance(second, Rejection)
    assert second.reason == "duplicate"
    (third,) = admit_conversations([raw], license="unknown", seen=[first.conversation_id])
    assert isinstance(third, Rejection)
    assert third.reason == "duplicate"


def test_the_id_comes_from_the_messages_and_the_model_alone() -> None:
    here = admitted(chat(("human", ASK), ("gpt", REPLY), id="a"))
    there = admitted(ChatRow("other.jsonl", 9, b"", chat(("user", ASK), ("assistant", REPLY)).chat))
    assert here.conversation_id == there.conversation_id == "b085021c94194314b171b537c57146d6"
    assert admitted(chat(("human", ASK), ("gpt", REPLY)), source_model="gpt-4").conversation_id != here.conversation_id


def test_the_documentation_lists_every_reason_and_repair() -> None:
    page = (Path(__file__).parents[3] / "docs" / "mixture.md").read_text(encoding="utf-8")
    listed = [line.split("`")[1] for line in page.split("\n") if line.startswith("| `")]
    assert listed[: len(REASONS)] == list(REASONS)
    assert listed[len(REASONS) : len(REASONS) + len(REPAIRABLE)] == list(REPAIRABLE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ROLES = st.sampled_from(["human", "gpt", "system", "user", "tool", "who"])
MESSAGE = st.fixed_dictionaries({"from": ROLES | JSON, "value": st.text(max_size=40) | JSON}) | JSON
ROW = st.fixed_dictionaries(
    {"conversations": st.lists(MESSAGE, max_size=5) | JSON}, optional={"model": JSON, "system": JSON, "id": JSON}
)


@settings(deadline=None, max_examples=200)
@given(st.lists(ROW | JSON, max_size=4))
def test_whatever_comes_every_row_is_kept_or_rejected_with_a_known_reason(values: list[Any]) -> None:
    results = list(
        admit_conversations([ChatRow("f", i, b"", read_chat(v)) for i, v in enumerate(values)], license="unknown")
    )
    assert len(results) == len(values)
    for result in results:
        if isinstance(result, Rejection):
            assert result.reason in REASONS
        else:
            roles = [m.role for m in result.messages if m.role != "system"]
            assert roles == ["user", "assistant"] * (len(roles) // 2)


@needs_shared
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("axolotl_conversation.json", {"kept": 1}),
        ("axolotl_conversation.missingturns.json", {"empty_message": 1}),
        ("fastchat_dummy_conversation.json", {"kept": 500}),
        ("llamafactory_glaive_toolcall_en_demo.json", {"kept": 265, "duplicate": 35}),
        (
            "medicalgpt_sharegpt_zh_1K.jsonl",
            {"kept": 2, "language": 993, "too_short": 2, "empty_message": 1, "wrong_format": 1},
        ),
    ],
)
def test_every_row_of_a_real_file_is_kept_or_rejected(name: str, expected: dict[str, int]) -> None:
    text = (SHARED / name).read_text(encoding="utf-8")
    try:
        value = json.loads(text)
        rows_in = len(value) if isinstance(value, list) else 1
    except json.JSONDecodeError:
        rows_in = sum(1 for line in text.split("\n") if line.strip())
    results = admit_conversations(read_chats([SHARED / name], read_chat), license="unknown")
    found = Counter(r.reason if isinstance(r, Rejection) else "kept" for r in results)
    assert found == expected
    assert found.total() == rows_in
