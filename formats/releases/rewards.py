"""Rows for a reward model or for KTO: every attempt at the release's tasks with what its check gave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from formats.catalogue import Exported, Exporter, Given
from formats.releases.attempts import PROBLEMS, AttemptsOf, JudgedAttempt, attempts_of_split
from formats.releases.jsonl import Line, write_lines
from formats.releases.release_folder import ReleaseFolder
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, spoken, tools_of

REASONS = {**PROBLEMS, BROKEN_ARGUMENTS: "has a call whose arguments are no JSON object"}


def write_rewards(release: ReleaseFolder, attempts: AttemptsOf, folder: Path, given: Given) -> Exported:
    """Write `<split>.jsonl`: messages, prompt and completion of them, reward, label, tools, and whose it is."""

    def lines_of(split: str) -> Iterator[Line]:
        for of_task in attempts_of_split(release, split, attempts):
            yield from map(render_attempt, sorted(of_task, key=lambda one: one.episode_id))

    return write_lines(release, folder, lines_of)


def render_attempt(attempt: JudgedAttempt) -> dict[str, Any] | str:
    """Render an attempt, or say why it cannot be."""
    if attempt.problem:
        return attempt.problem
    folded, prompt = attempt.folded, attempt.prompt
    if has_broken_calls(folded):
        return BROKEN_ARGUMENTS
    return {
        "messages": spoken(folded),
        "prompt": spoken(prompt),
        "completion": spoken(folded[len(prompt) :]),
        "reward": attempt.reward,
        "label": attempt.passed,
        **tools_of(attempt.tools),
        "task_id": attempt.task_id,
        "environment": attempt.environment,
        "episode_id": attempt.episode_id,
        "model": attempt.model,
    }


EXPORTER = Exporter(
    name="rewards",
    summary="every attempt at its tasks, failed ones too, with reward and label: for reward models and KTO",
    compare=write_rewards,
    reasons=REASONS,
)
