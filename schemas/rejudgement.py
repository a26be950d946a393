"""Rejudgement: a later verdict on an episode, by the checks of another day. It stands beside the first, which stays."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from schemas.episode import Episode, RewardPart, Verdict, VerdictName
from schemas.record import VOLATILE, Record, digest
from schemas.task_spec import SOFTWARE
from schemas.verification import Verification


class Rejudgement(Record):
    """A later verdict on an episode whose recorded actions were run again."""

    verdict_id: str
    """h(episode_id, try_number, check_contract, number)."""
    episode_id: str
    try_number: int
    """The try of the episode whose actions were run."""
    environment: str
    check_contract: int
    """Contract of the world's checks that judged."""
    number: int
    """From 1, of this episode under this contract; the highest counts. A next one lands only with another outcome."""
    verdict: VerdictName
    """unknown = it could not be run to its end: what was said before stands, and it is tried again."""
    reward: float
    """In [0, 1]; 0 where unknown, and then not to be used."""
    rewards: tuple[RewardPart, ...] = ()
    detail: str = ""
    """Why, in words; of `unknown` what broke."""
    elsewhere: str = ""
    """What the episode was made on and what this is, where the two are not one world; empty = the same world."""
    software: str
    """Version of Trajmill."""
    shows_same: Annotated[bool, VOLATILE]
    """Whether its actions showed and left what was recorded, but for what never comes out twice the same. Volatile,
    since they may show a process id."""
    judged_at: Annotated[datetime, VOLATILE]

    @classmethod
    def make(cls, episode: Episode, found: Verification, check_contract: int, number: int) -> Rejudgement:
        """Turn what came of running an episode again into a row, judged now."""
        verdict = found.verdict or Verdict(name="unknown", detail=found.broken)
        named = (episode.episode_id, episode.try_number, check_contract, number)
        return cls(
            verdict_id=digest("verdict", *named),
            episode_id=episode.episode_id,
            try_number=episode.try_number,
            environment=episode.environment,
            check_contract=check_contract,
            number=number,
            verdict=verdict.name,
            reward=verdict.reward,
            rewards=verdict.parts,
            detail=verdict.detail,
            elsewhere=found.elsewhere,
            software=SOFTWARE,
            shows_same=found.shows_same,
            judged_at=datetime.now(UTC),
        )

    def repeats(self, other: Rejudgement | Episode) -> bool:
        """Whether it says what another verdict said, or the one that an episode landed with.

        What was said elsewhere is said anew where the episode was made.
        """
        if isinstance(other, Rejudgement) and other.elsewhere and not self.elsewhere:
            return False
        return (self.verdict, self.reward, self.rewards) == (other.verdict, other.reward, other.rewards)
