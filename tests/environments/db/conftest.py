"""The engines that tests run on: SQLite, and MariaDB and PostgreSQL both as a private server and by URL."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import psycopg
import pymysql
import pytest

from environments.db.engine import SqlEngine, SqlLimits
from environments.db.server.mariadb_engine import MariaDbEngine
from environments.db.server.postgres_engine import PostgresEngine
from environments.db.sqlite_engine import SqliteEngine

MARIADB = "mysql://root@127.0.0.1:3306"
LIMITS = SqlLimits(statement_seconds=1.0, rows=100, result_bytes=10_000, growth_mb=4)
SERVERS = [
    pytest.param("mariadb", marks=pytest.mark.engines),
    pytest.param("mariadb by url", marks=pytest.mark.engines),
    pytest.param("postgres", marks=pytest.mark.engines),
    pytest.param("postgres by url", marks=pytest.mark.engines),
]
ENGINES = ["sqlite", *SERVERS]

POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"

MakeEngine = Callable[..., AbstractAsyncContextManager[SqlEngine]]


def postgres_url() -> str:
    """Return the address of the PostgreSQL that runs here, or skip."""
    try:
        psycopg.connect(POSTGRES).close()
    except psycopg.Error:
        pytest.skip("no PostgreSQL runs at 127.0.0.1:5432: apt install postgresql && service postgresql start")
    return POSTGRES


def maker(kind: str, databases: Path) -> MakeEngine:
    """Return what makes an engine of a kind, or skip where its server is absent."""
    if kind == "sqlite":
        return partial(SqliteEngine, databases)
    if kind == "mariadb":
        if shutil.which("mariadbd", path="/usr/sbin:/usr/bin") is None:
            pytest.skip("no MariaDB server program: apt install mariadb-server")
        return partial(MariaDbEngine, databases)
    if kind == "postgres" and not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("no PostgreSQL server programs: apt install postgresql")
    if kind.startswith("postgres"):
        return partial(PostgresEngine, databases, url=postgres_url() if kind.endswith("url") else None)
    try:
        pymysql.connect(host="127.0.0.1", user="root").close()
    except pymysql.MySQLError:
        pytest.skip("no MariaDB runs at 127.0.0.1:3306: apt install mariadb-server && service mariadb start")
    return partial(MariaDbEngine, databases, url=MARIADB)


@pytest.fixture(scope="module", params=ENGINES)
async def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SqlEngine]:
    """Every engine in turn, one for a module's tests."""
    async with maker(request.param, tmp_path_factory.mktemp("engine") / "databases")(LIMITS) as opened:
        yield opened


@pytest.fixture(scope="session")
def make_engine() -> Callable[[str, Path], MakeEngine]:
    """Return `maker`."""
    return maker
