"""One episode's schema `public`, in a PostgreSQL database of its slot's own, by psycopg, in threads.

A database a slot, since agents write `public.orders` and `table_schema = 'public'`, and since advisory locks, NOTIFY
and large objects then reach no other slot. After an episode everything that its login owns is dropped; its session
stays for the next one where nothing but plain statements ran in it, since a new one starts with cold caches (10 ms).
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import Any, cast

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.string import TextLoader

from environments.db.engine import Result, SqlLimits
from environments.db.quoting import quoted
from environments.db.server import postgres_catalogue as catalogue
from environments.db.server.classification import Touch, read_touch
from environments.db.server.fetching import fetch, plain
from environments.db.server.lasting import Lasting
from environments.db.server.slot import Made
from environments.db.state import SqlValue, State, digest_rows
from schemas.errors import EnvironmentFault, SandboxError
from schemas.task_spec import Setup, TableData

_NO_ROWS = "didn't produce a result"
_AS_TEXT = ("json", "jsonb", "interval", "inet", "cidr", "uuid")
_LATE = "57014"  # query_canceled
_NEW_SCHEMA = (
    # To everybody: nobody but the slot's login and administrators may connect, and DROP OWNED leaves it as it is.
    "DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public; GRANT USAGE, CREATE ON SCHEMA public TO PUBLIC"
)
_STRAYS = (
    "SELECT EXISTS (SELECT FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid"
    " WHERE d.refclassid = 'pg_namespace'::regclass AND n.nspname = 'public')"
)
"""Whether anything is left in the schema once everything that the login owned is dropped."""
_BY_INDEX = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off"
"""An episode's few objects are found by index among the catalogues' thousands of rows, which have no statistics."""
_COPIED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""COPY's text format (PostgreSQL manual, COPY, File Formats)."""
_LARGE_OBJECTS = (
    "lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea), lo_open(oid, integer), lo_put(oid, bigint, bytea),"
    " lowrite(integer, bytea), lo_truncate(integer, integer), lo_truncate64(integer, bigint), lo_unlink(oid)"
)


def connect(place: str, **more: Any) -> psycopg.Connection[Any]:
    """Open a connection whose statements are transactions of their own.

    Raises:
        SandboxError: the server does not answer.
    """
    try:
        connection = psycopg.connect(make_conninfo(place, connect_timeout=10, **more), autocommit=True)
    except psycopg.Error as error:
        raise SandboxError(f"the PostgreSQL server does not answer: {error}") from error
    connection.prepare_threshold = None
    for name in _AS_TEXT:
        connection.adapters.register_loader(name, TextLoader)
    return connection


def asked(connection: psycopg.Connection[Any], query: str, *parameters: Any) -> Sequence[Sequence[Any]]:
    """Run a query of ours and return its rows."""
    cursor = connection.execute(query, parameters or None)
    return cursor.fetchall() if cursor.description else ()


class PostgresSlot:
    """A database, a login that may touch nothing but its schema `public`, and the administrator's connection."""

    def __init__(self, place: str, name: str, password: str, limits: SqlLimits) -> None:
        """`place` is the administrator's connection string."""
        self.name, self._login = name, f"{name}a"
        self._place, self._password, self._limits = place, password, limits
        self._shown = name
        self._known: dict[str, str] = {}
        self._made: Made | None = None
        self._held: psycopg.Connection[Any] | None = None
        self._is_empty = False
        self._lasting: Lasting[psycopg.Connection[Any]] = Lasting()

    def create(self) -> None:
        """Make database and login; once in a slot's life."""
        with connect(self._place) as server:
            asked(server, f"CREATE ROLE {self._login} LOGIN NOINHERIT CONNECTION LIMIT 8 PASSWORD '{self._password}'")
            asked(server, f"CREATE DATABASE {self.name} TEMPLATE template0 ENCODING 'UTF8' STRATEGY file_copy")
            asked(server, f"REVOKE ALL ON DATABASE {self.name} FROM PUBLIC")
        self._ask(f"REVOKE EXECUTE ON FUNCTION {_LARGE_OBJECTS} FROM PUBLIC")
        self._ask(_NEW_SCHEMA)

    def _ask(self, query: str, *parameters: Any) -> Sequence[Sequence[Any]]:
        """Ask as the administrator, in the slot's database.

        Raises:
            SandboxError: the server is gone, or does not do as it is told.
        """
        try:
            return asked(self._admin(), query, *parameters)
        except (psycopg.Error, OSError) as error:
            raise SandboxError(f"the PostgreSQL server failed at {query[:80]!r}: {error}") from error

    def _admin(self) -> psycopg.Connection[Any]:
        if self._held is None or self._held.closed:
            self._held = connect(self._place, dbname=self.name, options=_BY_INDEX)
            for name, query in (("catalogue", catalogue.QUERY), ("strays", _STRAYS)):
                asked(self._held, f"PREPARE {name} AS {query}")
        return self._held

    def make(self, setup: Setup) -> Made:
        self._shown = setup.database_name or "main"
        if setup.database is not None:
            raise EnvironmentFault(
                f"there is no database {setup.database[:12]} here: PostgreSQL takes tables only, no stored database",
                transient=False,
            )
        if not self._is_empty:
            self._empty()
        self._is_empty = False
        session = self.connect(self._limits.reference_seconds)
        try:
            for table in setup.tables:
                _create(session, table)
        except (psycopg.Error, ValueError) as error:
            self._close(session)
            raise EnvironmentFault(f"the database cannot be made: {_words(error)}", transient=False) from error
        self._lasting.keep(session)
        return self._looked(setup)

    def _empty(self) -> None:
        """Leave nothing of an earlier episode: objects, settings of the login, default rights, strays."""
        login = self._login
        self._ask(
            f"DROP OWNED BY {login} CASCADE; ALTER ROLE {login} RESET ALL;"
            f" ALTER ROLE {login} IN DATABASE {self.name} RESET ALL;"
            f" GRANT CONNECT, TEMPORARY ON DATABASE {self.name} TO {login}"
        )
        if self._ask("EXECUTE strays")[0][0]:
            self._ask(_NEW_SCHEMA)

    def _looked(self, setup: Setup) -> Made:
        if self._made is None or self._made.setup != setup:
            found = self._catalogue()
            names = found.names_to_touch()
            self._made = Made(setup, catalogue.schema_text(found), names, self.size())
            self._known = {name.lower(): name for name in names}
        return self._made

    def _catalogue(self) -> catalogue.Catalogue:
        return catalogue.read_catalogue(self._ask("EXECUTE catalogue"))

    def connect(self, seconds: float) -> psycopg.Connection[Any]:
        kept = self._lasting.take()
        if kept is not None:
            try:
                kept.execute(f"SET statement_timeout = {int(seconds * 1000)}")
                return kept
            except psycopg.Error:  # it was ended meanwhile
                self._close(kept)
        return self._new_session(seconds)

    def _new_session(self, seconds: float) -> psycopg.Connection[Any]:
        options = f"-c statement_timeout={int(seconds * 1000)} -c timezone=UTC -c client_min_messages=error"
        place = {"user": self._login, "password": self._password, "dbname": self.name, "options": options}
        try:
            session = connect(self._place, **place)
        except SandboxError:  # a login may change its own password
            self._ask(f"ALTER ROLE {self._login} PASSWORD '{self._password}'")
            session = connect(self._place, **place)
        return session

    def is_open(self, session: psycopg.Connection[Any]) -> bool:
        return not session.closed

    def run(self, session: psycopg.Connection[Any], sql: str, seconds: float) -> Result:
        cursor, touch = session.cursor(), self._touch(session, sql)
        counts = touch.changes and "returning" not in sql.lower()  # a stream without rows does not count
        rows: tuple[tuple[SqlValue, ...], ...] = ()
        truncated, names = False, list[str]()
        try:
            # Both go by the extended protocol, which takes one statement and no more.
            if counts:
                cursor.execute(sql.encode(), binary=True, prepare=False)
            else:
                streamed = cast(Generator[Sequence[Any], None, None], cursor.stream(sql))
                with contextlib.closing(streamed):
                    rows, truncated = fetch(streamed, self._limits)
                names = [column.name for column in cursor.description or ()] or _names(session, sql)
        except (psycopg.Error, UnicodeError, ValueError, OverflowError) as error:
            if _NO_ROWS not in str(error):
                return self._refused(session, error, sql, seconds)
        if truncated:
            self._lasting.forget(session)  # what stopped the rest may come late
        columns = tuple(map(self._said, names))
        shown = tuple(tuple(self._said(value) for value in row) for row in rows)
        changed = cursor.rowcount if counts else None
        return Result(columns, shown, None, truncated, touch.tables, touch.wrote, changed)

    def _touch(self, session: psycopg.Connection[Any], sql: str) -> Touch:
        touch = read_touch(sql, "postgres", self._known, {"public"})
        if not touch.is_plain:
            self._lasting.forget(session)
        return touch

    def _refused(self, session: psycopg.Connection[Any], error: Exception, sql: str, seconds: float) -> Result:
        is_late = isinstance(error, psycopg.Error) and error.sqlstate == _LATE
        if session.pgconn.transaction_status == TransactionStatus.ACTIVE:
            self.end(session)  # it waits for COPY's data, which never comes
        said = f"the statement ran longer than {seconds:g} s and was stopped" if is_late else self._said(_words(error))
        return Result(error=said, wrote=self._touch(session, sql).wrote)

    def interrupt(self, session: psycopg.Connection[Any]) -> None:
        self._lasting.forget(session)  # the signal may come late
        self._signal("pg_cancel_backend", session)

    def end(self, session: psycopg.Connection[Any]) -> None:
        self._signal("pg_terminate_backend", session)
        self._close(session)

    def leave(self, session: psycopg.Connection[Any]) -> None:
        is_idle = session.pgconn.transaction_status == TransactionStatus.IDLE
        if is_idle and self._lasting.may_stay(session):
            with contextlib.suppress(psycopg.Error, OSError):
                session.execute("DISCARD ALL")
                self._lasting.keep(session)
                return
        self._close(session)

    def _close(self, session: psycopg.Connection[Any]) -> None:
        self._lasting.forget(session)
        with contextlib.suppress(psycopg.Error, OSError):
            session.pgconn.finish()

    def _signal(self, function: str, session: psycopg.Connection[Any]) -> None:
        with contextlib.suppress(psycopg.Error, SandboxError), connect(self._place) as server:
            asked(server, f"SELECT {function}({session.info.backend_pid})")

    def size(self) -> int:
        return int(self._ask("SELECT pg_database_size(current_database())")[0][0])

    def state(self) -> State:
        found = self._catalogue()
        tables = {
            name: digest_rows(*self._rows(f"SELECT * FROM public.{quoted(name)}")) for name in found.table_names()
        }
        return State(tables, catalogue.schema_objects(found))

    def _rows(self, query: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        cursor = self._admin().execute(query)
        columns = tuple(column.name for column in cursor.description or ())
        return columns, [tuple(map(plain, row)) for row in cursor]

    def table(self, name: str, columns: Sequence[str], limit: int) -> Result:
        wanted = ", ".join(map(quoted, columns)) or "*"
        try:
            found, rows = self._rows(f"SELECT {wanted} FROM public.{quoted(name)} LIMIT {limit + 1}")
        except psycopg.Error as error:
            return Result(error=_words(error))
        return Result(found, tuple(rows[:limit]), None, len(rows) > limit)

    def drop(self) -> None:
        if not self._lasting.is_free:  # else it was the only one
            self._ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        self._empty()
        self._is_empty = True

    def remove(self) -> None:
        """Drop database and login."""
        self.close()
        with connect(self._place) as server:
            asked(server, f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
            asked(server, f"DROP ROLE IF EXISTS {self._login}")

    def close(self) -> None:
        """Close the connections that are kept."""
        for connection in (self._lasting.take(), self._held):
            if connection is not None:
                connection.close()

    def _said(self, value: Any) -> Any:
        """Name the database as the task does."""
        if not isinstance(value, str):
            return value
        return value.replace(self._login, "agent").replace(self.name, self._shown)


def _create(session: psycopg.Connection[Any], table: TableData) -> None:
    """Make a table; values go in as text, which PostgreSQL reads as the column's own type."""
    columns = ", ".join(f"{quoted(column.name)} {column.type}" for column in table.columns)
    # Binary results are asked for by the extended protocol, which takes one statement and no more.
    session.cursor(binary=True).execute(f"CREATE TABLE {quoted(table.name)} ({columns})")
    if table.rows:
        with session.cursor() as cursor, cursor.copy(f"COPY {quoted(table.name)} FROM STDIN") as copy:
            copy.write("".join(map(_copied, table.rows)))


def _copied(row: Sequence[Any]) -> str:
    return "\t".join("\\N" if value is None else str(value).translate(_COPIED) for value in row) + "\n"


def _words(error: Exception) -> str:
    """Return the server's words without position and context."""
    said = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return said or str(error)


def _names(session: psycopg.Connection[Any], sql: str) -> list[str]:
    """Return the columns of a query that gave no row: a stream tells them with its first one."""
    session.pgconn.prepare(b"", sql.encode())
    told = session.pgconn.describe_prepared(b"")
    return [(told.fname(number) or b"").decode("utf-8", "replace") for number in range(told.nfields)]
