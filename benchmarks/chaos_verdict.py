"""What faults cost a build: rows lost, rows twice, answers paid twice, against a build that was left alone."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.killed_builds import rows_of, task_of_row
from benchmarks.listening_endpoint import Endpoint
from formats.releases.huggingface import verify_release
from schemas.tables import TABLES
from teachers.ledger.ledger import Ledger
from warehouse.warehouse import Warehouse

TOLD = """SELECT DISTINCT task_id FROM episodes
WHERE verdict = 'unknown' OR try_number > 1 OR outcome IN ('environment_error', 'teacher_error')"""
TWICE = """SELECT count(*) FROM (SELECT t.episode_id FROM turns t JOIN episodes e USING (episode_id, landing)
GROUP BY t.episode_id, e.try_number, t.index HAVING count(*) > 1)"""


@dataclass
class Bill:
    """What an endpoint gave for one build, and what of it the ledger could not have when a command ended."""

    endpoint: Endpoint
    home: Path
    before: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    """Answers given to a command that ended before the ledger had them."""

    def __post_init__(self) -> None:
        self.endpoint.given.clear()

    def close_command(self) -> None:
        """Count what was in flight when a command ended."""
        given = self.endpoint.given - self.before
        self.in_flight += Counter(set(given) - self.paid())
        self.before = Counter(self.endpoint.given)

    def paid(self) -> set[str]:
        """Return the fingerprints of the requests whose answers the ledger holds."""
        if not (self.home / "ledger.sqlite").exists():
            return set()
        with closing(Ledger(self.home / "ledger.sqlite")) as ledger:
            rows = ledger.rows_after(0, 100_000)
            return {self.endpoint.fingerprint(ledger.request(row.completion_id)) for _, row in rows}

    def twice(self) -> int:
        """Count the answers that were given again though an earlier one could be kept."""
        return sum(max(0, times - 1 - self.in_flight[asked]) for asked, times in self.endpoint.given.items())


@dataclass(frozen=True)
class Verdict:
    """What came of one build."""

    lost: dict[str, int]
    """Rows of the undisturbed build that are missing here and told nowhere, by table; none = empty."""
    changed: dict[str, int]
    """Rows that say something else and are told nowhere."""
    twice: int
    told: int
    """Tasks of which an attempt is told as without an outcome, or as tried again."""
    is_same: bool
    """Whether all tables have the digests of the undisturbed build."""
    paid_twice: int
    in_flight: int
    more: dict[str, int] = field(default_factory=dict)
    """Rows that the undisturbed build has not and that are told nowhere, by table."""

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.changed or self.twice or self.paid_twice)


def judge(home: Path, reference: Path, bill: Bill) -> Verdict:
    """Compare a finished build with the one that nothing struck.

    Raises:
        TrajmillError: a release is not whole.
    """
    warehouse, other = Warehouse(home), Warehouse(reference)
    for release in (home / "releases").iterdir():
        verify_release(release)
    told = {task for (task,) in warehouse.query(TOLD)}
    lost, changed = missing_and_changed(home, reference, told)
    more, _ = missing_and_changed(reference, home, told)
    twice = sum(warehouse.count(table) - len(full_keys(warehouse, table)) for table in TABLES)
    (seen_twice,) = warehouse.query(TWICE)[0]
    same = all(warehouse.digest(table) == other.digest(table) for table in TABLES)
    return Verdict(lost, changed, twice + seen_twice, len(told), same, bill.twice(), bill.in_flight.total(), more)


def missing_and_changed(home: Path, reference: Path, told: set[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Count, by table, the reference's rows that a home has not or has otherwise, but for those of told tasks."""
    lost: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    for table, task_of in task_of_row(reference).items():
        rows = rows_of(home, table)
        for key, row in rows_of(reference, table).items():
            if task_of(key) not in told:
                lost[table] += key not in rows
                changed[table] += rows.get(key, row) != row
    return dict(+lost), dict(+changed)


def full_keys(warehouse: Warehouse, table: str) -> set[tuple[object, ...]]:
    columns = ", ".join(f'"{key}"' for key in TABLES[table].keys)
    return set(warehouse.query(f"SELECT {columns} FROM {table}"))
