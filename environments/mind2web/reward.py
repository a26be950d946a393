"""How much of a task was done: named functions from what was wanted and what was done to a number in [0, 1].

AgentTuning kept Mind2Web's trajectories from r >= 2/3 on and did not say what r is; its code has per step the element's
rightness, the F1 of the action's words and their conjunction. `trajectory` is our reading; `worlds.mind2web.reward`
names another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from schemas.episode import RewardPart

THRESHOLD = 2 / 3
RewardName = Literal["trajectory", "step_success", "element_f1", "element", "action_f1"]


class Measured(NamedTuple):
    """One step, measured as AgentBench does."""

    element: float
    """1 where the chosen element is one of the right ones."""
    action_f1: float
    """F1 of the sets of words of `OP value`; letters count as they are."""

    @property
    def success(self) -> float:
        """1 where both are wholly right."""
        return float(self.element > 0 and self.action_f1 >= 1)


def f1(said: str, wanted: str) -> float:
    """Return the F1 of two sets of words; two empty ones are alike."""
    ours, theirs = set(said.split()), set(wanted.split())
    if not ours or not theirs:
        return float(ours == theirs)
    both = len(ours & theirs)
    return 2 * both / (len(ours) + len(theirs))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def step_success(steps: Sequence[Measured]) -> float:
    """Share of the steps that are wholly right: Mind2Web's step success rate of a task."""
    return _mean([step.success for step in steps])


def element_f1(steps: Sequence[Measured]) -> float:
    """Mean of element times action F1."""
    return _mean([step.element * step.action_f1 for step in steps])


def trajectory(steps: Sequence[Measured]) -> float:
    """Of one step element times action F1, of several the share that is wholly right."""
    return element_f1(steps) if len(steps) == 1 else step_success(steps)


REWARDS: Mapping[RewardName, Callable[[Sequence[Measured]], float]] = {
    "trajectory": trajectory,
    "step_success": step_success,
    "element_f1": element_f1,
    "element": lambda steps: _mean([step.element for step in steps]),
    "action_f1": lambda steps: _mean([step.action_f1 for step in steps]),
}


def parts(steps: Sequence[Measured]) -> tuple[RewardPart, ...]:
    """Return what a reward is made of, by name, each the mean over the steps."""
    return (
        RewardPart(name="element", value=_mean([step.element for step in steps])),
        RewardPart(name="action_f1", value=_mean([step.action_f1 for step in steps])),
        RewardPart(name="step_success", value=step_success(steps)),
    )
