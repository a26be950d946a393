"""Preference pairs: a passed against a failed attempt at one task, worded alike, as TRL's DPOTrainer reads them.

ETO (exploration-based trajectory optimisation, Song et al. 2024) compares whole episodes; `--span turn` compares the
two turns at which the attempts part. Thoughts that curation filled in are in neither side: they would tell them apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from formats.catalogue import Exported, Exporter, Given, Option
from formats.releases.attempts import PROBLEMS, AttemptsOf, JudgedAttempt, attempts_of_split
from formats.releases.jsonl import Line, write_lines
from formats.releases.release_folder import ReleaseFolder
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, spoken, tools_of
from schemas.errors import ConfigError
from schemas.message import Message

SPANS = ("episode", "turn")
REASONS = {
    **PROBLEMS,
    "none_failed": "is of a task at which nobody failed",
    "none_passed": "is of a task whose passed attempts were all worded otherwise than those that failed",
    "over_most": "is a failed attempt at a task that has as many pairs as are taken of one",
    "same_words": "would prefer something to itself",
    "parted_by_the_world": "saw other things before it did other things, so no one turn is to compare",
    BROKEN_ARGUMENTS: "has a call whose arguments are no JSON object",
}


def write_pairs(release: ReleaseFolder, attempts: AttemptsOf, folder: Path, given: Given) -> Exported:
    """Write `<split>.jsonl`: prompt, chosen, rejected, tools, and whose they are.

    Raises:
        ConfigError: an option says what it cannot.
    """
    span, most = given["span"], given["most"]
    if span not in SPANS or not most.isdecimal() or not int(most):
        raise ConfigError(f"--span is {' or '.join(SPANS)} and --most a number from 1, not {span!r} and {most!r}")

    def lines_of(split: str) -> Iterator[Line]:
        for of_task in attempts_of_split(release, split, attempts):
            yield from pair_up(of_task, span, int(most))

    return write_lines(release, folder, lines_of)


def pair_up(attempts: Sequence[JudgedAttempt], span: str, most: int) -> Iterator[dict[str, Any] | str]:
    """Yield a task's pairs, or why an attempt or the task gives none; passed attempts are taken in turn."""
    yield from (one.problem for one in attempts if one.problem)
    failed = sorted((one for one in attempts if not one.passed and not one.problem), key=lambda one: one.episode_id)
    passed: dict[Any, list[JudgedAttempt]] = defaultdict(list)
    for one in sorted((one for one in attempts if one.passed and not one.problem), key=lambda one: one.episode_id):
        passed[_wording(one)].append(one)
    if not failed:
        yield "none_failed"
    pairs = 0
    for number, worse in enumerate(failed):
        better = passed.get(_wording(worse))
        if not better or pairs == most:
            yield "over_most" if better else "none_passed"
            continue
        made = _pair(better[number % len(better)], worse, span)
        pairs += not isinstance(made, str)
        yield made


def _wording(attempt: JudgedAttempt) -> tuple[object, ...]:
    return attempt.dialect, attempt.tools, attempt.prompt


def _pair(better: JudgedAttempt, worse: JudgedAttempt, span: str) -> dict[str, Any] | str:
    both = better.folded, worse.folded
    if has_broken_calls((*both[0], *both[1])):
        return BROKEN_ARGUMENTS
    shared = len(better.prompt)
    if [_words(m) for m in both[0]] == [_words(m) for m in both[1]]:
        return "same_words"
    ends = len(both[0]), len(both[1])
    if span == "turn":
        shared = next((n for n, (a, b) in enumerate(zip(*both, strict=False)) if _words(a) != _words(b)), min(ends))
        if shared == min(ends) or both[0][shared].role != "assistant":
            return "parted_by_the_world"
        ends = shared + 1, shared + 1
    chosen, rejected = both[0][shared : ends[0]], both[1][shared : ends[1]]
    return {
        "prompt": spoken(both[0][:shared]),
        "chosen": spoken(chosen),
        "rejected": spoken(rejected),
        **tools_of(better.tools),
        "task_id": better.task_id,
        "environment": better.environment,
        "chosen_episode": better.episode_id,
        "rejected_episode": worse.episode_id,
        "chosen_model": better.model,
        "rejected_model": worse.model,
        "chosen_reward": better.reward,
        "rejected_reward": worse.reward,
    }


def _words(message: Message) -> tuple[object, ...]:
    """Return what a message says; ids of calls differ where nothing else does."""
    calls = [(call.name, call.arguments) for call in message.tool_calls]
    return message.role, message.content, message.reasoning_content, calls


EXPORTER = Exporter(
    name="preferences",
    summary="a passed against a failed attempt at one task: prompt, chosen, rejected, as TRL's DPOTrainer reads them",
    options=(
        Option("span", "what is compared: episode (all turns) or turn (the first that differs)", default="episode"),
        Option("most", "pairs of one task at most", metavar="N", default="4"),
    ),
    compare=write_pairs,
    reasons=REASONS,
)
