"""audit: says what is wrong with a set of trajectories, anybody's: our release, an export, a file from a hub."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from commands.last_words import tell
from commands.skipped_files import say_skipped, skipped_facts
from commands.terminal import say, say_aside, say_json, say_table
from environments.registry import importers
from reports.audit.audit import Audit, audit_rows
from reports.audit.defects import DEFECTS, AuditedRow
from reports.audit.read_any import NO_FORMAT, read_any
from reports.funnel import TableOf
from schemas.errors import InputError, NothingFound
from schemas.rejection import Rejection

SHOWN = 20
"""Losses and unread rows that a person is shown; --json has all."""

SECONDS = 20.0
"""Between two words on how far an audit is."""


def run_audit(paths: Sequence[Path], format_: str | None, strict: bool, json: bool) -> None:
    """Audit each path's set and say what was found; with `strict`, exit code 1 where anything was in any of them.

    One that cannot be audited costs no other; the exit code is the worst of all. With `json` one set is one object, and
    several are a list under `audits`.
    """
    told: list[dict[str, object]] = []
    code = 0
    for path in paths:
        try:
            found = _audit(path, format_)
        except (InputError, NothingFound) as error:
            code = max(code, tell(str(error), 1 if isinstance(error, NothingFound) else 2))
            continue
        skipped = [Path(one.source) for one in found.unread if one.reason == NO_FORMAT]
        say_skipped(skipped)
        if json:
            told.append(_facts(path, found) | skipped_facts(skipped))
        else:
            _say(path, found)
        if strict and (found.findings or any(one.reason != NO_FORMAT for one in found.unread)):
            code = max(code, 1)
    if told:
        say_json(told[0] if len(paths) == 1 else {"audits": told})
    if code:
        raise SystemExit(code)


def _audit(path: Path, format_: str | None) -> Audit:
    found = audit_rows(_counted(path, read_any(path, importers(), format_)))
    if not found.rows and not found.unread:
        raise NothingFound(f"{path} holds no row, so there is nothing to audit")
    return found


def _counted(path: Path, rows: Iterable[AuditedRow | Rejection]) -> Iterator[AuditedRow | Rejection]:
    """Hand rows on; tell now and then how many there were."""
    told = time.monotonic()
    for number, row in enumerate(rows, 1):
        yield row
        if time.monotonic() - told >= SECONDS:
            told = time.monotonic()
            say_aside(f"{path}: {number:,} rows looked at so far")


def _facts(path: Path, found: Audit) -> dict[str, object]:
    return {
        "path": str(path),
        "rows": found.rows,
        "faulty": found.faulty,
        "by_defect": dict(sorted(found.by_defect().items())),
        "findings": [finding._asdict() for finding in found.findings],
        "unread": [{"place": one.source, "reason": one.reason, "detail": one.detail} for one in found.unread],
        "losses": dict(sorted(found.losses.items())),
    }


def _say(path: Path, found: Audit) -> None:
    share = f" ({found.faulty / found.rows:.1%})" if found.rows else ""
    say(f"{path}: {found.rows:,} rows, {found.faulty:,} with a defect{share}; nothing was changed or imported")
    first = {finding.defect: finding for finding in reversed(found.findings)}
    counts = found.by_defect()
    rows = [
        (name, counts[name], says, first[name].place, first[name].detail)
        for name, says in DEFECTS.items()
        if name in counts
    ]
    if rows:
        say_table(
            "What is wrong, with the first place of each",
            TableOf(("defect", "rows", "a row", "place", "such as"), [*rows]),
        )
    if found.unread:
        told = [(one.source, one.reason, one.detail) for one in _unread(found)[:SHOWN]]
        say_table(
            f"Rows that could not be read: {len(found.unread):,}", TableOf(("place", "reason", "detail"), [*told])
        )
    if found.losses:
        lost = found.losses.most_common(SHOWN)
        say_table("What an import would keep in the raw row alone", TableOf(("what", "rows"), [*lost]))


def _unread(found: Audit) -> list[Rejection]:
    """Rows first, then the files that are no set."""
    return sorted(found.unread, key=lambda one: one.reason == NO_FORMAT)
