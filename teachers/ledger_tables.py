"""The ledger's tables, and the SQLite file that they stand in."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateTable
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random

from schemas.errors import ConfigError

_TABLES = sa.MetaData()
COMPLETIONS = sa.Table(
    "completions",
    _TABLES,
    sa.Column("row_id", sa.Integer, primary_key=True, autoincrement=True),
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
    sa.Column("after_row_id", sa.Integer, nullable=False),
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

_BUSY_SECONDS = 30.0
"""Another process may hold the write lock; it does so for one commit at a time."""


def open_engine(where: Path | str) -> sa.Engine:
    """Open the ledger's file at a path or an SQLAlchemy URL, and make it where there is none.

    Raises:
        ConfigError: it cannot be opened there.
    """
    url = str(where) if "://" in str(where) else f"sqlite:///{Path(where).absolute()}"
    scheme = url.partition(":")[0]
    if scheme != "sqlite":
        raise ConfigError(f"the ledger cannot be kept in {scheme}; allowed: a file path or a sqlite:/// URL")
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    sa.event.listen(engine, "connect", _make_durable)
    # the switch to WAL does not wait for another process that switches at the same moment: it is tried again
    patient = Retrying(
        retry=retry_if_exception_type(OperationalError),
        stop=stop_after_delay(2),
        wait=wait_random(0.01, 0.1),
        reraise=True,
    )
    try:
        Path(engine.url.database or "").parent.mkdir(parents=True, exist_ok=True)
        patient(_make_tables, engine)
    except (SQLAlchemyError, OSError) as error:
        raise ConfigError(
            f"the ledger {url} cannot be opened: {error}. Choose a writable folder with --home"
        ) from error
    return engine


def _make_durable(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _make_tables(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for table in _TABLES.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
