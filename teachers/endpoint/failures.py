"""What goes wrong at an endpoint, each with its name, whether it passes, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import aiohttp
import openai

from schemas.errors import ContextOverflow, TeacherError
from schemas.redaction import hide, scrub
from teachers.endpoint.mending import mend
from teachers.endpoint.transport import ReplyRefused
from teachers.limits.headers import Told, read_limits, read_seconds

_PASSING = {408, 409, 425, 429}
_NO_ROOM = {429, 503, 529}
"""An endpoint that is loaded says one of these (529: Anthropic, overloaded)."""
_LONGEST_WAIT_SECONDS = 600.0
"""A Retry-After beyond this is taken for this."""
_TOO_LONG = re.compile(
    r"(?:maximum|exceeds?|longer than|larger than).{0,60}(?:context|model) (?:length|size|window)"
    r"|context (?:length|size|window).{0,30}exceed|prompt is too long|input (?:is )?too long",
    re.IGNORECASE | re.DOTALL,
)
"""How vLLM, llama.cpp, Ollama, SGLang and OpenAI word it; only OpenAI and llama.cpp have a code or type for it."""


class EndpointError(TeacherError):
    """A TeacherError that knows what the endpoint asked for; whatever words it is made of, no secret is in it."""

    def __init__(self, message: str, *, transient: bool, retry_after_seconds: float | None = None) -> None:
        super().__init__(hide(message), transient=transient)
        self.retry_after_seconds = retry_after_seconds
        self.is_refusal = False
        """Whether the endpoint had no room for the request."""
        self.told: Told | None = None
        """What it said of its limits."""


class QuestionTooLong(EndpointError, ContextOverflow):
    """An endpoint's word for ContextOverflow."""


def explain(error: openai.OpenAIError | aiohttp.ClientError | ReplyRefused, url: str, what: str) -> EndpointError:
    """Name what the openai client raised, or its transport where the client lets that through."""
    scrub(error)  # it stays as the cause, and a traceback shows it
    if isinstance(error, openai.APIStatusError):
        return _explain_status(error, url, what)
    cause = _first_cause(error)
    if isinstance(cause, ReplyRefused):
        return EndpointError(f"{url} {cause}", transient=cause.transient)
    if isinstance(cause, TimeoutError):
        return timed_out(url, what)
    return EndpointError(
        f"{url} cannot be reached or broke off ({type(cause).__name__}: {head_of(str(cause))}). Check OPENAI_BASE_URL, "
        "the network, and that the server runs",
        transient=True,
    )


def _first_cause(error: BaseException) -> BaseException:
    """Return what started it: the transport reports a connection that was dropped as a time-out."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def timed_out(url: str, what: str) -> EndpointError:
    """Name an answer that did not come in time."""
    return EndpointError(
        f"{url} did not answer for {what} in time; raise teacher.timeout_seconds or lower teacher.concurrency",
        transient=True,
    )


def no_json(url: str, text: str) -> EndpointError:
    """Name an answer that is not JSON: a web page means a wrong address, anything else a broken reply."""
    page = text.lstrip()[:1] == "<"
    advice = "Check OPENAI_BASE_URL (it usually ends in /v1)" if page else "It is asked again"
    return EndpointError(f"{url} answered with {head_of(text)!r} instead of JSON. {advice}", transient=not page)


def _explain_status(error: openai.APIStatusError, url: str, model: str) -> EndpointError:
    status, said = error.status_code, words_of(error)
    code = str(getattr(error, "code", None) or "")
    if status in (400, 413) and (code == "context_length_exceeded" or _TOO_LONG.search(said)):
        return question_too_long(url, model, f"{status}: {said}")
    if status in (401, 403):
        return _lasting(f"{url} refused the key ({status}: {said}). Set OPENAI_API_KEY to one that may use {model}")
    if status == 404:
        return _lasting(
            f"{url} knows no model {model!r}, or is not the right address ({status}: {said}). Set generator, solver "
            "and backfiller in [teacher] to models that it serves; OPENAI_BASE_URL usually ends in /v1"
        )
    if code == "insufficient_quota":
        return _lasting(f"{url}: the account has no credit left ({status}: {said}). Top it up and run again to go on")
    if status in _PASSING or status >= 500:
        wait = retry_after_seconds(error.response.headers)
        passing = EndpointError(f"{url} answered {status}: {said}", transient=True, retry_after_seconds=wait)
        passing.is_refusal = status in _NO_ROOM
        passing.told = read_limits(error.response.headers.raw)
        return passing
    return _lasting(f"{url} refused the request for {model} ({status}: {said}). Change [teacher] so that it is allowed")


def question_too_long(url: str, model: str, said: str) -> QuestionTooLong:
    """Name a question that is longer than the model's context."""
    return QuestionTooLong(
        f"{url}: the question is longer than the context of {model} ({said}). Lower collect.max_tokens and "
        "generate.seed_examples, or serve the model with a longer context",
        transient=False,
    )


def words_of(error: openai.APIStatusError) -> str:
    """Return the endpoint's words: OpenAI nests them in `error`, older vLLM does not, LM Studio sends bare text."""
    body = error.body
    if isinstance(body, dict):
        body = body.get("message") or body.get("detail") or body
    return head_of(body if isinstance(body, str) and body.strip() else error.message)


_MOST_READ = 20_000
"""Characters of an endpoint's words in which a beginning is looked for."""


def _lasting(message: str) -> EndpointError:
    return EndpointError(message, transient=False)


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read `retry-after-ms` or `Retry-After` (seconds or an HTTP date); None = the endpoint did not say."""
    try:
        wait: float | None = float(headers["retry-after-ms"]) / 1000
    except (KeyError, ValueError):
        wait = read_seconds(headers.get("retry-after", ""))
    return None if wait is None else min(max(wait, 0.0), _LONGEST_WAIT_SECONDS)


def head_of(text: str) -> str:
    """Return the beginning of an endpoint's words, on one line, in characters that every table takes."""
    line = hide(" ".join(mend(text[:_MOST_READ]).replace("\0", "\ufffd").split()))
    return line if len(line) <= 200 else line[:200] + "..."
