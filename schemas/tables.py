"""The tables: which record each holds, what views come with them, and the page that people write SQL against.

`python -m schemas.tables --write docs/tables.md` writes the page, `--check` fails when it differs.
"""

from __future__ import annotations

import sys
import types
import typing
from datetime import datetime
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from schemas.build_entry import BuildEntry
from schemas.completion import Completion
from schemas.episode import Episode, Turn
from schemas.foreign_row import ForeignRow
from schemas.generated import write_or_check
from schemas.record import Record, Volatile
from schemas.recording import Recording
from schemas.rejection import Rejection
from schemas.rejudgement import Rejudgement
from schemas.release import Release
from schemas.release_member import ReleaseMember
from schemas.task_spec import TaskSpec
from schemas.trajectory import Conversation, Trajectory
from schemas.views_of_runs import QUESTIONS, VIEWS_OF_RUNS


class Table(NamedTuple):
    name: str
    record: type[Record]
    keys: tuple[str, ...]
    """Columns that name a row; rows are sorted by them for the table's digest."""


TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table("task_specs", TaskSpec, ("task_id",)),
        Table("episodes", Episode, ("episode_id", "try_number")),
        Table("turns", Turn, ("episode_id", "landing", "index")),
        Table("trajectories", Trajectory, ("trajectory_id",)),
        Table("conversations", Conversation, ("conversation_id",)),
        Table("completions", Completion, ("completion_id",)),
        Table("recordings", Recording, ("recording_id",)),
        Table("foreign_rows", ForeignRow, ("row_id",)),
        Table("rejections", Rejection, ("rejection_id",)),
        Table("verdicts", Rejudgement, ("verdict_id",)),
        Table("releases", Release, ("release_id",)),
        Table("release_rows", ReleaseMember, ("release_id", "row_id", "copy_number")),
        Table("build_log", BuildEntry, ("number", "status")),
    )
}


class View(NamedTuple):
    """A view that comes with the tables."""

    name: str
    says: str
    columns: tuple[tuple[str, str, str], ...] = ()
    """Name, DuckDB type, meaning; empty = those of the table that it is drawn from."""


DRAWN_FROM_TABLES: tuple[View, ...] = (
    View("latest_episodes", "The last try of every episode; columns as in `episodes`."),
    View(
        "latest_verdicts",
        "The verdict that counts today of every episode: of those that are not unknown the newest under the highest "
        "contract of checks, the one that it landed with included.",
        (
            ("episode_id", "VARCHAR", ""),
            ("environment", "VARCHAR", ""),
            ("verdict", "VARCHAR", ""),
            ("reward", "DOUBLE", ""),
            ("detail", "VARCHAR", ""),
            ("check_contract", "BIGINT", "Contract of the world's checks that gave it."),
            ("number", "BIGINT", "0 = the episode's own; else as in `verdicts`."),
            ("elsewhere", "VARCHAR", "As in `verdicts`."),
            ("stands", "BOOLEAN", "Whether it is no worse than the episode's own, in verdict and in reward."),
        ),
    ),
    View(
        "funnel",
        "What became of the tasks of each world.",
        (
            ("environment", "VARCHAR", ""),
            ("tasks", "BIGINT", ""),
            ("episodes", "BIGINT", "Last tries."),
            ("passed", "BIGINT", ""),
            ("trajectories", "BIGINT", "Episodes that were kept."),
        ),
    ),
    View(
        "reject_reasons",
        "How many rows were turned away, by stage and reason.",
        (("stage", "VARCHAR", ""), ("reason", "VARCHAR", ""), ("rows", "BIGINT", "")),
    ),
    View(
        "turned_away",
        "Rows that no later release takes, and tasks that no later build attempts: what an expectation, independent "
        "attempts or a person said of them, and nobody took back.",
        (
            ("id", "VARCHAR", "Of a task, an episode, a trajectory or a conversation."),
            ("stage", "VARCHAR", "As in `rejections`."),
            ("reason", "VARCHAR", "As in `rejections`."),
            ("detail", "VARCHAR", "As in `rejections`."),
            ("environment", "VARCHAR", ""),
            ("build", "BIGINT", "Build that found it; NULL = a person."),
        ),
    ),
    View(
        "task_difficulty_by_solver",
        "How hard a task is for each solver that attempted it, counted: attempts that came to an end (last tries, "
        "verdicts that count today), a reference's own runs apart.",
        (
            ("task_id", "VARCHAR", ""),
            ("environment", "VARCHAR", ""),
            ("kind", "VARCHAR", "teacher, recorded."),
            ("model", "VARCHAR", ""),
            ("solver_id", "VARCHAR", "As in `episodes`."),
            ("dialect", "VARCHAR", ""),
            ("attempts", "BIGINT", ""),
            ("passed", "BIGINT", ""),
            ("pass_rate", "DOUBLE", "passed / attempts."),
            ("turns", "DOUBLE", "Mean turns of an attempt."),
            ("turns_passed", "DOUBLE", "Mean turns of an attempt that passed; NULL = none did."),
        ),
    ),
    View(
        "task_difficulty",
        "How hard every task is, by all its solvers together, beside what its author claimed. "
        "`mixture.pass_rate` reads it.",
        (
            ("task_id", "VARCHAR", ""),
            ("environment", "VARCHAR", ""),
            ("family", "VARCHAR", ""),
            ("origin", "VARCHAR", ""),
            ("claimed", "BIGINT", "The author's word, 1 easy to 3 hard; NULL = not said."),
            ("solvers", "BIGINT", "That attempted it."),
            ("attempts", "BIGINT", "0 = not measured."),
            ("passed", "BIGINT", "0 of several attempts: nobody has passed it yet (`trajmill status --never-passed`)."),
            ("pass_rate", "DOUBLE", "passed / attempts; NULL = not measured."),
            ("turns", "DOUBLE", "Mean turns of an attempt."),
            ("turns_passed", "DOUBLE", "Mean turns of an attempt that passed; NULL = none did."),
            ("turned_away", "VARCHAR", "Why it is attempted no more (`turned_away`); NULL = it is."),
        ),
    ),
    View(
        "costs",
        "Every completion with the name of its prompt: what was paid for what. Each was paid once.",
        (
            ("completion_id", "VARCHAR", ""),
            ("stage", "VARCHAR", "Its purpose: the stage that asked."),
            ("model", "VARCHAR", ""),
            ("prompt", "VARCHAR", "Name; NULL = the prompt is not one of those that are installed."),
            ("prompt_version", "VARCHAR", "v1, v2, ..."),
            ("batch", "BOOLEAN", "Whether it was paid at a batch API's price."),
            ("prompt_tokens", "BIGINT", ""),
            ("completion_tokens", "BIGINT", ""),
            ("tokens", "BIGINT", "Both."),
            ("usd", "DOUBLE", "At the prices configured when it was paid."),
            ("created_at", "TIMESTAMP WITH TIME ZONE", ""),
        ),
    ),
    View(
        "trajectory_receipts",
        "The completions that a trajectory was made from, each once: those that made its task, all tries of its "
        "episode, its backfilled thoughts, and what those were made from (`parents`).",
        (("trajectory_id", "VARCHAR", ""), ("completion_id", "VARCHAR", "")),
    ),
    View(
        "trajectory_costs",
        "What each trajectory cost, by stage, model and prompt.",
        (
            ("trajectory_id", "VARCHAR", ""),
            ("environment", "VARCHAR", ""),
            ("stage", "VARCHAR", ""),
            ("model", "VARCHAR", ""),
            ("prompt", "VARCHAR", ""),
            ("prompt_version", "VARCHAR", ""),
            ("requests", "BIGINT", "Completions, each once however often it was replayed."),
            ("tokens", "BIGINT", ""),
            ("usd", "DOUBLE", "The whole price, also of what other trajectories use too (their common task)."),
            ("usd_shared", "DOUBLE", "Its share, where several use a completion; over all trajectories it adds up."),
        ),
    ),
    *(View(*one) for one in VIEWS_OF_RUNS),
)
"""Made by `warehouse/views.py`."""

_SCALARS: dict[Any, str] = {str: "VARCHAR", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", datetime: "TIMESTAMPTZ"}


def is_volatile(field: FieldInfo) -> bool:
    """Whether a field is left out of digests."""
    return any(isinstance(mark, Volatile) for mark in field.metadata)


def column_type(annotation: Any) -> str:
    """Return the DuckDB type of a field's annotation (nested records are structs, tuples are lists).

    Raises:
        TypeError: for an annotation that no column can hold.
    """
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Record):
        fields = ", ".join(f'"{k}" {column_type(f.annotation)}' for k, f in annotation.model_fields.items())
        return f"STRUCT({fields})"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return "VARCHAR"
    if origin is tuple:
        return f"{column_type(arguments[0])}[]"
    if origin in (typing.Union, types.UnionType):
        return _union_type([a for a in arguments if a is not type(None)])
    if origin is typing.Annotated:
        return column_type(arguments[0])
    raise TypeError(f"{annotation!r} has no column type")


def _union_type(members: list[Any]) -> str:
    if len(members) == 1:
        return column_type(members[0])
    return "JSON"  # mixed scalars, as in a table's cells: kept as JSON text


def render_tables() -> str:
    """Render docs/tables.md from the records."""
    lines = [
        "# Tables",
        "",
        "Generated from `schemas/` (`make check` fails when it differs). Volatile columns may differ",
    ]
    lines += ["between two equal builds and do not count in digests.", ""]
    lines += ["## Ten questions of a data lead", ""]
    for question, sql in QUESTIONS.items():
        lines += [f"{question}", "", "```sql", sql, "```", ""]
    for table in TABLES.values():
        lines += [f"## {table.name}", "", _first_line(table.record), ""]
        lines += [f"Key: {', '.join(f'`{k}`' for k in table.keys)}", ""]
        lines += ["| column | type | meaning | volatile |", "|---|---|---|---|"]
        for name, field in table.record.model_fields.items():
            kind = column_type(field.annotation).replace("|", "\\|")
            meaning = " ".join((field.description or "").split())
            lines.append(f"| `{name}` | `{kind}` | {meaning} | {'yes' if is_volatile(field) else ''} |")
        lines.append("")
    for view in DRAWN_FROM_TABLES:
        lines += [f"## {view.name} (view)", "", view.says, ""]
        if view.columns:
            lines += ["| column | type | meaning |", "|---|---|---|"]
            lines += [f"| `{name}` | `{kind}` | {meaning} |" for name, kind, meaning in view.columns]
            lines.append("")
    return "\n".join(lines)


def _first_line(record: type[Record]) -> str:
    return (record.__doc__ or "").strip().split("\n")[0]


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit code says whether it stands."""
    return write_or_check("schemas.tables", arguments, render_tables())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
