"""What every engine keeps: one suite for SQLite and the servers, private and by URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from environments.db.engine import SqlDatabase, SqlEngine
from schemas.errors import EnvironmentFault
from schemas.task_spec import Column, Setup, TableData

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
SLOW = {
    "sqlite": ENDLESS,
    "mysql": "SELECT COUNT(*) FROM seq_1_to_100000 a, seq_1_to_100000 b, seq_1_to_100000 c",
    "postgres": ENDLESS,
}
NUMBERS = {
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000) SELECT {} FROM c",
    "mysql": "SELECT {} FROM (SELECT seq AS x FROM seq_1_to_100000) c",
    "postgres": "SELECT {} FROM generate_series(1, 100000) AS c(x)",
}
WIDE = {"sqlite": "hex(zeroblob(1000))", "mysql": "REPEAT('0', 2000)", "postgres": "repeat('0', 2000)"}
BYTES = {"sqlite": "x'ff00'", "mysql": "x'ff00'", "postgres": "'\\xff00'::bytea"}


def pets(engine: SqlEngine) -> Setup:
    table = TableData(
        name="pets",
        columns=(Column(name="name"), Column(name="age", type="INTEGER")),
        rows=(("Rex", 3), ("Ada", 7), ("Kit", None)),
    )
    return Setup(dialect=engine.dialect, database_name="shelter", tables=(table,))


@pytest_asyncio.fixture(loop_scope="module")
async def database(engine: SqlEngine) -> AsyncIterator[SqlDatabase]:
    opened = await engine.open(pets(engine))
    yield opened
    await opened.close()


async def run(database: SqlDatabase, *statements: str) -> None:
    for sql in statements:
        result = await database.execute(sql)
        assert result.error is None, f"{sql}: {result.error}"


async def count(database: SqlDatabase) -> int:
    return int(str((await database.execute("SELECT count(*) FROM pets")).rows[0][0]))


async def test_a_change_is_counted_and_nothing_else_is(engine: SqlEngine, database: SqlDatabase) -> None:
    said = {
        "UPDATE pets SET age = 9 WHERE name = 'Rex'": 1,
        "UPDATE pets SET age = 9 WHERE name = 'Nobody'": 0,
        "INSERT INTO pets VALUES ('Max', 1), ('Eva', 2)": 2,
        "-- out\nDELETE FROM pets WHERE age IN (1, 2)": 2,
        "CREATE TABLE other (n INTEGER)": None,
        "SELECT count(*) FROM pets": None,
        "UPDATE nothing SET n = 1": None,
    }
    assert {sql: (await database.execute(sql)).changed for sql in said} == said


async def test_an_empty_result_has_its_columns(engine: SqlEngine, database: SqlDatabase) -> None:
    result = await database.execute("SELECT name, age AS years FROM pets WHERE age > 100")
    assert (result.columns, result.rows, result.error) == (("name", "years"), (), None)


async def test_rows_values_and_columns_come_back(engine: SqlEngine, database: SqlDatabase) -> None:
    result = await database.execute(f"SELECT name, age, {BYTES[engine.dialect]} AS raw FROM pets ORDER BY name")
    assert result.columns == ("name", "age", "raw")
    assert result.rows[0] == ("Ada", 7, b"\xff\x00")
    assert ("Kit", None, b"\xff\x00") in result.rows
    assert database.tables == ("pets",)
    assert database.schema.startswith("CREATE TABLE") and "pets" in database.schema


async def test_what_a_statement_touched_is_told(engine: SqlEngine, database: SqlDatabase) -> None:
    told = [
        ("SELECT name FROM pets", ("pets",), False),
        ("SELECT 1", (), False),
        ("SELECT 'pets'", (), False),
        ("WITH pets AS (SELECT 1 AS name) SELECT name FROM pets", (), False),
        ("SELECT name FROM pets UNION SELECT name FROM pets AS other", ("pets",), False),
        ("INSERT INTO pets VALUES ('Max', 1)", ("pets",), True),
        ("UPDATE pets SET age = 2 WHERE name = 'Nobody'", ("pets",), True),
        ("CREATE TABLE copy AS SELECT * FROM pets", ("pets",), True),
        ("DROP TABLE copy", (), True),
    ]
    for sql, tables, wrote in told:
        result = await database.execute(sql)
        assert (result.error, result.wrote) == (None, wrote), sql
        assert {"pets"} & set(result.tables) == set(tables), sql


async def test_a_catalogue_is_no_table(engine: SqlEngine, database: SqlDatabase) -> None:
    asked = "name FROM sqlite_schema" if engine.dialect == "sqlite" else "table_name FROM information_schema.tables"
    result = await database.execute(f"SELECT {asked}")
    assert result.error is None and "pets" not in result.tables
    assert ("pets",) in result.rows


async def test_every_database_is_its_own(engine: SqlEngine, database: SqlDatabase) -> None:
    other = await engine.open(pets(engine))
    await run(other, "DELETE FROM pets")
    assert await count(database) == 3
    await other.close()


async def test_a_database_that_was_written_comes_back_as_it_was(engine: SqlEngine) -> None:
    for statement in ("DELETE FROM pets", "DROP TABLE pets", "CREATE TABLE more (a INTEGER)", "SELECT 1"):
        database = await engine.open(pets(engine))
        await run(database, statement)
        await database.close()
        again = await engine.open(pets(engine))
        assert (again.tables, await count(again)) == (("pets",), 3), statement
        await again.close()


async def test_one_statement_runs_at_a_time(database: SqlDatabase) -> None:
    assert (await database.execute("DELETE FROM pets; SELECT 1")).error is not None
    assert (await database.execute("SELECT 1; DELETE FROM pets")).error is not None
    assert (await database.execute("SELECT count(*) FROM pets;")).rows == ((3,),)


async def test_errors_are_the_engines_words_and_leave_the_session_well(database: SqlDatabase) -> None:
    assert "cats" in str((await database.execute("SELECT * FROM cats")).error)
    assert "syntax" in str((await database.execute("SELEC 1")).error)
    assert (await database.execute("SELECT '\ud800'")).error
    assert "too large" in str((await database.execute("SELECT 1 -- " + "x" * 200_000)).error)
    assert await count(database) == 3


async def test_transactions_of_the_agent_work(database: SqlDatabase) -> None:
    await run(database, "BEGIN", "DELETE FROM pets", "ROLLBACK")
    assert await count(database) == 3
    await run(database, "BEGIN", "DELETE FROM pets WHERE age = 3", "COMMIT")
    assert await count(database) == 2


async def test_an_open_transaction_counts_as_rolled_back(engine: SqlEngine, database: SqlDatabase) -> None:
    before = await database.state()
    await run(database, "BEGIN", "DELETE FROM pets")
    assert await database.state() == before
    assert (await database.table("pets")).rows == (("Rex", 3), ("Ada", 7), ("Kit", None))


async def test_temporary_tables_hide_nothing_and_end_with_the_episode(engine: SqlEngine, database: SqlDatabase) -> None:
    before = await database.state()
    await run(database, "CREATE TEMPORARY TABLE pets (name TEXT)", "INSERT INTO pets VALUES ('Max')")
    assert await database.state() == before
    await database.close()
    again = await engine.open(pets(engine))
    assert await count(again) == 3
    await again.close()


async def test_data_and_schema_are_digested_apart(database: SqlDatabase) -> None:
    before = await database.state()
    await run(database, "CREATE INDEX by_age ON pets (age)")
    after = await database.state()
    assert before.data_digest == after.data_digest
    assert before.schema_digest != after.schema_digest


async def test_the_state_counts_every_change(database: SqlDatabase) -> None:
    seen = {(await database.state()).data_digest}
    changes = (
        "UPDATE pets SET age = 4 WHERE name = 'Rex'",
        "INSERT INTO pets VALUES ('Rex', 4)",
        "INSERT INTO pets VALUES (NULL, NULL)",
        "CREATE TABLE t (a INTEGER)",
        "DROP TABLE pets",
    )
    for number, change in enumerate(changes, 2):
        await run(database, change)
        seen.add((await database.state()).data_digest)
        assert len(seen) == number, change


async def test_a_table_is_read_by_name(database: SqlDatabase) -> None:
    assert (await database.table("pets", ["age"])).rows == ((3,), (7,), (None,))
    cut = await database.table("pets", limit=2)
    assert (len(cut.rows), cut.truncated) == (2, True)
    assert (await database.table("cats")).error and (await database.table("pets", ["nickname"])).error


async def test_a_slow_statement_is_stopped_and_the_database_goes_on(engine: SqlEngine, database: SqlDatabase) -> None:
    await run(database, "DELETE FROM pets WHERE age = 3")
    result = await database.execute(SLOW[engine.dialect])
    assert result.error is not None and "ran longer than 1 s" in result.error
    assert await count(database) == 2


async def test_a_huge_result_is_cut_in_rows_and_bytes(engine: SqlEngine, database: SqlDatabase) -> None:
    numbers, wide = NUMBERS[engine.dialect], WIDE[engine.dialect]
    many = await database.execute(numbers.format("x"))
    assert (len(many.rows), many.truncated) == (100, True)
    some = await database.execute(numbers.format(wide))
    assert (len(some.rows), some.truncated) == (5, True)
    one = await database.execute(f"SELECT {wide.replace('000', '0000')}")
    assert one.truncated and len(str(one.rows[0][0])) == 2000
    assert await count(database) == 3


async def test_growth_has_an_end(engine: SqlEngine, database: SqlDatabase) -> None:
    wide = WIDE[engine.dialect]
    await run(database, "CREATE TABLE heap (a TEXT)")
    filled = f"INSERT INTO heap {NUMBERS[engine.dialect].format(wide)}"
    errors = [(await database.execute(filled)).error for _ in range(3)]
    assert errors[-1] is not None, "200 MB were written; 4 are allowed"


async def test_siblings_go_on_while_one_is_slow(engine: SqlEngine, database: SqlDatabase) -> None:
    others = [await engine.open(pets(engine)) for _ in range(3)]
    slow, *counts = await asyncio.gather(database.execute(SLOW[engine.dialect]), *map(count, others))
    assert slow.error and counts == [3, 3, 3]
    await asyncio.gather(*(other.close() for other in others))


async def test_what_cannot_be_opened_says_why(engine: SqlEngine) -> None:
    table = pets(engine).tables[0]
    bad = Column(name="a", type="TEXT); CREATE TABLE more (b INTEGER); --")
    cases = [
        (Setup(dialect="oracle", tables=(table,)), "the task is in oracle"),
        (Setup(dialect=engine.dialect), "neither a database nor tables"),
        (Setup(dialect=engine.dialect, database="f" * 64, database_name="x"), "there is no database"),
        (Setup(dialect=engine.dialect, tables=(TableData(name="t", columns=(bad,), rows=()),)), "cannot be"),
    ]
    for setup, why in cases:
        with pytest.raises(EnvironmentFault, match=why) as caught:
            await engine.open(setup)
        assert not caught.value.transient


MIXED = TableData(
    name="mixed",
    columns=(
        Column(name="number", type="INTEGER"),
        Column(name="words", type="TEXT"),
        Column(name="ratio", type="DOUBLE PRECISION"),
        Column(name="price", type="DECIMAL(8,2)"),
        Column(name="day", type="DATE"),
        Column(name="at", type="TIMESTAMP"),
        Column(name="hour", type="TIME"),
    ),
    rows=(
        (1, "Montr\u00e9al, \u20ac", 0.1, 12.5, "2020-01-31", "2020-01-31 10:00:00", "23:59:59"),
        (-5, "it's\n\\", 1e10, 3, "1999-12-31", "1999-12-31 00:00:00", "00:00:00"),
        (None, None, None, None, None, None, None),
        (None, "", 1 / 3, 99.99, None, None, None),
        (None, "", 1 / 3, 99.99, None, None, None),
    ),
)
DIGEST = (5, "54857033d957b6c2c8c7cceb7b73b76ff9ac0fd708d8e9d8f30b7ea500ea25f8")


async def test_the_digest_of_the_same_tables_is_the_same_on_every_engine(engine: SqlEngine) -> None:
    database = await engine.open(Setup(dialect=engine.dialect, tables=(MIXED,)))
    await run(database, "INSERT INTO mixed (number, words) VALUES (7, 'seven')", "DELETE FROM mixed WHERE number = -5")
    await run(database, "UPDATE mixed SET ratio = ratio * 3, price = price / 2 WHERE number = 1")
    assert (await database.state()).tables == {"mixed": DIGEST}
    await database.close()
