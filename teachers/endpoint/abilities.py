"""What an endpoint lacks, by model: found out once by being refused or ignored, and worded around from then on."""

from __future__ import annotations

import re
from typing import Any

import openai
import orjson

from schemas.completion import CompletionRequest
from schemas.errors import ContextOverflow
from teachers.endpoint.failures import EndpointError, words_of
from teachers.endpoint.reasoning import split_reasoning
from teachers.endpoint.replies import Reply

_DISPENSABLE = ("response_format", "n", "seed", "max_tokens", "stop")
"""Fields that a request can do without: each has another way to the same end, or was a wish."""
_NAMED = {
    "response_format": re.compile(r"\bresponse_format\b"),
    "n": re.compile(r"""['"`]n['"`]"""),
    "seed": re.compile(r"""['"`]seed['"`]"""),
    "stop": re.compile(r"""['"`]stop['"`]"""),
    "max_tokens": re.compile(r"\bmax_completion_tokens\b"),  # many complain of max_tokens; this one says what instead
}


class Abilities:
    """What the models of one endpoint lack."""

    def __init__(self) -> None:
        self._lacks: dict[str, frozenset[str]] = {}

    def lacks(self, model: str) -> frozenset[str]:
        """Return the names of request fields to leave out."""
        return self._lacks.get(model, frozenset())

    def learn(self, body: dict[str, Any], error: EndpointError) -> bool:
        """Whether a refusal was for a field of this body that is left out from now on: then it is worth another try."""
        refusal = error.__cause__
        if not isinstance(refusal, openai.BadRequestError | openai.UnprocessableEntityError):
            return False
        if isinstance(error, ContextOverflow):
            return False
        field = refused_field(refusal)
        if field is None or field not in body:
            return False
        self._add(body["model"], field)
        return True

    def notice(self, request: CompletionRequest, reply: Reply) -> None:
        """Learn from a reply that shows that a field was ignored."""
        if len(reply.choices) < request.samples:
            self._add(request.model, "n")
        if request.answer_schema and not any(_may_be_enforced(reply, i) for i in range(len(reply.choices))):
            self._add(request.model, "response_format")

    def _add(self, model: str, field: str) -> None:
        self._lacks[model] = self.lacks(model) | {field}


def refused_field(refusal: openai.APIStatusError) -> str | None:
    """Return the dispensable field that a refusal names, in its `param` or in its words."""
    param = str(getattr(refusal, "param", None) or "").partition(".")[0]
    if param in _DISPENSABLE and param != "max_tokens":
        return param
    said = words_of(refusal)
    return next((field for field, pattern in _NAMED.items() if pattern.search(said)), None)


def _may_be_enforced(reply: Reply, index: int) -> bool:
    """Whether a choice may come from an endpoint that keeps to a schema; words where JSON must be cannot."""
    text, _ = split_reasoning(reply.choices[index].message)
    if not text.strip() or reply.choices[index].finish_reason == "length":
        return True
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
