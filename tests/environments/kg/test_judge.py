"""F1, exact match and executability as AgentBench counts them, each by name."""

from __future__ import annotations

import pytest

from environments.kg.judge import judge_values


@pytest.mark.parametrize(
    ("given", "right", "f1", "exact", "executable"),
    [
        (["a"], ["a"], 1, 1, 1),
        (["b", "a", "a"], ["a", "b"], 1, 1, 1),
        (["a"], ["a", "b"], 2 / 3, 0, 1),
        (["a", "b", "c", "d"], ["a"], 0.4, 0, 1),
        (["x"], ["a"], 0, 0, 1),
        ([], ["a"], 0, 0, 0),
        (None, ["a"], 0, 0, 0),
        ([], [], 0, 0, 0),
        (["3"], ["3.0"], 0, 0, 1),
    ],
)
def test_an_answer_is_judged(
    given: list[str] | None, right: list[str], f1: float, exact: float, executable: float
) -> None:
    verdict = judge_values(given, right)
    assert [part.name for part in verdict.parts] == ["f1", "exact_match", "executability"]
    assert [part.value for part in verdict.parts] == pytest.approx([f1, exact, executable])
    assert verdict.reward == pytest.approx(f1)
    assert verdict.name == ("passed" if exact else "failed")


def test_what_is_wrong_is_said_without_what_is_right() -> None:
    detail = judge_values(["x", "y", "z", "w", "a"], ["a", "secret"]).detail
    assert detail == "1 of 2 right, 4 beyond: w, x, y, ..." and "secret" not in detail
