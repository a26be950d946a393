"""The fault plan of the offline teacher: which reply goes wrong, and how, as a pure function of what is asked.

Tests compute their ground truth from here; the checks never do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from schemas.record import canonical_json
from schemas.run_config import FaultsConfig

SOLVER_FAULTS = (
    "wrong_value",  # answers with another value
    "no_action",  # gives the right value without running anything
    "claimed_write",  # claims success without a write
    "extra_write",  # makes the right change, and one that nobody asked for
    "rolled_back",  # makes the right change and takes it back
    "other_form",  # gives the right answer in another form: to be accepted
    "repeats",  # says the same thing three times
    "malformed",  # writes an action that cannot be read
    "gives_up",
)
TASK_FAULTS = (
    "reference_fails",
    "nothing_passes",  # a check that doing nothing passes
    "any_answer_passes",
    "random_reference",
    "needs_network",
)
MODELS = ("offline-a", "offline-b")


def model_seed(model: str, seed: int | None) -> int | None:
    """Return the seed that a model draws with: `offline-b` draws otherwise than `offline-a`."""
    return seed if model == MODELS[0] else (seed or 0) + 1_000_003


def solver_fault(problem: str, seed: int | None, applicable: Sequence[str], faults: FaultsConfig) -> str | None:
    """Return the fault of an episode on a problem, the same in each of its turns; None = it goes right."""
    return _draw("solver", problem, seed, applicable, faults.solver, faults)


def task_fault(prompt: str, seed: int | None, applicable: Sequence[str], faults: FaultsConfig) -> str | None:
    """Return the fault of the task made up for a prompt; None = it is sound."""
    return _draw("task", prompt, seed, applicable, faults.task, faults)


def thought_fault(prompt: str, seed: int | None, faults: FaultsConfig) -> str | None:
    """Return `leak` where a backfilled thought is to give away what was not visible."""
    return _draw("thought", prompt, seed, ("leak",), faults.leak, faults)


def _draw(
    what: str, text: str, seed: int | None, applicable: Sequence[str], share: float, faults: FaultsConfig
) -> str | None:
    """Draw uniformly over the applicable classes, with the share as the chance of any."""
    if not applicable:
        return None
    drawn = hashlib.sha256(canonical_json([what, text, seed, faults.seed])).digest()
    if int.from_bytes(drawn[:8], "big") >= share * 2**64:
        return None
    return sorted(applicable)[int.from_bytes(drawn[8:16], "big") % len(applicable)]
