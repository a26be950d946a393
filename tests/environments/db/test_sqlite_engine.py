"""The SQLite engine behind its jail: statements run alone, and hostile ones harm neither host nor siblings."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from environments.db.engine import SqlLimits
from environments.db.sqlite_engine import SqliteEngine
from environments.db.sqlite_worker import Kept
from environments.db.store import store_database
from schemas.errors import EnvironmentFault
from schemas.task_spec import Column, Setup, TableData

PETS = Setup(
    tables=(
        TableData(
            name="pets",
            columns=(Column(name="name"), Column(name="age", type="INTEGER")),
            rows=(("Rex", 3), ("Ada", 7), ("Kit", None)),
        ),
    )
)
LIMITS = SqlLimits(statement_seconds=0.5, rows=100, result_bytes=10_000, growth_mb=4)
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[SqliteEngine]:
    async with SqliteEngine(tmp_path / "databases", LIMITS, workers=1) as opened:
        yield opened


def make_file(path: Path, *statements: str) -> Path:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


async def test_rows_values_and_touched_tables_come_back(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    result = await database.execute("SELECT name, age, x'ff00', 1.5 FROM pets ORDER BY name")
    assert result.columns[:2] == ("name", "age")
    assert result.rows[0] == ("Ada", 7, b"\xff\x00", 1.5)
    assert result.tables == ("pets",)
    assert (await database.execute("SELECT 1")).tables == ()
    assert (await database.execute("SELECT name FROM sqlite_schema")).tables == ()
    assert database.tables == ("pets",)
    assert database.schema.startswith("CREATE TABLE")


async def test_every_database_is_its_own(engine: SqliteEngine) -> None:
    first, second = await engine.open(PETS), await engine.open(PETS)
    await first.execute("DELETE FROM pets")
    assert (await second.execute("SELECT count(*) FROM pets")).rows == ((3,),)


async def test_episodes_of_one_set_up_do_not_see_each_other(engine: SqliteEngine) -> None:
    first = await engine.open(PETS)
    schema, state = first.schema, await first.state()
    for sql in ("UPDATE pets SET age = 9", "CREATE TABLE cats (name TEXT)", "ALTER TABLE pets ADD COLUMN fur TEXT"):
        assert (await first.execute(sql)).error is None, sql
    changed = await first.state()
    assert (set(changed.tables), changed.schema_digest != state.schema_digest) == ({"pets", "cats"}, True)
    await first.close()
    second = await engine.open(PETS)
    assert (second.schema, second.tables, await second.state()) == (schema, ("pets",), state)


async def test_equal_numbers_of_two_types_make_two_set_ups(engine: SqliteEngine) -> None:
    shown = []
    for value in (1, 1.0):
        table = TableData(name="t", columns=(Column(name="a", type=""),), rows=((value,),))
        shown.append((await (await engine.open(Setup(tables=(table,)))).execute("SELECT typeof(a) FROM t")).rows)
    assert shown == [(("integer",),), (("real",),)]


async def test_a_schema_that_was_changed_and_changed_back_is_read_anew(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    before = await database.state()
    for sql in ("BEGIN", "CREATE INDEX by_age ON pets (age)", "ROLLBACK", "CREATE INDEX by_age ON pets (name)"):
        await database.execute(sql)
    assert set((await database.state()).objects) - set(before.objects) == {"index by_age"}
    await database.execute("DROP INDEX by_age")
    assert await database.state() == before


async def test_a_view_left_half_read_hinders_none_after_it(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    assert (await database.table("pets", limit=1)).truncated
    assert (await database.table("cats")).error == "no such table: main.cats"
    assert len((await database.table("pets")).rows) == 3


def test_what_is_kept_has_bounds_and_the_oldest_makes_room() -> None:
    kept: Kept[str] = Kept(10)
    for name, size in (("a", 4), ("b", 4), ("c", 5)):
        kept.keep(name, name, size)
    assert [kept.get(name) for name in "abc"] == [None, "b", "c"]
    kept.keep("d", "d", 99)
    assert [kept.get(name) for name in "bcd"] == [None, None, "d"]


async def test_closing_twice_loses_no_worker(engine: SqliteEngine) -> None:
    database, sibling = await engine.open(PETS), await engine.open(PETS)
    life = engine._workers[0].life
    for _ in range(2):
        await database.close()
    assert (await sibling.execute("SELECT count(*) FROM pets")).rows == ((3,),)
    await sibling.close()
    assert life is not None
    assert (engine._workers[0].life, engine._workers[0].open) == (life, 0)
    assert life.closed == [] and not life.is_over


async def test_one_statement_runs_at_a_time(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    result = await database.execute("DELETE FROM pets; SELECT 1")
    assert result.error is not None and "one statement a turn" in result.error
    assert (await database.execute("SELECT count(*) FROM pets;")).rows == ((3,),)


async def test_errors_are_the_engines_words(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    assert (await database.execute("SELECT * FROM cats")).error == "no such table: cats"
    assert "syntax error" in str((await database.execute("SELEC 1")).error)
    assert (await database.execute("SELECT '\ud800'")).error


async def test_transactions_and_savepoints_of_the_agent_work(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    for sql in ("BEGIN", "DELETE FROM pets", "ROLLBACK", "SAVEPOINT s", "DELETE FROM pets WHERE age = 3", "RELEASE s"):
        assert (await database.execute(sql)).error is None, sql
    assert (await database.execute("SELECT count(*) FROM pets")).rows == ((2,),)


async def test_an_open_transaction_counts_as_rolled_back(engine: SqliteEngine) -> None:
    touched, untouched = await engine.open(PETS), await engine.open(PETS)
    await touched.execute("BEGIN")
    await touched.execute("DELETE FROM pets")
    assert await touched.state() == await untouched.state()


async def test_a_temporary_table_shadows_nothing_in_the_state(engine: SqliteEngine) -> None:
    touched, untouched = await engine.open(PETS), await engine.open(PETS)
    await touched.execute("CREATE TEMP TABLE pets (name TEXT)")
    await touched.execute("INSERT INTO main.pets VALUES ('Max', 1)")
    await touched.execute("INSERT INTO temp.pets VALUES ('Max')")
    assert (await touched.state()).tables["pets"][0] == 4
    assert (await touched.table("pets", ["name"])).rows[-1] == ("Max",)
    assert (await untouched.state()).tables["pets"][0] == 3
    assert "no such column" in str((await untouched.table("pets", ["nickname"])).error)


async def test_the_state_holds_data_and_schema_apart(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    before = await database.state()
    await database.execute("CREATE INDEX by_age ON pets (age)")
    after = await database.state()
    assert before.data_digest == after.data_digest
    assert before.schema_digest != after.schema_digest
    assert set(after.objects) - set(before.objects) == {"index by_age"}


HOSTILE = [
    ("ATTACH DATABASE '{out}' AS x", "not authorized"),
    ("ATTACH DATABASE ':memory:' AS x", "not authorized"),
    ("DETACH DATABASE main", "not authorized"),
    ("VACUUM INTO '{out}'", "authorization denied"),
    ("VACUUM", "authorization denied"),
    ("SELECT load_extension('{out}')", "not authorized"),
    ("SELECT readfile('/etc/passwd')", "no such function"),
    ("SELECT writefile('{out}', 'x')", "no such function"),
    ("SELECT fts3_tokenizer('simple', x'00')", "fts3_tokenizer"),
    ("PRAGMA journal_mode=DELETE", "not authorized"),
    ("PRAGMA writable_schema=ON", "not authorized"),
    ("PRAGMA database_list", "not authorized"),
    ("PRAGMA temp_store_directory='/tmp'", "not authorized"),
    ("SELECT * FROM pragma_database_list", "not authorized"),
    ("CREATE VIRTUAL TABLE v USING fts5(a)", "not authorized"),
    ("UPDATE sqlite_schema SET sql = 'x'", "may not be modified"),
    ("SELECT length(zeroblob(1000000000))", "too big"),
    ("SELECT length(replace(hex(zeroblob(4000000)), '0', 'xxxxxxxxxx'))", "too big"),
    (ENDLESS, "ran longer than 0.5 s"),
    (
        "INSERT INTO pets WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)"
        " SELECT hex(zeroblob(9999)), x FROM c",
        "",
    ),
    ("SELECT 'a' LIKE '" + "%a" * 2000 + "'", "too complex"),
    ("SELECT " + "(" * 5000 + "1" + ")" * 5000, ""),
    ("SELECT 1 -- " + "x" * 200_000, "too large"),
]


@pytest.mark.parametrize(("sql", "why"), HOSTILE, ids=[sql[:24] for sql, _ in HOSTILE])
async def test_hostile_statements_are_refused_and_siblings_live(
    engine: SqliteEngine, tmp_path: Path, sql: str, why: str
) -> None:
    out = tmp_path / "databases" / "out"
    hostile, sibling = await engine.open(PETS), await engine.open(PETS)
    await sibling.execute("DELETE FROM pets WHERE age = 3")
    result = await hostile.execute(sql.format(out=out) if "{out}" in sql else sql)
    assert result.error is not None and why in result.error
    assert not out.exists()
    assert (await hostile.execute("SELECT count(*) FROM pets")).rows == ((3,),)
    assert (await sibling.execute("SELECT count(*) FROM pets")).rows == ((2,),)


async def test_catalogue_pragmas_are_allowed(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    assert [row[1] for row in (await database.execute("PRAGMA table_info(pets)")).rows] == ["name", "age"]
    assert (await database.execute("SELECT name FROM pragma_table_info('pets')")).rows == (("name",), ("age",))


async def test_a_huge_result_is_cut_in_rows_and_bytes(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    count = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000) SELECT {} FROM c"
    many = await database.execute(count.format("x"))
    assert (len(many.rows), many.truncated) == (100, True)
    wide = await database.execute(count.format("hex(zeroblob(1000))"))
    assert (len(wide.rows), wide.truncated) == (5, True)
    one = await database.execute("SELECT hex(zeroblob(100000))")
    assert one.truncated and len(str(one.rows[0][0])) == 2000


async def test_a_worker_that_overruns_is_replaced_and_its_databases_are_made_again(engine: SqliteEngine) -> None:
    guilty, sibling = await engine.open(PETS), await engine.open(PETS)
    await guilty.execute("INSERT INTO pets VALUES ('Max', 1)")
    await sibling.execute("BEGIN")
    await sibling.execute("DELETE FROM pets WHERE age = 3")
    # No clock is looked at inside one call of instr: only the host's own deadline ends this.
    slow = "SELECT instr(hex(zeroblob(4000000)), hex(zeroblob(2000000)) || '1')"
    life = engine._workers[0].life
    results = await asyncio.gather(guilty.execute(slow), sibling.execute("SELECT count(*) FROM pets"))
    assert engine._workers[0].life is not life
    assert "was ended" in str(results[0].error)
    assert results[1].rows == ((2,),)
    assert (await guilty.execute("SELECT count(*) FROM pets")).rows == ((4,),)
    await sibling.execute("ROLLBACK")
    assert (await sibling.execute("SELECT count(*) FROM pets")).rows == ((3,),)


async def test_a_worker_killed_from_outside_costs_no_episode(engine: SqliteEngine) -> None:
    database = await engine.open(PETS)
    await database.execute("DELETE FROM pets WHERE age = 3")
    await engine._workers[0].stop()
    assert (await database.execute("SELECT count(*) FROM pets")).rows == ((2,),)


async def test_a_file_is_copied_into_memory_and_never_changed(tmp_path: Path) -> None:
    source = make_file(
        tmp_path / "a.sqlite", "PRAGMA journal_mode=WAL", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)"
    )
    sha256 = store_database(source, tmp_path / "databases")
    async with SqliteEngine(tmp_path / "databases", LIMITS) as engine:
        database = await engine.open(Setup(database=sha256))
        assert (await database.execute("DELETE FROM t")).error is None
        again = await engine.open(Setup(database=sha256))
        assert (await again.execute("SELECT a FROM t")).rows == ((1,),)


async def test_a_large_file_is_opened_read_only(tmp_path: Path) -> None:
    source = make_file(tmp_path / "a.sqlite", "CREATE TABLE t (a)", "INSERT INTO t VALUES (zeroblob(1100000))")
    sha256 = store_database(source, tmp_path / "databases")
    async with SqliteEngine(tmp_path / "databases", SqlLimits(copied_mb=1)) as engine:
        database = await engine.open(Setup(database=sha256))
        assert (await database.execute("SELECT length(a) FROM t")).rows == ((1100000,),)
        assert "readonly" in str((await database.execute("DELETE FROM t")).error)
        assert (await database.state()).tables["t"][0] == 1


async def test_text_that_is_no_utf8_is_read_like_all_other_and_told_apart(engine: SqliteEngine) -> None:
    states = []
    for value in ("x'ff'", "x'fe'", "x'5c786666'"):
        database = await engine.open(PETS)
        assert (await database.execute(f"UPDATE pets SET name = CAST({value} AS TEXT)")).error is None
        states.append((await database.state()).data_digest)
        names = (await database.table("pets", ["name"])).rows
    assert names == (("\\xff",),) * 3
    assert states[0] != states[1] and states[0] == states[2]  # written as it is read: a backslash, x, ff


async def test_a_request_behind_a_slow_one_is_neither_killed_nor_run_twice(engine: SqliteEngine) -> None:
    databases = [await engine.open(PETS) for _ in range(7)]
    life = engine._workers[0].life
    late = [database.execute(ENDLESS) for database in databases[:-1]]  # together longer than the last may take
    await asyncio.gather(*late, databases[-1].execute("INSERT INTO pets VALUES ('Max', 1)"))
    assert engine._workers[0].life is life
    assert (await databases[-1].execute("SELECT count(*) FROM pets")).rows == ((4,),)


async def test_a_cancelled_statement_ends_the_worker_and_its_siblings_are_asked_again(engine: SqliteEngine) -> None:
    cancelled, sibling = await engine.open(PETS), await engine.open(PETS)
    await cancelled.execute("DELETE FROM pets WHERE age = 3")
    life = engine._workers[0].life
    running = asyncio.create_task(cancelled.execute(ENDLESS))
    behind = asyncio.create_task(sibling.execute("INSERT INTO pets VALUES ('Max', 1)"))
    await asyncio.sleep(0.1)
    running.cancel()
    assert (await behind).error is None
    assert running.cancelled() and engine._workers[0].life is not life
    assert (await sibling.execute("SELECT count(*) FROM pets")).rows == ((4,),)
    assert (await cancelled.execute("SELECT count(*) FROM pets")).rows == ((2,),)


async def test_what_cannot_be_opened_says_why(engine: SqliteEngine, tmp_path: Path) -> None:
    (tmp_path / "databases" / f"{'0' * 64}.sqlite").write_bytes(b"SQLite format 3\x00 but not this one")
    bad = Column(name="a", type="TEXT); DROP TABLE x; --")
    cases = [
        (Setup(database="f" * 64), "there is no database"),
        (Setup(database="0" * 64), "does not hold what its name says"),
        (Setup(tables=(TableData(name="t", columns=(bad,), rows=()),)), "cannot be opened"),
        (Setup(dialect="mysql", tables=PETS.tables), "the task is in mysql"),
        (Setup(), "neither a database nor tables"),
    ]
    for setup, why in cases:
        with pytest.raises(EnvironmentFault, match=why) as caught:
            await engine.open(setup)
        assert not caught.value.transient
