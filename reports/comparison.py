"""A home beside a table of counts that somebody published: tasks, kept trajectories, their ratio and turns by world.

Such a table is a TOML file; the ones that ship lie in deployments/comparisons/.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from reports.funnel import TableOf
from schemas.bounded_reading import read_text
from schemas.errors import ConfigError, InputError
from schemas.invalid_values import explain
from schemas.record import Record
from schemas.task_spec import Origin
from warehouse.warehouse import Warehouse

COMPARISONS = Path(__file__).resolve().parent.parent / "deployments" / "comparisons"
MAX_BYTES = 64 << 10


class PublishedRow(Record):
    """What was published of one world, or of some origins of its tasks."""

    world: str
    origins: tuple[Origin, ...] = ()
    """Origins of the tasks that the row counts; none = all but benchmarks."""
    tasks: int = Field(ge=1)
    """Instructions that there were."""
    kept: int = Field(ge=0)
    """Trajectories of them that were kept."""
    turns: float = Field(ge=0)
    """Replies of the model in a kept trajectory, on average."""


class Published(Record):
    """A published table."""

    name: str
    rows: tuple[PublishedRow, ...] = Field(min_length=1)


def read_published(name: str) -> Published:
    """Read a table by the name of one that ships, or by its path.

    Raises:
        ConfigError: there is none, or it is not such a table.
    """
    known = {path.stem: path for path in sorted(COMPARISONS.glob("*.toml"))}
    path = known.get(name, Path(name))
    if not path.is_file():
        raise ConfigError(f"nothing to compare with is called {name!r}: neither a file nor one of {', '.join(known)}")
    try:
        return Published.model_validate(tomllib.loads(read_text(path, MAX_BYTES)))
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error, Published)}") from None
    except (InputError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no readable TOML: {error}") from None


def compare(warehouse: Warehouse, published: Published) -> TableOf:
    """Set a home's counts over all builds beside the published ones, a row each, and both sums below.

    A task counts once, however often it was attempted, and whether or not its proof let it in: what was proposed and
    turned away was an instruction, too. Of it only world and origin are not known apart, so rows with `origins` count
    admitted tasks alone.
    """
    rows = [_row(warehouse, one) for one in published.rows]
    columns = (
        *("world", "origins", "tasks", "kept", "kept %", "turns"),
        *(f"{published.name} {what}" for what in ("tasks", "kept", "kept %", "turns")),
    )
    return TableOf(columns, [*rows, _sum(published, rows)])


def _row(warehouse: Warehouse, one: PublishedRow) -> tuple[Any, ...]:
    tasks, kept, turns = _counts(warehouse, one)
    theirs = (one.tasks, one.kept, _percent(one.kept, one.tasks), one.turns)
    return (one.world, ", ".join(one.origins), tasks, kept, _percent(kept, tasks), turns, *theirs)


def _counts(warehouse: Warehouse, one: PublishedRow) -> tuple[int, int, float | None]:
    query = """
        WITH asked AS (SELECT DISTINCT task_id FROM task_specs WHERE environment = $1 AND origin <> 'benchmark'
                       AND (len($2::VARCHAR[]) = 0 OR list_contains($2::VARCHAR[], origin))),
        kept AS (SELECT DISTINCT ON (episode_id) task_id, n_turns FROM latest_episodes
                 JOIN (SELECT DISTINCT episode_id FROM trajectories) USING (episode_id) JOIN asked USING (task_id)),
        turned AS (SELECT count(*) AS n FROM rejections WHERE environment = $1 AND stage IN ('generate', 'admit')
                   AND len($2::VARCHAR[]) = 0)
        SELECT (SELECT count(*) FROM asked) + (SELECT n FROM turned), count(*), round(avg(n_turns), 2) FROM kept"""
    [(tasks, kept, turns)] = warehouse.query(query, (one.world, list(one.origins)))
    return int(tasks), int(kept), turns


def _sum(published: Published, rows: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    tasks, kept = sum(row[2] for row in rows), sum(row[3] for row in rows)
    replies = sum(row[3] * row[5] for row in rows if row[5] is not None)
    their_tasks, their_kept = (sum(getattr(one, name) for one in published.rows) for name in ("tasks", "kept"))
    their_replies = sum(one.kept * one.turns for one in published.rows)
    return (
        *("all", "", tasks, kept, _percent(kept, tasks), round(replies / kept, 2) if kept else None),
        *(their_tasks, their_kept, _percent(their_kept, their_tasks)),
        round(their_replies / their_kept, 2) if their_kept else None,
    )


def _percent(part: int, whole: int) -> float | None:
    return round(100 * part / whole, 2) if whole else None
