"""SQL attacks on servers: each gets through for the administrator, and is contained for a slot's login.

What the administrator's login shows runs on private servers only, which go with the test.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import pytest_asyncio

from environments.db.engine import SqlEngine, SqlLimits
from environments.db.server.database import ServerDatabase
from schemas.task_spec import Column, Setup, TableData
from tests.environments.db.attacks import MARIADB, MARIADB_BOMBS, POSTGRES, POSTGRES_BOMBS, Attack

pytestmark = [pytest.mark.engines, pytest.mark.asyncio(loop_scope="module")]
PETS = TableData(
    name="pets", columns=(Column(name="name"), Column(name="age", type="INTEGER")), rows=(("Rex", 3), ("Ada", 7))
)
SERVERS = {
    "mariadb": (MARIADB, MARIADB_BOMBS),
    "mariadb by url": (MARIADB, MARIADB_BOMBS),
    "postgres": (POSTGRES, POSTGRES_BOMBS),
    "postgres by url": (POSTGRES, POSTGRES_BOMBS),
}


LIMITS = SqlLimits(statement_seconds=1.0, rows=100, result_bytes=10_000, growth_mb=4)
MakeEngine = Callable[..., Any]
EngineOf = Callable[[str], Awaitable[SqlEngine]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine_of(
    make_engine: Callable[[str, Path], MakeEngine], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EngineOf]:
    """Return what opens an engine once for all tests here."""
    async with AsyncExitStack() as stack:
        opened: dict[str, SqlEngine] = {}

        async def open_once(kind: str) -> SqlEngine:
            if kind not in opened:
                make = make_engine(kind, tmp_path_factory.mktemp("engine"))
                opened[kind] = await stack.enter_async_context(make(LIMITS))
            return opened[kind]

        yield open_once


def cases(which: int) -> list[Any]:
    return [
        pytest.param(server, attack, id=f"{server}: {attack.name}")
        for server, attacks in SERVERS.items()
        for attack in attacks[which]
    ]


async def open_pets(engine: SqlEngine, name: str) -> ServerDatabase:
    database = await engine.open(Setup(dialect=engine.dialect, tables=(PETS,), database_name=name))
    assert isinstance(database, ServerDatabase)
    return database


@contextlib.contextmanager
def administrator(database: ServerDatabase) -> Iterator[Callable[[str], Any]]:
    """Yield what runs a statement as the administrator in the same database, with no limit but the test's."""
    slot: Any = database._slot
    if hasattr(slot, "_address"):
        address = slot._address
        address.ask("SET GLOBAL local_infile = 1")
        connection: Any = address.connect(address.user, address.password, database=slot.name, local_infile=True)
    else:
        connection = psycopg.connect(slot._place, dbname=slot.name, autocommit=True)

    def run(sql: str) -> Any:
        cursor = connection.cursor()
        cursor.execute(sql)
        rows = cursor.fetchall() if cursor.description else ()
        while cursor.nextset():
            pass
        return rows

    try:
        yield run
    finally:
        connection.close()


async def filled(attack: Attack, database: ServerDatabase, other: ServerDatabase) -> Callable[[str], str]:
    """Return what fills an attack's names in."""
    slot: Any = database._slot
    if other._session is None:
        await other.execute("SELECT 1")
    session: Any = other._session
    is_postgres = hasattr(slot, "_place")
    victim = session.info.backend_pid if is_postgres else session.thread_id()
    address = slot._place if is_postgres else slot._address.place.get("unix_socket", "")
    folder = address.split()[0].removeprefix("host=") if is_postgres else address.removesuffix("/s")
    login = slot._login if is_postgres else slot._user
    names = {"other": other._slot.name, "folder": folder, "victim": str(victim), "login": login}  # type: ignore[attr-defined]

    def fill(sql: str) -> str:
        for name, value in names.items():
            sql = sql.replace(f"{{{name}}}", value)
        return sql

    return fill


def got_through(attack: Attack, rows: Any) -> bool:
    return attack.shows in str(rows)


@pytest.mark.parametrize(("server", "attack"), cases(0))
async def test_an_attack_works_for_the_administrator_and_not_for_an_agent(
    engine_of: EngineOf, server: str, attack: Attack
) -> None:
    engine = await engine_of(server)
    database, other = await open_pets(engine, "shelter"), await open_pets(engine, "zoo")
    fill = await filled(attack, database, other)
    if "jailed" in engine.walls():
        with administrator(database) as run:
            rows = [run(fill(sql)) for sql in attack.sql][-1]
            assert got_through(attack, rows), f"the administrator's {attack.name} does nothing: {rows}"
            for sql in attack.undo:
                run(fill(sql))
    for each in (other, database):
        each._is_as_made = False  # what the administrator did is no statement of the agent's
        await each.close()
    database, other = await open_pets(engine, "shelter"), await open_pets(engine, "zoo")
    before = await other.state()
    fill = await filled(attack, database, other)
    results = [await database.execute(fill(sql)) for sql in attack.sql]
    assert results[-1].error is not None or (attack.shows and not got_through(attack, results[-1].rows)), results
    assert (await other.execute("SELECT count(*) FROM pets")).rows == ((2,),), "the other session lives"
    assert await other.state() == before
    assert (await database.execute("SELECT count(*) FROM pets")).rows == ((2,),)
    await other.close()
    await database.close()


@pytest.mark.parametrize(("server", "attack"), cases(1))
async def test_a_bomb_runs_on_for_the_administrator_and_is_stopped_for_an_agent(
    engine_of: EngineOf, server: str, attack: Attack
) -> None:
    engine = await engine_of(server)
    database, other = await open_pets(engine, "shelter"), await open_pets(engine, "zoo")
    if "jailed" in engine.walls():
        await show_that_it_runs_on(database, attack)
        database._is_as_made = False
        await database.close()
        database = await open_pets(engine, "shelter")
    results = [await database.execute(sql) for sql in attack.sql]
    # One that came to its end would give no error, and the one that gives none either way takes longer than a test may.
    assert results[-1].error is not None or "BENCHMARK" in attack.sql[-1], results[-1]
    assert (await other.execute("SELECT count(*) FROM pets")).rows == ((2,),)
    await database.close()
    again = await open_pets(engine, "shelter")
    assert (await again.execute("SELECT count(*) FROM pets")).rows == ((2,),)
    await again.close()
    await other.close()


async def show_that_it_runs_on(database: ServerDatabase, attack: Attack) -> None:
    """Run a bomb as the administrator; it goes on well beyond what an agent may use, until it is killed."""
    slot: Any = database._slot

    def explode(found: list[Any]) -> None:
        with contextlib.suppress(psycopg.Error, pymysql.MySQLError, OSError), administrator(database) as run:
            found.append(run("SELECT CONNECTION_ID()" if hasattr(slot, "_address") else "SELECT pg_backend_pid()"))
            for sql in attack.sql:
                run(sql)
            found.append("ended")

    found: list[Any] = []
    work = asyncio.ensure_future(asyncio.to_thread(explode, found))
    await asyncio.wait({work}, timeout=1.6)
    used = await asyncio.to_thread(slot.size) - database._made.size
    assert len(found) == 1, f"{attack.name} ended by itself within 1.6 s"
    assert "fills the disk" not in attack.name or used > 4 << 20
    number = found[0][0][0]
    while not work.done():
        if hasattr(slot, "_address"):
            with contextlib.suppress(Exception):
                await asyncio.to_thread(slot._address.ask, f"KILL {number}")
        else:
            await asyncio.to_thread(slot._ask, f"SELECT pg_terminate_backend({number})")
        await asyncio.wait({work}, timeout=0.5)


LEFT = {
    "mysql": (
        ("a setting", "SET max_statement_time = 99", "SELECT @@max_statement_time = 99"),
        ("a variable", "SET @mine = 1", "SELECT IF(@mine = 1, 1, 0)"),
        ("a named lock", "SELECT GET_LOCK('mine', 0)", "SELECT COALESCE(IS_USED_LOCK('mine'), 0)"),
        ("a routine", "CREATE FUNCTION f() RETURNS INT RETURN 1", "SELECT COUNT(*) FROM information_schema.routines"),
        ("a trigger", "CREATE TRIGGER t BEFORE INSERT ON pets FOR EACH ROW SET NEW.age = 1",
         "SELECT COUNT(*) FROM information_schema.triggers"),
        ("a locked table", "LOCK TABLES pets WRITE", "SELECT COUNT(*) - 2 FROM pets"),
        ("an open transaction", "BEGIN", "SELECT COUNT(*) - 2 FROM pets"),
        ("a password", "SET PASSWORD = PASSWORD('mine')", "SELECT COUNT(*) - 2 FROM pets"),
        ("a character set", "SET NAMES latin1", "SELECT @@character_set_client = 'latin1'"),
        ("a mode", "SET sql_mode = 'ANSI_QUOTES'", "SELECT @@sql_mode = 'ANSI_QUOTES'"),
    ),
    "postgres": (
        ("a setting", "SET statement_timeout = 99000", "SELECT (current_setting('statement_timeout') = '99s')::int"),
        ("a setting of the login", "ALTER ROLE CURRENT_USER SET search_path = 'x'",
         "SELECT (current_setting('search_path') = 'x')::int"),
        ("a password", "ALTER ROLE CURRENT_USER PASSWORD 'mine'", "SELECT count(*) - 2 FROM pets"),
        ("an advisory lock", "SELECT pg_advisory_lock(7)",
         "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7"),
        ("an ear", "LISTEN news", "SELECT count(*) FROM pg_listening_channels()"),
        ("a function", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
         "SELECT count(*) FROM pg_proc WHERE proname = 'f'"),
        ("a type", "CREATE TYPE mood AS ENUM ('sad')", "SELECT count(*) FROM pg_type WHERE typname = 'mood'"),
        ("default rights", "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC",
         "SELECT count(*) FROM pg_default_acl"),
        ("a locked table", "BEGIN", "SELECT count(*) - 2 FROM pets"),
        ("a temporary table", "CREATE TEMP TABLE mine AS SELECT 1",
         "SELECT count(*) FROM pg_class WHERE relname = 'mine'"),
        ("a temporary table of a query", "SELECT 1 AS a INTO TEMP mine",
         "SELECT count(*) FROM pg_class WHERE relname = 'mine'"),
        ("a prepared statement", "PREPARE mine AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements"),
        ("a cursor", "DECLARE mine CURSOR WITH HOLD FOR SELECT 1",
         "SELECT count(*) FROM pg_cursors WHERE name = 'mine'"),
        ("a setting of its own", "SET my.own = 'x'", "SELECT count(current_setting('my.own', true))"),
        ("a setting by a view", "UPDATE pg_settings SET setting = '99000' WHERE name = 'statement_timeout'",
         "SELECT (current_setting('statement_timeout') = '99s')::int"),
    ),
}  # fmt: skip
REMNANTS = [
    pytest.param(server, *left, id=f"{server}: {left[0]}")
    for server in SERVERS
    for left in LEFT["mysql" if "mariadb" in server else "postgres"]
]


@pytest.mark.parametrize(("server", "name", "leave", "look"), REMNANTS)
async def test_nothing_is_left_for_the_next_episode(
    engine_of: EngineOf, server: str, name: str, leave: str, look: str
) -> None:
    engine = await engine_of(server)
    first = await open_pets(engine, "shelter")
    assert (await first.execute(leave)).error is None
    if name not in ("a password", "a setting of the login", "an open transaction", "a locked table"):
        (there,) = (await first.execute(look)).rows
        assert there[0], "it is there for the one who left it"
    await first.close()
    second = await open_pets(engine, "shelter")
    assert str((await second.execute(look)).rows[0][0]) == "0", name
    await second.close()


def number_of(database: ServerDatabase) -> int:
    """Return the server's number of the agent's session."""
    session: Any = database._session
    return int(session.info.backend_pid if hasattr(database._slot, "_place") else session.thread_id())


async def played(engine: SqlEngine, *statements: str) -> int:
    """Play an episode and return its session's number."""
    database = await open_pets(engine, "shelter")
    for sql in statements:
        assert (await database.execute(sql)).error is None, sql
    number = number_of(database)
    await database.state()
    await database.close()
    return number


@pytest.mark.parametrize("server", SERVERS)
async def test_a_session_outlives_an_episode_of_plain_statements_only(engine_of: EngineOf, server: str) -> None:
    engine = await engine_of(server)
    setting = "SET @mine = 1" if engine.dialect == "mysql" else "SET my.own = 'x'"
    first = await played(engine, "SELECT COUNT(*) FROM pets", "UPDATE pets SET age = 1")
    assert await played(engine, "SELECT 1", setting) == first
    second = await played(engine, "SELECT 1")
    assert second != first
    database = await open_pets(engine, "shelter")
    await database.execute("SELECT 1")
    await database.execute("SELECT SLEEP(20)" if engine.dialect == "mysql" else "SELECT pg_sleep(20)")
    await database.close()
    assert await played(engine, "SELECT 1") != second


@pytest.mark.parametrize("server", SERVERS)
async def test_a_kept_session_that_was_ended_is_replaced(engine_of: EngineOf, server: str) -> None:
    engine = await engine_of(server)
    number = await played(engine, "SELECT 1")
    database = await open_pets(engine, "shelter")
    with administrator(database) as run:
        run(f"KILL {number}" if engine.dialect == "mysql" else f"SELECT pg_terminate_backend({number})")
    assert (await database.execute("SELECT count(*) FROM pets")).rows == ((2,),)
    assert number_of(database) != number
    await database.close()


@pytest.mark.parametrize("server", SERVERS)
async def test_numbers_that_a_plain_insert_drew_are_forgotten(engine_of: EngineOf, server: str) -> None:
    engine = await engine_of(server)
    is_mysql = engine.dialect == "mysql"
    kind = "INTEGER AUTO_INCREMENT PRIMARY KEY" if is_mysql else "SERIAL PRIMARY KEY"
    table = TableData(name="notes", columns=(Column(name="id", type=kind), Column(name="words", type="TEXT")), rows=())
    setup = Setup(dialect=engine.dialect, tables=(table,), database_name="shelter")
    drawn = "SELECT LAST_INSERT_ID()" if is_mysql else "SELECT lastval()"
    for statements in (("INSERT INTO notes (words) VALUES ('a')",), ("INSERT INTO notes (words) VALUES ('a')", drawn)):
        database = await engine.open(setup)
        results = [await database.execute(sql) for sql in statements]
        await database.close()
    assert results[-1].rows == ((1,),)
    for sql in ("INSERT INTO notes (words) VALUES ('a')", drawn):
        database = await engine.open(setup)
        result = await database.execute(sql)
        await database.close()
    assert result.rows == ((0,),) if is_mysql else "not yet defined" in str(result.error)


@pytest.mark.parametrize("server", ["postgres", "postgres by url"])
async def test_what_is_not_the_login_s_is_dropped_too(engine_of: EngineOf, server: str) -> None:
    database = await open_pets(await engine_of(server), "shelter")
    with administrator(database) as run:
        run("CREATE TABLE public.foreigner (a int)")
    await database.close()
    again = await open_pets(await engine_of(server), "shelter")
    assert (again.tables, (await again.execute("SELECT * FROM foreigner")).error) == (
        ("pets",),
        'relation "foreigner" does not exist',
    )
    await again.close()


ELSEWHERE = (
    "CREATE TABLE away (a INT) DATA DIRECTORY = '{folder}'",
    "CREATE TABLE away (a INT) /*!50000 dAtA/**/dIrEcToRy */ = '{folder}'",
    "PREPARE s FROM 'CREATE TABLE away (a INT) DATA DIRECTORY = \"{folder}\"'",
    "EXECUTE IMMEDIATE CONCAT('CREATE TABLE away (a INT) DATA DIREC', 'TORY = \"{folder}\"')",
)


@pytest.mark.parametrize("server", ["mariadb", "mariadb by url"])
async def test_no_table_lies_outside_the_server_s_own_folder(engine_of: EngineOf, server: str) -> None:
    """The server by URL lets any login do so, unless it was started with skip-symbolic-links."""
    with tempfile.TemporaryDirectory(prefix="trajmill-test-elsewhere-") as folder:
        Path(folder).chmod(0o777)
        database = await open_pets(await engine_of(server), "shelter")
        for sql in ELSEWHERE:
            await database.execute(sql.format(folder=folder))
        await database.execute("EXECUTE s")
        assert list(Path(folder).rglob("*")) == []
        await database.close()
