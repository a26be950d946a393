"""What a person may do about a task: see that nobody passes it, turn it away, and take that back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest

from commands.look import run_reject
from commands.never_passed import run_never_passed
from reports.difficulty import doubted
from schemas.episode import Episode, Solver
from schemas.errors import ConfigError
from schemas.rejection import DISPUTED, SECOND_OPINION, Rejection
from schemas.task_spec import TaskSpec
from tasks.workshop import Workshop

OUTCOMES: Sequence[tuple[str, str, str | None]] = (
    ("turn_limit", "ended as turn_limit", None),
    ("finished", "the check ended with exit code 1", "12"),
    ("finished", "wrong_answer: answered '13'", "13"),
    ("finished", "wrong_answer: answered '14'", "14"),
)


@pytest.fixture
def specs(make_specs: Callable[[int], list[TaskSpec]]) -> list[TaskSpec]:
    return make_specs(3)


@pytest.fixture
def shop(open_shop: Callable[..., Workshop], specs: list[TaskSpec], monkeypatch: pytest.MonkeyPatch) -> Workshop:
    """A home of three tasks: one passed once, one never, one not attempted."""
    workshop = open_shop(environments=["os"])
    monkeypatch.setenv("TRAJMILL_HOME", str(workshop.home))
    workshop.warehouse.land("task_specs", specs, key="specs")
    failed = [episode_of(specs[0], n, outcome, detail, answer) for n, (outcome, detail, answer) in enumerate(OUTCOMES)]
    passed = [episode_of(specs[1], 7, "finished", "", "1").model_copy(update={"verdict": "passed"})]
    workshop.warehouse.land("episodes", [*failed, *passed], key="episodes")
    return workshop


def episode_of(spec: TaskSpec, number: int, outcome: Any, detail: str, answer: str | None) -> Episode:
    return Episode(
        episode_id=f"{number:032}",
        task_id=spec.task_id,
        environment="os",
        origin="own",
        solver=Solver(kind="teacher", model="m", solver_id="s"),
        world_id="w",
        build=1,
        attempt=number + 1,
        outcome=outcome,
        verdict="failed",
        verdict_detail=detail,
        reward=0.0,
        answer=answer,
        n_turns=2,
        landing="x",
    )


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return orjson.loads(capsys.readouterr().out)


def away(shop: Workshop) -> list[tuple[str, str, str]]:
    return shop.warehouse.query("SELECT id, stage, reason FROM turned_away ORDER BY ALL")


def test_a_task_that_nobody_passes_is_listed_with_what_was_asked_expected_and_answered(
    shop: Workshop, specs: list[TaskSpec], capsys: pytest.CaptureFixture[str]
) -> None:
    run_never_passed(json=True)
    (told,) = said(capsys)["never_passed"]
    assert (told["task_id"], told["instruction"]) == (specs[0].task_id, "Print the number 0.")
    assert told["reference"] == ["echo 0"] and told["check"]["answer"] == "0"
    assert told["reasons"] == {"wrong_answer": 2, "turn_limit": 1, "failed": 1}
    assert [one["answer"] for one in told["attempts"]] == [None, "12", "13", "14"]
    run_never_passed(json=False)
    shown = capsys.readouterr().out
    for words in ("Print the number 0.", "echo 0", "wrong_answer 2", "1 tasks were attempted", "trajmill reject"):
        assert words in shown
    run_reject([specs[0].task_id], "wrong", json=False)
    capsys.readouterr()
    run_never_passed(json=True)
    assert said(capsys) == {"never_passed": []}


def test_a_person_s_word_on_a_task_is_taken_back_and_said_again(
    shop: Workshop, specs: list[TaskSpec], capsys: pytest.CaptureFixture[str]
) -> None:
    task = specs[0].task_id
    by_person = [(task, "review", "rejected_by_person")]
    for undo, expected in ((False, by_person), (True, []), (False, by_person), (False, by_person), (True, [])):
        run_reject([task[:20]], "so I say", json=True, undo=undo)
        assert said(capsys) == {"taken_back" if undo else "rejected": [task]}
        assert away(shop) == expected
    assert shop.warehouse.count("rejections") == 4, "what stands and is said again lands once"
    with pytest.raises(ConfigError, match=f"nobody has turned {task} away"):
        run_reject([task], "once more", json=True, undo=True)


def test_what_attempts_said_is_taken_back_by_a_person_and_what_an_expectation_says_is_not(
    shop: Workshop, specs: list[TaskSpec]
) -> None:
    task = specs[0].task_id
    common = {"detail": "d", "source": task, "raw": "", "build": 1}
    shop.warehouse.land("rejections", [Rejection.make(stage=SECOND_OPINION, reason=DISPUTED, **common)], key="disputed")
    assert doubted(shop.warehouse).rows == [("os", SECOND_OPINION, DISPUTED, 1, task)]
    run_reject([task], "both are wrong", json=True, undo=True)
    assert away(shop) == []
    broken = Rejection.make(stage="task_specs_have_words", reason="breaks_expectation", **common)
    shop.warehouse.land("rejections", [broken], key="broken")
    assert away(shop) == [(task, "task_specs_have_words", "breaks_expectation")]
    with pytest.raises(ConfigError, match="nothing to take back"):
        run_reject([task], "it is fine", json=True, undo=True)
