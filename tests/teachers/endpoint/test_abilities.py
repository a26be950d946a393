"""What an endpoint lacks is found out once, and worded around: samples, schemas, seeds, names of the limit."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from schemas.completion import AnswerSchema, Sampling
from schemas.errors import ContextOverflow, TeacherError
from schemas.run_config import TeacherConfig
from teachers.endpoint.chat import OpenAIChat

SCHEMA = AnswerSchema(name="pet", json_schema='{"type": "object"}')


@pytest.fixture
async def teacher(endpoint):
    teacher = OpenAIChat(TeacherConfig(kind="openai", max_retries=1, timeout_seconds=5), "key", endpoint.url)
    yield teacher
    await teacher.close()


def several(endpoint, *contents: str) -> Any:
    choices = [{"index": i, "message": {"content": text}, "finish_reason": "stop"} for i, text in enumerate(contents)]
    return endpoint.json({"choices": choices, "usage": {"prompt_tokens": 11, "completion_tokens": 7}})


async def test_samples_come_in_one_call_where_the_endpoint_can(endpoint, ask, teacher):
    endpoint.otherwise = several(endpoint, "One", "Two", "Three")
    completion = await teacher.complete(ask(samples=3))
    assert (completion.reply, completion.more_samples) == ("One", ("Two", "Three"))
    assert [body["n"] for body in endpoint.bodies] == [3]


async def test_samples_that_were_ignored_are_asked_singly_each_with_a_seed_of_its_own(endpoint, ask, teacher):
    endpoint.otherwise = several(endpoint, "One")
    completion = await teacher.complete(ask(samples=3, sampling=Sampling(seed=5)))
    assert completion.more_samples == ("One", "One") and completion.prompt_tokens == 33
    assert sorted(body["seed"] for body in endpoint.bodies) == [5, 6, 7]
    await teacher.complete(ask("Again", samples=2))
    assert [body.get("n") for body in endpoint.bodies] == [3, None, None, None, None], "learned once"


async def test_samples_that_were_refused_are_asked_singly(endpoint, ask, teacher):
    endpoint.script = [endpoint.refuse(400, param="n")]
    completion = await teacher.complete(ask(samples=2))
    assert (completion.reply, completion.more_samples) == ("Forty.", ("Forty.",))
    assert [body.get("n") for body in endpoint.bodies] == [2, None, None]


async def test_a_sample_that_fails_fails_the_request_and_none_of_its_siblings(endpoint, ask, teacher):
    endpoint.script = [several(endpoint, "One"), endpoint.refuse(403)]
    with pytest.raises(TeacherError, match="refused the key"):
        await teacher.complete(ask(samples=3))
    assert len(endpoint.bodies) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        {"error": {"message": "Unsupported", "param": "response_format", "code": "unsupported_parameter"}},
        {"error": "'response_format.type' must be 'text' or 'json_object'"},
        {"object": "error", "message": "Extra inputs are not permitted: response_format", "code": 400},
    ],
)
async def test_a_refused_schema_is_said_in_the_prompt_from_then_on(endpoint, ask, teacher, refusal):
    endpoint.script = [endpoint.json(refusal, 400)]
    await asyncio.gather(teacher.complete(ask(answer_schema=SCHEMA)))
    await teacher.complete(ask("And now?", answer_schema=SCHEMA))
    assert ["response_format" in body for body in endpoint.bodies] == [True, False, False]
    assert SCHEMA.json_schema in endpoint.bodies[2]["messages"][-1]["content"]


async def test_a_schema_that_is_ignored_is_said_in_the_prompt_from_then_on(endpoint, ask, teacher):
    await teacher.complete(ask(answer_schema=SCHEMA))  # "Forty."
    await teacher.complete(ask("And now?", answer_schema=SCHEMA))
    assert ["response_format" in body for body in endpoint.bodies] == [True, False]


async def test_a_schema_that_is_kept_is_sent_on(endpoint, ask, teacher):
    endpoint.otherwise = endpoint.reply('<think>a pet</think>{"name": "Rex"}')
    for text in ("One?", "Two?"):
        await teacher.complete(ask(text, answer_schema=SCHEMA))
    endpoint.otherwise = endpoint.reply('{"na', "length")
    await teacher.complete(ask("Three?", answer_schema=SCHEMA))
    await teacher.complete(ask("Four?", answer_schema=SCHEMA))
    assert all("response_format" in body for body in endpoint.bodies)


async def test_one_model_s_lack_is_no_other_model_s(endpoint, ask, teacher):
    endpoint.script = [endpoint.refuse(400, param="seed")]
    await teacher.complete(ask(sampling=Sampling(seed=1)))
    await teacher.complete(ask(model="other", sampling=Sampling(seed=1)))
    assert ["seed" in body for body in endpoint.bodies] == [True, False, True]


async def test_max_tokens_under_its_new_name(endpoint, ask, teacher):
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    endpoint.script = [endpoint.json({"error": {"message": said, "param": "max_tokens"}}, 400)]
    await teacher.complete(ask())
    assert endpoint.bodies[1]["max_completion_tokens"] == 100 and "max_tokens" not in endpoint.bodies[1]


async def test_many_that_learn_at_once_all_get_their_answer(endpoint, ask, teacher):
    async def picky(request: web.BaseRequest) -> web.StreamResponse:
        return await (endpoint.refuse(400, param="seed") if "seed" in endpoint.bodies[-1] else endpoint.reply("ok"))(
            request
        )

    endpoint.otherwise = picky
    asked = (teacher.complete(ask(str(i), sampling=Sampling(seed=i))) for i in range(8))
    assert {completion.reply for completion in await asyncio.gather(*asked)} == {"ok"}


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 2048 tokens. However, you requested 2723 tokens.",
        "the request exceeds the available context size, try increasing it",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        "input length 5000 exceeds the context length: max_completion_tokens is too large",
    ],
)
async def test_a_question_longer_than_the_context_has_a_name_of_its_own(endpoint, ask, teacher, said):
    endpoint.otherwise = endpoint.json({"object": "error", "message": said, "code": 400}, 400)
    with pytest.raises(ContextOverflow, match="longer than the context of m") as caught:
        await teacher.complete(ask())
    assert not caught.value.transient and len(endpoint.bodies) == 1
    endpoint.otherwise = endpoint.reply("ok")
    await teacher.complete(ask("And now?"))
    assert endpoint.bodies[-1]["max_tokens"] == 100, "nothing was learned from it"


async def test_json_without_end_is_a_named_error(endpoint, ask, teacher):
    endpoint.otherwise = endpoint.raw(b'{"choices": ' + b"[" * 200_000, "application/json")
    with pytest.raises(TeacherError, match="instead of JSON"):
        await teacher.complete(ask())
