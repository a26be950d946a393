"""Faults planted in drafts: each makes a task that the admission must turn away."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from environments.os.families.family import Family, Scene


@dataclass(frozen=True)
class Draft:
    """The five parts of a made-up task."""

    problem: str
    explanation: str
    init: str
    reference: str
    evaluation: str


def _reference_fails(draft: Draft, family: Family, scene: Scene, rng: random.Random) -> Draft:
    folder = scene.before.root
    broken = rng.choice(
        (
            f"cd {folder}-old || exit 1\n{draft.reference}",
            f"set -e\ncat {folder}/index.missing\n{draft.reference}",
            f"{draft.reference}\nexit 3",
        )
    )
    return replace(draft, reference=broken)


def _nothing_passes(draft: Draft, family: Family, scene: Scene, rng: random.Random) -> Draft:
    if family.kind == "change":
        if rng.random() < 0.5:
            # The initial state is already what is asked for.
            return replace(draft, init=f"{draft.init}\n{draft.reference}")
        return replace(draft, evaluation=f"test -d {scene.before.root}")
    return replace(draft, evaluation=f'case "$1" in "" | None) exit 0 ;; esac\n{draft.evaluation}')


def _any_answer_passes(draft: Draft, family: Family, scene: Scene, rng: random.Random) -> Draft:
    loose = rng.choice(('[ -n "$1" ] && [ "$1" != None ]', f'{draft.evaluation} || [ -n "${{1#None}}" ]'))
    return replace(draft, evaluation=loose)


def _random_reference(draft: Draft, family: Family, scene: Scene, rng: random.Random) -> Draft:
    command = rng.choice(("echo $RANDOM$RANDOM", "date +%s%N", "echo $((RANDOM * 32768 + RANDOM))"))
    return replace(draft, reference=command)


def _needs_network(draft: Draft, family: Family, scene: Scene, rng: random.Random) -> Draft:
    host = rng.choice(("mirror.example.org", "files.example.net", "192.0.2.17"))
    fetch = rng.choice(
        (
            f"curl -fsS --max-time 3 http://{host}/solution || exit 1",
            f"wget -q -T 3 -t 1 -O /tmp/solution http://{host}/solution || exit 1",
            f"exec 3<>/dev/tcp/{host}/80 || exit 1",
        )
    )
    return replace(draft, reference=f"{fetch}\n{draft.reference}")


_PLANT: dict[str, Callable[[Draft, Family, Scene, random.Random], Draft]] = {
    "reference_fails": _reference_fails,
    "nothing_passes": _nothing_passes,
    "any_answer_passes": _any_answer_passes,
    "random_reference": _random_reference,
    "needs_network": _needs_network,
}
TASK_FAULTS = tuple(_PLANT)
QUESTIONS_ONLY = frozenset({"any_answer_passes", "random_reference"})
"""Faults in an answer, which a change does not have."""


def plant(draft: Draft, fault: str, family: Family, scene: Scene, rng: random.Random) -> Draft:
    """Return the draft with a fault in it."""
    return _PLANT[fault](draft, family, scene, rng)
