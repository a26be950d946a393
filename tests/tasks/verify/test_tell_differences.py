"""How two texts differ: named by cause, shown in a few lines."""

from __future__ import annotations

import pytest

from tasks.verify.tell_differences import MAX_CHARS, MAX_LINES, name_cause, show_difference


@pytest.mark.parametrize(
    ("then", "now", "cause"),
    [
        ("Sat Nov 21 15:34:51 UTC 2026", "Sun Nov 22 01:02:03 UTC 2026", "times"),
        (
            "-rw-r--r-- 1 root 10 2026-11-21 15:39:37.916717542 +0000 a",
            "-rw-r--r-- 1 root 10 2026-11-22 01:00:00.1 +0000 a",
            "times",
        ),
        ("now 1763710000", "now 1763710009.123456", "times"),
        ("/tmp/tmp.d3g7y1ZVBy", "/tmp/tmp.qOnfWUyZJ3", "names"),
        ("at 10:00 in tmp.d3g7y1ZVBy", "at 11:00 in tmp.qOnfWUyZJ3", "names"),
        ("3f2b8c1e-1111-4222-8333-444455556666", "aa2b8c1e-1111-4222-8333-444455556666", "names"),
        ("PID 41 sleep", "PID 9  sleep", "numbers"),
        ("12 files", "13 files", "numbers"),
        ("b\na", "a\nb", "order"),
        ("b\na", "a\nc", "text"),
        ("12 files", "12 folders", "text"),
        ("", "bash: jq: command not found", "text"),
    ],
)
def test_the_mildest_cause_that_explains_all_of_it_is_named(then: str, now: str, cause: str) -> None:
    assert (name_cause(then, now), name_cause(now, then)) == (cause, cause)


def test_a_count_is_never_taken_for_a_time() -> None:
    assert name_cause("total 12", "total 13") == "numbers"
    assert name_cause("12:30 total 12", "12:31 total 13") == "numbers"


def test_the_lines_that_differ_are_shown_and_no_others() -> None:
    assert show_difference("a\nb\nc", "a\nB\nc") == "- b\n+ B"
    assert show_difference("a", "a\n") == "line ends or blanks at the end"


def test_much_is_cut_and_says_so() -> None:
    shown = show_difference("", "\n".join("x" * 500 for _ in range(20))).splitlines()
    assert len(shown) == MAX_LINES + 1 and shown[-1] == "... and 14 lines more"
    assert all(len(line) < MAX_CHARS + 10 for line in shown)
