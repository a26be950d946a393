"""Planted values in prose, code, addresses and JSON: what is found of them, and what is taken for one.

Personal data is made up by two fake-data libraries, secrets in the forms of detect-secrets' and gitleaks' fixtures; a
third of all was held out while the recognisers were written.
"""

from __future__ import annotations

import ast
import json
import random
import string
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tasks.privacy.placeholders import find_private, hide_text

LETTERS, DIGITS, HEX = string.ascii_letters + string.digits, string.digits, "0123456789abcdef"
SECRETS = {
    "aws": ("AKIA", string.ascii_uppercase + DIGITS, 16, ""),
    "github": ("ghp_", LETTERS, 36, ""),
    "gitlab": ("glpat-", LETTERS, 20, ""),
    "stripe": ("sk_live_", LETTERS, 24, ""),
    "sendgrid": ("SG.aB3xQ9zT4mWkLp7RsV2c1d.", LETTERS, 43, ""),
    "openai": ("sk-proj-", LETTERS, 48, ""),
    "telegram": ("481516234:", LETTERS, 35, ""),
    "mailchimp": ("", HEX, 32, "-us12"),
    "npm": ("npm_", LETTERS, 36, ""),
    "square": ("sq0csp-", LETTERS, 43, ""),
    "twilio": ("SK", HEX, 32, ""),
    "slack": ("xoxb-274839201837-274839201837-", LETTERS, 24, ""),
    "jwt": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx", LETTERS, 40, ".c2lnbmF0dXJl"),
    "google": ("AIza", LETTERS, 33, "a1"),
}


UNNAMED = {
    "doppler": ("dp.pt.", 43),
    "planetscale": ("pscale_tkn_", 43),
    "vault": ("hvs.", 92),
    "notion": ("ntn_", 46),
    "typeform": ("tfp_", 59),
    "docker": ("dckr_pat_", 27),
    "figma": ("figd_", 40),
    "contentful": ("CFPAT-", 43),
    "tavily": ("tvly-dev-", 32),
}
"""Services that no rule names, as gitleaks' rules and their own pages spell them."""


def secrets(rng: random.Random) -> Iterator[tuple[str, str]]:
    for name, (head, letters, count, tail) in SECRETS.items():
        yield f"{name}_token", head + "".join(rng.choices(letters, k=count)) + tail


def personal(seed: int) -> Iterator[tuple[str, str]]:
    faker = pytest.importorskip("faker").Faker("en_US")
    mimesis = pytest.importorskip("mimesis")
    faker.seed_instance(seed)
    other = mimesis.Generic(locale=mimesis.Locale.EN, seed=seed)
    yield from (("email", faker.free_email()), ("email", faker.ascii_company_email()), ("phone", faker.phone_number()))
    yield from (("phone", faker.basic_phone_number()), ("card", faker.credit_card_number("visa16")))
    yield from (("card", other.payment.credit_card_number()), ("iban", faker.iban()), ("ssn", faker.ssn()))
    yield from (("host", faker.ipv4_public()), ("phone", other.person.phone_number()))
    yield from (("password", faker.password(14)), ("password", other.person.password(16)))


def planted(name: str, value: str) -> Iterator[str]:
    asks = {"phone": "You can call me at", "password": "The password is"}.get(name, "I wrote it down:")
    yield f"{asks} {value} and nothing else."
    yield f"config = load()\n{name} = {value!r}\nprint(config)"
    yield json.dumps({name: value, "n": 3})
    if name == "password":
        yield f"postgres://app:{quote(value, safe='')}@db.corp.io:5432/x"
    elif name in ("email", "phone", "host") or name.endswith("token"):
        yield f"https://api.corp.io/v1?{name}={quote(value, safe='')}&n=1"


def recall(values: list[tuple[str, str]]) -> float:
    texts = [(value, text) for name, value in values for text in planted(name, value)]
    found = sum(hide_text(text) != text and value not in hide_text(text) for value, text in texts)
    return found / len(texts)


@pytest.mark.parametrize("seed", [1, 2, 77003], ids=["written with", "written with, too", "held out"])
def test_secrets_are_found(seed: int) -> None:
    rng = random.Random(seed)
    assert recall([one for _ in range(10) for one in secrets(rng)]) >= 0.97


@pytest.mark.parametrize("seed", [1, 2, 77003], ids=["written with", "written with, too", "held out"])
def test_personal_data_is_found(seed: int) -> None:
    made = [one for number in range(12) for one in personal(seed * 1000 + number)]
    values = [(name, value) for name, value in made if not value.partition("@")[2].startswith("example.")]
    assert recall(values) >= 0.97


def test_tokens_of_services_that_no_rule_names_are_found_by_their_shape() -> None:
    rng = random.Random(77003)
    forms = [one for _ in range(20) for one in UNNAMED.items()]
    made = [(f"{name}_token", head + "".join(rng.choices(LETTERS, k=count))) for name, (head, count) in forms]
    assert recall(made) >= 0.97


@pytest.mark.parametrize(
    "text",
    [
        "integrity sha512-YAJBxr1NNqZp3Uu8yjLVDwcmkMh5jSuZ7JYkI3Z1Vb3VTs0Qm0P1nR8xPg2uWc5d7Ew4fH6kLzX9sQvBtA==",
        "https://cdn.corp.io/assets/main-Ab3dE5gH7jK9mN2pQ4sT6vX8z.js",
        "layer sha256-0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "my_very_long_function_name_with_many_parts_and_version_2_in_it()",
        "drafts/chapter-2-the_quick_brown_fox_jumps_over_the_lazy_dog",
    ],
)
def test_hashes_names_and_files_are_no_tokens(text: str) -> None:
    assert find_private(text) == ()


def code(rng: random.Random, count: int) -> list[str]:
    texts = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("[ac]*.py")):
        source = path.read_text(encoding="utf-8", errors="replace")
        functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
        texts += [text for node in functions[:20] if (text := ast.get_source_segment(source, node))]
    return rng.sample(texts, min(count, len(texts)))


def maths(rng: random.Random, count: int) -> list[str]:
    def number(digits: int) -> int:
        return rng.randint(10 ** (digits - 1), 10**digits - 1)

    forms = (
        lambda: f"{number(3)} + {number(4)} - {number(3)} = {number(4)}",
        lambda: f"pi is about {number(1)}.{number(12)}, e is {number(1)}.{number(15)}",
        lambda: f"({number(3)} - {number(3)}) * {number(2)} / {number(2)}",
        lambda: f"{number(12)} * {number(10)} = {number(22)}",
        lambda: ", ".join(str(number(rng.randint(1, 9))) for _ in range(12)),
        lambda: f"f(x) = {number(2)}x^{number(1)} + {number(3)}.{number(2)}; {number(3)},{number(3)},{number(3)}",
        lambda: f"on 2023-{number(2)}-{number(2)} at 12:{number(2)}:{number(2)}; 0x{number(8):x}",
    )
    return [rng.choice(forms)() for _ in range(count)]


def test_code_and_maths_raise_hardly_an_alarm() -> None:
    rng = random.Random(5)
    texts = code(rng, 300) + maths(rng, 300)
    alarms = [text for text in texts if any(one.kind != "EMAIL" for one in find_private(text))]
    assert len(texts) == 600 and len(alarms) <= 6, alarms[:3]
