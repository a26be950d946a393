"""Takes secrets out of text that came from outside, before it is printed, logged or stored.

`hide` is for words about something (errors, log lines, tracebacks): it takes out the secrets that this process was
told, however they are written, and whatever looks like one. `hide_known` is for data that has to stay as it is
otherwise, such as a model's reply: it takes out the former alone. docs/teacher.md, "Secrets", says it for people.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

HIDDEN = "[hidden]"
_LEAST_CHARACTERS = 8
"""Shorter ones are no secrets: `none`, `offline`, a local server's `key`; they would be found in every second word."""
_known: set[str] = set()
"""What this process was told to keep to itself."""


class _Forms(NamedTuple):
    """A secret as it may be written."""

    plain: bytes
    """In lower case."""
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
        one.args = tuple(hide(arg) if isinstance(arg, str) else arg for arg in one.args)
        for name, value in list(vars(one).items()):
            if isinstance(value, str):
                setattr(one, name, hide(value))


_ESCAPED = re.compile(rb"%(?:25)*[2-7][0-9a-f]|\\(?:u00|x|/)|&#", re.IGNORECASE)


@cache
def _forms_of(secret: str) -> _Forms:
    raw = secret.encode()
    encoded = (*sorted(set(_base64_of(raw)), key=len, reverse=True), raw.hex().encode())
    by_character = b"".join(map(_written, secret))
    alternatives = [by_character, *(b"(?-i:%s)" % re.escape(form) for form in encoded[:-1]), re.escape(encoded[-1])]
    return _Forms(raw.lower(), encoded, re.compile(b"(?i)" + b"|".join(alternatives)))


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
    ways = [rb"\\{0,4}" + re.escape(as_bytes), percent, rb"\\{1,4}u%04x" % number, rb"\\{1,4}x%02x" % number]
    ways += [b"&#0*%d;" % number, b"&#x0*%x;" % number]
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
