"""What a release says of the checks that its agent rows were accepted under: which are weaker than today's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from environments.registry import check_contract_of

FALLEN = "SELECT episode_id FROM latest_verdicts WHERE NOT stands"
"""Episodes that were accepted and, judged again, are not: no release takes their rows."""


class Accepted(NamedTuple):
    """Of an agent row in the mixture: where it was accepted."""

    environment: str
    check_contract: int
    """Of the newest verdict that stands."""


def note_fallen(rows: int) -> tuple[str, ...]:
    """Say how many agent rows were left out since their episodes do not stand."""
    if not rows:
        return ()
    counted = "1 agent row" if rows == 1 else f"{rows} agent rows"
    seen = 'trajmill sql "FROM latest_verdicts WHERE NOT stands"'
    return (f"{counted} left out: judged again, what was done there does not pass as it did (`{seen}`).",)


def note_weaker_checks(accepted: Iterable[Accepted]) -> tuple[str, ...]:
    """Say, per world and contract, how many of the agent rows were accepted under weaker checks than today's.

    No world is opened for it; of one that is not installed it is said that nobody knows.
    """
    counts = Counter(accepted)
    totals = Counter(one.environment for one in counts.elements())
    notes = []
    for (world, contract), rows in sorted(counts.items()):
        today = check_contract_of(world)
        which = f"{rows} of {totals[world]} agent rows ({world}) were accepted under contract {contract} of its checks"
        if today is None:
            notes.append(f"{which}; whether today's are stronger is not known: that world is not installed here.")
        elif contract < today:
            notes.append(f"{which}, today's is {today}: `trajmill verify --rejudge` judges them again.")
    return tuple(notes)
