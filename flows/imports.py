"""import: the one door for data from outside. Every row comes in or is turned away with a reason; twice is once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from flows.import_recordings import LOG_FORMATS, LogOptions, import_recordings, read_logs
from flows.import_tasks import AT_ONCE, try_own
from flows.report import TableOf
from flows.terminal import say, say_json, say_table
from formats import agentbench_db, agentbench_os, bird, sharegpt, task_jsonl
from formats.bird import BirdQuestion
from schemas.errors import ConfigError, InputError
from schemas.record import digest
from schemas.rejection import Rejection
from schemas.settings import Settings
from schemas.task_spec import TaskSpec
from schemas.trajectory import Conversation
from tasks.admit_conversations import admit_conversations
from warehouse.warehouse import Warehouse

TASK_FORMATS = ("tasks", "agentbench-os", "agentbench-db")
_REJECTED = (
    "SELECT reason, source, detail FROM rejections "
    "WHERE stage IN ('import', 'ingest') OR (stage = 'admit' AND build IS NULL)"
)
FORMATS = (*TASK_FORMATS, "bird", "sharegpt", *LOG_FORMATS)


class Complaint(NamedTuple):
    """Why a row would not come in."""

    reason: str
    source: str
    detail: str


LINT_ROWS = 20
"""Rejected rows that --lint shows to a person."""


class Options(NamedTuple):
    """What an import may be told."""

    source_model: str | None
    license: str
    scripts: Path | None = None
    tasks: Path | None = None
    databases: Path | None = None
    filesystem: Path | None = None
    config: str = "demo"
    """On whose sandbox and engines tasks of one's own are tried."""

    @property
    def of_logs(self) -> LogOptions:
        return LogOptions(self.license, self.tasks, self.databases, self.filesystem)


def run_import(format_: str, paths: list[Path], options: Options, lint: bool, json: bool) -> None:
    """Import files of one format and say what came in and what did not."""
    if format_ not in FORMATS:
        raise ConfigError(f"unknown format {format_!r}; there are: {', '.join(FORMATS)}")
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise InputError(f"no such file: {', '.join(missing)}")
    if options.source_model:
        options = options._replace(source_model=sharegpt.normalise_model(options.source_model))
    if lint:
        _report_lint(format_, list(_lint(format_, paths, options)), json)
    else:
        _report(format_, _import(format_, paths, options, json), json)


def _import(format_: str, paths: list[Path], options: Options, json: bool) -> Counter[str]:
    if format_ == "sharegpt":
        return _ingest(paths, options, json)
    if format_ == "bird":
        return _derive(paths, json)
    if format_ in LOG_FORMATS:
        return import_recordings(format_, list(_files(paths)), options.of_logs)
    home = Settings().home
    home.mkdir(parents=True, exist_ok=True)
    warehouse = Warehouse(home)
    counts: Counter[str] = Counter()
    for path in _files(paths):
        rows = list(_read_tasks(format_, path, options))
        if format_ == "tasks":
            counts.update(_try_and_land(warehouse, rows, home, options.config, json))
        else:
            counts.update(_land(warehouse, rows))
    warehouse.write_catalog()
    return counts


def _try_and_land(
    warehouse: Warehouse, rows: list[TaskSpec | Rejection], home: Path, config: str, json: bool
) -> Counter[str]:
    counts: Counter[str] = Counter()
    for begin in range(0, len(rows), AT_ONCE):
        known = frozenset(warehouse.column("task_specs", "task_id"))
        counts.update(_land(warehouse, try_own(rows[begin : begin + AT_ONCE], home, config, known)))
        if len(rows) > AT_ONCE and not json:
            say(f"{min(begin + AT_ONCE, len(rows)):,} of {len(rows):,} rows tried and landed")
    return counts


def _land(warehouse: Warehouse, rows: list[TaskSpec | Rejection]) -> Counter[str]:
    known = {*warehouse.column("task_specs", "task_id"), *warehouse.column("rejections", "rejection_id")}
    specs: dict[str, TaskSpec] = {}
    rejections: list[Rejection] = []
    again = 0
    for row in rows:
        id_ = row.rejection_id if isinstance(row, Rejection) else row.task_id
        if id_ in known or id_ in specs:
            again += 1
        elif isinstance(row, Rejection):
            rejections.append(row)
        else:
            specs[row.task_id] = row
    key = f"import/{digest(sorted(specs), sorted(r.rejection_id for r in rejections))}"
    warehouse.land("rejections", rejections, key=key)
    warehouse.land("task_specs", list(specs.values()), key=key)
    return _count(rejections, kept=len(specs), again=again)


def _count(rejections: Iterable[Rejection], *, kept: int, again: int = 0) -> Counter[str]:
    counts = Counter({"kept": kept, "imported_before": again})
    counts.update(rejection.reason for rejection in rejections)
    return +counts


def _ingest(paths: list[Path], options: Options, json: bool) -> Counter[str]:
    from flows.ingest_conversations import ingest_conversations
    from flows.run_flow import Watch, run_flow

    files = [str(path) for path in _files(paths)]
    counts: dict[str, int] = run_flow(
        ingest_conversations,
        Watch(quiet=json),
        overrides={"environments": []},
        paths=files,
        license=options.license,
        source_model=options.source_model,
    )
    return Counter(counts)


def _derive(paths: list[Path], json: bool) -> Counter[str]:
    from flows.import_bird import import_bird
    from flows.run_flow import Watch, run_flow

    counts: Counter[str] = Counter()
    for path in paths:
        watch = Watch(quiet=json)
        run_flow(import_bird, watch, path=str(path.absolute()))
        if watch.workshop is not None:
            stage = watch.workshop.progress.stages["generate_tasks"]
            counts.update({"kept": stage.kept, **stage.reasons})
    return +counts


def _lint(format_: str, paths: list[Path], options: Options) -> Iterator[Complaint | None]:
    """Read every row and land none: yield what is wrong with it, or None where it would come in."""
    if format_ in LOG_FORMATS:
        yield from map(_complaint, read_logs(format_, list(_files(paths)), options.of_logs))
        return
    for path in paths if format_ == "bird" else _files(paths):
        for row in _read(format_, path, options):
            yield _complaint(row)


def _complaint(row: object) -> Complaint | None:
    return Complaint(row.reason, row.source, row.detail) if isinstance(row, Rejection) else None


def _read(format_: str, path: Path, options: Options) -> Iterator[TaskSpec | Conversation | BirdQuestion | Rejection]:
    if format_ == "sharegpt":
        rows = sharegpt.read_rows(path)
        yield from admit_conversations(rows, license=options.license, source_model=options.source_model)
    elif format_ == "bird":
        yield from bird.read_questions(path)
    else:
        yield from _read_tasks(format_, path, options)


def _read_tasks(format_: str, path: Path, options: Options) -> Iterator[TaskSpec | Rejection]:
    if format_ == "agentbench-os":
        return agentbench_os.read_tasks(path, scripts=options.scripts)
    if format_ == "agentbench-db":
        return agentbench_db.read_tasks(path)
    return task_jsonl.read_tasks(path, license=options.license)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield files; of a folder its JSON and JSONL files, sorted."""
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix in (".json", ".jsonl"))
            if not found:
                raise InputError(f"the folder {path} holds no .json or .jsonl file")
            yield from found
        else:
            yield path


def _report_lint(format_: str, rows: list[Complaint | None], json: bool) -> None:
    bad = [row for row in rows if row is not None]
    good = len(rows) - len(bad)
    if json:
        by_reason = dict(sorted(Counter(row.reason for row in bad).items()))
        counts = {"imported": 0, "would_import": good, "rejected": len(bad), "by_reason": by_reason}
        say_json({**counts, "rows": [row._asdict() for row in bad]})
        return
    say(f"{format_}: {good:,} would come in, {len(bad):,} would be rejected; nothing was imported")
    if bad:
        more = f" (the first {LINT_ROWS}; --json lists all)" if len(bad) > LINT_ROWS else ""
        say_table(f"Would be rejected{more}", TableOf(Complaint._fields, [*bad[:LINT_ROWS]]))


def _report(format_: str, counts: Counter[str], json: bool) -> None:
    kept, again = counts.pop("kept", 0), counts.pop("imported_before", 0)
    rejected = sum(counts.values())
    if json:
        by_reason = dict(sorted(counts.items()))
        say_json({"imported": kept, "rejected": rejected, "imported_before": again, "by_reason": by_reason})
        return
    say(f"{format_}: {kept:,} imported, {rejected:,} rejected" + (f", {again:,} imported before" if again else ""))
    if rejected:
        say_table("Turned away", TableOf(("reason", "rows"), counts.most_common()))
        say(f'The rows: trajmill sql "{_REJECTED}"')
