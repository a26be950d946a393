"""A home made by commit 12dff63 opens, goes on, buys nothing again and publishes the same conversations.

`tests/fixtures/home-12dff63/README.md` says what it holds and how it was made.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.open_workshop import open_workshop
from schemas.tables import TABLES
from tasks.collect.episodes import plan_shards
from tasks.collect.plan import count_open
from warehouse.warehouse import Warehouse

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "home-12dff63"
CONFIG = str(FIXTURE / "config.toml")
EXPECTED: dict[str, Any] = json.loads((FIXTURE / "expected.json").read_bytes())
RELEASE = EXPECTED["release"]


@pytest.fixture
def home(old_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAJMILL_HOME", str(old_home))
    return old_home


def asked(home: Path) -> list[tuple[str, str]]:
    """Return the ledger's rows, key and purpose, in their order."""
    with closing(sqlite3.connect(home / "ledger.sqlite")) as db:
        return db.execute("SELECT request_hash, purpose FROM completions ORDER BY row_id").fetchall()


def contents(folder: Path, name: str, table: str = "") -> dict[str, str]:
    """Return the sha256 of each row's conversation, as the fixture words it; `table`: where it lies, else as named."""
    files = sorted((folder / "data" / (table or name)).glob("*.parquet"))
    rows = [row for path in files for row in pq.read_table(path).to_pylist()]
    return {row["id"]: hashlib.sha256(json.dumps(row[name], sort_keys=True).encode()).hexdigest() for row in rows}


def columns(folder: Path, name: str) -> dict[str, str]:
    (path,) = (folder / "data" / name).glob("*.parquet")
    return {field.name: str(field.type) for field in pq.read_schema(path)}


def test_every_row_reads_and_every_digest_stands(home: Path) -> None:
    warehouse = Warehouse(home)
    rows = {name: table["rows"] for name, table in EXPECTED["tables"].items()}
    assert {name: len(warehouse.read(name)) for name in TABLES} == {name: rows.get(name, 0) for name in TABLES}
    assert {name: warehouse.digest(name) for name in rows} == {n: t["digest"] for n, t in EXPECTED["tables"].items()}


def test_its_release_reads(home: Path) -> None:
    folder = home / "releases" / RELEASE["release_id"]
    for name, expected in RELEASE["columns"].items():
        assert columns(folder, name) == expected
        assert contents(folder, name) == RELEASE["content"][name]


@pytest.mark.parametrize(
    "words",
    [("status",), ("sql", "SELECT * FROM latest_episodes"), ("show", EXPECTED["tables"]["episodes"]["ids"][0])],
    ids=lambda words: words[0],
)
def test_it_can_be_looked_at(home: Path, trajmill: Callable[..., Any], words: tuple[str, ...]) -> None:
    ran = trajmill(*words, "--json", home=home)
    assert ran.code == 0, ran.err


async def test_its_unfinished_build_goes_on_with_what_it_began_with(home: Path) -> None:
    async with open_workshop("build", CONFIG, asks=False) as workshop:
        assert (workshop.build, workshop.resumed) == (2, True)
        assert workshop.config.collect.max_turns == {"os": 7}
        assert workshop.config.collect.repairs == 0, "turns were not repaired then"
        asked = workshop.config.generate
        assert (asked.tasks_per_request, asked.grow, asked.seed_examples) == (1, 0.0, 6), "a request was for one task"
        db = {"requests": 5, "seeds": "built-in", "bird": "built-in", "questions": 4}
        assert workshop.config.worlds["db"] == db
        assert workshop.curation_id in EXPECTED["curation_ids"]
        for spec in workshop.warehouse.read("task_specs"):
            kind = "reference" if spec.derivation == "replay" else "teacher"
            solver_id = workshop.solver_rules(spec, kind).solver.solver_id
            assert solver_id == EXPECTED["solver_ids"][f"{spec.environment} {kind}"]
        for world in workshop.worlds:
            part = f"{world} teacher wave 1"
            plan_shards(workshop, world, 1, "teacher", None)
            (stored,) = [p["items"] for p in EXPECTED["plans"] if (p["build"], p["part"]) == (2, part)]
            assert workshop.state.plan(2, "collect_episodes", part, list) == stored
        waiting = [chance["environment"] for chance in EXPECTED["open"].values()]
        assert {world: sum(count_open(workshop, world)) for world in workshop.worlds} == {
            world: waiting.count(world) for world in workshop.worlds
        }


async def test_another_solver_of_the_next_build_finds_nothing_open_but_what_waited(home: Path) -> None:
    """A new model, and with it a new `solver_id`: what was attempted stays attempted."""
    async with open_workshop("build", CONFIG, {"teacher.solver": "offline-b"}, fresh=True, asks=False) as workshop:
        waiting = [chance["environment"] for chance in EXPECTED["open"].values()]
        found = {world: sum(count_open(workshop, world)) for world in workshop.worlds}
        assert found == {world: waiting.count(world) for world in workshop.worlds}


@pytest.mark.slow
def test_it_goes_on_buys_nothing_again_and_publishes_the_same_conversations(
    home: Path, trajmill: Callable[..., Any]
) -> None:
    before = asked(home)
    assert sorted(key for key, _ in before) == EXPECTED["ledger"]["keys"]
    ran = trajmill("build", "--config", CONFIG, "--json", home=home)
    assert ran.code == 0, ran.err
    told: Mapping[str, Any] = json.loads(ran.out)
    assert (told["build"], told["resumed"]) == (2, True)
    after = asked(home)
    assert after[: len(before)] == before, "what was paid stands"
    assert told["requests_sent"] == len(after) - len(before), "nothing was sent twice"
    warehouse = Warehouse(home)
    shown = {row[0] for row in warehouse.query("SELECT completion_id FROM turns WHERE completion_id IS NOT NULL")}
    assert set(EXPECTED["ledger"]["solver_answers_in_no_landed_episode"]) <= shown, "what was paid is used"
    assert "generate_tasks" not in {purpose for _, purpose in after[len(before) :]}
    for name, key in {
        "episodes": "episode_id",
        "trajectories": "trajectory_id",
        "completions": "completion_id",
    }.items():
        assert set(EXPECTED["tables"][name]["ids"]) <= set(warehouse.column(name, key))
    assert warehouse.column("trajectories", "DISTINCT curation_id") == EXPECTED["curation_ids"]
    folder = home / "releases" / told["release_id"]
    for name in RELEASE["columns"]:
        table = {"messages": "original"}.get(name, name)  # `messages` is folded since
        assert RELEASE["columns"][name].items() <= columns(folder, table).items(), "the columns of then, and more"
        assert RELEASE["content"][name].items() <= contents(folder, name, table).items()
    again = {key: one["content"] for key, one in EXPECTED["continued"]["trajectories"].items() if one["content"]}
    assert again.items() <= contents(folder, "messages", "original").items()
