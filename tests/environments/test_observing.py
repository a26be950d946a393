"""Long output keeps its head and its tail within its room, and says what is missing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.observing import head_and_tail, shown_rows

LINES = "\n".join(f"line {number}" for number in range(1, 301))


@pytest.mark.parametrize(
    ("text", "begin", "note", "end"),
    [
        ("short", "short", "", "short"),
        (LINES, "line 1\nline 2\n", "[... 210 lines, 1,855 characters not shown ...]", "\nline 300"),
        ("x" * 900, "xxx", "[... 136 characters not shown ...]", "xxx"),
        ("a" * 5000 + "\nError: no space left", "aaa", "characters not shown ...]", "\nError: no space left"),
    ],
)
def test_both_ends_are_shown(text: str, begin: str, note: str, end: str) -> None:
    shown = head_and_tail(text, 800)
    assert shown.startswith(begin) and shown.endswith(end) and note in shown


def test_where_the_end_was_not_kept_the_begin_is_shown_and_it_is_said_that_there_is_more() -> None:
    shown = head_and_tail("a\n" * 5000, 200, more=True)
    assert re.fullmatch(r"(a\n)+\[\.\.\. [\d,]+ lines, [\d,]+ characters and more not shown \.\.\.\]", shown)


@given(st.text(max_size=3000), st.integers(200, 1000))
def test_what_is_shown_fits_and_what_is_missing_is_counted(text: str, most: int) -> None:
    shown = head_and_tail(text, most)
    assert len(shown) <= most
    if len(text) <= most:
        assert shown == text
        return
    (note,) = re.findall(r"\[\.\.\. (?:[\d,]+ lines, )?([\d,]+) characters not shown \.\.\.\]", shown)[-1:]
    head, _, tail = shown.rpartition(f"{note} characters not shown ...]")
    head = head[: head.rindex("\n[... ")]
    assert text.startswith(head) and text.endswith(tail[1:])
    assert len(head) + int(note.replace(",", "")) + len(tail[1:]) == len(text)


@given(st.lists(st.text("ab", min_size=1, max_size=60), min_size=1, max_size=200), st.integers(150, 800))
def test_rows_are_whole_or_counted(rows: list[str], most: int) -> None:
    text, shown = shown_rows(rows, most)
    assert len(text) <= most
    missing = re.search(r"\.\.\. ([\d,]+) rows \.\.\.", text)
    assert shown + (int(missing[1].replace(",", "")) if missing else 0) == len(rows)
