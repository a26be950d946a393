"""The rules of curation, in order: each says why an episode is not trained on, or lets it through.

Names and contracts count in `curation_id`, so a new or changed rule curates what was curated before anew. To add one,
add it to `RULES`; to change one, raise its contract.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.episode import Episode, Turn
from schemas.record import digest
from schemas.rejection import Refusal
from schemas.run_config import CurateConfig
from schemas.task_spec import TaskSpec

_ROUNDING = 1e-9
"""A threshold such as 2/3 is written in decimals."""


class PlayedEpisode(NamedTuple):
    """An episode with its task and turns, in order."""

    episode: Episode
    spec: TaskSpec
    turns: tuple[Turn, ...]


@dataclass
class Kept:
    """What a rule may look at beside the candidate."""

    config: CurateConfig
    thresholds: Mapping[str, float]
    """By world, its own; the configuration's go before them."""
    contents: dict[str, str] = field(default_factory=dict)
    """`content_sha` of what is kept, and the first episode that has it."""
    tasks: dict[str, int] = field(default_factory=dict)
    """Kept episodes by task."""

    def original_of(self, candidate: PlayedEpisode) -> str | None:
        """Return the episode that was kept and is the same; None = none is."""
        return self.contents.get(content_sha(candidate.spec, candidate.turns))

    def keep(self, candidate: PlayedEpisode) -> None:
        """Count a candidate as kept."""
        self.contents.setdefault(content_sha(candidate.spec, candidate.turns), candidate.episode.episode_id)
        self.tasks[candidate.spec.task_id] = self.tasks.get(candidate.spec.task_id, 0) + 1


class Rule(NamedTuple):
    """One reason to turn an episode away."""

    name: str
    contract: int
    """Raised by hand when it decides otherwise."""
    refuse: Callable[[PlayedEpisode, Kept], Refusal | None]


def why_refused(candidate: PlayedEpisode, kept: Kept) -> Refusal | None:
    """Return the first rule's refusal, or None where the episode is trained on."""
    return next((refusal for rule in RULES if (refusal := rule.refuse(candidate, kept))), None)


def changes_since_first(rules: Iterable[Rule]) -> tuple[tuple[str, int], ...]:
    """Return what counts of the rules in `curation_id`: nothing while they are the first ones at contract 1."""
    found = {rule.name: rule.contract for rule in rules}
    changed = [(name, contract) for name, contract in found.items() if name not in FIRST_RULES or contract != 1]
    return (*changed, *((name, 0) for name in FIRST_RULES if name not in found))


def content_sha(spec: TaskSpec, turns: Sequence[Turn]) -> str:
    """Return the digest of the task, what was seen and what was done, thoughts apart."""
    return digest("content", spec.instruction, [(t.observation, *_done(t)) for t in turns])


def _done(turn: Turn) -> tuple[object, ...]:
    more = [(call.action_kind, call.action, call.observation) for call in turn.calls] if len(turn.calls) > 1 else []
    return (turn.action_kind, turn.action, *more)


def _benchmark(candidate: PlayedEpisode, kept: Kept) -> Refusal | None:
    if candidate.spec.origin == "benchmark":
        return Refusal("benchmark", "a benchmark's task is never trained on")
    return None


def _reference_run(candidate: PlayedEpisode, kept: Kept) -> Refusal | None:
    if candidate.episode.solver.kind == "reference" and candidate.spec.derivation != "replay":
        return Refusal("reference_run", "the reference's own run is no solver's work")
    return None


def _unfinished(candidate: PlayedEpisode, kept: Kept) -> Refusal | None:
    episode = candidate.episode
    return None if episode.outcome == "finished" else Refusal(episode.outcome, episode.outcome_reason)


def _reward(candidate: PlayedEpisode, kept: Kept) -> Refusal | None:
    episode = candidate.episode
    own = kept.thresholds.get(episode.environment, 1.0)
    threshold = kept.config.thresholds.get(episode.environment, own)
    if episode.verdict == "unknown" or episode.reward < threshold - _ROUNDING:
        return Refusal("failed", episode.verdict_detail or f"reward {episode.reward} is under {threshold}")
    return None


def _has_acted(candidate: PlayedEpisode, kept: Kept) -> Refusal | None:
    if sum(max(1, len(turn.calls)) for turn in candidate.turns) < 2:
        return Refusal("answered_without_acting", "no step produced the answer")
    return None


def _duplicate(candidate: PlayedEpisode, kept: Kept) -> Refusal | None:
    if kept.original_of(candidate) is not None:
        return Refusal("duplicate", "the same task was seen and done the same way before")
    return None


def _capped(candidate: PlayedEpisode, kept: Kept) -> Refusal | None:
    if kept.tasks.get(candidate.spec.task_id, 0) >= kept.config.per_task:
        return Refusal("capped", f"the task has {kept.config.per_task} trajectories already")
    return None


RULES = (
    Rule("benchmark", 1, _benchmark),
    Rule("reference_run", 1, _reference_run),
    Rule("unfinished", 1, _unfinished),
    Rule("reward", 1, _reward),
    Rule("has_acted", 1, _has_acted),
    Rule("duplicate", 1, _duplicate),
    Rule("capped", 1, _capped),
)
FIRST_RULES = ("benchmark", "reference_run", "unfinished", "reward", "has_acted", "duplicate", "capped")
"""Those of the first curations, whose ids say nothing of them."""
