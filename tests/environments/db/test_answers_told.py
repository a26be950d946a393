"""The table of docs/databases.md, "Which answers are right", is what the judge does."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from environments.db.cells import Named
from environments.db.judge import Told, judge_rows

PAGE = Path(__file__).resolve().parents[3] / "docs" / "databases.md"
_SIGNS = {"\\n": "\n", "\\|": "|", "\\\\": "\\"}


class Case(NamedTuple):
    answer: str
    rows: list[tuple[object, ...]]
    asked: str
    verdict: str


def told_cases() -> list[Case]:
    lines = PAGE.read_text().split("| answer | right rows | asked | verdict |")[1].split("\n\n")[0].splitlines()[2:]
    told = [[part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [
        Case(plain(answer), ast.literal_eval(plain(rows)), asked, verdict)
        for answer, rows, asked, verdict in told
        if verdict
    ]


def plain(code: str) -> str:
    """Read a code span: without its marks, its signs for line ends and bars."""
    marks = len(code) - len(code.lstrip("`"))
    inside = code[marks : len(code) - marks] if marks else code
    inside = inside[1:-1] if inside.startswith(" `") or inside.endswith("` ") else inside
    return re.sub(r"\\[n|\\]", lambda sign: _SIGNS[sign.group()], inside)


CASES = told_cases()


def test_the_page_has_the_table() -> None:
    assert len(CASES) > 100
    assert {case.verdict for case in CASES} == {"right", "wrong"}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.answer[:40]!r} for {case.rows}" for case in CASES])
def test_the_page_tells_what_the_judge_does(case: Case) -> None:
    named = Named.by("", case.asked) if case.asked.startswith("SELECT") else Named.by(case.asked)
    judged = judge_rows(case.answer, case.rows, False, told=Told(named=named))
    assert (judged.passed, judged.reason) == (case.verdict == "right", "" if judged.passed else "wrong_answer")
