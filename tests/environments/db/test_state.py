"""States of databases are compared without order, with duplicates, and typed; AgentBench's hash is theirs."""

from __future__ import annotations

import json
import math
import random
import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from environments.db.state import (
    State,
    agentbench_hash,
    canonical_row,
    canonical_rows,
    digest_rows,
    row_differences,
    state_differences,
)

VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(), st.binary())
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=8)


KINDS = VALUES | st.booleans() | st.decimals(allow_nan=False) | st.datetimes() | st.dates() | st.times() | st.floats()


def plainly(value: Any) -> str | None:
    """Say what a value is in a row, kind by kind and one at a time."""
    if value is None or isinstance(value, str):
        return None if value is None else "t" + unicodedata.normalize("NFC", value)
    if isinstance(value, bytes):
        return "b" + value.hex()
    if isinstance(value, int):
        return f"n{int(value)}"
    if isinstance(value, Decimal):
        return "n" + (format(value.normalize(), "f") if value.is_finite() else str(value))
    if isinstance(value, float):
        is_whole = value.is_integer() and abs(value) < 1e15
        return f"n{int(value)}" if is_whole else f"n{value:.15g}"
    return "t" + (value.isoformat(" ") if isinstance(value, datetime) else value.isoformat())


@given(st.lists(KINDS))
@example([])
@example(
    [-0.0, 0, 1e15, 10**15, 999999999999999.0, 1e-7, math.inf, math.nan, True, "\ud800", 'a"\\\x00\x7f', "e\u0301"]
)
def test_a_row_is_the_json_of_its_values(row: list[Any]) -> None:
    written = json.dumps([plainly(value) for value in row]).encode()
    assert [canonical_row(row), *canonical_rows([row, row], range(len(row)))] == [written] * 3


def test_a_digest_does_not_depend_on_how_many_rows_are_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(n, f"text {n}") for n in range(2500)]
    digest = digest_rows(["b", "a"], rows)
    monkeypatch.setattr("environments.db.state._ROWS_AT_ONCE", 7)
    assert digest[0] == 2500 and digest_rows(["b", "a"], rows) == digest


def test_columns_may_have_one_name_or_none_at_all() -> None:
    assert digest_rows(["a", "a"], [(2, 1)]) != digest_rows(["a", "a"], [(1, 2)])
    assert digest_rows([], [(), ()])[0] == 2


@given(ROWS, st.randoms())
def test_the_order_of_rows_does_not_count(rows: list[tuple[object, object]], chance: random.Random) -> None:
    shuffled = list(rows)
    chance.shuffle(shuffled)
    assert digest_rows(["a", "b"], rows) == digest_rows(["a", "b"], shuffled)  # type: ignore[arg-type]


@given(ROWS)
def test_the_order_of_columns_does_not_count(rows: list[tuple[object, object]]) -> None:
    turned = [(b, a) for a, b in rows]
    assert digest_rows(["a", "b"], rows) == digest_rows(["b", "a"], turned)  # type: ignore[arg-type]


@given(ROWS, VALUES)
def test_one_more_row_counts_even_if_it_is_a_duplicate(rows: list[tuple[object, object]], value: object) -> None:
    longer = [*rows, rows[0] if rows else (value, value)]
    assert digest_rows(["a", "b"], rows) != digest_rows(["a", "b"], longer)  # type: ignore[arg-type]


def test_null_is_neither_empty_text_nor_a_shifted_value() -> None:
    assert canonical_row(["x", None, "y"]) != canonical_row(["x", "y", None])
    assert canonical_row([None]) != canonical_row([""])


def test_a_comma_in_a_value_is_not_two_values() -> None:
    assert canonical_row(["a,b", "c"]) != canonical_row(["a", "b,c"])


def test_equal_numbers_of_any_type_are_equal_and_text_is_not_a_number() -> None:
    assert canonical_row([1]) == canonical_row([1.0]) == canonical_row([Decimal("1.00")])
    assert canonical_row([0.1 + 0.2]) == canonical_row([0.3])
    assert canonical_row(["1"]) != canonical_row([1])


def test_the_same_letters_in_two_unicode_forms_are_equal() -> None:
    assert canonical_row(["Montr\u00e9al"]) == canonical_row(["Montre\u0301al"])


def test_differences_name_the_table_and_the_kind() -> None:
    expected = State({"a": (1, "x"), "b": (2, "y"), "c": (1, "z")}, {"table a": "1"})
    found = State({"a": (1, "q"), "b": (3, "y"), "d": (0, "")}, {"table a": "2"})
    assert state_differences(expected, found) == [
        "table a holds other values",
        "table b has 3 rows, expected 2",
        "table c is missing",
        "table d should not be there",
        "the schema differs at table a",
    ]
    assert state_differences(expected, expected) == []


def test_row_differences_show_what_only_one_side_has() -> None:
    assert row_differences([(1, "a"), (2, "b")], [(2, "b"), (3, "c")]) == ['- ["n1", "ta"]', '+ ["n3", "tc"]']


def test_agentbench_skips_nulls_and_ignores_order_as_mysql_does() -> None:
    assert agentbench_hash([("x", None, "y")]) == agentbench_hash([("x", "y", None)])
    assert agentbench_hash([("a",), ("b",)]) == agentbench_hash([("b",), ("a",)])
    assert agentbench_hash([]) is None
