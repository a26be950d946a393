"""Judges accepted episodes again by today's checks and lands the verdicts; nothing is asked of a teacher.

A verdict lands where it says something else than the one before it under the same checks, shard by shard: who is
interrupted goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from environments.registry import check_contract_of, world_class
from schemas.episode import Episode
from schemas.record import digest
from schemas.rejudgement import Rejudgement
from tasks.publish.eligible import sampling_key
from tasks.verify.rows import ProofPlace, proofs_of_episodes, verify_rows
from warehouse.warehouse import Warehouse

SHARD_SIZE = 64
"""Episodes that land together: what an interruption costs at most."""

_ACCEPTED = (
    "episode_id IN (SELECT episode_id FROM latest_episodes WHERE verdict = 'passed' "
    "UNION SELECT episode_id FROM trajectories)"
)
"""A threshold under 1 keeps trajectories of episodes that did not pass."""


class Waiting(NamedTuple):
    """What today's checks have not judged yet."""

    episode_ids: list[str]
    """Drawn by sha256 of id and seed, those that could not be run the last time after all others."""
    not_installed: dict[str, int]
    """Accepted episodes by world, of worlds whose checks are not here."""


class Judged(NamedTuple):
    """An episode that was judged again."""

    first: Episode
    """With the verdict that it landed with."""
    now: Rejudgement
    landed: bool
    """False = it says what was said before under these checks."""
    stands: bool
    """Whether what counts today is no worse than the first verdict (`latest_verdicts.stands`)."""

    @property
    def is_told(self) -> bool:
        """Whether there is something to tell of it."""
        return self.now.verdict != self.first.verdict or not self.stands


def find_waiting(warehouse: Warehouse, seed: int) -> Waiting:
    """Find the accepted episodes whose newest verdict is of weaker checks than their world has today."""
    found: list[str] = []
    not_installed: dict[str, int] = {}
    for world in warehouse.column("latest_episodes", "DISTINCT environment"):
        accepted, contract = f"environment = ? AND {_ACCEPTED}", check_contract_of(world)
        if contract is not None:
            older = f"{accepted} AND check_contract < ?"
            found += warehouse.column("latest_verdicts", "episode_id", older, (world, contract))
        elif count := warehouse.count("latest_verdicts", accepted, (world,)):
            not_installed[world] = count
    in_vain = set(warehouse.column("verdicts", "episode_id", "verdict = 'unknown'"))
    return Waiting(sorted(found, key=lambda one: (one in in_vain, sampling_key(one, seed))), not_installed)


async def rejudge_shard(warehouse: Warehouse, place: ProofPlace, episode_ids: Sequence[str]) -> list[Judged]:
    """Run episodes again, land what is said otherwise than before, and return all in the order of the ids.

    Raises:
        ConfigError: an episode proves nothing, or its world does not open on this machine.
    """
    proofs = proofs_of_episodes(warehouse, episode_ids)
    found = await verify_rows(place, proofs)
    before = _verdicts_before(warehouse, episode_ids)
    judged: list[tuple[Episode, Rejudgement, bool]] = []
    for episode, verification in ((p.episode, v) for p, v in zip(proofs, found, strict=True) if p.episode):
        contract = world_class(episode.environment).check_contract
        last = before.get((episode.episode_id, contract))
        now = Rejudgement.make(episode, verification, contract, last.number + 1 if last else 1)
        said = last or (episode if episode.check_contract == contract else None)
        judged.append((episode, now, said is None or not now.repeats(said)))
    fresh = [now for _, now, is_new in judged if is_new]
    if fresh:
        warehouse.land("verdicts", fresh, key=f"rejudge/{digest(*(one.verdict_id for one in fresh))}")
    mine = "SELECT episode_id, stands FROM latest_verdicts WHERE list_contains(?::VARCHAR[], episode_id)"
    stands = dict(warehouse.query(mine, (list(episode_ids),)))
    return [Judged(*one, stands[one[0].episode_id]) for one in judged]


def _verdicts_before(warehouse: Warehouse, episode_ids: Sequence[str]) -> dict[tuple[str, int], Rejudgement]:
    """Return the newest later verdict of each episode under each contract."""
    mine = ("list_contains(?::VARCHAR[], episode_id)", (list(episode_ids),))
    rows: list[Rejudgement] = warehouse.read("verdicts", *mine, order_by="number")
    return {(row.episode_id, row.check_contract): row for row in rows}
