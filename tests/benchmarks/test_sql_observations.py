"""When a recorded observation and ours say the same: what the normalisation takes away, and what it must not."""

from __future__ import annotations

import pytest

from benchmarks.recorded.sql_observations import agrees, normalise

ROWS = [(number, "x" * 20) for number in range(60)]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("[('id', b'int', 'YES', '', None, '')]", "[('id', 'int(11)', 'YES', '', 'NULL', '')]"),
        ("[('year', b'int unsigned')]", "[('year', 'int(10) unsigned')]"),
        ("[(Decimal('9'),), (1.2345649,)]", "[(1.23456,), (9,)]"),
        ("[(datetime.date(2018, 3, 4),)]", "[(datetime.date(2018, 3, 4),)]"),
        ("None", "[]"),
        (
            "Error executing query: Unknown column 'T1.Name' in 'field list'",
            "Error: Unknown column 't1.name' in 'SELECT'",
        ),
        ("Error executing query: Table 'garden.Trees' doesn't exist", "Error: Table 'slot_3.trees' doesn't exist"),
        ("No SQL code was found in your last response.", "Error: You have an error in your SQL syntax; check ..."),
        (str(ROWS[:25]), str(ROWS)[:800] + "[TRUNCATED]"),
        (str(ROWS), str(ROWS)[:800] + "[TRUNCATED]"),
        (str(ROWS[:25]), str(ROWS[::-1])),
    ],
)
def test_the_same_in_other_words_agrees(theirs: str, ours: str) -> None:
    assert agrees(theirs, ours)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("[(1,), (1,)]", "[(1,)]"),
        ("[(1,)]", "[('1x',)]"),
        ("[(1.2345,)]", "[(1.2346,)]"),
        ("[(100000,)]", "[(100001,)]"),
        ("[('int',)]", "[('varchar(11)',)]"),
        ("[]", "[(None,)]"),
        ("[(1,)]", "Error: Unknown column 'a' in 'SELECT'"),
        ("Error executing query: Unknown column 'a' in 'field list'", "Error: Unknown column 'b' in 'SELECT'"),
        ("Error executing query: Unknown column 'a' in 'field list'", "Error: Table 'g.a' doesn't exist"),
        ("No SQL code was found in your last response.", "[(1,)]"),
        (str(ROWS[:25]), str(ROWS[:24])),
        (str(ROWS), str(ROWS[1:])[:800] + "[TRUNCATED]" + "x"),
        (str(ROWS[1:]), str(ROWS)[:800] + "[TRUNCATED]"),
    ],
)
def test_something_else_does_not(theirs: str, ours: str) -> None:
    assert not agrees(theirs, ours)


def test_only_literals_are_read() -> None:
    assert normalise("[(__import__('os').getcwd(),)]").rows == ()
