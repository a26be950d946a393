"""What came of judging accepted episodes again, in tables and words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.funnel import TableOf
from tasks.verify.rejudge import Judged


def judged_by_world(done: Sequence[Judged]) -> TableOf:
    """Per world, contract of its checks and place: how many verdicts stand, and how many do not."""
    groups: dict[tuple[str, int, str], list[Judged]] = {}
    for one in done:
        key = (one.first.environment, one.now.check_contract, one.now.elsewhere or "today's")
        groups.setdefault(key, []).append(one)
    columns = ("environment", "check_contract", "world", *count_judged(()), "shown otherwise")
    rows = [
        (*key, *count_judged(ones).values(), sum(not one.now.shows_same for one in ones))
        for key, ones in sorted(groups.items())
    ]
    return TableOf(columns, rows)


def count_judged(done: Sequence[Judged]) -> dict[str, int]:
    """Count what was judged: each stands, falls, or is unknown."""
    unknown = [one for one in done if one.now.verdict == "unknown"]
    stand = sum(one.stands for one in done if one.now.verdict != "unknown")
    return {
        "judged": len(done),
        "stand": stand,
        "fall": len(done) - stand - len(unknown),
        "unknown": len(unknown),
        "landed": sum(one.landed for one in done),
    }


def changed_verdicts(done: Sequence[Judged]) -> TableOf:
    """One line a verdict that is another than the first, with why."""
    columns = ("episode", "environment", "then", "now", "why", "made elsewhere")
    rows: list[tuple[Any, ...]] = [
        (
            one.first.episode_id,
            one.first.environment,
            f"{one.first.verdict}, reward {one.first.reward:g}",
            f"{one.now.verdict}, reward {one.now.reward:g}",
            " ".join(one.now.detail.split()),
            one.now.elsewhere,
        )
        for one in done
        if one.is_told
    ]
    return TableOf(columns, rows)
