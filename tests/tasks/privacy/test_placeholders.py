"""One value, one placeholder, all through a row; what is nobody's stays."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from schemas.message import Message, ToolCall
from tasks.privacy.placeholders import Unhideable, find_private, find_secrets, hide_messages, hide_text

KEY = "-----BEGIN RSA PRIVATE KEY-----\n" + "aB3xQ9/z" * 16 + "\n-----END RSA PRIVATE KEY-----"
REAL: dict[str, str] = {
    "jane.roe@gmail.com": "EMAIL",
    "+44 20 7946 1234": "PHONE",
    "(415) 867-5309": "PHONE",
    "4539 1488 0343 6467": "CARD",
    "GB33BUKB20201555555555": "IBAN",
    "536-90-4399": "SSN",
    "91.198.174.192": "IP",
    "AKIAZ7Q2M4X9T3R6W1YB": "TOKEN",
    "ghp_nHp4ev7MIF5hJKqkyDEpoOMdL2AQ8Nf3XUYD": "TOKEN",
    KEY: "PRIVATE_KEY",
}
FORMS = {
    "prose": lambda value: f"It is {value}, keep it.",
    "code": lambda value: f'value = """{value}"""\nprint(value)',
    "JSON": lambda value: json.dumps({"value": value}),
}
NOBODYS = [
    "anna@example.com",
    "bob@shop.example.org",
    "root@localhost",
    "x@mail.test",
    "git@github.com:a/b.git",
    "call 212-555-0123",
    "4111 1111 1111 1111",
    "4242424242424242",
    "192.168.1.20",
    "203.0.113.9",
    "8.8.8.8",
    "version 91.198.174.192",
    "078-05-1120",
    "postgres://user:password@db/x",
    'password = "changeme"',
    "password = os.environ['PASSWORD']",
    "token: str = get_token()",
    "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "3.14159265358979 * 3141592653589793",
    "12:30:45 and 2026-01-02",
    "x = a@b.transpose(1)",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", REAL, ids=list(REAL.values()))
def test_a_value_gives_way_to_its_typed_placeholder(value: str, form: str) -> None:
    hidden = hide_text(FORMS[form](value))
    assert value not in hidden and value.replace("\n", "\\n") not in hidden
    assert f"[{REAL[value]}_1]" in hidden


@pytest.mark.parametrize("text", NOBODYS)
def test_what_is_nobodys_stays(text: str) -> None:
    assert find_private(text) == () and hide_text(text) == text


def test_a_value_has_one_placeholder_in_question_command_output_and_answer() -> None:
    mail, phone = "Jane.Roe@gmail.com", "(415) 867-5309"
    call = ToolCall(call_id="1", name="bash", arguments=json.dumps({"cmd": f"grep {mail.lower()} people.csv"}))
    row = hide_messages(
        [
            Message(role="user", content=f"Whose number is {phone}? Ask {mail}."),
            Message(role="assistant", content="I look.", tool_calls=(call,), reasoning_content=f"{mail} may know."),
            Message(role="tool", content=f"{mail.upper()},415.867.5309\nhttp://a.de/?m={quote(mail, safe='')}"),
            Message(role="assistant", content=f"{mail}, and not bob@gmail.com.", train=True),
        ]
    )
    question, asked, gave, answer = row.messages
    assert question.content == "Whose number is [PHONE_1]? Ask [EMAIL_1]."
    assert asked.tool_calls[0].arguments == '{"cmd": "grep [EMAIL_1] people.csv"}'
    assert asked.reasoning_content == "[EMAIL_1] may know."
    assert gave.content == "[EMAIL_1],[PHONE_1]\nhttp://a.de/?m=[EMAIL_1]"
    assert answer.content == "[EMAIL_1], and not [EMAIL_2]." and answer.train
    assert row.kinds == ("EMAIL", "PHONE")


@pytest.mark.parametrize(
    "text",
    [
        " ".join(REAL),
        'password = "hT7#kQ29xLw"',
        "curl -u bob:hT7kQ29xLw x",
        "postgres://app:hT7kQ29xLw@db/x",
        "the token is hT7kQ29xLw.",
    ],
)
def test_hiding_twice_changes_nothing_more(text: str) -> None:
    once = hide_text(text)
    assert once != text and hide_text(once) == once and not list(find_secrets(once))


def test_a_row_is_turned_away_where_a_value_stands_in_a_form_that_no_placeholder_fits() -> None:
    messages = [
        Message(role="user", content="The card is 4539 1488 0343 6467."),
        Message(role="assistant", content="Digits: 4-5-3-9-1-4-8-8-0-3-4-3-6-4-6-7.", train=True),
    ]
    with pytest.raises(Unhideable, match="CARD"):
        hide_messages(messages)


def test_secrets_are_found_apart_from_personal_data() -> None:
    text = "jane.roe@gmail.com has postgres://app:hT7kQ29xLw@corp.io/x"
    assert {(one.kind, text[one.start : one.end]) for one in find_secrets(text)} == {("PASSWORD", "hT7kQ29xLw")}


def test_rows_without_any_are_the_same_objects() -> None:
    messages = (Message(role="user", content="How does bread rise?"),)
    assert hide_messages(messages).messages[0] is messages[0]
