"""Structured output: an answer as a pydantic model, whether or not the endpoint can hold a model to a schema.

Where it cannot, the client says the schema in the prompt (`abilities`). Either way the reply is validated here, and one
that does not pass goes back with pydantic's words for what is wrong with it, a ledger entry of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVar

import openai
import orjson
from pydantic import BaseModel, ValidationError

import prompts
from schemas.completion import AnswerSchema, ChatMessage, Completion, CompletionRequest
from schemas.errors import AnswerError, ConfigError
from teachers.base import Teacher

REPAIR_PROMPT = "repair_answer"
REPAIRS = 2
"""Rounds of mending: what two do not mend, a third seldom does (instructor's default is as small)."""
_FENCE = re.compile(r"```[a-zA-Z0-9_]*[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL)
_PROBLEMS = 10
"""Problems told in a round."""

Shape = TypeVar("Shape", bound=BaseModel)


async def complete_as(
    teacher: Teacher, request: CompletionRequest, shape: type[Shape], *, repairs: int = REPAIRS
) -> tuple[Shape, Completion]:
    """Ask for an answer of a shape; return it with the receipt of the reply that held it.

    A repair's receipt names the reply that it mends in `parents`.

    Raises:
        AnswerError: refused, cut off, empty, or not valid after all repairs; every reply is paid for and in the ledger.
        TeacherError, BudgetError: the teacher's own.
    """
    asked = request.model_copy(update={"answer_schema": schema_of(shape)})
    completion = await teacher.complete(asked)
    for repair in range(1, repairs + 1):
        found = read_answer(completion, shape)
        if isinstance(found, shape):
            return found, completion
        completion = await teacher.complete(_repair(asked, completion, str(found), repair))
    found = read_answer(completion, shape)
    if isinstance(found, shape):
        return found, completion
    raise _not_valid(completion, shape, str(found), repairs)


@cache
def schema_of(shape: type[BaseModel]) -> AnswerSchema:
    """Return a model's schema under OpenAI's strict rules: nothing additional, everything required.

    Raises:
        ConfigError: its root is no object.
    """
    tool: Any = openai.pydantic_function_tool(shape)
    schema = tool["function"]["parameters"]
    if schema.get("type", "object") != "object" or "anyOf" in schema:
        raise ConfigError(f"{shape.__name__} is no JSON object; put it into a model of its own, as a field")
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", shape.__name__)[:64]
    return AnswerSchema(name=name, json_schema=orjson.dumps(schema).decode())


def read_answer(completion: Completion, shape: type[Shape]) -> Shape | str:
    """Read a reply as a shape, or say what is wrong with it.

    The JSON may stand in a fence or among words, and white space may follow it up to the limit (Ollama's JSON mode); a
    server that mistakes an answer for reasoning has it there.

    Raises:
        AnswerError: refused, or cut off: mending does not help.
    """
    if completion.finish_reason == "content_filter":
        raise AnswerError(
            f"{completion.model} refused to answer {completion.completion_id}. Reword the prompt or ask another model",
            reason="refused",
            completion_id=completion.completion_id,
        )
    problem = "The reply was empty."
    for text in _candidates(completion.reply.strip() or completion.reasoning or ""):
        try:
            return shape.model_validate_json(text)
        except ValidationError as error:
            problem = _worded(error)
            if error.errors(include_url=False)[0]["type"] != "json_invalid":
                break
    if completion.finish_reason == "length":
        raise AnswerError(
            f"the reply {completion.completion_id} of {completion.model} was cut off at its maximum of output tokens "
            f"({completion.completion_tokens} written). Raise teacher.max_output_tokens",
            reason="cut_off",
            completion_id=completion.completion_id,
        )
    return problem


def _candidates(text: str) -> Iterator[str]:
    """Yield what may be the JSON of a reply, the likeliest first."""
    if not text.strip():
        return
    yield from _FENCE.findall(text)
    yield text
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end and (start, end) != (0, len(text) - 1):
        yield text[start : end + 1]


def _worded(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"- {'.'.join(map(str, p['loc'])) or 'the reply'}: {p['msg']}" for p in problems[:_PROBLEMS]]
    return "\n".join(lines)


def _repair(request: CompletionRequest, completion: Completion, problem: str, repair: int) -> CompletionRequest:
    """Word the next round: the conversation, the reply, what is wrong; never more than one failed reply is carried."""
    assert request.answer_schema is not None
    words = prompts.load(REPAIR_PROMPT).render(problem=problem, json_schema=request.answer_schema.json_schema)
    last = request.messages[-1]
    if completion.reply.strip():
        said = ChatMessage(role="assistant", content=completion.reply)
        messages = (*request.messages, said, ChatMessage(role="user", content=words))
    else:  # chat templates take no empty reply and no two questions in a row
        messages = (*request.messages[:-1], last.model_copy(update={"content": f"{last.content}\n\n{words}"}))
    key = f"{request.key} repair {repair}".strip()
    return request.model_copy(update={"messages": messages, "key": key, "parents": (completion.completion_id,)})


def _not_valid(completion: Completion, shape: type[BaseModel], problem: str, repairs: int) -> AnswerError:
    is_empty = not completion.reply.strip()
    return AnswerError(
        f"{completion.model} gave no valid {shape.__name__} in {repairs + 1} replies, the last "
        f"{completion.completion_id}: {' '.join(problem.split())[:300]}. Ask a larger model, or one whose endpoint "
        "can hold it to a schema",
        reason="empty_reply" if is_empty else "not_valid",
        completion_id=completion.completion_id,
    )
