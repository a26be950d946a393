"""One episode's database on a MariaDB (or MySQL) server, by PyMySQL, in threads."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor, SSCursor

from environments.db.engine import Result, SqlLimits
from environments.db.server import mariadb_catalogue as catalogue
from environments.db.server.classification import Touch, read_touch
from environments.db.server.dump import section_of
from environments.db.server.fetching import fetch, plain
from environments.db.server.lasting import Lasting
from environments.db.server.mariadb_catalogue import quoted
from environments.db.server.slot import Made, SessionLost
from environments.db.state import State, digest_rows
from schemas.errors import EnvironmentFault, SandboxError
from schemas.task_spec import Setup, TableData

SQL_MODE = "STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
"""MySQL 8's default without ONLY_FULL_GROUP_BY: MariaDB's has no functional-dependence test and rejects many good
queries (reference: recorded runs, InterCode)."""
PRIVILEGES = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, REFERENCES, INDEX, ALTER, CREATE TEMPORARY TABLES, LOCK TABLES,"
    " EXECUTE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER"
)
"""On the slot's own database. No EVENT, which lives on without its author; FILE, PROCESS and SUPER are global."""
_LOST = frozenset({2006, 2013, 2055, 1927})
"""Server gone, lost during a query, lost while reading, connection killed."""
_TIME_IS_UP = 1969  # ER_STATEMENT_TIMEOUT of MariaDB
_INTERRUPTED = 1317
_REFUSALS = (pymysql.MySQLError, UnicodeError, ValueError, OverflowError)
_ADMIN_SECONDS = 60
_RESET_CONNECTION = 0x1F
"""COM_RESET_CONNECTION, which PyMySQL has no name for: rolls back, unlocks, forgets settings and temporary tables."""

_ELSEWHERE = ("directory", "prepare", "immediate")
"""Words without which no statement, not even one put together at run time, can name a DATA DIRECTORY."""
_NO_ELSEWHERE = (
    "a statement with the word DIRECTORY, PREPARE or IMMEDIATE is not run on this server, where any login may put"
    " tables into any folder; it may be started with skip-symbolic-links"
)


@dataclass(frozen=True)
class Address:
    """Where a server is, and as whom it is administered."""

    place: dict[str, Any]
    """Arguments of PyMySQL's connect: unix_socket, or host and port."""
    user: str
    password: str = field(repr=False)
    follows_links: bool = False
    """Whether tables may lie outside the server's folder (have_symlink); MariaDB asks for no privilege then."""

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine."""
        return "unix_socket" in self.place or self.place.get("host") in ("localhost", "127.0.0.1", "::1")

    def connect(self, user: str, password: str, **more: Any) -> pymysql.Connection[Any]:
        """Open a connection.

        Raises:
            SandboxError: the server does not answer.
        """
        options = {"charset": "utf8mb4", "autocommit": True, "connect_timeout": 10, "sql_mode": SQL_MODE, **more}
        if self.is_here:
            options["ssl_disabled"] = True  # the first step of TLS alone, reading the certificates, takes 0.2 s
        try:
            return pymysql.connect(**self.place, user=user, password=password, **options)
        except pymysql.MySQLError as error:
            raise SandboxError(f"the MariaDB server does not answer: {error}") from error

    def ask(self, query: str, *parameters: Any) -> Sequence[Sequence[Any]]:
        """Ask once as the administrator, on a connection of its own."""
        connection = self.connect(self.user, self.password, read_timeout=_ADMIN_SECONDS)
        try:
            return _asked(connection, query, *parameters)
        finally:
            connection.close()


def _asked(connection: pymysql.Connection[Any], query: str, *parameters: Any) -> Sequence[Sequence[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
        rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return rows


class MariaDbSlot:
    """A database name, a login that may touch nothing else, and the administrator's connection for both."""

    def __init__(
        self, address: Address, name: str, login: str, password: str, limits: SqlLimits, databases: Path
    ) -> None:
        self.name = name
        self._address, self._login, self._password = address, login, password
        self._limits, self._databases = limits, databases
        self._shown = name
        self._is_gone = False
        self.held: Setup | None = None
        """What the database holds, untouched; None = there is none, or nobody knows."""
        self._known: dict[str, str] = {}
        self._made: Made | None = None
        self._admin: pymysql.Connection[Any] | None = None
        self._lasting: Lasting[pymysql.Connection[Any]] = Lasting()

    def create_login(self) -> None:
        """Make the login; once in a slot's life."""
        user = self._user
        self._ask(f"DROP USER IF EXISTS {user}")
        self._ask(f"CREATE USER {user} IDENTIFIED BY '{self._password}'")
        # `_` and `%` are wildcards in a GRANT's database name.
        pattern = self.name.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%")
        self._ask(f"GRANT {PRIVILEGES} ON {quoted(pattern)}.* TO {user}")

    def remove(self) -> None:
        """Drop database and login."""
        self.drop()
        self._ask(f"DROP USER IF EXISTS {self._user}")

    @property
    def _user(self) -> str:
        # No name of a database holds a quote or a backslash that could end this text.
        return f"'{self._login}'@'{'localhost' if 'unix_socket' in self._address.place else '%'}'"

    def _ask(self, query: str, *parameters: Any) -> Sequence[Sequence[Any]]:
        """Ask as the administrator, whose connection lives as long as the slot.

        Raises:
            SandboxError: the server is gone, or does not do as it is told.
        """
        admin = self._reached()
        try:
            return _asked(admin, query, *parameters)
        except (pymysql.MySQLError, OSError) as error:
            self._close(admin)
            raise SandboxError(f"the MariaDB server failed at {query[:80]!r}: {error}") from error

    def _reached(self) -> pymysql.Connection[Any]:
        if self._admin is None or not self._admin.open:
            address = self._address
            self._admin = address.connect(address.user, address.password, read_timeout=_ADMIN_SECONDS)
        return self._admin

    def make(self, setup: Setup) -> Made:
        if self.held != setup:
            self._remake(setup)
        elif not self._lasting.is_free:
            self._lasting.keep(self._new_session(self._limits.reference_seconds))
        return self._looked(setup)

    def _remake(self, setup: Setup) -> None:
        if not self._is_gone:
            self.drop()
        self._is_gone = False
        self._shown = setup.database_name or "main"
        self._ask(f"CREATE DATABASE {quoted(self.name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
        try:
            if setup.database is not None:
                self._load(setup.database, setup.database_name)
            session = self.connect(self._limits.reference_seconds)
            try:
                self._fill(session, setup.tables)
            except _REFUSALS:
                self._close(session)
                raise
        except _REFUSALS as error:
            raise EnvironmentFault(f"the database cannot be made: {_words(error)}", transient=False) from error
        self._reset(session)
        self.held = setup

    def _load(self, sha256: str, name: str | None) -> None:
        """Run a stored dump, in a session that takes many statements at once and ends with it."""
        section = section_of(self._databases, sha256, name)
        if self._reaches_out(section):
            raise ValueError(_NO_ELSEWHERE)
        session = self._new_session(self._limits.reference_seconds, client_flag=CLIENT.MULTI_STATEMENTS)
        try:
            with session.cursor() as cursor:
                cursor.execute(section)
                while cursor.nextset():
                    pass
            session.commit()
        finally:
            session.close()

    def _fill(self, session: pymysql.Connection[Any], tables: Sequence[TableData]) -> None:
        with session.cursor() as cursor:
            for table in tables:
                if any(self._reaches_out(column.type) for column in table.columns):
                    raise ValueError(_NO_ELSEWHERE)
                _create(cursor, table)

    def _looked(self, setup: Setup) -> Made:
        if self._made is None or self._made.setup != setup:
            listed = catalogue.listed_tables(self._ask, self.name)
            schema = self._said(catalogue.schema_text(self._ask, self.name, listed))
            self._made = Made(setup, schema, tuple(listed), self.size())
            self._known = {name.lower(): name for name in listed}
        return self._made

    def connect(self, seconds: float) -> pymysql.Connection[Any]:
        kept = self._lasting.take()
        if kept is not None:
            try:
                kept.select_db(self.name)
                _asked(kept, f"SET NAMES utf8mb4, autocommit=1, sql_mode='{SQL_MODE}', {_settings(seconds)}")
                kept.bound = seconds
                return kept
            except (pymysql.MySQLError, OSError):  # it was ended meanwhile
                self._close(kept)
        return self._new_session(seconds)

    def _new_session(self, seconds: float, **more: Any) -> pymysql.Connection[Any]:
        options = {"database": self.name, "init_command": f"SET {_settings(seconds)}", "local_infile": False, **more}
        try:
            session = self._address.connect(self._login, self._password, **options)
        except SandboxError:  # a login may change its own password
            self._ask(f"ALTER USER {self._user} IDENTIFIED BY '{self._password}'")
            session = self._address.connect(self._login, self._password, **options)
        session.bound = seconds
        return session

    def _reset(self, session: pymysql.Connection[Any]) -> None:
        """Have a session as it was opened, or close it."""
        try:
            session._execute_command(_RESET_CONNECTION, b"")
            session._read_ok_packet()
            self._lasting.keep(session)
        except (pymysql.MySQLError, OSError):
            self._close(session)

    def is_open(self, session: pymysql.Connection[Any]) -> bool:
        return bool(session.open)

    def _reaches_out(self, sql: str) -> bool:
        return self._address.follows_links and any(word in sql.lower() for word in _ELSEWHERE)

    def run(self, session: pymysql.Connection[Any], sql: str, seconds: float) -> Result:
        if self._reaches_out(sql):
            return Result(error=_NO_ELSEWHERE)
        cursor = session.cursor(SSCursor)
        try:
            if session.bound != seconds:
                _asked(session, f"SET max_statement_time={seconds:g}")
                session.bound = seconds
            cursor.execute(sql)
            rows, truncated = fetch(cursor, self._limits)
            columns = tuple(self._said(column[0]) for column in cursor.description or ())
            counted = None if columns else cursor.rowcount
            self._drain(session, cursor, stop=truncated)
        except _REFUSALS as error:
            return self._refused(session, error, sql, seconds)
        except OSError as error:
            raise SessionLost from error
        touch = self._touch(session, sql)
        shown = tuple(tuple(self._said(value) for value in row) for row in rows)
        changed = counted if touch.changes else None
        return Result(columns, shown, None, truncated, touch.tables, touch.wrote, changed)

    def _touch(self, session: pymysql.Connection[Any], sql: str) -> Touch:
        touch = read_touch(sql, "mysql", self._known, {self.name.lower()})
        if not touch.is_plain:
            self._lasting.forget(session)
        return touch

    def _drain(self, session: pymysql.Connection[Any], cursor: SSCursor[Any], *, stop: bool) -> None:
        """Read what is left, so that the session can go on; a result that is too large is stopped first."""
        if not stop:
            while cursor.nextset():
                for _ in cursor:
                    pass
            cursor.close()
            return
        self.interrupt(session)
        for step in (cursor.close, lambda: _asked(session, "DO 0")):  # the second takes a stop that came too late
            with contextlib.suppress(pymysql.MySQLError):
                step()

    def _refused(self, session: pymysql.Connection[Any], error: Exception, sql: str, seconds: float) -> Result:
        code = error.args[0] if error.args else None
        if isinstance(error, pymysql.MySQLError) and (code in _LOST or not session.open):
            raise SessionLost from error
        is_late = code in (_TIME_IS_UP, _INTERRUPTED)
        said = f"the statement ran longer than {seconds:g} s and was stopped" if is_late else self._said(_words(error))
        return Result(error=said, wrote=self._touch(session, sql).wrote)  # a failed write may have left a part of it

    def interrupt(self, session: pymysql.Connection[Any]) -> None:
        self._lasting.forget(session)  # the stop may come late
        self._kill("QUERY", session)

    def leave(self, session: pymysql.Connection[Any]) -> None:
        if self._lasting.may_stay(session):
            self._reset(session)
        else:
            self._close(session)

    def _close(self, session: pymysql.Connection[Any]) -> None:
        self._lasting.forget(session)
        with contextlib.suppress(pymysql.MySQLError, OSError):
            session.close()

    def end(self, session: pymysql.Connection[Any]) -> None:
        self._lasting.forget(session)
        self._kill("CONNECTION", session)
        with contextlib.suppress(OSError, AttributeError):
            session._sock.shutdown(2)  # wakes the thread that waits for an answer

    def _kill(self, what: str, session: pymysql.Connection[Any]) -> None:
        with contextlib.suppress(SandboxError, pymysql.MySQLError, OSError):  # it may have ended by itself
            self._address.ask(f"KILL {what} {session.thread_id()}")

    def size(self) -> int:
        spaces = self._ask(
            "SELECT COALESCE(SUM(file_size), 0) FROM information_schema.innodb_sys_tablespaces WHERE name LIKE %s",
            self.name.replace("_", "\\_").replace("%", "\\%") + "/%",
        )
        others = self._ask(
            "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables"
            " WHERE table_schema = %s AND engine <> 'InnoDB'",
            self.name,
        )
        return int(spaces[0][0]) + int(others[0][0])

    def state(self) -> State:
        listed = catalogue.listed_tables(self._ask, self.name)
        tables = {
            name: digest_rows(*self._rows(f"SELECT * FROM {quoted(self.name)}.{quoted(name)}"))
            for name in catalogue.table_names(listed)
        }
        return State(tables, catalogue.schema_objects(self._ask, self.name, listed))

    def _rows(self, query: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        with self._reached().cursor() as cursor:
            cursor.execute(query)
            rows = [tuple(map(plain, row)) for row in cursor.fetchall()]
            return tuple(column[0] for column in cursor.description), rows

    def table(self, name: str, columns: Sequence[str], limit: int) -> Result:
        wanted = ", ".join(map(quoted, columns)) or "*"
        try:
            found, rows = self._rows(f"SELECT {wanted} FROM {quoted(self.name)}.{quoted(name)} LIMIT {limit + 1}")
        except pymysql.MySQLError as error:
            return Result(error=self._said(_words(error)))
        return Result(found, tuple(rows[:limit]), None, len(rows) > limit)

    def drop(self) -> None:
        self.held = None
        self._ask(f"DROP DATABASE IF EXISTS {quoted(self.name)}")
        self._is_gone = True

    def close(self) -> None:
        """Close the connections that are kept."""
        for connection in (self._lasting.take(), self._admin):
            if connection is not None:
                self._close(connection)

    def _said(self, value: Any) -> Any:
        """Name the database as the task does, where the server knows it by another name."""
        if self._shown == self.name or not isinstance(value, str):
            return value
        return value.replace(self._login, "agent").replace(self.name, self._shown)


def _settings(seconds: float) -> str:
    return f"max_statement_time={seconds:g}, time_zone='+00:00'"


def _create(cursor: Cursor[Any], table: TableData) -> None:
    columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in table.columns)
    cursor.execute(f"CREATE TABLE {quoted(table.name)} ({columns})")
    marks = ", ".join(["%s"] * len(table.columns))
    if table.rows:
        cursor.executemany(f"INSERT INTO {quoted(table.name)} VALUES ({marks})", table.rows)


def _words(error: Exception) -> str:
    """Return the server's words without its error number."""
    if isinstance(error, pymysql.MySQLError) and len(error.args) > 1:
        return str(error.args[1])
    return str(error)
