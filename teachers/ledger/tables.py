"""The ledger's tables, and the database that they stand in: an SQLite file, or PostgreSQL by its URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from schemas.errors import ConfigError, WarehouseError
from schemas.invalid_values import explain
from teachers.ledger.damage import advise, other_form

_TABLES = sa.MetaData()
COMPLETIONS = sa.Table(
    "completions",
    _TABLES,
    sa.Column("row_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("request_hash", sa.String, nullable=False, unique=True),
    sa.Column("purpose", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("completion_tokens", sa.Integer, nullable=False),
    sa.Column("cost_usd", sa.Float, nullable=False),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("completion", sa.LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # a row id is never given twice, not even after old rows are retired
)
BUILDS = sa.Table(
    "builds",
    _TABLES,
    sa.Column("build", sa.String, primary_key=True),
    sa.Column("after_row_id", sa.BigInteger, nullable=False),
)
BATCHES = sa.Table(
    "batches",
    _TABLES,
    sa.Column("batch_key", sa.String, primary_key=True),
    sa.Column("endpoint", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("batch_id", sa.String),
    sa.Column("file_id", sa.String),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("touched_at", sa.Float, nullable=False),
)
BATCHED = sa.Table(
    "batched_requests",
    _TABLES,
    sa.Column("endpoint", sa.String, primary_key=True),
    sa.Column("request_hash", sa.String, primary_key=True),
    sa.Column("batch_key", sa.String, nullable=False, index=True),
    sa.Column("request", sa.LargeBinary, nullable=False),
)
FAILURES = sa.Table(
    "failures",
    _TABLES,
    sa.Column("build", sa.String, primary_key=True),
    sa.Column("request_hash", sa.String, primary_key=True),
    sa.Column("purpose", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("error", sa.String, nullable=False),
    sa.Column("detail", sa.String, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("last_at", sa.String, nullable=False),
)
LOSSES = sa.Table(
    "losses",
    _TABLES,
    sa.Column("row_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("build", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("purpose", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("request_hash", sa.String, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("pico_usd", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.String, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
)

_BUSY_SECONDS = 30.0
"""Another process may hold the write lock; it does so for one commit at a time."""
_OUTAGE_SECONDS = 30.0
"""How long a server may be away (a restart, a failover) before an answer is given up."""
_SERVER_OPTIONS = "-c synchronous_commit=on -c tcp_keepalives_idle=60 -c tcp_keepalives_interval=10"
"""A commit is on the server's disk when it returns, and a machine that went down is noticed within minutes."""
_WRITERS = sa.text("SELECT pg_advisory_xact_lock(1414677324, 0)")  # "TRML"; two-part keys are apart from the claims'

_Result = TypeVar("_Result")


def open_engine(where: Path | str) -> sa.Engine:
    """Open the ledger at a path or an SQLAlchemy URL (sqlite, postgresql), and make its tables where there are none.

    Raises:
        ConfigError: it cannot be opened there; no password is in the message.
    """
    url = _read_url(where)
    try:
        engine = _sqlite_engine(url) if is_file(url) else _server_engine(url)
        _make_tables(engine)
    except (SQLAlchemyError, OSError) as error:
        fix = _advice(url, error)
        raise ConfigError(f"the ledger {spell_url(url)} cannot be opened: {what_failed(error)}. {fix}") from error
    return engine


def _advice(url: sa.URL, error: Exception) -> str:
    return advise(error, Path(url.database or "")) if is_file(url) else "Check TRAJMILL_LEDGER_URL and the server"


def is_file(url: sa.URL) -> bool:
    """Whether the ledger is an SQLite file."""
    return url.get_backend_name() == "sqlite"


def spell_url(url: sa.URL) -> str:
    """Return where the ledger is, for people: no password, and no options, which may hold another."""
    if is_file(url):
        return str(url.database)
    return url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def what_failed(error: Exception) -> str:
    """Return what a database said, in one line, without SQLAlchemy's frame; or what an answer in it lacks."""
    if isinstance(error, ValidationError):
        return explain(error)
    return " ".join(str(getattr(error, "orig", None) or error).split())


def unreadable(engine: sa.Engine, error: Exception) -> WarehouseError:
    """Name what kept the ledger from being read."""
    fix = "Mend it or make it reachable, or read it with the version of Trajmill that wrote it; then run again: "
    fix += "what was stored is kept"
    if is_file(engine.url) and isinstance(error, (DBAPIError, sqlite3.Error)):
        fix = advise(error, Path(engine.url.database or ""))
    return WarehouseError(f"the ledger {spell_url(engine.url)} cannot be read: {what_failed(error)}. {fix}")


def insert_into(engine: sa.Engine, table: sa.Table) -> Any:
    """Return an INSERT that can say what becomes of a row that stands already."""
    dialect = sqlite if is_file(engine.url) else postgresql
    return dialect.insert(table)


def line_up(connection: sa.Connection) -> None:
    """Wait until no other transaction writes: row ids are given in the order of commits.

    Without it a server hands out ids as rows come in, and a landing could pass over a row that commits late with a
    lower id. SQLite has one writer anyway.
    """
    if not is_file(connection.engine.url):
        connection.execute(_WRITERS)


def outlast(engine: sa.Engine, work: Callable[[], _Result]) -> _Result:
    """Do something that may be done twice; on a server that is away for a moment, do it again."""
    if is_file(engine.url):
        return work()
    return _patient(_OUTAGE_SECONDS, 1.0)(work)


def _read_url(where: Path | str) -> sa.URL:
    if "://" not in str(where):
        return sa.URL.create("sqlite", database=str(Path(where).absolute()))
    try:
        url = sa.make_url(str(where).replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the ledger's URL cannot be read; it looks like postgresql://user:password@host:5432/database"
        ) from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise ConfigError(
            f"the ledger cannot be kept in {url.get_backend_name()}; allowed: a file path, a sqlite:/// URL or a "
            "postgresql:// URL"
        )
    return url if is_file(url) else url.set(drivername="postgresql+psycopg")


def _sqlite_engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    sa.event.listen(engine, "connect", _make_durable)
    Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
    # the switch to WAL does not wait for another process that switches at the same moment: it is tried again
    _patient(2.0, 0.1)(lambda: engine.connect().close())
    return engine


def _server_engine(url: sa.URL) -> sa.Engine:
    options = {"connect_timeout": 10, "options": _SERVER_OPTIONS}
    try:
        return sa.create_engine(url, connect_args=options, pool_pre_ping=False)
    except ModuleNotFoundError as error:
        raise ConfigError(
            "a ledger on PostgreSQL needs psycopg: install trajmill with its extra `postgres`, or psycopg[binary]"
        ) from error


def _patient(seconds: float, longest_pause: float) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(OperationalError),
        stop=stop_after_delay(seconds),
        wait=wait_random(0.01, longest_pause),
        reraise=True,
    )


def _make_durable(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _make_tables(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        line_up(connection)
        if is_file(engine.url) and (said := other_form(connection, _TABLES.sorted_tables)):
            raise ConfigError(f"the ledger {spell_url(engine.url)} cannot be used: {said}")
        for table in _TABLES.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
