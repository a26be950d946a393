"""Foreign keys hold for reference, agent and judge, wherever they can; ids that the engine gives are any numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from environments.admission import admit
from environments.base import Action
from environments.db.engine import SqlEngine
from environments.db.sqlite_engine import SqliteEngine
from environments.db.store import store_database
from environments.db.world import DbWorld
from schemas.episode import Verdict
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDERS = """
CREATE TABLE "order" (id INTEGER PRIMARY KEY, customer TEXT);
CREATE TABLE "order line" (order_id INTEGER NOT NULL REFERENCES "order" (id) ON DELETE CASCADE, item TEXT);
INSERT INTO "order" VALUES (3, 'Ann'), (4, 'Bo');
INSERT INTO "order line" VALUES (3, 'pen'), (3, 'cap'), (4, 'mug');
"""
BROKEN = {
    "rows without a parent": "INSERT INTO \"order line\" VALUES (99, 'lost')",
    "a parent table that is not there": "CREATE TABLE tags (tag TEXT REFERENCES labels (name))",
    "a parent column that is not unique": 'CREATE TABLE tags (tag TEXT REFERENCES "order" (customer))',
}


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path_factory.mktemp("home") / "databases", workers=1) as opened:
        yield opened


def stored(world: DbWorld, folder: Path, *scripts: str) -> Setup:
    with sqlite3.connect(folder / "shop.sqlite") as connection:
        for script in scripts:
            connection.executescript(script)
    connection.close()
    assert isinstance(world.engine, SqliteEngine)
    return Setup(database=store_database(folder / "shop.sqlite", world.engine._databases), database_name="shop")


def task(setup: Setup, sql: str) -> TaskSpec:
    return TaskSpec.make(
        environment="db",
        instruction="Do it.",
        setup=setup,
        reference=(Script(code=sql),),
        check=Check(kind="state"),
        origin="own",
        provenance=Provenance(source="test"),
    )


async def play(world: DbWorld, spec: TaskSpec, *statements: str) -> Verdict:
    async with world.open(spec) as environment:
        await environment.reset()
        for statement in statements:
            await environment.step(Action("sql", statement))
        await environment.step(Action("answer", '["done"]'))
        return await environment.verify()


async def test_an_order_goes_with_its_lines(world: DbWorld, tmp_path: Path) -> None:
    spec = task(stored(world, tmp_path, ORDERS), 'DELETE FROM "order" WHERE id = 3')
    assert all(probe.passed for probe in await admit(world, spec))
    assert (await play(world, spec, 'DELETE FROM "order" WHERE id = 3')).name == "passed"
    both = ('DELETE FROM "order line" WHERE order_id = 3', 'DELETE FROM "order" WHERE id = 3')
    assert (await play(world, spec, *both)).name == "passed"


@pytest.mark.parametrize("switch", ["PRAGMA foreign_keys = OFF", "PRAGMA defer_foreign_keys = ON"])
async def test_an_agent_does_not_switch_them_off(world: DbWorld, tmp_path: Path, switch: str) -> None:
    database = await world.engine.open(stored(world, tmp_path, ORDERS))
    refused = await database.execute(switch)
    lost = await database.execute("INSERT INTO \"order line\" VALUES (77, 'pen')")
    await database.close()
    assert refused.error is not None and "FOREIGN KEY constraint failed" in str(lost.error)


async def test_a_row_without_its_parent_is_no_reference(world: DbWorld, tmp_path: Path) -> None:
    spec = task(stored(world, tmp_path, ORDERS), "INSERT INTO \"order line\" VALUES (77, 'pen')")
    probe = (await admit(world, spec))[-1]
    assert (probe.name, probe.passed) == ("reference_passes_1", False)


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_database_that_breaks_its_keys_is_used_all_the_same(
    world: DbWorld, tmp_path: Path, broken: str
) -> None:
    database = await world.engine.open(stored(world, tmp_path, ORDERS, BROKEN[broken]))
    done = [
        await database.execute(sql)
        for sql in (
            "INSERT INTO \"order line\" VALUES (4, 'pen')",
            "UPDATE \"order line\" SET item = 'cup' WHERE item = 'mug'",
            'DELETE FROM "order" WHERE id = 3',
        )
    ]
    await database.close()
    assert [result.error for result in done] == [None] * 3


async def test_the_schema_shows_triggers_and_no_table_behind_a_table(world: DbWorld, tmp_path: Path) -> None:
    setup = stored(
        world,
        tmp_path,
        ORDERS,
        'CREATE TRIGGER noted AFTER INSERT ON "order" BEGIN DELETE FROM "order line" WHERE item = \'x\'; END;',
        "CREATE VIRTUAL TABLE words USING fts5(word); INSERT INTO words VALUES ('red cat');",
    )
    database = await world.engine.open(setup)
    found = await database.execute("SELECT word FROM words WHERE words MATCH 'cat'")
    await database.close()
    assert "CREATE TRIGGER noted" in database.schema and "CREATE VIRTUAL TABLE words" in database.schema
    assert "words_" not in database.schema
    assert database.tables == ("order", "order line", "words")
    assert (found.rows, found.error) == ((("red cat",),), None)


PEOPLE = {
    "sqlite": Column(name="id", type="INTEGER PRIMARY KEY"),
    "mysql": Column(name="id", type="INTEGER PRIMARY KEY AUTO_INCREMENT"),
    "postgres": Column(name="id", type="SERIAL PRIMARY KEY"),
}


def people(engine: SqlEngine) -> Setup:
    columns = (PEOPLE[engine.dialect], Column(name="name", type="varchar(20)"), Column(name="age", type="INTEGER"))
    rows = ((101, "Ann", 30), (102, "Bo", 40))
    return Setup(
        dialect=engine.dialect, database_name="club", tables=(TableData(name="people", columns=columns, rows=rows),)
    )


INTO = "INSERT INTO people (id, name, age) VALUES "
LEFT_OUT = "INSERT INTO people (name, age) VALUES ('Cy', 50), ('Di', 60)"


@pytest.mark.parametrize(
    ("reference", "statements", "is_right"),
    [
        (LEFT_OUT, [LEFT_OUT], True),
        (LEFT_OUT, [INTO + "(8, 'Di', 60)", INTO + "(9, 'Cy', 50)"], True),
        (LEFT_OUT, [INTO + "(8, 'Di', 61)", INTO + "(9, 'Cy', 50)"], False),
        (LEFT_OUT, [INTO + "(8, 'Di', 60)"], False),
        (LEFT_OUT, ["UPDATE people SET id = 7 WHERE id = 101", LEFT_OUT], False),
        ("INSERT INTO people (name, age) SELECT name, age + 1 FROM people ORDER BY id",
         ["INSERT INTO people (name, age) SELECT name, age + 1 FROM people ORDER BY name DESC"], True),
        (INTO + "(8, 'Cy', 50)", [INTO + "(9, 'Cy', 50)"], False),
        (INTO + "(8, 'Cy', 50)", ["INSERT INTO people (name, age) VALUES ('Cy', 50)"], False),
        ("UPDATE people SET age = 31 WHERE id = 101", ["UPDATE people SET age = 31 WHERE id = 102"], False),
    ],
)  # fmt: skip
async def test_ids_that_the_engine_gives_are_the_same_up_to_their_numbers(
    engine: SqlEngine, reference: str, statements: Sequence[str], is_right: bool
) -> None:
    verdict = await play(DbWorld(engine), task(people(engine), reference), *statements)
    assert verdict.name == ("passed" if is_right else "failed"), verdict.detail


async def test_ids_that_others_refer_to_are_no_mere_numbers(world: DbWorld, tmp_path: Path) -> None:
    setup = stored(
        world,
        tmp_path,
        "CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, boss INTEGER REFERENCES people (id));"
        "CREATE TABLE log (person INTEGER);"
        "CREATE TRIGGER noted AFTER INSERT ON people WHEN new.name = 'Ed' BEGIN INSERT INTO log VALUES (new.id); END;",
    )
    spec = task(setup, "INSERT INTO people (name, boss) VALUES ('Ann', NULL), ('Bo', 1)")
    assert (await play(world, spec, spec.reference[0].code)).name == "passed"
    other = "INSERT INTO people VALUES (2, 'Ann', NULL), (1, 'Bo', 1)"
    assert (await play(world, spec, other)).name == "failed"
    logged = task(setup, "INSERT INTO people (name) VALUES ('Ed')")
    assert (await play(world, logged, "INSERT INTO people (id, name) VALUES (9, 'Ed')")).name == "failed"


SWITCHES = {
    "sqlite": "PRAGMA foreign_keys = OFF",
    "mysql": "SET STATEMENT Foreign_Key_Checks = 0 FOR INSERT INTO pets VALUES (7, 'Kit')",
    "postgres": "SET session_replication_role = replica",
}


async def test_keys_hold_on_every_engine(engine: SqlEngine) -> None:
    owner = Column(name="owner", type="INTEGER REFERENCES people (id)")
    pets = TableData(name="pets", columns=(owner, Column(name="name", type="varchar(20)")), rows=((101, "Rex"),))
    setup = people(engine)
    database = await engine.open(setup.model_copy(update={"tables": (*setup.tables, pets)}))
    refused = [await database.execute(SWITCHES[engine.dialect])]
    refused += [await database.execute(f"INSERT INTO pets VALUES ({owner}, 'Ada')") for owner in (77, 102)]
    left = await database.execute("SELECT name FROM pets ORDER BY name")
    await database.close()
    assert [result.error is None for result in refused] == [False, False, True]
    assert left.rows == (("Ada",), ("Rex",))
