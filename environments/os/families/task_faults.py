"""Faults planted in drafts: each makes a task that the admission must turn away."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from environments.os.families.family import Kind


@dataclass(frozen=True)
class Draft:
    """The five parts of a made-up task."""

    problem: str
    explanation: str
    init: str
    reference: str
    evaluation: str


QUESTIONS_ONLY = frozenset({"any_answer_passes", "random_reference"})
"""Faults in an answer, which a change does not have."""
TASK_FAULTS = ("reference_fails", "nothing_passes", "any_answer_passes", "random_reference", "needs_network")


def plant(draft: Draft, fault: str, kind: Kind, root: str, rng: random.Random) -> Draft:
    """Return the draft, whose folder is `root`, with a fault in it: one of the ways there are."""
    ways: list[dict[str, str]]
    if fault == "reference_fails":
        missing = f"cd {root}-old || exit 1\n{draft.reference}"
        ways = [{"reference": missing}, {"reference": f"{draft.reference}\nexit 3"}]
    elif fault == "nothing_passes" and kind == "change":
        done_already = f"{draft.init}\n{draft.reference}"
        ways = [{"init": done_already}, {"evaluation": f"test -d {root}"}]
    elif fault == "nothing_passes":
        ways = [{"evaluation": f'case "$1" in "" | None) exit 0 ;; esac\n{draft.evaluation}'}]
    elif fault == "any_answer_passes":
        ways = [{"evaluation": '[ -n "$1" ] && [ "$1" != None ]'}]
    elif fault == "random_reference":
        ways = [{"reference": "echo $RANDOM$RANDOM"}, {"reference": "date +%s%N"}]
    else:
        fetch = "curl -fsS --max-time 3 http://mirror.example.org/solution || exit 1"
        connect = "exec 3<>/dev/tcp/192.0.2.17/80 || exit 1"
        ways = [{"reference": f"{first}\n{draft.reference}"} for first in (fetch, connect)]
    return replace(draft, **rng.choice(ways))
