"""Takes secrets out of text that came from outside, before it is printed, logged or stored.

`hide` is for words about something (errors, log lines, tracebacks): it takes out the secrets that this process was
told, however they are written, and whatever looks like one. `hide_known` is for data that has to stay as it is
otherwise, such as a model's reply: it takes out the former alone. docs/teacher.md, "Secrets", says it for people.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "[hidden]"
_LEAST_CHARACTERS = 8
"""Shorter ones are no secrets: `none`, `offline`, a local server's `key`; they would be found in every second word."""
_BEGINNING, _BEGINNING_ENCODED = 12, 16
"""Characters of a secret that are looked for; what follows goes with them."""
_known: set[str] = set()
"""What this process was told to keep to itself."""


class _Forms(NamedTuple):
    """A secret as it may be written."""

    plain: bytes
    """Its beginning, in lower case."""
    encoded: tuple[bytes, ...]
    """Its hexadecimal digits, in lower case, and what base64 makes of it wherever it begins."""
    pattern: re.Pattern[bytes]
    """All of them, each character also percent-encoded or escaped."""


def learn_secret(value: str | None) -> None:
    """Keep a secret out of all text from now on."""
    if value and len(value) >= _LEAST_CHARACTERS:
        _known.add(value)


def hide_known(data: bytes) -> bytes:
    """Return data without the secrets that this process was told."""
    lower = data.lower() if _known else b""
    is_escaped = bool(_known) and _ESCAPED.search(lower) is not None
    for forms in map(_forms_of, sorted(_known, key=len, reverse=True)):
        if is_escaped or forms.plain in lower or any(form.lower() in lower for form in forms.encoded):
            data = forms.pattern.sub(HIDDEN.encode(), data)
    return data


def hide(text: str) -> str:
    """Return words without the secrets that this process was told, and without whatever looks like one."""
    if _known:
        text = hide_known(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
    for pattern, shown in _LOOKS:
        text = pattern.sub(shown, text)
    return _SCHEME.sub(_hide_credentials, text)


def secrets_in_url(url: str) -> list[str]:
    """Return what an address holds that is nobody's business: its password, and the keys in its query."""
    try:
        parts = urlsplit(url)
        userinfo = parts.netloc.rpartition("@")[0]
    except ValueError:
        return []
    keys = [value for name, value in parse_qsl(parts.query) if _KEY_NAME.search(name)]
    password = userinfo.partition(":")[2] or userinfo
    return [password, unquote(password), *keys]


def guard_logs() -> None:
    """Take secrets out of every line that this process logs from now on, whoever writes it and wherever it goes."""
    if logging.getLogRecordFactory() is not _make_record:
        _factory.append(logging.getLogRecordFactory())
        logging.setLogRecordFactory(_make_record)


_KEY_NAME = re.compile(r"(?i)key|token|secret|sig|pass|pwd|auth|cred")
_factory: list[Callable[..., logging.LogRecord]] = []


def _make_record(*args: Any, **told: Any) -> logging.LogRecord:
    record = _factory[-1](*args, **told)
    try:
        said = record.getMessage()
    except (TypeError, ValueError):  # who formats it says so
        return record
    if (hidden := hide(said)) != said:
        record.msg, record.args = hidden, None
    if record.exc_info and isinstance(record.exc_info[1], BaseException):
        scrub(record.exc_info[1])
    return record


def scrub(error: BaseException) -> None:
    """Take secrets out of an error and of what it came from: a traceback prints them all."""
    seen: set[int] = set()
    stack: list[BaseException | None] = [error]
    while stack:
        one = stack.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        stack += [one.__cause__, one.__context__]
        one.args = tuple(_scrubbed(arg, spelled=repr) for arg in one.args)
        for name, value in list(vars(one).items()):
            with suppress(AttributeError):  # what cannot be set is made of what can
                setattr(one, name, _scrubbed(value))


def _scrubbed(value: Any, spelled: Callable[[Any], str] | None = None) -> Any:
    """Return a text without secrets; anything else as it is, or `spelled` where that would hold one."""
    if isinstance(value, bytes):
        return hide(value.decode("utf-8", "replace")).encode()
    if isinstance(value, str):
        return hide(value)
    if spelled and not isinstance(value, int | float | None) and (hidden := hide(told := spelled(value))) != told:
        return hidden
    return value


_ESCAPED = re.compile(rb"%(?:25)*[2-7][0-9a-f]|\\(?:u00|x|/)|&#", re.IGNORECASE)


@cache
def _forms_of(secret: str) -> _Forms:
    raw = secret.encode()
    whole = (*sorted(set(_base64_of(raw)), key=len, reverse=True), raw.hex().encode())
    encoded = tuple(dict.fromkeys(form[:_BEGINNING_ENCODED] for form in whole))
    characters = [_written(character) for character in secret]
    # one that was cut off behind its first dozen characters is found as well
    rest = b""
    for character in reversed(characters[_BEGINNING:]):
        rest = b"(?:%s%s)?" % (character, rest)
    alternatives = [b"".join(characters[:_BEGINNING]) + rest]
    alternatives += [re.escape(form) + rb"[\w+/\\-]*={0,2}" for form in encoded]
    return _Forms(secret[:_BEGINNING].encode().lower(), encoded, re.compile(b"(?i)" + b"|".join(alternatives)))


def _base64_of(raw: bytes) -> Iterator[bytes]:
    """What base64 makes of bytes that stand anywhere in a longer text: the ends, which depend on it, are left out."""
    for shift, first in enumerate((0, 2, 3)):
        whole, rest = base64.b64encode(b"\0" * shift + raw), (len(raw) + shift) % 3
        inner = whole[first : 4 * ((len(raw) + shift) // 3) + rest]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")
        yield inner.replace(b"/", rb"\/")


def _written(character: str) -> bytes:
    """All ways in which a character of a secret is written: as it is, in URLs, in JSON (in JSON), in HTML."""
    as_bytes, number = character.encode(), ord(character)
    percent = b"".join(b"%%(?:25)*%02x" % byte for byte in as_bytes)
    ways = [percent, rb"\\{1,4}u%04x" % number, rb"\\{1,4}x%02x" % number]
    ways += [b"&#0*%d;" % number, b"&#x0*%x;" % number, rb"\\{0,4}" + re.escape(as_bytes)]
    return b"(?:" + b"|".join(ways) + b")"


_LOOKS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        (r"([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@\"'<>]*@", rf"\1{HIDDEN}@"),
        (
            r"(?i)([?&;](?:[\w.-]*(?:key|token|secret|sig|signature|password|passwd|pwd|auth|credential)[\w.-]*)=)"
            r"[^&\s\"'<>#]+",
            rf"\1{HIDDEN}",
        ),
        (
            r"(?i)([\w-]*(?:authorization|api[-_]?key|access[-_]?key(?:[-_]?id)?|[-_]token|secret|password|passwd|cookie)"
            r"[\w-]*[\\\"']{0,3}\s*[:=]\s*[\\\"']{0,3}(?:b[\\\"']{1,3})?)"
            r"(?:(?:bearer|basic|token|digest)\s+)?[^\s\"'\\,;&<>{}\[\]]{6,}",
            rf"\1{HIDDEN}",
        ),
        (r"(?<![A-Za-z0-9])(?:sk|rk|pk)[-_][A-Za-z0-9_*.-]{8,}", HIDDEN),  # OpenAI, Anthropic, OpenRouter, Stripe
        (r"(?<![A-Za-z0-9])(?:hf|gsk|r8|ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{8,}", HIDDEN),
        (r"(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{8,}", HIDDEN),
        (r"(?<![A-Za-z0-9])(?:nvapi|xai|pplx|glpat|xox[abeoprs]|tgp|fw)-[A-Za-z0-9_-]{8,}", HIDDEN),
        (r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{12,}", HIDDEN),
        (r"(?<![A-Za-z0-9])AIza[0-9A-Za-z_-]{16,}", HIDDEN),
        (r"(?<![A-Za-z0-9])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", HIDDEN),
        (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", HIDDEN),
    )
)
_SCHEME = re.compile(r"(?i)\b(bearer|basic|digest)((?:\s|%20|\+)+)([A-Za-z0-9._~+/=*%-]{6,})")


def _hide_credentials(found: re.Match[str]) -> str:
    """Hide what follows `Bearer` or `Basic`, unless it is a plain word, as in `basic authentication`."""
    if re.fullmatch(r"[a-z]+[.]?|[A-Z]?[a-z]{1,20}[.]?", found[3]) and len(found[3]) < 24:
        return found[0]
    return f"{found[1]}{found[2]}{HIDDEN}"
