"""How requests are worded: tools, calls and their answers, schemas, samples, and what an endpoint lacks."""

from __future__ import annotations

import json

import pytest

from schemas.completion import AnswerSchema, Sampling
from schemas.errors import ConfigError
from schemas.message import Message, Tool, ToolCall
from teachers.endpoint.chat import OPENAI_URL
from teachers.endpoint.requests import request_body

LOCAL = "http://localhost:8000/v1"
SCHEMA = AnswerSchema(name="pet", json_schema='{"type": "object"}')
LOOK = Tool(name="look", description="Look at a file.", parameters='{"type": "object", "properties": {"path": {}}}')


def test_tools_are_offered_as_functions_with_their_schema(ask):
    (tool,) = request_body(ask(tools=(LOOK,)), LOCAL)["tools"]
    assert tool == {
        "type": "function",
        "function": {"name": "look", "description": "Look at a file.", "parameters": json.loads(LOOK.parameters)},
    }


def test_a_call_and_its_answer_go_back_as_they_were_written(ask):
    call = ToolCall(call_id="c1", name="look", arguments='{"path": "/srv"')
    messages = (
        Message(role="user", content="What is there?"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="a.txt", tool_call_id="c1"),
    )
    _, called, answered = request_body(ask(messages=messages), LOCAL)["messages"]
    assert called["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"path": "/srv"'}}
    ]
    assert answered == {"role": "tool", "content": "a.txt", "tool_call_id": "c1"}


def test_plain_messages_carry_nothing_but_role_and_content(ask):
    body = request_body(ask(), LOCAL)
    assert body["messages"] == [{"role": "user", "content": "How many?"}]
    assert not {"tools", "n", "response_format", "seed"} & set(body)


def test_a_schema_is_sent_as_a_strict_response_format(ask):
    assert request_body(ask(answer_schema=SCHEMA), LOCAL)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "pet", "schema": {"type": "object"}, "strict": True},
    }


def test_where_a_schema_cannot_be_sent_it_is_said_in_the_last_question(ask):
    body = request_body(ask(answer_schema=SCHEMA), LOCAL, frozenset({"response_format"}))
    (message,) = body["messages"]
    assert message["content"].startswith("How many?\n\n") and SCHEMA.json_schema in message["content"]
    assert "response_format" not in body
    spoken = (Message(role="user", content="Hm?"), Message(role="assistant", content="Ha."))
    said = request_body(ask(answer_schema=SCHEMA, messages=spoken), LOCAL, frozenset({"response_format"}))["messages"]
    assert [message["role"] for message in said] == ["user", "assistant", "user"]


def test_samples_and_seeds_are_sent_unless_the_endpoint_lacks_them(ask):
    request = ask(samples=3, sampling=Sampling(seed=7))
    assert (request_body(request, LOCAL)["n"], request_body(request, LOCAL)["seed"]) == (3, 7)
    assert not {"n", "seed"} & set(request_body(request, LOCAL, frozenset({"n", "seed"})))


def test_a_server_that_refuses_max_tokens_is_sent_max_completion_tokens(ask):
    body = request_body(ask(), LOCAL, frozenset({"max_tokens"}))
    assert "max_tokens" not in body and body["max_completion_tokens"] == 100
    assert request_body(ask(), OPENAI_URL)["max_completion_tokens"] == 100


def test_a_schema_that_is_no_json_is_an_error_before_anything_is_sent(ask):
    with pytest.raises(ConfigError, match="parameters of tool 'look' are no JSON"):
        request_body(ask(tools=(LOOK.model_copy(update={"parameters": "{"}),)), LOCAL)
    with pytest.raises(ConfigError, match="schema 'pet' are no JSON"):
        request_body(ask(answer_schema=AnswerSchema(name="pet", json_schema="nope")), LOCAL)
