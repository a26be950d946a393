"""Answers that say the same take one form, and only those."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.os.answer import canonical_answer


@pytest.mark.parametrize(
    ("answer", "reference", "canonical"),
    [
        ("220\n", "220", "220"),
        ("220\\n", "220", "220"),
        ('"220\\n"', "220", "220"),
        ('"two words\\n"', "two words", "two words"),
        ("'a\\n'\\n", "a", "a"),
        ("printf a\\n", "printf a\\n", "printf a\\n"),
        ("'a\\n'", "a\\n", "a\\n"),
        ("220 files", "220", "220"),
        ("1,174", "1174", "1174"),
        ("1,174 lines", "1174", "1174"),
        ("`220`", "220", "220"),
        ('"notes.txt"', "notes.txt", "notes.txt"),
        ("  'a b'  ", "a b", "a b"),
        ("-1,000.5", "-1000.5", "-1000.5"),
        ("12 bytes", "12", "12 bytes"),
        ("5 KB", "5", "5 KB"),
        ("3 hours", "3", "3 hours"),
        ("There are 220 files", "220", "There are 220 files"),
        ("220 or 221", "220", "220 or 221"),
        ("1,17", "117", "1,17"),
        ("1,174", "1,174", "1,174"),
        ("1,174", "one", "1,174"),
        ('"quoted"', '"quoted"', '"quoted"'),
        ("", "220", ""),
    ],
)
def test_an_answer_takes_its_canonical_form(answer: str, reference: str, canonical: str) -> None:
    assert canonical_answer(answer, reference, "Count them.") == canonical


@pytest.mark.parametrize(
    ("answer", "instruction"),
    [("12 bytes", "How many bytes?"), ("3 hours", "Tell the hours."), ("5 KB", "The size in kb?"), ("7%", "What %?")],
)
def test_a_unit_that_scales_is_dropped_only_where_the_problem_names_it(answer: str, instruction: str) -> None:
    number = canonical_answer(answer, "1", instruction)
    assert number.isdigit()
    assert canonical_answer(answer, "1", "How much?") == answer


@given(st.text(), st.text())
def test_a_different_number_never_becomes_the_references(answer: str, instruction: str) -> None:
    if "42" not in answer.replace(",", ""):
        assert canonical_answer(answer, "42", instruction) != "42"


@given(st.text(), st.sampled_from(["42", "x", ""]))
def test_the_canonical_form_is_stable(answer: str, reference: str) -> None:
    once = canonical_answer(answer, reference, "Count the files.")
    assert canonical_answer(once, reference, "Count the files.") == once


LONG = 200_000
LAYERS = {
    "quotes": '"' * LONG,
    "quotes of two kinds": "\"'" * (LONG // 4) + "'\"" * (LONG // 4),
    "ends of lines spelled out": "\\n" * (LONG // 2),
    "quotes with blanks": "' " * (LONG // 4) + " '" * (LONG // 4),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", LAYERS)
def test_an_answer_of_nothing_but_layers_is_peeled_once(name: str) -> None:
    assert canonical_answer(LAYERS[name], "5", "How many?") == ""
