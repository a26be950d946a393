"""A reply is its text: what else stands in it is read where it can be, and is never a reason to lose the reply."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.completion import Completion, CompletionRequest
from schemas.message import Message, Tool
from teachers.endpoint.failures import EndpointError
from teachers.endpoint.receipts import make_receipt
from teachers.endpoint.replies import read_reply

URL = "http://localhost:8000/v1"
WHOLE: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1732000000,
    "model": "m",
    "system_fingerprint": "fp",
    "service_tier": None,
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Four.",
                "refusal": None,
                "reasoning": None,
                "tool_calls": None,
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    },
}
OPTIONAL = (
    *("id", "object", "created", "model", "system_fingerprint", "service_tier", "usage", "extra"),
    *("usage.prompt_tokens", "usage.completion_tokens", "usage.total_tokens", "usage.prompt_tokens_details"),
    *("usage.prompt_tokens_details.cached_tokens", "usage.completion_tokens_details.reasoning_tokens", "usage.extra"),
    *("choices.0.index", "choices.0.logprobs", "choices.0.extra", "choices.0.finish_reason"),
    *(f"choices.0.message.{name}" for name in ("role", "refusal", "reasoning", "reasoning_content", "tool_calls")),
    *(f"choices.0.message.{name}" for name in ("function_call", "annotations", "audio", "reasoning_details")),
)
JUNK = (
    None,
    False,
    True,
    0,
    -1,
    1.5,
    math.nan,
    math.inf,
    10**30,
    "",
    [],
    {},
    [None],
    [{}],
    {"text": None},
    [[1]],
    {"a": []},
)
REQUEST = CompletionRequest(
    purpose="collect_episodes",
    teacher="t",
    model="gpt-4o-mini",
    messages=(Message(role="user", content="How many?" * 40),),
    tools=(Tool(name="look", description="Look.", parameters="{}"),),
)


def with_field(path: str, value: Any) -> dict[str, Any]:
    reply = copy.deepcopy(WHOLE)
    *before, last = path.split(".")
    place: Any = reply
    for key in before:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    return reply


def receipt(payload: Any) -> Completion:
    return make_receipt(REQUEST, [read_reply(payload, URL)], 0.1)


@pytest.mark.parametrize("path", OPTIONAL)
@pytest.mark.parametrize("value", JUNK, ids=repr)
def test_no_optional_field_loses_a_reply(path: str, value: Any) -> None:
    made = receipt(with_field(path, value))
    assert (made.reply, made.finish_reason, made.tool_calls) == ("Four.", "stop", ())
    assert made.prompt_tokens > 0 and made.completion_tokens > 0 and made.cost_usd > 0
    assert 0 <= made.cached_tokens <= made.prompt_tokens and 0 <= made.reasoning_tokens <= made.completion_tokens


@given(st.sampled_from(OPTIONAL), st.recursive(st.none() | st.booleans() | st.floats() | st.integers(), st.lists))
def test_no_value_of_any_shape_makes_a_cost_negative(path: str, value: Any) -> None:
    made = receipt(with_field(path, value))
    assert made.reply == "Four." and made.cost_usd >= 0


@pytest.mark.parametrize("told", [0, -1_000_000, None, "many", 1e300, math.nan, [], True, -0.0, 10**12])
@pytest.mark.parametrize("field", ["prompt_tokens", "completion_tokens"])
def test_a_usage_that_cannot_be_is_estimated_and_marked(field: str, told: Any) -> None:
    made = receipt(with_field(f"usage.{field}", told))
    expected = {"prompt_tokens": 90, "completion_tokens": 2}[field]
    assert getattr(made, field) == expected and made.usage_estimated


@pytest.mark.parametrize("told", [7, 7.0, "7", " 7 ", "7.0"])
def test_a_usage_that_can_be_is_believed_however_it_is_written(told: Any) -> None:
    made = receipt(with_field("usage.completion_tokens", told))
    assert (made.prompt_tokens, made.completion_tokens, made.usage_estimated) == (11, 7, False)


def test_a_receipt_that_estimates_nothing_is_digested_as_before() -> None:
    assert not receipt(WHOLE).usage_estimated


@pytest.mark.parametrize(
    ("reasoning", "read"),
    [
        ("2+2", "2+2"),
        ({"text": "2+2"}, "2+2"),
        ({"content": "2+2"}, "2+2"),
        (["2+", "2"], "2+2"),
        ([{"type": "reasoning.text", "text": "2+2"}], "2+2"),
        ([{"type": "summary", "summary": [{"text": "2+2"}]}], "2+2"),
        ("", None),
        ([], None),
    ],
)
@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_is_read_as_text_list_or_object(field: str, reasoning: Any, read: str | None) -> None:
    assert receipt(with_field(f"choices.0.message.{field}", reasoning)).reasoning == read


@pytest.mark.parametrize(
    ("content", "reply", "reasoning"),
    [
        (["Fo", "ur."], "Four.", None),
        ([{"type": "text", "text": "Fo"}, {"type": "output_text", "text": "ur."}], "Four.", None),
        ([{"type": "text", "text": {"value": "Four."}}, {"type": "image_url", "image_url": {}}], "Four.", None),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "2+2"}]}, {"type": "text", "text": "4"}],
            "4",
            "2+2",
        ),
        ({"text": "Four."}, "Four.", None),
        ({"type": "text", "text": "Four."}, "Four.", None),
        (4, "4", None),
    ],
)
def test_content_in_parts_is_joined(content: Any, reply: str, reasoning: str | None) -> None:
    made = receipt(with_field("choices.0.message.content", content))
    assert (made.reply, made.reasoning) == (reply, reasoning)


@pytest.mark.parametrize(
    "call", [{}, {"id": "c"}, {"function": None}, {"function": {"arguments": "{}"}}, {"function": {"name": 1}}]
)
def test_a_call_without_a_name_beside_content_is_a_message(call: Any) -> None:
    made = receipt(with_field("choices.0.message.tool_calls", [call]))
    assert (made.reply, made.finish_reason, made.tool_calls) == ("Four.", "stop", ())


@pytest.mark.parametrize(
    "calls",
    [
        {"tool_calls": [{"id": 7, "type": "function", "function": {"name": "look", "arguments": {"at": 1}}}]},
        {"tool_calls": {"function": {"name": "look", "arguments": {"at": 1}}}},
        {"tool_calls": [{"name": "look", "arguments": {"at": 1}}, {"function": {"arguments": "{}"}}]},
        {"function_call": {"name": "look", "arguments": '{"at": 1}'}},
    ],
)
def test_calls_are_read_in_any_shape_that_names_them(calls: dict[str, Any]) -> None:
    made = receipt({"choices": [{"message": {"content": None} | calls}]})
    (call,) = made.tool_calls
    assert (call.name, call.arguments.replace(" ", ""), made.finish_reason) == ("look", '{"at":1}', "tool_calls")


@pytest.mark.parametrize(
    ("word", "ended"),
    [
        *(
            (word, "length")
            for word in ("length", "LENGTH", "max_tokens", "MAX_TOKENS", "max-output-tokens", "model_length")
        ),
        *((word, "stop") for word in ("stop", "eos", "end_turn", "COMPLETE", "stop_sequence", "", None, 3, "whatever")),
        *((word, "content_filter") for word in ("content_filter", "SAFETY", "RECITATION", "content-filter")),
        ({"type": "length"}, "length"),
    ],
)
def test_words_for_an_end_are_read_where_they_are_plain(word: Any, ended: str) -> None:
    assert receipt(with_field("choices.0.finish_reason", word)).finish_reason == ended


@pytest.mark.parametrize(
    "payload",
    [
        *(
            {"choices": choices}
            for choices in (None, [], {}, "", [None], [{}], [{"message": None}], [{"finish_reason": "stop"}])
        ),
        {"choices": [{"message": None, "finish_reason": "stop"}], "usage": {"prompt_tokens": 640}},
        {"choices": [{"finish_reason": "error"}]},
        {"error": {"message": "overloaded"}, "choices": None},
    ],
)
def test_a_reply_without_a_message_is_asked_again(payload: Any) -> None:
    with pytest.raises(EndpointError) as caught:
        read_reply(payload, URL)
    assert caught.value.transient


@pytest.mark.parametrize("payload", [None, 3, "[]", [], {}, {"data": []}, [1, 2]])
def test_what_is_no_chat_completion_says_where_to_look(payload: Any) -> None:
    with pytest.raises(EndpointError, match="no chat completion") as caught:
        read_reply(payload, URL)
    assert not caught.value.transient


def test_of_several_choices_one_without_a_message_is_left_out() -> None:
    made = receipt({"choices": [{"message": None}, {"message": {"content": "Four."}}]})
    assert made.reply == "Four." and made.more_samples == ()
