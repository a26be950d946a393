"""Curation of one episode: its reasoning's place, the wording as messages, the finished trajectory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from environments.base import Dialect
from schemas.episode import Episode, Turn
from schemas.message import Message, describe_tools
from schemas.record import digest
from schemas.run_config import CurateConfig
from schemas.task_spec import TaskSpec
from schemas.trajectory import Trajectory
from tasks.curate.rules import content_sha

RENDERER = 1
"""Raised by hand when rendering changes; counts in `curation_id`."""


def place_reasoning(turns: Sequence[Turn], dialect: Dialect, config: CurateConfig) -> tuple[Turn, ...]:
    """Let reasoning stand where the configuration wants it: as a missing thought, apart, or nowhere."""
    if config.reasoning == "reasoning_content":
        return tuple(turns)
    spoken = turns if config.reasoning == "none" else [_think_aloud(turn, dialect) for turn in turns]
    return tuple(turn.model_copy(update={"reasoning": None}) for turn in spoken)


def _think_aloud(turn: Turn, dialect: Dialect) -> Turn:
    """Take the reasoning for the thought, unless the action would read as another one after it."""
    if turn.thought or not turn.reasoning:
        return turn
    aloud = turn.model_copy(update={"thought": turn.reasoning, "thought_source": "reasoning"})
    return aloud if dialect.reads_back(aloud) else turn


def make_trajectories(
    spec: TaskSpec,
    episode: Episode,
    turns: Sequence[Turn],
    dialect: Dialect,
    curation_id: str,
    completion_ids: tuple[str, ...] = (),
) -> Iterator[Trajectory]:
    """Finish an episode's rows, from turns that all have a thought or their reasoning: one, or one a round."""
    tools = dialect.tools()
    for part, messages in enumerate(dialect.conversations(spec, turns)):
        trained = [message for message in messages if message.train]
        yield Trajectory(
            trajectory_id=digest("trajectory", episode.episode_id, curation_id, *((part,) if part else ())),
            episode_id=episode.episode_id,
            task_id=spec.task_id,
            environment=spec.environment,
            origin=spec.origin,
            family=spec.family,
            difficulty=spec.difficulty,
            messages=messages,
            n_trained=len(trained),
            trained_tokens=_tokens(trained),
            tokens=_tokens(messages),
            backfilled=any(turn.thought_source == "backfilled" for turn in turns),
            capabilities=_capabilities(turns),
            model=episode.solver.model,
            reward=episode.reward,
            guessable=spec.is_guessable,
            license=spec.license,
            content_sha256=content_sha(spec, turns),
            curation_id=curation_id,
            completion_ids=completion_ids,
            dialect=dialect.name,
            tools=describe_tools(tools) if tools else None,
            part=part,
            build=episode.build,
        )


def _tokens(messages: Sequence[Message]) -> int:
    return sum(message.tokens for message in messages)


def _capabilities(turns: Sequence[Turn]) -> tuple[str, ...]:
    kinds = {turn.action_kind for turn in turns} | {call.action_kind for turn in turns for call in turn.calls}
    tags = {"reasoning"} | {f"tool:{kind}" for kind in kinds - {"answer", "finish"}}
    return tuple(sorted(tags | {"answering" if "answer" in kinds else "changing"}))
