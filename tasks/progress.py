"""What a run has done so far: plain counters that the display, the log lines and the artifacts read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

STAGES = ("generate_tasks", "collect_episodes", "curate_trajectories", "ingest_conversations", "publish_mixture")


@dataclass
class StageProgress:
    """One stage; `done` counts items whose fate is known."""

    total: int = 0
    done: int = 0
    kept: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    """Items without an outcome, by cause: an outage turned nothing away."""
    started: float | None = None
    finished: float | None = None
    is_cut: bool = False
    """Whether it ended before its work did."""

    @property
    def seconds(self) -> float:
        """Seconds at work, so far or in all."""
        if self.started is None:
            return 0.0
        return (self.finished or time.monotonic()) - self.started

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the pace so far; None = nothing to go by."""
        if not self.done or not self.total or self.finished:
            return None
        return self.seconds * max(0, self.total - self.done) / self.done


@dataclass
class Progress:
    """All stages of a run."""

    stages: dict[str, StageProgress] = field(default_factory=lambda: {name: StageProgress() for name in STAGES})
    task_runs: int = 0
    """Prefect task runs begun: what the server must have recorded before it stops."""
    when_ended: Callable[[str], None] = lambda stage: None
    """Hears of every stage that ends."""

    def begin(self, stage: str) -> StageProgress:
        """Start a stage's clock, once."""
        progress = self.stages[stage]
        progress.started = progress.started or time.monotonic()
        return progress

    def end(self, stage: str, *, is_cut: bool = False) -> None:
        """Stop a stage's clock."""
        self.stages[stage].finished, self.stages[stage].is_cut = time.monotonic(), is_cut
        self.when_ended(stage)

    def expect(self, stage: str, items: int) -> None:
        """Raise the number of items that a stage will see."""
        self.stages[stage].total += items

    def keep(self, stage: str, items: int = 1) -> None:
        """Count items that were kept."""
        self.stages[stage].kept += items
        self.stages[stage].done += items

    def leave_open(self, stage: str, cause: str) -> None:
        """Count an item whose fate nobody knows yet."""
        self.stages[stage].unknown[cause] += 1
        self.stages[stage].done += 1

    def reject(self, stage: str, reason: str, items: int = 1) -> None:
        """Count items that were turned away."""
        self.stages[stage].rejected += items
        self.stages[stage].reasons[reason] += items
        self.stages[stage].done += items
