"""What endpoints send, as captured in their own documentation and issue trackers."""

from __future__ import annotations

import pytest

from teachers.limits.headers import DAY, MINUTE, Quota, Told, read_limits, read_seconds

NOW = 1_755_780_000.0
"""2025-08-21T12:40:00Z"""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360),
        ("20ms", 0.02),
        ("1h2m3s", 3723),
        ("2m59.56s", 179.56),
        ("1d", 86_400),
        ("7.66s", 7.66),
        ("55", 55),
        ("0", 0),
        ("1.5", 1.5),
        ("-3", 0),
        ("Thu, 21 Aug 2025 12:40:30 GMT", 30),
        ("2025-08-21T12:40:30Z", 30),
        ("2025-08-21T12:39:00Z", 0),
        (str(int(NOW) + 30), 30),
        (str((int(NOW) + 30) * 1000), 30),
        ("", None),
        ("soon", None),
        ("5 minutes", None),
        ("1.2.3s", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_a_span_is_read_in_every_form_that_endpoints_use(text, seconds):
    assert read_seconds(text, NOW) == (None if seconds is None else pytest.approx(seconds))


def told(headers: dict[str, str]) -> Told | None:
    return read_limits((name.encode(), value.encode()) for name, value in headers.items())


def x(limit: str, remaining: str, reset: str, kind: str = "requests") -> dict[str, str]:
    names = (f"x-ratelimit-limit-{kind}", f"x-ratelimit-remaining-{kind}", f"x-ratelimit-reset-{kind}")
    return dict(zip(names, (limit, remaining, reset), strict=True))


@pytest.mark.parametrize(
    ("who", "headers", "expected"),
    [
        (
            "OpenAI",
            {"Content-Type": "application/json", **x("5000", "4999", "12ms"), **x("160000", "159976", "9ms", "tokens")},
            Told(Quota(5000, MINUTE, 4999), Quota(160_000, MINUTE, 159_976)),
        ),
        (
            "Groq counts requests by the day",
            {**x("14400", "14370", "2m59.56s"), **x("18000", "17997", "7.66ms", "tokens")},
            Told(Quota(14_400, DAY, 14_370), Quota(18_000, MINUTE, 17_997)),
        ),
        ("Azure does not know", x("-1", "-1", "0", "tokens"), Told(None, None)),
        (
            "Azure in plain seconds",
            {"X-RateLimit-Limit-Requests": "80", "X-RateLimit-Remaining-Requests": "79"},
            Told(Quota(80, MINUTE, 79), None),
        ),
        ("Azure names no limit", {"x-ratelimit-remaining-requests": "79"}, Told(None, None)),
        (
            "Mistral",
            {
                "x-ratelimit-limit-tokens-minute": "5000000",
                "x-ratelimit-remaining-tokens-minute": "4999911",
                "x-ratelimit-tokens-query-cost": "52",
                "x-ratelimit-limit-req-minute": "720",
                "x-ratelimit-remaining-req-minute": "717",
            },
            Told(Quota(720, MINUTE, 717), Quota(5_000_000, MINUTE, 4_999_911)),
        ),
        (
            "Cerebras",
            {"x-ratelimit-limit-requests-day": "14400", "x-ratelimit-remaining-requests-day": "14399"},
            Told(Quota(14_400, DAY, 14_399), None),
        ),
        (
            "Anthropic",
            {
                "anthropic-ratelimit-requests-limit": "1000",
                "anthropic-ratelimit-requests-remaining": "999",
                "anthropic-ratelimit-requests-reset": "2025-08-21T12:40:59Z",
                "anthropic-ratelimit-input-tokens-limit": "80000",
                "anthropic-ratelimit-tokens-limit": "96000",
                "anthropic-ratelimit-tokens-remaining": "96000",
            },
            Told(Quota(1000, MINUTE, 999), Quota(96_000, MINUTE, 96_000)),
        ),
        ("no number", x("many", "some", "soon"), Told(None, None)),
        ("vLLM and Ollama", {"content-type": "application/json", "server": "uvicorn"}, None),
    ],
)
def test_what_endpoints_say_of_their_limits_is_read(who, headers, expected):
    assert told(headers) == expected, who
