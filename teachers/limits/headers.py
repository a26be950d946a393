"""What an endpoint says about its limits in the headers of an answer.

OpenAI and Groq send `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` with durations like `6m0s` and `20ms`;
reset is the time until the limit is whole again. Azure sends plain seconds, and -1 where it does not know; Mistral and
Cerebras name the window (`-req-minute`, `-requests-day`); Anthropic puts the kind first and sends RFC 3339 dates
(openai-python#937, openai-dotnet#838, mistralai/client-ts#169). vLLM and Ollama send none.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

MINUTE = 60.0
DAY = 86_400.0

_NAME = re.compile(
    rb"x-ratelimit-(limit|remaining|reset)-(requests|req|tokens)(?:-(minute|day))?"
    rb"|anthropic-ratelimit-(requests|tokens)-(limit|remaining|reset)",
    re.IGNORECASE,
)
_PART = re.compile(r"([\d.]+)(ms|us|µs|ns|h|m|s|d)")
_UNITS = {"d": DAY, "h": 3600.0, "m": MINUTE, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit as the endpoint sees it."""

    limit: float
    """Requests or tokens a window."""
    window_seconds: float
    """60 or 86,400."""
    remaining: float | None
    """What is left of it when the request had come in; None = not said."""

    @property
    def per_second(self) -> float:
        return self.limit / self.window_seconds


@dataclass(frozen=True, slots=True)
class Told:
    """All that one answer says; None = no limit of that kind was named."""

    requests: Quota | None = None
    tokens: Quota | None = None


def read_limits(headers: Iterable[tuple[bytes, bytes]]) -> Told | None:
    """Read the limits in an answer's raw headers; None = it has none. What cannot be read is left out."""
    said: dict[tuple[str, str], str] = {}
    window = {"requests": 0.0, "tokens": 0.0}
    for name, value in headers:
        meaning = _meaning(name)
        if meaning is not None:
            kind, field, seconds = meaning
            said[kind, field] = value.decode("latin-1").strip()
            window[kind] = seconds or window[kind]
    if not said:
        return None
    return Told(_quota(said, "requests", window["requests"]), _quota(said, "tokens", window["tokens"]))


def read_seconds(text: str, now: float | None = None) -> float | None:
    """Read a time span: `6m0s`, `20ms`, `1.5`, an HTTP or RFC 3339 date or a Unix time (until then); None = unreadable.

    `now` is the present in Unix time, if not now.
    """
    text = text.strip()
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return _sum(parts)
    present = time.time() if now is None else now
    try:
        number = float(text)
    except ValueError:
        until = _date(text)
        return None if until is None else max(until - present, 0.0)
    if not number < float("inf"):
        return None
    if number > 1e9:  # no span but a Unix time, in seconds or milliseconds
        return max((number / 1000 if number > 1e11 else number) - present, 0.0)
    return max(number, 0.0)


@lru_cache(maxsize=512)
def _meaning(name: bytes) -> tuple[str, str, float] | None:
    """Return kind, field and window of a header; 0 = it does not name the window."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    groups = [group.decode().lower() if group else "" for group in found.groups()]
    kind = "tokens" if "tokens" in (groups[1], groups[3]) else "requests"
    return kind, groups[0] or groups[4], {"minute": MINUTE, "day": DAY}.get(groups[2], 0.0)


def _quota(said: dict[tuple[str, str], str], kind: str, window_seconds: float) -> Quota | None:
    limit, remaining = (_number(said.get((kind, field), "")) for field in ("limit", "remaining"))
    if not limit or limit < 1:  # Azure says -1 where it does not know
        return None
    left = remaining if remaining is not None and remaining >= 0 else None
    reset = read_seconds(said.get((kind, "reset"), ""))
    return Quota(limit, window_seconds or _window(limit, left, reset), left)


def _window(limit: float, remaining: float | None, reset_seconds: float | None) -> float:
    """Tell a day's limit from a minute's: the part that is used up comes back at the rate limit / window.

    Groq's `x-ratelimit-limit-requests` counts a day: 14,400, of which 14,370 are left, whole again in 2m59.56s.
    """
    if remaining is None or not reset_seconds or remaining >= limit:
        return MINUTE
    implied = reset_seconds * limit / (limit - remaining)
    return DAY if DAY / 2 < implied < DAY * 2 else MINUTE


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sum(parts: list[tuple[str, str]]) -> float | None:
    try:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    except ValueError:
        return None


def _date(text: str) -> float | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            return read(text).timestamp()
        except (TypeError, ValueError, OverflowError):
            continue
    return None
