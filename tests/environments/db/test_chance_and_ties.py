"""What chance, the clock or a tie decides is found by execution, and nothing else is turned away for it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from environments.base import Action
from environments.db.static_probes import no_tie_decides, reference_is_stable
from environments.db.store import store_database
from environments.db.world import DbWorld
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, updated_at TEXT);
CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT, created_at TEXT DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT, price REAL, day TEXT);
CREATE TRIGGER touched AFTER UPDATE ON customers BEGIN
  UPDATE customers SET updated_at = datetime('now') WHERE id = new.id;
END;
CREATE VIEW recent AS SELECT * FROM items WHERE day > date('now', '-1 year');
INSERT INTO customers VALUES (1, 'Ann', '2020-01-01'), (2, 'Bo', '2020-01-02');
INSERT INTO items VALUES (1, 'pen', 2.5, '2020-01-01'), (2, 'cap', 9.0, '2020-02-01'), (3, 'mug', 9.0, '2020-03-01'),
  (4, 'bag', 30.0, '2020-04-01');
"""


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DbWorld]:
    home = tmp_path_factory.mktemp("home")
    with sqlite3.connect(home / "shop.sqlite") as connection:
        connection.executescript(SHOP)
    connection.close()
    store_database(home / "shop.sqlite", home / "databases")
    async with DbWorld.on_sqlite(home / "databases", workers=1) as opened:
        yield opened


def task(world: DbWorld, tmp_path: Path, sql: str) -> TaskSpec:
    stored = next(Path(world.engine._databases).glob("*.sqlite")).stem  # type: ignore[attr-defined]
    return TaskSpec.make(
        environment="db",
        instruction="Do it.",
        setup=Setup(database=stored, database_name="shop"),
        reference=(Script(code=sql),),
        check=Check(kind="rows" if sql.startswith(("SELECT", "WITH")) else "state"),
        origin="own",
        provenance=Provenance(source="test"),
    )


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE items SET price = 3 WHERE id = 1",  # a trigger of another table reads the clock
        "INSERT INTO customers VALUES (3, 'Cy', '2024-01-01')",  # the trigger is for updates
        "UPDATE customers SET name = 'Al' WHERE id = 99",  # it fires for no row
        "INSERT INTO notes VALUES (1, 'hello', '2024-01-01')",  # the column with the default is given
        "SELECT name FROM items WHERE day < date('now')",  # true on any day from now on
        "SELECT 'random()'",
        "SELECT name FROM items ORDER BY random()",  # rows come in any order
        "UPDATE items SET day = date(day, '+1 day')",
    ],
)
async def test_what_comes_out_the_same_is_stable(world: DbWorld, tmp_path: Path, sql: str) -> None:
    assert (await reference_is_stable(world.engine, task(world, tmp_path, sql))).passed


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE customers SET name = 'Al' WHERE id = 1",
        "INSERT INTO notes (body) VALUES ('hello')",
        "INSERT INTO notes VALUES (1, 'hello', CURRENT_TIMESTAMP)",
        "UPDATE items SET day = date('now') WHERE id = 1",
        "UPDATE items SET price = abs(random()) % 2",
        "UPDATE items SET name = hex(randomblob(4))",
        "SELECT strftime('%Y', 'now') - strftime('%Y', day) FROM items",
        "SELECT name FROM items ORDER BY random() LIMIT 1",
        "SELECT name FROM items WHERE random() > 0",
        "SELECT julianday() - julianday(day) FROM items",
        "SELECT unixepoch()",
    ],
)
async def test_what_comes_out_otherwise_is_not(world: DbWorld, tmp_path: Path, sql: str) -> None:
    probe = await reference_is_stable(world.engine, task(world, tmp_path, sql))
    assert (probe.name, probe.passed) == ("reference_is_stable", False)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM items ORDER BY price DESC LIMIT 2",
        "SELECT name FROM items LIMIT 1",
        "SELECT * FROM items ORDER BY price DESC LIMIT 1 OFFSET 1",
        "SELECT name FROM items WHERE id = (SELECT id FROM items WHERE price = 9 ORDER BY price LIMIT 1)",
        "DELETE FROM items WHERE id IN (SELECT id FROM items ORDER BY price DESC LIMIT 2)",
        "WITH dear AS (SELECT id, name FROM items ORDER BY price DESC LIMIT 2) SELECT name FROM dear",
        "SELECT price, max(name) FROM items GROUP BY price ORDER BY count(*) LIMIT 1",
    ],
)
async def test_a_limit_through_a_tie_is_no_task(world: DbWorld, tmp_path: Path, sql: str) -> None:
    probe = await no_tie_decides(world.engine, task(world, tmp_path, sql))
    assert (probe.name, probe.passed) == ("no_tie_decides", False)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM items ORDER BY price DESC LIMIT 1",
        "SELECT name FROM items ORDER BY price DESC LIMIT 3",
        "SELECT price FROM items ORDER BY price DESC LIMIT 2",  # the tied rows show the same
        "SELECT name FROM items ORDER BY price LIMIT 99",
        "SELECT * FROM items ORDER BY price, id LIMIT 2",
        "SELECT price FROM items WHERE EXISTS (SELECT 1 FROM customers LIMIT 1)",
        "SELECT price, count(*) FROM items GROUP BY price ORDER BY count(*) DESC LIMIT 1",
        "DELETE FROM items WHERE id = (SELECT id FROM items ORDER BY price LIMIT 1)",
    ],
)
async def test_a_limit_that_cuts_no_tie_stays(world: DbWorld, tmp_path: Path, sql: str) -> None:
    assert (await no_tie_decides(world.engine, task(world, tmp_path, sql))).passed


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT name FROM items ORDER BY price DESC",
        "SELECT name, price FROM items ORDER BY price DESC",
        "SELECT name, price AS p FROM items ORDER BY p DESC",
        "SELECT name, price FROM items ORDER BY 2 DESC",
        "SELECT i.name FROM items AS i GROUP BY i.id ORDER BY sum(i.price) DESC",
        "SELECT name, price FROM items WHERE price < 20 UNION SELECT 'bag', 30 ORDER BY price DESC",
    ],
)
async def test_tied_rows_stand_either_way(world: DbWorld, tmp_path: Path, sql: str) -> None:
    spec = task(world, tmp_path, sql)
    spec = spec.model_copy(update={"check": Check(kind="rows", ordered=True)})
    async with world.open(spec) as environment:
        await environment.reset()
        turns = await environment.follow()
        assert (await environment.verify()).name == "passed"
    ours = turns[-1][0].text
    rows = json.loads(ours)
    tied = [place for place, row in enumerate(rows) if "mug" in str(row) or "cap" in str(row)]
    rows[tied[0]], rows[tied[1]] = rows[tied[1]], rows[tied[0]]
    swapped, wrong = json.dumps(rows), json.dumps(rows[1:] + rows[:1])
    verdicts = [await answered(world, spec, sql, said) for said in (swapped, wrong)]
    assert verdicts[0] == "" and verdicts[1].startswith("wrong_order")


@pytest.mark.parametrize(
    ("sql", "said", "is_right"),
    [
        ("SELECT name FROM items ORDER BY price DESC LIMIT 2", '["bag", "cap"]', True),
        ("SELECT name FROM items ORDER BY price DESC LIMIT 2", '["bag", "mug"]', True),
        ("SELECT name FROM items ORDER BY price DESC LIMIT 2", '["mug", "cap"]', False),
        ("SELECT name FROM items ORDER BY price DESC LIMIT 2", '["bag", "pen"]', False),
        ("SELECT name FROM items ORDER BY price DESC LIMIT 2", '["bag", "mug", "cap"]', False),
        ("SELECT name, price FROM items ORDER BY price DESC LIMIT 1 OFFSET 1", '[["mug", 9.0]]', True),
        ("SELECT name, price FROM items ORDER BY price DESC LIMIT 1 OFFSET 1", '[["bag", 30.0]]', False),
        ("SELECT name FROM items LIMIT 1", '["bag"]', True),
        ("SELECT price, count(*) FROM items GROUP BY price ORDER BY count(*) LIMIT 1", "[[30.0, 1]]", True),
        ("SELECT price, count(*) FROM items GROUP BY price ORDER BY count(*) LIMIT 1", "[[9.0, 2]]", False),
    ],
)
async def test_where_a_limit_cuts_ties_any_of_them_is_right(
    world: DbWorld, tmp_path: Path, sql: str, said: str, is_right: bool
) -> None:
    spec = task(world, tmp_path, sql)
    assert ((await answered(world, spec, sql, said)) == "") is is_right


async def answered(world: DbWorld, spec: TaskSpec, sql: str, said: str) -> str:
    async with world.open(spec) as environment:
        await environment.reset()
        await environment.step(Action("sql", sql))
        await environment.step(Action("answer", said))
        return (await environment.verify()).detail
