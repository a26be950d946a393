"""What a judgement costs is bounded, whatever an answer or a result holds; and one answer is one answer."""

from __future__ import annotations

import json
from itertools import permutations

import pytest

from environments.db.cells import found_cell, wanted_cell
from environments.db.judge import judge_aside, judge_rows
from environments.db.labels import judge_label
from environments.db.matching import OutOfSteps, Steps, has_same_rows, pair_off

ZEROS = [tuple([0] * 40)]
LOOKALIKE = [tuple((row >> column) & 1 for column in range(10)) for row in range(1024)]
BOMBS = {
    "equal columns, one other": (json.dumps([[0] * 39 + [7]]), ZEROS),
    "columns of the same values": (json.dumps([list(row) for row in LOOKALIKE[1:]] + [[0] * 9 + [2]]), LOOKALIKE),
    "rows within the tolerance": (json.dumps([n % 3 * 0.005 for n in range(1999)] + [9]), [(0.004,)] * 2000),
    "100,000 rows": (",".join(["1"] * 49_999), [(2,)] * 100_000),
    "many rows": (",".join(["1"] * 50_000), [(1.005,)] * 49_999 + [(2,)]),
    "deep list": ("[" * 400 + "]" * 400, ZEROS),
    "deep mapping": ('{"a":' * 300 + "1" + "}" * 300, ZEROS),
    "deep minus": ("-" * 90_000 + "1", [(1,)]),
    "long sum": ("1" + "+1" * 45_000, [(1,)]),
    "long hexadecimal number": ("[0x" + "f" * 90_000 + "]", [(1,)]),
    "long number": ("[" + "9" * 90_000 + "]", [(1,)]),
    "large exponents": (json.dumps(["1e999"] * 2000), [("-1e999",)] * 2000),
    "colliding numbers": ("{" + ",".join(f"{n * (2**61 - 1)}:1" for n in range(1, 4000)) + "}", [(2,)]),
    "combining marks": ("a" + "\u0315\u0300" * 49_000, [("b",)]),
    "digits and a letter": ("1" * 99_000 + "!", [(1,)]),
    "blanks": ("-" + " " * 99_000 + "1", [(2, 3)]),
    "quotes": ("Decimal('" * 11_000, [(1,)]),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.timeout(60)
async def test_a_bomb_is_only_wrong(name: str, ordered: bool) -> None:
    answer, rows = BOMBS[name]
    assert (await judge_aside(judge_rows, answer, rows, ordered)).reason == "wrong_answer"


@pytest.mark.timeout(60)
def test_labels_are_bounded_too() -> None:
    assert not judge_label(",".join(["1"] * 50_000), ["1.005"] * 49_999 + ["2"]).passed


def test_columns_that_hold_the_same_values_are_turned() -> None:
    rows = [(row % 2, row // 2 % 2, row // 4 % 2, row // 8) for row in range(16)][3:]
    for order in permutations(range(4)):
        turned = [tuple(row[i] for i in order) for row in reversed(rows)]
        assert judge_rows(json.dumps(turned), rows, False).passed
        assert judge_rows(json.dumps(turned[::-1]), rows, True).passed


def test_two_thousand_rounded_rows_pair_off_in_any_order() -> None:
    rows = [(f"n{number % 7}", number * 1.0371, number / 7) for number in range(2000)]
    rounded = [(round(c, 2), a, round(b, 2)) for a, b, c in rows]
    assert judge_rows(json.dumps(rounded[::-1]), rows, False).passed


def test_a_pairing_is_found_where_the_nearest_is_taken() -> None:
    found, wanted = [(found_cell(said),) for said in ("33.33", "33.3")], [(wanted_cell(n),) for n in (33.33, 33.334)]
    assert pair_off(found, wanted, Steps())


def test_after_the_steps_the_given_order_counts() -> None:
    rows = [(wanted_cell(1), wanted_cell("a")), (wanted_cell(2), wanted_cell("b"))]
    turned = [(found_cell("a"), found_cell(1)), (found_cell("b"), found_cell(2))]
    assert has_same_rows(turned, rows, Steps())
    assert has_same_rows(rows, rows, Steps(0))
    assert not has_same_rows(turned, rows, Steps(0))
    with pytest.raises(OutOfSteps):
        pair_off(turned, rows, Steps(1))


HEDGED = [
    '["palm","oak"]\n["fern"]',
    '["palm","oak"]\n\n["fern"]',
    '["palm","oak"]\nor\n["fern"]',
    '["palm","oak"]\nIt might also be ["fern"] instead.',
    '["palm","oak"]\nfern',
    '["palm","oak"]\nOtherwise it is the fern.',
    "['palm', 'oak']\n('fern',)",
    '["palm","oak"]\n```\n["fern"]\n```',
    '["palm","oak"]\n{"name": "fern"}',
]


@pytest.mark.parametrize("answer", HEDGED)
def test_a_second_answer_makes_the_first_no_answer(answer: str) -> None:
    assert not judge_rows(answer, [("palm",), ("oak",)], False).passed
    assert not judge_label(answer, ("palm", "oak")).passed


@pytest.mark.parametrize("answer", ["220\n221", "220\nor 221", "220\nIt could be 221 as well."])
def test_a_second_number_makes_the_first_no_answer(answer: str) -> None:
    assert not judge_rows(answer, [(220,)], False).passed


@pytest.mark.parametrize("answer", ['["palm","oak"]\nThese are the tall trees.', '["palm","oak"]\n\n'])
def test_prose_after_an_answer_does_not_count(answer: str) -> None:
    assert judge_rows(answer, [("palm",), ("oak",)], False).passed
