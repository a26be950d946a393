"""Whether what an agent's statements showed holds anything of the data, on every engine."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from environments.db.engine import SqlEngine, SqlLimits
from environments.db.looked import Asked, asked, has_looked
from environments.db.sqlite_engine import SqliteEngine
from environments.db.store import store_database
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFERENCE = "SELECT name FROM pets WHERE age > 4"
SHOWS_NOTHING = (
    ("SELECT name FROM pets LIMIT 0",),
    ("SELECT name FROM pets WHERE 1 = 0",),
    ("SELECT name FROM pets WHERE name = 'Nobody'",),
    ("SELECT 1 FROM (SELECT 1 AS one) AS x WHERE NOT EXISTS (SELECT * FROM pets WHERE 1 = 0)",),
    ("SELECT 'Ada' UNION ALL SELECT name FROM pets WHERE 1 = 0",),
    ("SELECT count(*) FROM (SELECT * FROM pets LIMIT 0) AS x",),
    ("SELECT max(age) FROM pets WHERE age > 1000",),
    ("SELECT count(*) >= 0 FROM pets",),
    ("SELECT p.name FROM (SELECT 'Ada' AS name) AS p LEFT JOIN pets AS q ON 1 = 0",),
    ("EXPLAIN SELECT name FROM pets",),
    ("CREATE TEMPORARY TABLE mine AS SELECT name FROM pets WHERE 1 = 0", "SELECT * FROM mine"),
    ("CREATE TEMPORARY TABLE mine (name varchar(9))", "INSERT INTO mine VALUES ('Ada')", "SELECT * FROM mine"),
    ("UPDATE pets SET age = 2 WHERE name = 'Nobody'",),
)
SHOWS_SOMETHING = (
    ("SELECT name FROM pets",),
    ("SELECT 1 FROM pets",),
    ("SELECT count(*) FROM pets",),
    ("SELECT name FROM pets LIMIT 0", "SELECT name FROM pets WHERE age > 4 LIMIT 1"),
    ("CREATE TEMPORARY TABLE mine AS SELECT name FROM pets", "SELECT * FROM mine"),
    ("WITH old AS (SELECT * FROM pets WHERE age > 4) SELECT count(*) FROM old",),
)
PLANS = {
    "sqlite": ("EXPLAIN QUERY PLAN SELECT name FROM pets",),
    "mysql": ("ANALYZE SELECT name FROM pets", "DESCRIBE pets", "SHOW TABLE STATUS", "SHOW INDEX FROM pets"),
    "postgres": ("EXPLAIN (ANALYZE) SELECT name FROM pets", "/* how? */ EXPLAIN ANALYZE SELECT name FROM pets"),
}


def task(engine: SqlEngine, setup: Setup | None = None, reference: str = REFERENCE) -> TaskSpec:
    table = TableData(
        name="pets",
        columns=(Column(name="name", type="varchar(20)"), Column(name="age", type="INTEGER")),
        rows=(("Rex", 3), ("Ada", 7), ("Kit", 5)),
    )
    return TaskSpec.make(
        environment="db",
        instruction="Who is older than four?",
        setup=setup or Setup(dialect=engine.dialect, database_name="shelter", tables=(table,)),
        reference=(Script(code=reference),),
        check=Check(kind="rows"),
        origin="own",
        provenance=Provenance(source="test"),
    )


async def ask(engine: SqlEngine, spec: TaskSpec, *statements: str) -> list[Asked]:
    database = await engine.open(spec.setup)
    try:
        results = [(sql, await database.execute(sql)) for sql in statements]
    finally:
        await database.close()
    assert [result.error for _, result in results] == [None] * len(results)
    return [asked(sql, result) for sql, result in results]


@pytest.mark.parametrize("statements", SHOWS_NOTHING, ids=lambda statements: statements[0])
async def test_what_is_the_same_without_a_row_is_no_look(engine: SqlEngine, statements: tuple[str, ...]) -> None:
    spec = task(engine)
    said = await ask(engine, spec, *statements)
    assert not await has_looked(engine, spec, said, [("Ada",), ("Kit",)])


@pytest.mark.parametrize("statements", SHOWS_SOMETHING, ids=lambda statements: statements[0])
async def test_what_is_another_without_a_row_is_a_look(engine: SqlEngine, statements: tuple[str, ...]) -> None:
    spec = task(engine)
    said = await ask(engine, spec, *statements)
    assert await has_looked(engine, spec, said, [("Ada",), ("Kit",)])


async def test_a_plan_with_its_estimates_is_no_look(engine: SqlEngine) -> None:
    spec = task(engine)
    for plan in PLANS[engine.dialect]:
        said = await ask(engine, spec, "SELECT name FROM pets LIMIT 0", plan)
        assert not await has_looked(engine, spec, said, [("Ada",), ("Kit",)]), plan


async def test_chance_is_no_look(engine: SqlEngine) -> None:
    spec = task(engine)
    chance = "rand()" if engine.dialect == "mysql" else "random()"
    said = await ask(engine, spec, f"SELECT {chance}, count(*) FROM (SELECT * FROM pets WHERE 1 = 0) AS x")
    assert not await has_looked(engine, spec, said, [("Ada",), ("Kit",)])


@pytest.mark.parametrize(
    "reference", ["SELECT name FROM pets WHERE age > 50", "SELECT count(*) FROM pets WHERE age > 50"]
)
async def test_to_have_asked_is_enough_where_the_answer_is_the_same_without_a_row(
    engine: SqlEngine, reference: str
) -> None:
    spec = task(engine, reference=reference)
    database = await engine.open(spec.setup)
    right = (await database.execute(reference)).rows
    await database.close()
    assert await has_looked(engine, spec, [], right)


@pytest.mark.parametrize("copied_mb", [64, 0], ids=["copied", "read only"])
async def test_a_stored_database_is_emptied_with_its_views_and_without_its_triggers(
    tmp_path: Path, copied_mb: int
) -> None:
    file = tmp_path / "pets.sqlite"
    with sqlite3.connect(file) as connection:
        connection.executescript(
            "CREATE TABLE pets (name TEXT PRIMARY KEY, age INTEGER); CREATE TABLE log (name TEXT);"
            "CREATE VIRTUAL TABLE words USING fts5(word); INSERT INTO words VALUES ('cat');"
            "CREATE INDEX ages ON pets (age); CREATE VIEW old AS SELECT name FROM pets WHERE age > 4;"
            "CREATE TRIGGER noted AFTER INSERT ON pets BEGIN INSERT INTO log VALUES (new.name); END;"
            "INSERT INTO pets VALUES ('Rex', 3), ('Ada', 7); ANALYZE;"
        )
    databases = tmp_path / "databases"
    setup = Setup(database=store_database(file, databases))
    async with SqliteEngine(databases, SqlLimits(copied_mb=copied_mb), workers=1) as engine:
        empty = await engine.open_empty(setup)
        assert (await empty.execute("SELECT * FROM pets UNION ALL SELECT name, 1 FROM log")).rows == ()
        assert (await empty.execute("INSERT INTO pets VALUES ('Kit', 9)")).error is None
        assert (await empty.execute("SELECT * FROM old")).rows == (("Kit",),)
        await empty.close()
        whole = await engine.open(setup)
        assert (await whole.execute("SELECT count(*) FROM old")).rows == ((1,),)
        await whole.close()
        spec = task(engine, setup)
        said = await ask(engine, spec, "SELECT * FROM old LIMIT 0", "EXPLAIN QUERY PLAN SELECT * FROM old")
        assert not await has_looked(engine, spec, said, [("Ada",)])
        assert await has_looked(engine, spec, await ask(engine, spec, "SELECT * FROM old"), [("Ada",)])
