"""Answers are right in every form that people give them, and wrong where a value, a row or the asked order is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.db.judge import Told, answer_of, judge_rows
from environments.db.labels import judge_label

COUNT = [(220,)]
NAMES = [("Ann",), ("Bo",), ("Bo",)]
PAIRS = [("Ann", 3), ("Bo", 1174)]


@pytest.mark.parametrize(
    "answer",
    ["[220]", "220", '["220"]', "[(220,)]", "220\n", " 220.0 ", "['220']", "[[220]]", "`220`"],
)
def test_a_count_is_right_in_any_form(answer: str) -> None:
    assert judge_rows(answer, COUNT, False).passed


@pytest.mark.parametrize(
    "answer",
    ["221", "[220, 1]", "", "[]", "220.02", "220.004", "220 files", "220 thousand", "2 20", "[null]", "about it"],
)
def test_another_count_is_wrong(answer: str) -> None:
    judged = judge_rows(answer, COUNT, False)
    assert (judged.passed, judged.reason) == (False, "wrong_answer")


@pytest.mark.parametrize("answer", ["1,174", "[1174]", "1174.0", '["1,174"]', "[(Decimal('1174.00'),)]"])
def test_thousands_and_exact_numbers_are_numbers(answer: str) -> None:
    assert judge_rows(answer, [(1174,)], False).passed


@pytest.mark.parametrize("answer", ["12.5%", "12.5", "12.495", "'12.5 %'"])
def test_percent_signs_and_rounding_do_not_count(answer: str) -> None:
    assert judge_rows(answer, [(12.5,)], False).passed


@pytest.mark.parametrize(
    "answer",
    [
        '["Bo", "Ann", "Bo"]',
        "[('Ann',), ('Bo',), ('Bo',)]",
        "Ann, Bo, Bo",
        "- Ann\n- Bo\n- Bo",
        '[["Bo"], ["Bo"], ["Ann"]]',
    ],
)
def test_rows_without_an_asked_order_come_in_any(answer: str) -> None:
    assert judge_rows(answer, NAMES, False).passed


@pytest.mark.parametrize("answer", ['["Ann", "Bo"]', '["Ann", "Ann", "Bo"]', '["Ann", "Bo", "Bo", "Cy"]'])
def test_duplicates_count(answer: str) -> None:
    assert not judge_rows(answer, NAMES, False).passed


def test_order_counts_where_the_question_orders() -> None:
    assert judge_rows('["Ann", "Bo", "Bo"]', NAMES, True).passed
    assert judge_rows('["Bo", "Ann", "Bo"]', NAMES, True).reason == "wrong_order"


@pytest.mark.parametrize(
    "answer", ['[["Ann", 3], ["Bo", 1174]]', "[(3, 'Ann'), (1174, 'Bo')]", "Ann, 3\nBo, 1174", "Bo | 1,174\nAnn | 3"]
)
def test_columns_may_be_turned_if_every_row_is_turned_alike(answer: str) -> None:
    assert judge_rows(answer, PAIRS, False).passed


@pytest.mark.parametrize("answer", ['[["Ann", 3], [1174, "Bo"]]', '[["Ann", 1174], ["Bo", 3]]', '[["Ann", 3]]'])
def test_rows_whose_values_do_not_belong_together_are_wrong(answer: str) -> None:
    assert not judge_rows(answer, PAIRS, False).passed


def test_a_result_set_keeps_its_columns_in_their_order_and_its_rows_in_any() -> None:
    rows = [("fern", 40), ("oak", 2000)]
    assert judge_rows('[["oak", 2000], ["fern", 40]]', rows, False, True).passed
    assert judge_rows('[[40, "fern"], [2000, "oak"]]', rows, False).passed
    assert judge_rows('[[40, "fern"], [2000, "oak"]]', rows, False, True).reason == "wrong_answer"
    assert judge_rows('[["oak", 2000], ["fern", 40]]', rows, True, True).reason == "wrong_order"
    assert judge_rows("[]", [], False, True).passed and not judge_rows("[]", rows, False, True).passed


def test_one_row_may_come_as_a_flat_list() -> None:
    assert judge_rows('["Ann", 3]', [("Ann", 3)], False).passed
    assert not judge_rows('["Ann", 4]', [("Ann", 3)], False).passed


def test_large_numbers_are_compared_exactly() -> None:
    assert not judge_rows("9007199254740993", [(9007199254740992,)], False).passed


def test_no_answer_has_its_own_reason() -> None:
    assert judge_rows(None, COUNT, False).reason == "no_answer"


@pytest.mark.parametrize(
    "answer",
    ["__import__('os').system('true')", "[" * 5000, "1e999999999", "[1e999999999999]", "9" * 50_000, "\x00", "{}"],
)
def test_hostile_answers_are_only_wrong(answer: str) -> None:
    assert not judge_rows(answer, COUNT, False).passed


def test_labels_take_the_benchmarks_own_forms() -> None:
    assert judge_label("[('7',)]", ("7",)).passed
    assert judge_label("1", ("1.0",)).passed
    assert judge_label("None", ("none",)).passed
    assert judge_label('["2–0", "1–0"]', ("1–0", "2–0")).passed
    assert not judge_label('["2–0"]', ("1–0", "2–0")).passed


COLUMNS = Told(columns=("least", "most"))


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ('{"least": 1, "most": 9}', True),
        ('{"most": 9, "least": 1}', True),
        ('{"least": 9, "most": 1}', False),
        ('[{"most": 1, "least": 9}]', False),
        ("| Least | Most |\n|---|---|\n| 9 | 1 |", False),
        ("[9, 1]", True),
    ],
)
def test_an_answer_that_names_its_columns_means_them(answer: str, is_right: bool) -> None:
    assert judge_rows(answer, [(1, 9)], False, told=COLUMNS).passed is is_right


def test_among_ties_any_order_is_right() -> None:
    rows, told = [("Ann", 9), ("Bo", 7), ("Cy", 7), ("Di", 3)], Told(ranks=(0, 1, 1, 3))
    assert judge_rows('["Ann", "Cy", "Bo", "Di"]', [row[:1] for row in rows], True, told=told).passed
    assert judge_rows('[[9, "Ann"], [7, "Cy"], [7, "Bo"], [3, "Di"]]', rows, True, told=told).passed
    assert judge_rows('["Bo", "Ann", "Cy", "Di"]', [row[:1] for row in rows], True, told=told).reason == "wrong_order"
    assert judge_rows('["Ann", "Cy", "Bo", "Di"]', [row[:1] for row in rows], True).reason == "wrong_order"


def test_a_row_counts_once_where_the_task_says_so() -> None:
    told = Told(distinct=True)
    assert judge_rows('["Ann", "Bo"]', NAMES, False, told=told).passed
    assert judge_rows('["Bo", "Ann", "Bo"]', NAMES, False, told=told).passed
    assert judge_rows('["Ann", "Bo"]', NAMES, True, told=told).passed
    assert judge_rows('["Bo", "Ann"]', NAMES, True, told=told).reason == "wrong_order"
    assert not judge_rows('["Ann"]', NAMES, False, told=told).passed


TEXT = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6)
ROW = st.tuples(TEXT, st.integers(-10_000, 10_000), st.none() | TEXT)


@given(st.lists(ROW, min_size=1, max_size=6), st.permutations(range(3)), st.randoms())
def test_a_result_worded_as_an_answer_is_right_in_any_order(rows, order, chance) -> None:  # type: ignore[no-untyped-def]
    assert judge_rows(answer_of(rows), rows, True).passed
    turned = [tuple(row[i] for i in order) for row in rows]
    chance.shuffle(turned)
    assert judge_rows(answer_of(turned), rows, False).passed


@given(st.lists(st.tuples(st.integers(0, 50)), min_size=1, max_size=6), st.integers(0, 5), st.integers(1, 9))
def test_one_changed_number_is_wrong(rows: list[tuple[int]], place: int, by: int) -> None:
    changed = [row[0] for row in rows]
    changed[place % len(changed)] += by
    assert not judge_rows(json.dumps(changed), rows, False).passed
