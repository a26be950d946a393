"""The Batch API's files: one line a request, and one line back for each, in any order."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, ValidationError

from schemas.bounded_reading import MAX_PARTS, NotJson, parse_json
from schemas.completion import CompletionRequest
from teachers.endpoint.failures import EndpointError, head_of
from teachers.endpoint.requests import request_body

CHAT_PATH = "/v1/chat/completions"
_PASSING = frozenset({408, 409, 425, 429})
_PASSING_CODES = frozenset({"batch_expired", "rate_limit_exceeded", "server_error"})
"""Codes of lines and batches that may go through another time."""


class LineResponse(BaseModel):
    status_code: int
    body: object = None


class Line(BaseModel):
    """One line of an output or error file."""

    custom_id: str
    response: LineResponse | None = None
    error: dict[str, Any] | None = None


class BatchProblem(BaseModel):
    """One reason why a batch failed as a whole."""

    code: str | None = None
    message: str | None = None
    line: int | None = None


class BatchProblems(BaseModel):
    data: list[BatchProblem] | None = None


class Batch(BaseModel):
    """What is read of a batch; endpoints add fields of their own."""

    id: str
    status: str
    created_at: float = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: BatchProblems | None = None
    metadata: dict[str, str] | None = None


class QueueFull(EndpointError):
    """The account has as many tokens in its batches as it may; nothing of this one was paid."""


class Outcome(NamedTuple):
    """What a line says of one request: the chat completion, or why there is none."""

    request_hash: str
    payload: object = None
    error: EndpointError | None = None


ENDED = frozenset({"completed", "failed", "expired", "cancelled"})


def write_line(request: CompletionRequest, url: str) -> bytes:
    """Word a request as a line of a batch's file."""
    line = {"custom_id": request.request_hash, "method": "POST", "url": CHAT_PATH, "body": request_body(request, url)}
    return orjson.dumps(line) + b"\n"


def read_line(raw: bytes, url: str) -> Outcome | None:
    """Read a line of an output or error file; None = nobody can say whose it is."""
    try:
        line = Line.model_validate(parse_json(raw) if len(raw) > MAX_PARTS else orjson.loads(raw))
    except (NotJson, orjson.JSONDecodeError, ValidationError):
        return None
    if line.response is not None and line.response.status_code == 200:
        return Outcome(line.custom_id, line.response.body)
    return Outcome(line.custom_id, error=_explain_line(line, url))


def explain_missing(batch: Batch, url: str) -> EndpointError:
    """Name why a request of a batch that has ended got no line of its own."""
    problems = (batch.errors.data if batch.errors else None) or []
    said = "; ".join(f"{p.code}: {head_of(p.message or '')}" for p in problems[:3]) or "it named no reason"
    codes = {problem.code for problem in problems}
    if batch.status == "failed" and "token_limit_exceeded" in codes:
        return QueueFull(
            f"{url} has no room for batch {batch.id} ({said}); lower teacher.batch_max_requests, or run again when "
            "other batches of the account are done",
            transient=True,
        )
    if batch.status == "failed":
        passes = bool(codes & _PASSING_CODES)
        advice = "It is submitted again" if passes else "Change [teacher] so that the endpoint takes it"
        return EndpointError(f"{url} did not take batch {batch.id} ({said}). {advice}", transient=passes)
    if batch.status == "cancelled":
        return EndpointError(
            f"batch {batch.id} was cancelled at {url} before it answered; run again to submit what is missing",
            transient=False,
        )
    if batch.status == "expired":
        return EndpointError(f"batch {batch.id} expired at {url} before it was answered in full", transient=True)
    return EndpointError(
        f"{url} ended batch {batch.id} as {batch.status} without a line for this request", transient=True
    )


def _explain_line(line: Line, url: str) -> EndpointError:
    status = line.response.status_code if line.response else None
    error = line.error or _error_of(line.response.body if line.response else None)
    code, said = str(error.get("code") or ""), head_of(str(error.get("message") or "no reason given"))
    passes = code in _PASSING_CODES or (status is not None and (status in _PASSING or status >= 500))
    if code == "insufficient_quota":
        passes, said = False, f"{said}. Top the account up and run again to go on"
    what = f"{status}, {code}" if status and code else str(status or code or "no code")
    advice = "" if passes else " Change [teacher] so that it is allowed"
    return EndpointError(f"{url} failed one request of a batch ({what}: {said}).{advice}", transient=passes)


def _error_of(body: object) -> dict[str, Any]:
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {"message": str(body)}
