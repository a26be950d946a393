"""States of databases are compared without order, with duplicates, and typed; AgentBench's hash is theirs."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from environments.db.state import (
    State,
    agentbench_hash,
    canonical_row,
    digest_rows,
    row_differences,
    state_differences,
)

VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(), st.binary())
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=8)


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
