"""The corpus of replies: turns and calls are read as meant, and none as something else."""

from __future__ import annotations

import pytest

from benchmarks.replies import GOAL, Line, make_table, meets_goal, read_corpus, share

OTHERS = {"db-025", "db-029", "db-030", "db-076", "db-101", "db-102", "db-113", "db-127", "db-157", "db-160"}
"""Answers whose text is delivered whole, and whose forms the judge is to read."""
ENDPOINT = {"db-079", "db-092", "os-088"}
"""Reasoning in a form that the endpoint's reader is to take."""


@pytest.mark.parametrize("part", ["os-", "db-", "tc-"])
def test_turns_and_calls_are_read_as_meant(part: str) -> None:
    lines = [line for line in read_corpus((part,)) if line.line_id not in OTHERS | ENDPOINT]
    missed = [line for line in lines if line.read != "as meant"]
    assert len(lines) > 40 and not missed


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
