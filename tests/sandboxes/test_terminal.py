"""Terminal output as a person reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.terminal import plain_text


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        (b"plain\n\ttext", "plain\n\ttext"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07shown", "shown"),
        (b"\x1b]0;title\x1b\\shown", "shown"),
        (b"\x1b[?2004hprompt\x1b(B", "prompt"),
        (b"a\r\nb", "a\nb"),
        (b"bell\x07 and back\x08", "bell and back"),
        ("grüße".encode(), "grüße"),
        ("\x9b31mred\x9b0m \x9d0;title\x9cshown \x90q\x9c\x85end".encode(), "red shown end"),
        (b"\xc3(", "\ufffd("),
    ],
)
def test_escapes_and_controls_go_and_text_stays(raw: bytes, read: str) -> None:
    assert plain_text(raw) == read


@given(st.binary())
def test_no_bytes_leave_a_control_character(raw: bytes) -> None:
    assert not [
        char for char in plain_text(raw) if (ord(char) < 32 and char not in "\n\t\r") or "\x7f" <= char <= "\x9f"
    ]
