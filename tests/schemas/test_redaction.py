"""What is taken out of words from outside, however it is written, and what stays."""

from __future__ import annotations

import base64
import html
import json
import traceback
from urllib.parse import quote

import pytest

from schemas import redaction
from schemas.redaction import HIDDEN, hide, hide_known, learn_secret, scrub

KEY = "Tj7-key/of+ours_0815=x"
"""Like nothing that looks like a key, so that it is the known one that is found."""

WRITTEN = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "in small letters": KEY.lower(),
    "in mixed case": KEY.swapcase(),
    "percent-encoded": quote(KEY, safe=""),
    "every byte percent-encoded": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "percent-encoded twice": quote(quote(KEY, safe=""), safe=""),
    "in JSON": json.dumps(KEY),
    "in JSON with escaped slashes": json.dumps(KEY).replace("/", "\\/"),
    "in JSON, all escaped": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "in JSON in JSON": json.dumps(json.dumps("".join(f"\\u{ord(c):04X}" for c in KEY))),
    "in Python's": "".join(f"\\x{ord(c):02x}" for c in KEY),
    "in HTML": "".join(f"&#{ord(c)};" for c in KEY),
    "in HTML, hexadecimal": "".join(f"&#x{ord(c):X};" for c in KEY),
    "in HTML, partly": html.escape(KEY).replace("=", "&#61;"),
    "in hexadecimal": KEY.encode().hex(),
    **{f"base64 after {n}": base64.b64encode(b"x" * n + KEY.encode()).decode() for n in range(4)},
    **{f"base64 before {n}": base64.b64encode(KEY.encode() + b"x" * n).decode() for n in range(4)},
    "base64 for URLs": base64.urlsafe_b64encode(b"Bearer " + KEY.encode()).decode(),
}


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    monkeypatch.setattr(redaction, "_known", set())


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("clean", [hide, lambda text: hide_known(text.encode()).decode()], ids=["words", "data"])
def test_our_own_secret_is_found_however_it_is_written(how, clean):
    learn_secret(KEY)
    said = clean(f"you sent <{WRITTEN[how]}>, which is wrong")
    assert HIDDEN in said and said.startswith("you sent <") and said.endswith(">, which is wrong")
    left = said.removeprefix("you sent <").removesuffix(">, which is wrong").replace(HIDDEN, "")
    assert len(left) <= 12, "what stood around it in base64"


def test_data_is_left_as_it_is_but_for_our_own_secret():
    learn_secret(KEY)
    reply = b'{"content": "export OPENAI_API_KEY=sk-abcdefghijklmnop %41 \\u00e9 &#65;"}'
    assert hide_known(reply) == reply


def test_words_that_everybody_uses_are_no_secrets():
    for value in ("none", "offline", "", None):
        learn_secret(value)
    assert hide("none of it, offline") == "none of it, offline"


LOOKS = (
    "sk-proj-abcDEF123456",
    "sk-ant-api03-abc_DEF-123456",
    "sk-or-v1-0123456789abcdef",
    "sk-ab********wxyz",
    "sk_live_0123456789abcdef",
    "hf_abcdefghijKLMNOP",
    "gsk_abcdefgh12345678",
    "ghp_abcdefgh12345678",
    "github_pat_abcdefgh12345678",
    "nvapi-abcdefgh12345678",
    "xai-abcdefgh12345678",
    "glpat-abcdefgh12345678",
    "xoxb-1234-abcdefgh",
    "AKIAIOSFODNN7EXAMPLE",
    "AIzaSyA-1234567890abcdefghijk",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_123",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----",
)
HEADERS = (
    ("Authorization: Bearer {}", "abcdefgh"),
    ('"authorization": "Bearer {}"', "abc123.def"),
    ("Proxy-Authorization: Basic {}", "dXNlcjpwYXNz"),
    ("{{'x-api-key': '{}'}}", "0123456789"),
    ('{{\\"api-key\\": \\"{}\\"}}', "0123456789"),
    ("X-Goog-Api-Key={}", "0123456789"),
    ("OPENAI_API_KEY={}", "abcdefghij"),
    ("aws_secret_access_key = {}", "wJalrXUtnFEMI/K7MDENG"),
    ("Set-Cookie: {}", "session=abcdef"),
    ("password: {}", "correct-horse"),
    ("Bearer {} is not valid", "a1b2c3d4e5"),
    ("basic {}", "dXNlcjpwYXNzd29yZA=="),
    ("https://{}@host/v1", "user:pa55word"),
    ("postgresql+psycopg://{}@host:5432/db", "admin:pa55"),
    ("https://host/v1?key={}&x=1", "abc"),
    ("https://host/v1/chat?x=1&api_key={}", "abc"),
    ("https://host/v1?X-Amz-Signature={}", "0a1b2c"),
    ("https://host/v1?access_token={}#top", "abc"),
)


@pytest.mark.parametrize("secret", LOOKS)
def test_what_looks_like_a_key_is_hidden(secret):
    assert hide(f"Incorrect API key provided: {secret} (see the docs).") == (
        f"Incorrect API key provided: {HIDDEN} (see the docs)."
    )


@pytest.mark.parametrize(("words", "secret"), HEADERS)
def test_what_stands_where_a_secret_does_is_hidden(words, secret):
    said = hide(words.format(secret))
    assert secret not in said and HIDDEN in said
    assert "host" not in words or "host" in said


@pytest.mark.parametrize(
    "words",
    [
        "basic authentication is required",
        "the bearer token has expired",
        "http://127.0.0.1:8000/v1 refused the key (401: no). Set OPENAI_API_KEY to one that may use m",
        "https://host/v1/chat?model=m&top=2",
        "task-force-of-eight, risk-assessments",
        "mail me@example.com; the ratio is 3:4, key: 5",
        "maximum context length is 4096 tokens: 5000 were given",
        'teacher.prices={m = "free"}',
    ],
)
def test_plain_words_stay(words):
    assert hide(words) == words


def test_an_error_is_scrubbed_with_all_that_it_came_from():
    learn_secret(KEY)
    try:
        try:
            raise ValueError(f"first {KEY}")
        except ValueError as first:
            raise RuntimeError(f"second {KEY}", 3) from first
    except RuntimeError as error:
        error.body = f"page {KEY}"  # type: ignore[attr-defined]
        scrub(error)
        told = "".join(traceback.format_exception(error)) + error.body  # type: ignore[attr-defined]
    assert KEY not in told.replace('f"first {KEY}"', "") and told.count(HIDDEN) == 3
