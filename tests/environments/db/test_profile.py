"""Column profiles say what rows hold, whatever it is, within bounds."""

from __future__ import annotations

import pytest

from environments.db.profile import MOST_COLUMNS, MOST_ROWS, profile_table
from environments.db.state import SqlValue


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([3, 1, 2, None], "c: integer, 3 different, 1 missing, 1 to 3"),
        ([0.5, 2], "c: real, 2 different, 0.5 to 2"),
        (["b", "a", "b", "b"], "c: text, 2 different, b (3); a (1)"),
        (["2024-03-01", "2023-01-31 10:00"], "c: text, 2 different, 2023-01-31 10:00 to 2024-03-01"),
        (["Zoe", "Ann", "Max"], "c: text, 3 different, such as Ann; Zoe"),
        ([None, None], "c: empty, 0 different, 2 missing"),
        ([b"\0", b"\1"], "c: blob, 2 different"),
        ([1, "x"], "c: mixed, 2 different"),
        (["a\nb", "x" * 99], f"c: text, 2 different, such as a b; {'x' * 29}..."),
        ([], "c: empty, 0 different"),
        ([1, 2, 3, 4, 5, 1], "c: integer, 5 different, 1 (2); 2 (1); 3 (1); 4 (1) ..."),
    ],
)
def test_a_column_is_described_by_what_it_holds(values: list[SqlValue], said: str) -> None:
    (column,) = profile_table("t", ("c",), [(value,) for value in values]).columns
    assert str(column) == said


def test_a_table_is_described_within_bounds() -> None:
    names = [f"c{n}" for n in range(40)]
    many = profile_table("t", names, [tuple(range(40))] * (MOST_ROWS + 1))
    assert len(many.columns) == MOST_COLUMNS and many.rows.startswith("more than 2000 rows")
    assert len(many.samples) == 12 and len(many.names) == 40
    assert profile_table("t", names, [tuple(range(40))]).rows == "1 row"
