"""Answers of a shape: enforced, said in words, fenced, mended, and at last a named error."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from pydantic import BaseModel, Field, RootModel

from schemas.completion import Completion, CompletionRequest
from schemas.errors import AnswerError, ConfigError
from schemas.run_config import TeacherConfig
from teachers.ledger import Ledger
from teachers.ledgered import Ledgered
from teachers.openai_chat import OpenAIChat
from teachers.scripted import Scripted
from teachers.structured import complete_as, schema_of


class Collar(BaseModel):
    colour: str = "red"


class Pet(BaseModel):
    """A pet."""

    name: str
    age: int = Field(ge=0)
    collar: Collar | None = None


REX = '{"name": "Rex", "age": 4, "collar": null}'


class Ending(Scripted):
    """Says (text, finish reason) pairs in order."""

    def __init__(self, *said: tuple[str, str]) -> None:
        super().__init__([text for text, _ in said])
        self._reasons = [reason for _, reason in said]

    async def complete(self, request: CompletionRequest) -> Completion:
        completion = await super().complete(request)
        return completion.model_copy(update={"finish_reason": self._reasons[len(self.requests) - 1]})


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def objects(schema: object) -> Sequence[dict]:
    """Return every object schema within a schema."""
    if isinstance(schema, list):
        return [found for inner in schema for found in objects(inner)]
    if not isinstance(schema, dict):
        return []
    return [*([schema] if "properties" in schema else []), *(o for inner in schema.values() for o in objects(inner))]


def test_the_schema_keeps_to_openais_strict_rules():
    schema = json.loads(schema_of(Pet).json_schema)
    found = objects(schema)
    assert len(found) == 2 and schema_of(Pet).name == "Pet"
    assert all(part["additionalProperties"] is False for part in found)
    assert all(sorted(part["required"]) == sorted(part["properties"]) for part in found)


def test_a_shape_that_is_no_object_is_refused_before_anything_is_sent():
    with pytest.raises(ConfigError, match="is no JSON object"):
        schema_of(RootModel[list[int]])


@pytest.mark.parametrize(
    "reply",
    [
        REX,
        f"```json\n{REX}\n```",
        f"Here is your pet:\n\n```\n{REX}\n```\nAnything else?",
        f"Sure! {REX} There you go.",
        f"\n {REX}" + " \n" * 500,
    ],
)
async def test_an_answer_is_found_in_a_fence_among_words_and_before_white_space(ask, reply):
    pet, completion = await complete_as(Scripted([reply]), ask(), Pet)
    assert (pet, completion.reply) == (Pet(name="Rex", age=4), reply)


async def test_json_followed_by_white_space_to_the_limit_is_an_answer(ask):
    pet, _ = await complete_as(Ending((REX + " \n" * 500, "length")), ask(), Pet)
    assert pet.name == "Rex"


async def test_a_reply_that_is_not_valid_goes_back_with_what_is_wrong(ask, ledger):
    teacher = Scripted(['{"name": "Rex", "age": -1}', REX])
    pet, completion = await complete_as(Ledgered(teacher, ledger), ask(key="k"), Pet)
    first, second = teacher.requests
    assert pet.age == 4
    assert [m.role for m in second.messages] == ["user", "assistant", "user"]
    assert "age: Input should be greater than or equal to 0" in second.messages[2].content
    assert (second.key, completion.parents) == ("k repair 1", (first.request_hash,))
    assert ledger.totals().requests == 2


async def test_a_replay_pays_for_no_round_again(ask, ledger):
    teacher = Scripted(["no", REX])
    first = await complete_as(Ledgered(teacher, ledger), ask(), Pet)
    assert await complete_as(Ledgered(teacher, ledger), ask(), Pet) == first
    assert len(teacher.requests) == 2


async def test_rounds_are_bounded_carry_one_failed_reply_and_end_in_a_named_error(ask):
    teacher = Scripted(["no", "no", "no"])
    with pytest.raises(AnswerError, match=r"no valid Pet in 3 replies.*Ask a larger model") as caught:
        await complete_as(teacher, ask(), Pet)
    assert [len(request.messages) for request in teacher.requests] == [1, 3, 3]
    assert len({request.request_hash for request in teacher.requests}) == 3
    assert (caught.value.reason, caught.value.completion_id) == ("not_valid", teacher.requests[2].request_hash)
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("said", "reason"),
    [(("", "content_filter"), "refused"), (("I cannot", "content_filter"), "refused"), (('{"na', "length"), "cut_off")],
)
async def test_what_was_refused_or_cut_is_not_mended(ask, said, reason):
    teacher = Ending(said)
    with pytest.raises(AnswerError) as caught:
        await complete_as(teacher, ask(), Pet)
    assert (caught.value.reason, len(teacher.requests)) == (reason, 1)


async def test_an_empty_reply_is_asked_again_and_then_has_its_own_name(ask):
    teacher = Scripted(["", " ", ""])
    with pytest.raises(AnswerError, match="The reply was empty") as caught:
        await complete_as(teacher, ask(), Pet)
    assert caught.value.reason == "empty_reply"
    (again,) = teacher.requests[1].messages
    assert again.content.startswith("How many?\n\nYour last reply cannot be used:")


async def test_an_answer_that_a_server_took_for_reasoning_is_found_there(ask):
    class Misplaced(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            completion = await super().complete(request)
            return completion.model_copy(update={"reasoning": REX})

    pet, _ = await complete_as(Misplaced([""]), ask(), Pet)
    assert pet.name == "Rex"


async def test_over_an_endpoint_that_lacks_schemas_the_shape_is_said_once_it_is_known(endpoint, ask):
    endpoint.script = [endpoint.refuse(400, param="response_format")]
    endpoint.otherwise = endpoint.reply(f"```json\n{REX}\n```")
    teacher = OpenAIChat(TeacherConfig(kind="openai", max_retries=0), "key", endpoint.url)
    for text in ("First?", "Second?"):
        pet, _ = await complete_as(teacher, ask(text), Pet)
        assert pet.name == "Rex"
    await teacher.close()
    assert ["response_format" in body for body in endpoint.bodies] == [True, False, False]
    assert all('"additionalProperties"' in body["messages"][0]["content"] for body in endpoint.bodies[1:])
