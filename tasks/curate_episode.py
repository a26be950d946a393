"""Curation of one episode: the reward filter, the rendering to messages, the finished trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from environments.base import Action, Dialect
from schemas.episode import Episode, Turn
from schemas.record import digest
from schemas.run_config import CurateConfig
from schemas.task_spec import TaskSpec
from schemas.trajectory import Message, Trajectory, approximate_tokens

RENDERER = 1
"""Raised by hand when rendering changes; counts in `curation_id`."""

_ROUNDING = 1e-9
"""A threshold such as 2/3 is written in decimals."""


class Refusal(NamedTuple):
    reason: str
    detail: str


def why_refused(episode: Episode, spec: TaskSpec, turns: Sequence[Turn], config: CurateConfig) -> Refusal | None:
    """Return why an episode is not trained on, or None where its reward reaches the world's threshold."""
    if spec.origin == "benchmark":
        return Refusal("benchmark", "a benchmark's task is never trained on")
    if episode.solver.kind == "reference" and spec.derivation != "replay":
        return Refusal("reference_run", "the reference's own run is no solver's work")
    if episode.outcome != "finished":
        return Refusal(episode.outcome, episode.outcome_reason)
    threshold = config.thresholds.get(episode.environment, 1.0)
    if episode.verdict == "unknown" or episode.reward < threshold - _ROUNDING:
        return Refusal("failed", episode.verdict_detail or f"reward {episode.reward} is under {threshold}")
    if len(turns) < 2:
        return Refusal("answered_without_acting", "no step produced the answer")
    return None


def content_sha(spec: TaskSpec, turns: Sequence[Turn]) -> str:
    """Return the digest of the task, what was seen and what was done, thoughts apart."""
    return digest("content", spec.instruction, [(t.observation, t.action_kind, t.action) for t in turns])


def render_messages(spec: TaskSpec, turns: Sequence[Turn], dialect: Dialect) -> tuple[Message, ...]:
    """Word an episode as messages; only the solver's own turns are trained on."""
    context = [Message(role=m.role, content=m.content) for m in dialect.context(spec)]
    played: list[Message] = []
    for turn in turns:
        played.append(Message(role="user", content=dialect.observe(turn.observation, turn.index)))
        reply = dialect.write(turn.thought, Action(turn.action_kind, turn.action))
        played.append(Message(role="assistant", content=reply, train=True))
    return (*context, *played)


def make_trajectory(
    spec: TaskSpec,
    episode: Episode,
    turns: Sequence[Turn],
    dialect: Dialect,
    curation_id: str,
    completion_ids: tuple[str, ...],
) -> Trajectory:
    """Finish a trajectory from turns that all have a thought."""
    messages = render_messages(spec, turns, dialect)
    trained = [m for m in messages if m.train]
    return Trajectory(
        trajectory_id=digest("trajectory", episode.episode_id, curation_id),
        episode_id=episode.episode_id,
        task_id=spec.task_id,
        environment=spec.environment,
        origin=spec.origin,
        family=spec.family,
        difficulty=spec.difficulty,
        messages=messages,
        n_trained=len(trained),
        trained_tokens=sum(approximate_tokens(m.content) for m in trained),
        tokens=sum(approximate_tokens(m.content) for m in messages),
        backfilled=any(t.thought_source == "backfilled" for t in turns),
        capabilities=_capabilities(turns),
        model=episode.solver.model,
        reward=episode.reward,
        guessable=spec.is_guessable,
        license=spec.license,
        content_sha256=content_sha(spec, turns),
        curation_id=curation_id,
        completion_ids=completion_ids,
    )


def _capabilities(turns: Sequence[Turn]) -> tuple[str, ...]:
    kinds = {turn.action_kind for turn in turns}
    tags = {"reasoning"} | {f"tool:{kind}" for kind in kinds - {"answer", "finish"}}
    return tuple(sorted(tags | {"answering" if "answer" in kinds else "changing"}))
