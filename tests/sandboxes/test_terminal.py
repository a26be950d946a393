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
        (b"\rprogress 10%\rprogress 50%\rprogress 100%", "progress 100%"),
        (b"\rprogress 100%\rdone\n", "doneress 100%\n"),
        (b"ab\bc", "ac"),
        (b"ab\b\b\b\bxyz", "xyz"),
        (b"password\b\b\b\b    end", "pass    end"),
        (b"N\bNA\bAM\bME\bE and _\bu_\bn", "NAME and un"),  # bold and underlined, as man writes them
        (b"one\r\ntwo\r\r\nthree\r", "one\ntwo\nthree"),
        (b"10 %\r\x1b[K100 %\r\x1b[Kdone", "done"),
        (b"\x1b[32mlong line\x1b[0m\r\x1b[31mshort", "shortline"),
        (b"\x1b[2K\rfetched 1\x1b[2K\rfetched 2", "fetched 2"),
        (b"abcdef\x1b[3Dxy\x1b[2Gz", "azcxyf"),
        (b"abc\r\x1b[5Cx\x1b[1G\x1b[2P", "c  x"),
        (b"a\x1b[999999999Cb", "a" + " " * 10_000 + "b"),
        ("\u00fcb\b\b\u00e4".encode(), "\u00e4b"),
        (b"col1\tcol2\rCOL1", "COL1\tcol2"),
        ("grüße".encode(), "grüße"),
        ("\x9b31mred\x9b0m \x9d0;title\x9cshown \x90q\x9c\x85end".encode(), "red shown end"),
        (b"\xc3(", "\ufffd("),
    ],
)
def test_escapes_and_controls_go_and_text_stays(raw: bytes, read: str) -> None:
    assert plain_text(raw) == read


@given(st.binary())
def test_no_bytes_leave_a_control_character(raw: bytes) -> None:
    assert not [char for char in plain_text(raw) if (ord(char) < 32 and char not in "\n\t") or "\x7f" <= char <= "\x9f"]
