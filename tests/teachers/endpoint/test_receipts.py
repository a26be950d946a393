"""What becomes of a reply: reasoning and calls apart, samples, tokens, ends; and what no ledger could hold."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.completion import Completion, CompletionRequest
from schemas.errors import TeacherError
from schemas.message import Tool
from schemas.run_config import Price
from teachers.endpoint.receipts import make_receipt
from teachers.endpoint.replies import read_reply

URL = "http://localhost:8000/v1"
LOOK = Tool(name="look", description="Look.", parameters="{}")


def answer(*messages: dict[str, Any], finish_reason: str | None = "stop", **fields: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
    return {"choices": [{"message": m, "finish_reason": finish_reason} for m in messages], "usage": usage} | fields


def receipt(request: CompletionRequest, *payloads: Any, **changes: Any) -> Completion:
    return make_receipt(request, [read_reply(payload, URL) for payload in payloads], 0.1, **changes)


@pytest.mark.parametrize(
    ("message", "reply", "reasoning"),
    [
        ({"content": "4", "reasoning_content": "2+2"}, "4", "2+2"),
        ({"content": "4", "reasoning": "2+2"}, "4", "2+2"),
        ({"content": "4", "reasoning": "2+2", "reasoning_content": "2+2"}, "4", "2+2"),
        ({"content": "4", "reasoning": ""}, "4", None),
        ({"content": "<think>2+2</think>\n\n4"}, "4", "2+2"),
        ({"content": "\n<think>\n2+2\n</think>4"}, "4", "2+2"),
        ({"content": "<think>\n\n</think>\n\n4"}, "4", None),
        ({"content": "First 2+2.\n</think>\n\n4"}, "4", "First 2+2."),
        ({"content": "<think>it goes on and"}, "", "it goes on and"),
        ({"content": "grep '</think>' log"}, "grep '</think>' log", None),
        ({"content": "Write <think> and </think>\nso."}, "Write <think> and </think>\nso.", None),
        ({"content": "[THINK]2+2[/THINK]4"}, "4", "2+2"),
        ({"content": "<thinking>2+2</thinking>4"}, "4", "2+2"),
        ({"content": "<Think>\n2+2\n</Think>\n4"}, "4", "2+2"),
        ({"content": "<seed:think>2+2</seed:think>4"}, "4", "2+2"),
        ({"content": "◁think▷2+2◁/think▷4"}, "4", "2+2"),
        ({"content": "<|START_THINKING|>2+2<|END_THINKING|><|START_RESPONSE|>4<|END_RESPONSE|>"}, "4", "2+2"),
        ({"content": "<think>2+2</think><response>4</response>"}, "4", "2+2"),
        (
            {"content": "<|channel|>analysis<|message|>2+2<|end|><|start|>assistant<|channel|>final<|message|>4"},
            "4",
            "2+2",
        ),
        ({"content": "analysis2+2assistantfinal4"}, "4", "2+2"),
        ({"content": "Here is my thought process:\n2+2\n\nHere is my response:\n4"}, "4", "2+2"),
        ({"content": "Sure.\n<think>2+2</think>\n4"}, "Sure.\n\n4", "2+2"),
        ({"content": "<think>2+</think>4\n<think>2</think>"}, "4\n", "2+\n\n2"),
        ({"content": "Think: <think>2+2</think>4"}, "Think: 4", "2+2"),
        ({"content": "2+2</think>4"}, "4", "2+2"),
        ({"content": "```\n<think>2+2</think>\n4\n```"}, "```\n\n4\n```", "2+2"),
        (
            {"content": "```bash\ncat <<E\n<think>\n</think>\nE\n```"},
            "```bash\ncat <<E\n<think>\n</think>\nE\n```",
            None,
        ),
        ({"content": "<thought>what was asked for</thought>"}, "what was asked for", None),
        ({"content": "<thought>2+2</thought>4"}, "4", "2+2"),
        ({"content": "4<|im_end|>\n<|im_start|>user\nThanks."}, "4", None),
        ({"content": "<|begin_of_box|>4<|end_of_box|>"}, "4", None),
        ({"content": [{"type": "text", "text": "4"}]}, "4", None),
    ],
)
def test_reasoning_is_kept_apart_from_the_reply(ask, message, reply, reasoning):
    made = receipt(ask(), answer(message))
    assert (made.reply, made.reasoning) == (reply, reasoning)
    assert made.finish_reason == ("stop" if reply else "empty")


def test_a_reply_that_holds_only_calls_is_not_empty(ask):
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"path": "/"}'}}
    made = receipt(ask(tools=(LOOK,)), answer({"content": None, "tool_calls": [call]}, finish_reason="tool_calls"))
    assert made.finish_reason == "tool_calls" and made.reply == ""
    assert [(c.call_id, c.name, c.arguments) for c in made.tool_calls] == [("c1", "look", '{"path": "/"}')]


def test_arguments_that_come_parsed_and_calls_without_an_id_are_put_right(ask):
    calls = [{"function": {"name": "look", "arguments": {"path": "/é"}}}, {"function": {"name": "look"}}]
    made = receipt(ask(tools=(LOOK,)), answer({"content": "", "tool_calls": calls}))
    assert [(c.call_id, c.arguments) for c in made.tool_calls] == [("call_0", '{"path": "/é"}'), ("call_1", "{}")]


def test_a_call_without_a_name_calls_nothing(ask):
    made = receipt(ask(tools=(LOOK,)), answer({"content": "4", "tool_calls": [{"function": {"arguments": "{}"}}]}))
    assert (made.reply, made.tool_calls, made.finish_reason) == ("4", (), "stop")


def test_calls_that_stand_in_the_text_are_left_to_the_dialect(ask):
    text = '<tool_call>{"name": "look", "arguments": {}}</tool_call>'
    made = receipt(ask(tools=(LOOK,)), answer({"content": text}))
    assert (made.reply, made.tool_calls, made.finish_reason) == (text, (), "stop")


def test_the_first_whole_sample_is_the_reply_and_what_was_cut_is_left_out(ask):
    cut = answer({"content": "On"}, finish_reason="length")
    whole = answer({"content": "Two"}, {"content": ""}, {"content": "Three"})
    made = receipt(ask(samples=4), cut, whole)
    assert (made.reply, made.more_samples, made.finish_reason) == ("Two", ("Three",), "stop")
    assert (made.prompt_tokens, made.completion_tokens) == (22, 14), "every call is paid for"


def test_usage_details_are_kept_and_missing_usage_is_estimated(ask):
    details = {"prompt_tokens_details": {"cached_tokens": 5}, "completion_tokens_details": {"reasoning_tokens": 3}}
    usage = {"prompt_tokens": 11, "completion_tokens": 7} | details
    made = receipt(ask(), answer({"content": "4"}, usage=usage), prices={"m": Price(prompt=1, completion=2)})
    assert (made.cached_tokens, made.reasoning_tokens) == (5, 3)
    assert made.cost_usd == pytest.approx(25e-6)
    for gone in (None, {"prompt_tokens": None, "completion_tokens": None}):
        estimated = receipt(ask("word " * 8), answer({"content": "yes", "reasoning": "hm, hm"}, usage=gone))
        assert (estimated.prompt_tokens, estimated.completion_tokens) == (10, 3)


def test_half_a_surrogate_pair_is_replaced_and_a_whole_one_kept(ask):
    made = receipt(ask(), answer({"content": "a\ud83d b \ud83d\ude00", "reasoning": "\udcaf"}))
    assert (made.reply, made.reasoning) == ("a\ufffd b \U0001f600", "\ufffd")
    assert Completion.model_validate_json(made.model_dump_json()) == made


def test_half_a_pair_in_parsed_arguments_is_replaced(ask):
    calls = [{"function": {"name": "look", "arguments": {"path": "\ud83d"}}}]
    made = receipt(ask(tools=(LOOK,)), answer({"content": "", "tool_calls": calls}))
    assert made.tool_calls[0].arguments == '{"path": "\ufffd"}'


@pytest.mark.parametrize("reason", ["abort", "error", "load", "unload", "insufficient_system_resource"])
def test_a_reply_that_the_endpoint_broke_off_is_no_answer_and_worth_another_try(reason):
    with pytest.raises(TeacherError, match="It is asked again") as caught:
        read_reply(answer({"content": "For"}, finish_reason=reason), URL)
    assert caught.value.transient


@pytest.mark.parametrize(
    ("payload", "transient"),
    [
        ({"object": "error", "message": "no such thing", "code": 400}, False),
        ({"object": "error", "message": "busy", "code": 429}, True),
        ({"error": {"message": "overloaded"}}, True),
        ({"error": "server busy"}, True),
    ],
)
def test_an_error_that_comes_as_200_is_an_error(payload, transient):
    with pytest.raises(TeacherError, match="answered 200 with an error") as caught:
        read_reply(payload, URL)
    assert caught.value.transient is transient


@pytest.mark.parametrize("reason", ["length", "max_tokens", "model_length", "repetition"])
def test_every_word_for_cut_is_length(ask, reason):
    assert receipt(ask(), answer({"content": "For"}, finish_reason=reason)).finish_reason == "length"


def test_a_receipt_names_what_its_request_was_made_from(ask):
    assert receipt(ask(parents=("one", "two")), answer({"content": "4"})).parents == ("one", "two")
