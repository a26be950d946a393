"""import: the one door for data from outside. Every row comes in or is turned away with a reason; twice is once.

What becomes of rows is decided by the kind of their format, nowhere by its name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from commands.import_recordings import import_recordings
from commands.import_rows import read_rows
from commands.import_sets import import_set, losses, say_losses
from commands.import_tasks import import_tasks
from commands.skipped_files import say_skipped, skipped_facts
from commands.terminal import say, say_aside, say_json, say_table
from environments.registry import importers
from formats.catalogue import Given, Importer, Kind, choose
from formats.chats.chat import normalise_model
from reports.funnel import TableOf
from schemas.errors import InputError, NothingFound
from schemas.rejection import Rejection
from tasks.ingest.admit import admit_conversations

_REJECTED = (
    "SELECT reason, source, detail FROM rejections "
    "WHERE (stage IN ('import', 'ingest') OR (stage = 'admit' AND build IS NULL))"
)
_IN_QUOTES = '"$`!'
"""What means something to a shell between double quotes."""
MOST_NAMED = 20
"""Files that the query of what was turned away names; of more, it shows all that imports ever turned away."""
LINT_ROWS = 20
"""Rejected rows that --lint shows to a person."""


MORE = {
    "superseded": "{count:,} rows of an earlier reading of the same file are superseded: this one does not give them",
    "further_parts": "{count:,} further rows: long chats come in several parts",
}
"""What counts of an import say beside rows that came in or did not."""


class Complaint(NamedTuple):
    """Why a row would not come in."""

    reason: str
    source: str
    detail: str


def run_import(format_: str, paths: list[Path], said: Mapping[str, str], lint: bool, json: bool) -> None:
    """Import files of one format and say what came in and what did not; `said` are options by name."""
    formats = importers()
    importer = choose(formats, format_)
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise InputError(f"no such file: {', '.join(missing)}")
    given = importer.settle(said, formats.values())
    files, skipped = importer.find(paths)
    say_skipped(skipped)
    if lint:
        _report_lint(format_, list(_lint(importer, files, given)), json, skipped_facts(skipped))
    else:
        counts = +WAYS[importer.kind](importer, files, given, json)
        is_set = importer.kind == "sets"
        lost = {"losses": [one._asdict() for one in losses(importer, given)]} if json and is_set else {}
        _report(format_, Counter(counts), json, lost | skipped_facts(skipped), files)
        if is_set and not json:
            say_losses(importer, given)
        _end(importer, counts)


def _ingest(importer: Importer, paths: Sequence[Path], given: Given, quiet: bool) -> Counter[str]:
    from commands.preflight import Needs
    from commands.run_flow import Watch, run_flow

    license, source_model, options = _of_chats(given)
    counts: dict[str, int] = run_flow(
        "flows.ingest_conversations:ingest_conversations",
        Watch(quiet=quiet),
        Needs(teacher=False, worlds=False),
        overrides={"environments": []},
        paths=[str(path) for path in paths],
        license=license,
        source_model=source_model,
        format=importer.name,
        options=options,
    )
    return Counter(counts)


def _of_chats(given: Given) -> tuple[str, str | None, dict[str, str]]:
    """Return licence and source model, which every chat has, and what else was said."""
    options = dict(given)
    license, source_model = options.pop("license", "unknown"), options.pop("source-model", None)
    return license, normalise_model(source_model) if source_model else None, options


def _derive(importer: Importer, paths: Sequence[Path], given: Given, quiet: bool) -> Counter[str]:
    from commands.preflight import STAGE
    from commands.run_flow import Watch, run_flow

    counts: Counter[str] = Counter()
    for path in paths:
        watch = Watch(quiet=quiet)
        flow = "flows.import_questions:import_questions"
        there: int = run_flow(flow, watch, STAGE, format=importer.name, path=str(path.absolute()))
        if watch.workshop is not None:
            stage = watch.workshop.progress.stages["generate_tasks"]
            counts.update({"kept": stage.kept, **stage.reasons})
            counts.update({} if stage.done else {"imported_before": there})
    return +counts


WAYS: Mapping[Kind, Callable[[Importer, Sequence[Path], Given, bool], Counter[str]]] = {
    "tasks": import_tasks,
    "questions": _derive,
    "logs": import_recordings,
    "chats": _ingest,
    "sets": import_set,
}


def _lint(importer: Importer, paths: Sequence[Path], given: Given) -> Iterator[Complaint | None]:
    """Read every row and land none: yield what is wrong with it, or None where it would come in."""
    license, source_model, options = _of_chats(given)
    if importer.kind == "chats":
        rows: Iterator[object] = admit_conversations(
            importer.rows(paths, options), license=license, source_model=source_model
        )
    else:
        rows = read_rows(importer, paths, given)
    for row in rows:
        yield Complaint(row.reason, row.source, row.detail) if isinstance(row, Rejection) else None


def _report_lint(format_: str, rows: list[Complaint | None], json: bool, besides: Mapping[str, object]) -> None:
    bad = [row for row in rows if row is not None]
    good = len(rows) - len(bad)
    if json:
        by_reason = dict(sorted(Counter(row.reason for row in bad).items()))
        counts = {"imported": 0, "would_import": good, "rejected": len(bad), "by_reason": by_reason}
        say_json({**counts, "rows": [row._asdict() for row in bad], **besides})
        return
    say(f"{format_}: {good:,} would come in, {len(bad):,} would be rejected; nothing was imported")
    if bad:
        more = f" (the first {LINT_ROWS}; --json lists all)" if len(bad) > LINT_ROWS else ""
        say_table(f"Would be rejected{more}", TableOf(Complaint._fields, [*bad[:LINT_ROWS]]))


def _report(format_: str, counts: Counter[str], json: bool, more: Mapping[str, object], files: Sequence[Path]) -> None:
    kept, again = counts.pop("kept", 0), counts.pop("imported_before", 0) + counts.pop("rejected_before", 0)
    besides = {name: counts.pop(name) for name in MORE if name in counts}
    rejected = sum(counts.values())
    if json:
        by_reason = dict(sorted(counts.items()))
        say_json(
            {
                "imported": kept,
                "rejected": rejected,
                "imported_before": again,
                "by_reason": by_reason,
                **besides,
                **more,
            }
        )
        return
    say(f"{format_}: {kept:,} imported, {rejected:,} rejected" + (f", {again:,} imported before" if again else ""))
    for name, count in besides.items():
        say(MORE[name].format(count=count))
    if rejected:
        say_table("Turned away", TableOf(("reason", "rows"), counts.most_common()))
        sql = _REJECTED + _of_files(files)
        spelled = quote(sql) if set(sql) & set(_IN_QUOTES) else f'"{sql}"'
        say(f"The rows: trajmill sql {spelled}")


def _of_files(files: Sequence[Path]) -> str:
    """Return the condition that a row came from one of some files: their names stand in its source."""
    names = sorted({file.name for file in files})
    if len(names) > MOST_NAMED:
        return ""
    named = "|".join(map(re.escape, names)).replace("'", "''")
    return f" AND regexp_matches(source, '(^|/)({named})([^.\\w]|\\z)')"


def _end(importer: Importer, counts: Counter[str]) -> None:
    """End with exit code 1 where nothing came in and nothing had before.

    Raises:
        NothingFound: there was no row at all.
    """
    if not counts:
        what = "question" if importer.kind == "questions" else "row"
        raise NothingFound(
            f"{importer.name}: there is no {what} in what was named, so nothing was imported; docs/own-data.md and "
            "docs/formats.md say what such a file or folder holds"
        )
    if not counts["kept"] and not counts["imported_before"]:
        say_aside(f"{importer.name}: every row was rejected, so nothing was imported")
        raise SystemExit(1)
