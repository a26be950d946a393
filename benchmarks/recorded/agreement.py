"""Recordings beside the episodes that they became: who agrees, and what explains those that do not.

A source of recordings (`sql.py`, ...) says when two observations agree and which group a disagreement belongs to. What
no group explains is ours to explain: it is counted as `ours`, and the goal is none.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands.import_recordings import import_recordings
from environments.registry import importers
from flows.open_workshop import open_workshop
from schemas.episode import Episode, Turn
from schemas.recording import SUBMIT, Recording
from schemas.task_spec import TaskSpec
from tasks.collect.recordings import plan_replay_shards, replay_shard
from warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Difference:
    """One turn on which the recorder and we saw different things."""

    action: str
    theirs: str
    ours: str | None
    """None = our episode had ended."""


@dataclass(frozen=True)
class Case:
    """A recording and what became of it."""

    spec: TaskSpec
    recording: Recording
    episode: Episode
    differences: tuple[Difference, ...]

    @property
    def verdict_agrees(self) -> bool:
        return self.episode.verdict == ("passed" if self.recording.success else "failed")


@dataclass(frozen=True)
class Group:
    """Why some disagree."""

    kind: str
    """engine, dialect, their bug, ours."""
    name: str
    says: str


UNEXPLAINED = Group("ours", "unexplained", "No group explains it.")


@dataclass(frozen=True)
class Goal:
    """What a strategy's observations must reach, as a share of its episodes."""

    model: str
    agent: str
    observations: float


def replay(format_: str, episodes: list[Path], said: Mapping[str, str], world: str) -> Counter[str]:
    """Import logs into the home of the environment and run them again; return what the import counted."""
    importer = importers()[format_]
    counts = import_recordings(importer, episodes, importer.settle(said))
    asyncio.run(_collect(world))
    return counts


async def _collect(world: str) -> None:
    said = {"environments": [world], "collect.dialect": "agentbench"}  # observations as the recorders' worlds word them
    async with open_workshop("collect", "smoke", said, asks=False) as workshop:
        for part, index in plan_replay_shards(workshop, world, ["recorded"]):
            await replay_shard.fn(workshop.build, part, index)


def cases(home: Path, world: str, agrees: Callable[[str, str], bool]) -> list[Case]:
    """Read every recording of a world that was run again, with its episode, sorted by source."""
    warehouse = Warehouse(home)
    recordings = {row.recording_id: row for row in warehouse.read("recordings", "environment = ?", (world,))}
    specs = {spec.task_id: spec for spec in warehouse.read("task_specs")}
    turns: dict[tuple[str, str], list[Turn]] = defaultdict(list)
    for turn in warehouse.read("turns", order_by='episode_id, landing, "index"'):
        turns[turn.episode_id, turn.landing].append(turn)
    found = []
    for episode in warehouse.read("latest_episodes", "recording_id IS NOT NULL AND environment = ?", (world,)):
        recording = recordings[episode.recording_id or ""]
        seen = turns[episode.episode_id, episode.landing]
        differences = tuple(_differences(recording, seen, agrees))
        found.append(Case(specs[episode.task_id], recording, episode, differences))
    return sorted(found, key=lambda case: _place(case.recording))


def _place(recording: Recording) -> tuple[str, int]:
    file, _, line = recording.source.rpartition(":")
    return file, int(line)


def _differences(
    recording: Recording, turns: Sequence[Turn], agrees: Callable[[str, str], bool]
) -> Iterator[Difference]:
    """A turn's observation is what the next turn's solver saw; what follows the answer is nobody's."""
    for index, recorded in enumerate(recording.turns):
        if recorded.action_kind == SUBMIT or recorded.observation is None:
            continue
        ours = turns[index + 1].observation if index + 1 < len(turns) else None
        if ours is None or not agrees(recorded.observation, ours):
            yield Difference(recorded.action, recorded.observation, ours)


def render_figures(found: Sequence[Case], goals: Sequence[Goal]) -> list[str]:
    """Render the table of agreement, a strategy a row, and all of them."""
    lines = [
        "| model, agent | episodes | all observations agree | goal | verdict agrees | ... where all observations do |",
        "|---|---|---|---|---|---|",
    ]
    for goal in goals:
        mine = [c for c in found if (c.recording.model, c.recording.agent) == (goal.model, goal.agent)]
        lines.append(_row(f"{goal.model}, {goal.agent}", mine, f"{goal.observations:.0%}"))
    return [*lines, _row("all", found, "")]


def _row(name: str, mine: Sequence[Case], goal: str) -> str:
    same = [case for case in mine if not case.differences]
    agreed, agreed_same = (sum(case.verdict_agrees for case in some) for some in (mine, same))
    shares = (_share(len(same), len(mine)), goal, _share(agreed, len(mine)), _share(agreed_same, len(same)))
    return f"| {name} | {len(mine)} | {' | '.join(shares)} |"


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.1%})" if whole else "none"


def missed(found: Sequence[Case], goals: Sequence[Goal], verdicts: tuple[float, float]) -> list[str]:
    """Say which goals are missed; `verdicts` are those over all and where every observation agrees."""
    said = []
    for goal in goals:
        mine = [c for c in found if (c.recording.model, c.recording.agent) == (goal.model, goal.agent)]
        if sum(not c.differences for c in mine) < goal.observations * len(mine) or not mine:
            said.append(f"{goal.model}, {goal.agent}: observations agree in less than {goal.observations:.0%}")
    for share, some in zip(verdicts, (found, [c for c in found if not c.differences]), strict=True):
        if sum(c.verdict_agrees for c in some) < share * len(some):
            said.append(f"verdicts agree in less than {share:.0%} of {len(some)} episodes")
    return said


def render_groups(grouped: Mapping[Group, Sequence[Case]], heading: str) -> list[str]:
    """Render groups, the largest first, each with the place of one case."""
    lines = [f"| class | {heading} | episodes | such as |", "|---|---|---|---|"]
    for group, mine in sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0].name)):
        lines.append(
            f"| {group.kind} | **{group.name}**: {group.says} | {len(mine)} | {code(mine[0].recording.source)} |"
        )
    return lines


def code(text: str, most: int = 160) -> str:
    """Put a text into a cell of a table as code."""
    flat = " ".join(text.split()).replace("|", "\\|").replace("`", "'")
    return f"`{flat if len(flat) <= most else flat[:most] + ' ...'}`"
