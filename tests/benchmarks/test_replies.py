"""The corpus of replies: turns and calls are read as meant, and none as something else."""

from __future__ import annotations

from benchmarks.replies import GOAL, Line, make_table, meets_goal, read_corpus, share

KNOWN = ("to-042",)
"""Whole, and cut in a closing remark: a cut reply is never taken for a task, since its check may lack the end."""


def test_replies_are_read_as_meant_and_none_as_something_else() -> None:
    lines = list(read_corpus())
    missed = [(line.line_id, line.detail) for line in lines if line.read != "as meant" and line.line_id not in KNOWN]
    assert len(lines) >= 400 and not missed
    assert meets_goal(lines)


def test_the_table_counts_by_part_and_kind_and_the_goal_holds_nothing_misread() -> None:
    lines = [Line("a", "turns", "bash", "", "as meant"), Line("b", "turns", "cut", "", "unreadable")]
    assert make_table(lines).splitlines()[2:] == [
        "| turns | bash | 1 | 1 | 0 | 0 |",
        "| turns | cut | 1 | 0 | 1 | 0 |",
        "| all |  | 2 | 1 | 1 | 0 |",
    ]
    assert share(lines) == 0.5 < GOAL and not meets_goal(lines)
    misread = Line("c", "turns", "bash", "", "something else")
    assert meets_goal([lines[0]] * 200) and not meets_goal([*[lines[0]] * 200, misread])
