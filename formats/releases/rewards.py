"""Rows for a reward model or for KTO: every attempt at the release's tasks with what its check gave."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from formats.catalogue import Exported, Exporter, Given
from formats.releases.attempts import PROBLEMS, Attempt, AttemptsOf, attempts_of_split
from formats.releases.release_folder import ReleaseFolder
from formats.releases.spoken import has_broken_calls, spoken, tools_of

REASONS = {**PROBLEMS, "broken_arguments": "has a call whose arguments are no JSON object"}


def write_rewards(release: ReleaseFolder, attempts: AttemptsOf, folder: Path, given: Given) -> Exported:
    """Write `<split>.jsonl`: messages, prompt and completion of them, reward, label, tools, and whose it is."""
    left_out: Counter[str] = Counter()
    written = 0
    for split in release.splits:
        with (folder / f"{split}.jsonl").open("wb") as file:
            for of_task in attempts_of_split(release, split, attempts):
                for attempt in sorted(of_task, key=lambda one: one.episode_id):
                    made = render_attempt(attempt)
                    if isinstance(made, str):
                        left_out[made] += 1
                        continue
                    file.write(orjson.dumps(made) + b"\n")
                    written += 1
    return Exported(written, left_out)


def render_attempt(attempt: Attempt) -> dict[str, Any] | str:
    """Render an attempt, or say why it cannot be."""
    if attempt.problem:
        return attempt.problem
    folded, prompt = attempt.folded, attempt.prompt
    if has_broken_calls(folded):
        return "broken_arguments"
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
