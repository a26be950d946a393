"""audit: says what is wrong with a set of trajectories, anybody's: our release, an export, a file from a hub."""

from __future__ import annotations

from pathlib import Path

from commands.terminal import say, say_json, say_table
from environments.registry import importers
from reports.audit.audit import Audit, audit_rows
from reports.audit.defects import DEFECTS
from reports.audit.read_any import NO_FORMAT, read_any
from reports.funnel import TableOf
from schemas.errors import NothingFound

SHOWN = 20
"""Losses and unread rows that a person is shown; --json has all."""


def run_audit(path: Path, format_: str | None, strict: bool, json: bool) -> None:
    """Audit what a path names and say what was found; with `strict`, exit code 1 where anything was.

    Raises:
        NothingFound: there is no row.
    """
    found = audit_rows(read_any(path, importers(), format_))
    if not found.rows and not found.unread:
        raise NothingFound(f"{path} holds no row, so there is nothing to audit")
    if json:
        say_json(_facts(found))
    else:
        _say(path, found)
    if strict and (found.findings or any(one.reason != NO_FORMAT for one in found.unread)):
        raise SystemExit(1)


def _facts(found: Audit) -> dict[str, object]:
    return {
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
        told = [(one.source, one.reason, one.detail) for one in found.unread[:SHOWN]]
        say_table(
            f"Rows that could not be read: {len(found.unread):,}", TableOf(("place", "reason", "detail"), [*told])
        )
    if found.losses:
        lost = found.losses.most_common(SHOWN)
        say_table("What an import would keep in the raw row alone", TableOf(("what", "rows"), [*lost]))
