"""What came of running proofs again, in numbers, tables and words: for the terminal, a report and the dashboard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from formats.plain_words import escape
from reports.funnel import TableOf
from schemas.errors import ExpectationError
from schemas.verification import BY_NATURE, Verification

SHOWN = 20
"""Rows that come out otherwise and are shown whole; a report and `--json` hold all."""


class Drift(NamedTuple):
    """Counts of proofs that were run again."""

    verified: int
    same: int
    by_nature: int
    """Differ in nothing but what never comes out twice the same."""
    differs: int
    """Differ otherwise, or could not be run to their end; of today's worlds."""
    elsewhere: int
    """Episodes made on another image or engine than today's, whatever came of them."""
    elsewhere_differs: int
    """Of these, those that differ otherwise than by nature or could not be run."""
    without_state: int
    """Episodes whose state was not recorded."""

    @property
    def here(self) -> int:
        """Those of today's worlds."""
        return self.verified - self.elsewhere

    @property
    def share(self) -> float:
        """Share of these that differ."""
        return self.differs / self.here if self.here else 0.0


def measure_drift(done: Sequence[Verification]) -> Drift:
    """Count."""
    here = [one for one in done if not one.elsewhere]
    there = [one for one in done if one.elsewhere]
    return Drift(
        verified=len(done),
        same=sum(one.is_same for one in here),
        by_nature=sum(one.holds and not one.is_same for one in here),
        differs=sum(not one.holds for one in here),
        elsewhere=len(there),
        elsewhere_differs=sum(not one.holds for one in there),
        without_state=sum(one.kind == "episode" and not one.has_state for one in done),
    )


def by_world(done: Sequence[Verification]) -> TableOf:
    """Per world and place: how many came out the same, and how many did not."""
    groups: dict[tuple[str, str, str], list[Verification]] = {}
    for one in done:
        groups.setdefault((one.environment, one.kind, one.elsewhere or "today's"), []).append(one)
    columns = ("environment", "proof", "world", "verified", "same", "same but by nature", "differs", "broken")
    rows = [
        (
            *key,
            len(ones),
            sum(one.is_same for one in ones),
            sum(one.holds and not one.is_same for one in ones),
            sum(not one.holds and not one.broken for one in ones),
            sum(bool(one.broken) for one in ones),
        )
        for key, ones in sorted(groups.items())
    ]
    return TableOf(columns, rows)


def by_cause(done: Sequence[Verification]) -> TableOf:
    """Per cause: how many rows have a difference of it; one row may have several."""
    causes: Counter[tuple[str, str]] = Counter(
        (cause, one.environment) for one in done for cause in {d.cause for d in one.differences}
    )
    causes.update(("broken", one.environment) for one in done if one.broken)
    rows = [
        (cause, world, count, "yes" if cause in BY_NATURE else "")
        for (cause, world), count in sorted(causes.items(), key=lambda item: (-item[1], item[0]))
    ]
    return TableOf(("cause", "environment", "rows", "by nature"), rows)


def differing(done: Sequence[Verification]) -> TableOf:
    """One line a difference, those that count first."""
    ordered = sorted((one for one in done if not one.is_same), key=lambda one: (one.holds, bool(one.elsewhere)))
    rows: list[tuple[Any, ...]] = []
    for one in ordered:
        found: list[tuple[str, str, str]] = [(d.where, d.cause, d.detail) for d in one.differences]
        found += [("", "broken", one.broken)] if one.broken else []
        rows += [(one.id, one.environment, *facts, one.elsewhere) for facts in found]
    return TableOf(("id", "environment", "where", "cause", "difference", "made elsewhere"), rows)


def require_little_drift(drift: Drift, most: float, sample: int, seed: int) -> None:
    """Let a little pass: times in outputs set a few rows apart.

    Raises:
        ExpectationError: more than `most` of the rows came out otherwise.
    """
    if drift.share > most:
        raise ExpectationError(
            f"{drift.differs} of {drift.here} accepted episodes came out otherwise when they were run again "
            f"({drift.share:.1%}; verify.max_drift allows {most:.1%}). See which and why: "
            f"trajmill verify --sample {sample} --seed {seed}. Turn away what does not hold: trajmill reject ID..."
        )


def drift_page(drift: Drift, done: Sequence[Verification], past: Sequence[dict[str, Any]], seed: int) -> str:
    """Word a check as the dashboard's page; `past` are the reports of earlier ones, the newest first."""
    history = [(p["at"][:10], p["seed"], p["verified"], p["differs"], f"{p['share']:.1%}") for p in past]
    shown = TableOf(differing(done).columns, differing(done).rows[:SHOWN])
    parts = [
        f"# Drift: {drift.share:.1%}",
        f"{drift.verified} accepted episodes, drawn with seed {seed}, were executed again. Of {drift.here} that were "
        f"made in today's worlds {drift.same} came out the same, {drift.by_nature} differ in what never comes out "
        f"twice the same (times, drawn names, the order of lines), {drift.differs} otherwise. "
        f"{drift.elsewhere} were made on another image or engine, or under other limits; of these "
        f"{drift.elsewhere_differs} came out otherwise, which counts apart.",
        f"Again, with every difference: `trajmill verify --sample {drift.verified} --seed {seed}`",
        _markdown(by_world(done)),
        "## Causes",
        _markdown(by_cause(done)),
        "## What came out otherwise",
        _markdown(shown),
        "## Checks so far",
        _markdown(TableOf(("day", "seed", "verified", "differs", "drift"), history)),
    ]
    return "\n\n".join(parts) + "\n"


def _markdown(table: TableOf) -> str:
    if not table.rows:
        return "nothing"
    head, *rows = ([_markdown_cell(cell) for cell in line] for line in (table.columns, *table.rows))
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def _markdown_cell(value: Any) -> str:
    lines = str(value).splitlines()
    return "<br>".join(f"<code>{escape(line)}</code>" if line[:2] in ("- ", "+ ") else escape(line) for line in lines)
