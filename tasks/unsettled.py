"""Attempts without an outcome: an outage cut them short, or their check could not run. They are nobody's failures.

Continued, a build asks them again until `collect.max_tries` is used up; then they are given up: listed, and counted no
more. A build of which too many still wait is not published, lest an outage ends in a small release that looks whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from schemas.episode import NOT_FINAL
from schemas.errors import OutageError
from tasks.workshop import Workshop
from warehouse.warehouse import Warehouse

LEAST = 3
"""Fewer unknown outcomes than these are no outage, however small the build is."""

NOT_REPRODUCIBLE = "not_reproducible"
"""What an interruption leaves, not an outage: it is asked again like one, and stops no build."""

UNSETTLED = f"""
    SELECT episode_id, environment, build, try_number, CASE WHEN outcome_reason = '{NOT_REPRODUCIBLE}'
        THEN outcome_reason WHEN outcome IN {NOT_FINAL!r} THEN outcome ELSE 'check_error' END AS cause
    FROM latest_episodes WHERE outcome IN {NOT_FINAL!r} OR verdict = 'unknown'
    UNION ALL
    SELECT episode_id, environment, build, 0, 'no_thought' FROM latest_episodes
    WHERE episode_id IN (SELECT split_part(source, '/', 1) FROM rejections WHERE stage = 'curate'
                         GROUP BY 1 HAVING bool_and(reason = 'teacher_error'))
    AND episode_id NOT IN (SELECT episode_id FROM trajectories)"""
"""Latest tries that have no outcome, and passed episodes that nobody gave a thought for."""


class Unsettled(NamedTuple):
    """What waits and what was given up, by cause."""

    waiting: Counter[str]
    given_up: Counter[str]


def is_outage(unknown: int, of: int, most: float) -> bool:
    """Whether so many unknown outcomes are more than a build may have (`publish.max_unknown`)."""
    return unknown >= LEAST and unknown > most * of


def count_unsettled(
    warehouse: Warehouse, max_tries: int, build: int | None = None, versions: Mapping[str, int] | None = None
) -> Unsettled:
    """Count a build's attempts without an outcome, or the whole home's."""
    rows = warehouse.query(
        f"SELECT cause, try_number >= $1, count(*) FROM ({UNSETTLED}) "
        "WHERE $2::BIGINT IS NULL OR build = $2 GROUP BY ALL",
        (max_tries, build),
        versions=versions,
    )
    waiting = Counter({cause: count for cause, is_last, count in rows if not is_last})
    return Unsettled(waiting, Counter({cause: count for cause, is_last, count in rows if is_last}))


def require_outcomes(workshop: Workshop, build: int | None = None) -> None:
    """Let a build pass of which few attempts wait; None = that of the newest episodes.

    Raises:
        OutageError: too many do.
    """
    warehouse, config = workshop.warehouse, workshop.config
    if build is None:
        newest = warehouse.query("SELECT build FROM episodes ORDER BY started_at DESC NULLS LAST LIMIT 1")
        build = newest[0][0] if newest else workshop.build
    waiting, given_up = count_unsettled(warehouse, config.collect.max_tries, build)
    attempts = int(warehouse.query("SELECT count(*) FROM latest_episodes WHERE build = ?", (build,))[0][0])
    del waiting[NOT_REPRODUCIBLE]
    unknown, counted = waiting.total(), attempts - given_up.total()
    if is_outage(unknown, counted, config.publish.max_unknown):
        raise OutageError(
            f"{unknown:,} of {counted:,} attempts have no outcome ({_spell(waiting)}), more than publish.max_unknown = "
            f"{config.publish.max_unknown:g} lets pass: nothing is published. When what broke is well again, run the "
            "same command: it asks these again and goes on where it stood; what was paid comes from the ledger. "
            f"--set publish.max_unknown={min(1.0, unknown / counted + 0.005):.2f} goes on without them"
        )


def note_unsettled(workshop: Workshop, versions: Mapping[str, int]) -> tuple[str, ...]:
    """Say what has no outcome in the home that a release is made of."""
    tries = workshop.config.collect.max_tries
    waiting, given_up = count_unsettled(workshop.warehouse, tries, versions=versions)
    notes = []
    if waiting:
        notes.append(f"{_attempts(waiting)} no outcome ({_spell(waiting)}): the next build asks again.")
    if given_up:
        listed = f"FROM latest_episodes WHERE verdict = 'unknown' AND try_number >= {tries}"
        notes.append(
            f"{_attempts(given_up)} no outcome after {tries} tries ({_spell(given_up)}) and given up: "
            f'`trajmill sql "{listed}"`.'
        )
    return tuple(notes)


def _attempts(counts: Counter[str]) -> str:
    return "1 attempt has" if counts.total() == 1 else f"{counts.total():,} attempts have"


def _spell(counts: Counter[str]) -> str:
    return ", ".join(f"{cause} {count:,}" for cause, count in sorted(counts.items()))
