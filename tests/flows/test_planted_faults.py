"""Planted faults: none wrong kept, none right refused, per class; the plan is the truth, the mill is on trial."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from benchmarks.fault_truth import SOLVER_CLASSES, SOUND, TASK_CLASSES, says
from benchmarks.faults import AT_LEAST, EPISODES, TABLE, Case, Found, plant, render

ROOT = Path(__file__).resolve().parents[2]
TRUST = ROOT / "docs" / "trust.md"
EPISODE_REASONS = {
    "wrong_value": {"failed"},
    "no_action": {"failed"},
    "claimed_write": {"failed", "repeated"},  # where no act ends an episode, a claim is said again and again
    "extra_write": {"failed"},
    "rolled_back": {"failed"},
    "other_form": set(),
    "repeats": {"repeated"},
    "malformed": {"invalid_action"},
    "gives_up": {"failed", "repeated"},
    SOUND: set(),
}
TASK_REASONS = {
    "reference_fails": {"reference_passes_1"},
    # A change that the initial state already holds may fail when the reference makes it once more.
    "nothing_passes": {"nothing_fails", "reference_passes_1"},
    "any_answer_passes": {"any_answer_fails"},
    # A key that is drawn by chance points nowhere.
    "random_reference": {"reference_repeats", "reference_is_stable", "reference_passes_1"},
    "needs_network": {"needs_no_network"},
    SOUND: set(),
}
Planting = Callable[[str], Found]
WRITES = {"claimed_write": 0, "extra_write": 2, "rolled_back": 1}
"""Statements that write in a database episode of the class."""
FEW = {"os": 90, "db": 60}
"""Requests that plant every class in a third of the time."""


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planting:
    """Plant, each set once."""

    @cache
    def make(size: str) -> Found:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRAJMILL_HOME", "put back afterwards")
            return asyncio.run(plant(tmp_path_factory.mktemp("faults"), **(FEW if size == "few" else {})))

    return make


@pytest.fixture(params=[pytest.param("few", marks=pytest.mark.slow), pytest.param("all", marks=pytest.mark.nightly)])
def found(planted: Planting, request: pytest.FixtureRequest) -> Found:
    """What must hold of any set."""
    return planted(request.param)


@pytest.fixture
def whole(planted: Planting) -> Found:
    """What the page is written from."""
    return planted("all")


def of_class(cases: tuple[Case, ...], name: str) -> list[Case]:
    return [case for case in cases if case.planted.fault == name]


@pytest.mark.nightly
def test_every_class_is_planted_often_enough_in_both_worlds(whole: Found) -> None:
    assert len(whole.episodes) >= EPISODES
    assert Counter(case.planted.fault for case in whole.episodes).keys() == set(SOLVER_CLASSES)
    assert Counter(case.planted.fault for case in whole.tasks).keys() == set(TASK_CLASSES)
    for cases, names in ((whole.episodes, SOLVER_CLASSES), (whole.tasks, TASK_CLASSES)):
        assert {case.environment for case in cases} >= {"os", "db"}
        assert min(len(of_class(cases, name)) for name in names) >= AT_LEAST


@pytest.mark.parametrize("name", SOLVER_CLASSES)
def test_no_wrong_episode_is_kept_and_no_right_one_refused(found: Found, name: str) -> None:
    cases = of_class(found.episodes, name)
    assert [case for case in cases if case.is_wrong_kept] == []
    assert [case for case in cases if case.is_right_refused] == []
    assert {case.reason for case in cases if not case.is_kept} == EPISODE_REASONS[name]


@pytest.mark.parametrize("name", TASK_CLASSES)
def test_no_wrong_task_is_admitted_and_no_right_one_refused(found: Found, name: str) -> None:
    cases = of_class(found.tasks, name)
    assert [case for case in cases if case.is_wrong_kept] == []
    assert [case for case in cases if case.is_right_refused] == []
    assert {case.reason for case in cases if not case.is_kept} <= TASK_REASONS[name]


def test_what_was_planted_is_what_was_done(found: Found) -> None:
    """The plan's classes are not only names: each episode's replies show its fault."""
    for case in found.episodes:
        done, fault = Counter(case.actions), case.planted.fault
        acted = done.total() - done["answer"] - done["finish"] - done["invalid"]
        if fault == "no_action":
            assert case.actions == ("answer",) and case.detail.startswith("answered_without_acting"), case
        elif fault == "repeats":
            said = {reply.rpartition("\n")[0] for reply in case.replies}  # without the action, which may be snapped
            assert len(said) == 1 and len(case.replies) == 3, case
        elif fault == "malformed":
            assert case.actions[-2:] == ("invalid", "invalid") and done["invalid"] == 2, case  # asked once more
        elif fault == "gives_up":
            assert re.search(r"give up|do not|don't", case.replies[-1]), case
        else:
            assert acted and case.actions[-1] in ("answer", "finish", "click", "act"), case  # a purchase is a click
        if case.environment == "db" and fault in WRITES:
            written = [
                reply for reply in case.replies if re.search(r"^(?:INSERT|UPDATE|DELETE)\b", reply, re.MULTILINE)
            ]
            assert len(written) == WRITES[fault], case
            assert (fault == "rolled_back") == ("ROLLBACK" in case.replies[-2]), case


def test_answers_hold_what_the_families_computed_exactly_where_the_plan_says_so(found: Found) -> None:
    asked = [case for case in found.episodes if case.planted.expected is not None and case.answer is not None]
    for case in asked:
        right = case.planted.is_right or case.planted.fault == "no_action"
        assert says(case.answer, case.planted.expected or "") == right, case
    assert {case.environment for case in asked if case.planted.is_right} == {"os", "db"}


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("220 files", r'(?:\["|^)[\d,.]+ [a-z]+(?:"\]|$)'),
        ("1,174", r"(?:^|\")\d{1,3}(?:,\d{3})+"),
        ("a trailing newline", r"\\n\"?\]?$"),
        ("quotes", r"^([\"'`]).*\1$"),
        ("a Python list", r"^\[\("),
    ],
)
def test_the_other_forms_of_a_right_answer_occur(whole: Found, form: str, pattern: str) -> None:
    answers = [case.answer or "" for case in of_class(whole.episodes, "other_form")]
    assert [a for a in answers if re.search(pattern, a)], (form, answers)


@pytest.mark.nightly
def test_columns_in_another_order_occur(whole: Found) -> None:
    turned = [
        case
        for case in of_class(whole.episodes, "other_form")
        if (case.planted.expected or "").startswith('[["') and re.match(r'\[\[[\d.]+, "', case.answer or "")
    ]
    assert turned and all(case.is_kept for case in turned)


@pytest.mark.nightly
def test_the_page_says_what_a_run_gives(whole: Found) -> None:
    page = TRUST.read_text(encoding="utf-8")
    assert TABLE.put(page, render(whole)) == page, "run: python -m benchmarks.faults --write docs/trust.md"


def test_the_page_holds_a_table_of_all_classes_with_nothing_wrong_kept_or_right_refused() -> None:
    table = TRUST.read_text(encoding="utf-8").partition(TABLE.start)[2].partition(TABLE.end)[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line.startswith("| `")
    ]
    assert [row[0].strip("`") for row in rows] == [*SOLVER_CLASSES, *TASK_CLASSES]
    assert all(int(row[3]) >= AT_LEAST and row[6:8] == ["0", "0"] for row in rows)


def test_the_truth_imports_nothing_that_judges() -> None:
    code = "import sys, benchmarks.fault_truth; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    ours = {name for name in run.stdout.split() if name.split(".")[0] in ("environments", "tasks", "flows")}
    judging = re.compile(r"\.(check|judge|admission|answer|state|world|episode|registry)$")
    assert "environments.os.rehearsal" in ours
    assert [name for name in sorted(ours) if judging.search(name) or name.split(".")[0] != "environments"] == []
