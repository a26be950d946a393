"""The jailed process that holds SQLite databases: frames of JSON on a socket, many databases by handle.

It imports the standard library and the modules beside it that are bound into the jail. The deadline does not
fire inside one opcode: the host kills the process then, and loses nothing (`sqlite_engine.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from environments.db.quoting import quoted
from environments.db.sqlite_guard import Held, Template, Viewer, built, emptied, strict_text, template
from environments.db.state import SqlValue, digest_rows

_CUT_VALUE = 2000
_TEMPLATES_BYTES = 128 << 20
_FAULTS = (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError)
Item = TypeVar("Item")


class Fault(Exception):
    """The request cannot be served; its text goes to the host."""


class Kept(Generic[Item]):
    """What is costly to make, by name, up to a number of bytes; the oldest make room."""

    def __init__(self, most_bytes: int) -> None:
        self._free_bytes = most_bytes
        self._items: dict[Hashable, tuple[Item, int]] = {}

    def get(self, name: Hashable) -> Item | None:
        """Return an item, None if it is not there (any more)."""
        found = self._items.get(name)
        return None if found is None else found[0]

    def keep(self, name: Hashable, item: Item, size: int) -> None:
        """Keep an item of `size` bytes."""
        while self._items and size > self._free_bytes:
            self._free_bytes += self._items.pop(next(iter(self._items)))[1]
        self._items[name] = item, size
        self._free_bytes -= size


class Worker:
    """Serves requests one at a time."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.limits = limits
        self.held: dict[str, Held] = {}
        self.templates: Kept[Template] = Kept(_TEMPLATES_BYTES)
        self.sound: set[str] = set()
        """Databases whose pages were looked at: once in a life, for it takes a tenth of a second for 64 MB."""
        self.viewer = Viewer()
        self.deadline = 0.0
        self.operations: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "open": self.open,
            "execute": self.execute,
            "state": self.state,
            "table": self.table,
            "nothing": lambda _: {},
        }

    def serve(self, request: dict[str, Any]) -> dict[str, Any]:
        self.deadline = time.monotonic() + float(request.get("seconds", 60.0))
        for handle in request.get("closed", ()):
            self.held.pop(handle).connection.close()
        try:
            return self.operations[request["op"]](request)
        except Fault as fault:
            return {"fault": str(fault)}
        except _FAULTS as error:
            return {"fault": f"{request['op']}: {error or type(error).__name__}"}

    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        held = Held(self._made_of(request))
        held.harden(self.limits, lambda: time.monotonic() > self.deadline, request.get("clock"))
        self.held[request["handle"]] = held
        return {"schema": held.catalogue.schema, "tables": held.catalogue.offered}

    def _made_of(self, request: dict[str, Any]) -> Template | Path:
        made_of = self._whole(request)
        if not request.get("empty"):
            return made_of
        name = ("empty", request["database"] or request["tables"])
        return self.templates.get(name) or self._keep(name, template(emptied(made_of), is_checked=True), len(name[1]))

    def _whole(self, request: dict[str, Any]) -> Template | Path:
        if request["database"] is None:
            tables = request["tables"]
            made = self.templates.get(tables)
            return made or self._keep(tables, template(built(json.loads(tables)), is_checked=True), len(tables))
        path, sha256 = Path(request["path"]), request["database"]
        if not path.is_file():
            raise Fault(f"there is no database {path.name} here")
        if path.stat().st_size > self.limits["copied_mb"] << 20:
            return path
        return self.templates.get(sha256) or self._keep(sha256, self._template_of(path, sha256), len(sha256))

    def _template_of(self, path: Path, sha256: str) -> Template:
        made = template(_checked(path, sha256), is_checked=sha256 in self.sound)
        self.sound.add(sha256)
        return made

    def _keep(self, name: Hashable, made: Template, name_bytes: int) -> Template:
        self.templates.keep(name, made, name_bytes + len(made.data))
        return made

    def execute(self, request: dict[str, Any]) -> dict[str, Any]:
        held = self.held[request["handle"]]
        held.touched.clear()
        held.wrote = held.changes = False
        cursor = held.connection.cursor()
        try:
            cursor.execute(request["sql"])
            rows, truncated = self._fetch(cursor)
            touched, wrote = sorted(held.touched), held.wrote
            changed = self._changed(held, cursor.rowcount) if held.changes else None
        except _FAULTS as error:
            return {"error": _worded(error, float(request["seconds"]))}
        finally:
            cursor.close()
        columns = [column[0] for column in cursor.description or ()]
        return {
            "columns": columns,
            "rows": rows,
            "truncated": truncated,
            "tables": touched,
            "wrote": wrote,
            "changed": changed,
        }

    def _changed(self, held: Held, counted: int) -> int:
        """Return what a change changed; the driver does not count behind a WITH."""
        if counted >= 0:
            return counted
        (number,) = held.connection.execute("SELECT changes()").fetchone()
        return int(number)

    def _fetch(self, cursor: sqlite3.Cursor) -> tuple[list[list[Any]], bool]:
        rows: list[list[Any]] = []
        left = int(self.limits["result_bytes"])
        for row in cursor:
            left -= sum(len(value) if isinstance(value, (str, bytes)) else 8 for value in row)
            if left < 0 or len(rows) >= self.limits["rows"]:
                return rows or [[_plain(v[:_CUT_VALUE] if isinstance(v, (str, bytes)) else v) for v in row]], True
            rows.append([_plain(value) for value in row])
        return rows, False

    def state(self, request: dict[str, Any]) -> dict[str, Any]:
        with self.held[request["handle"]].viewed(self.viewer) as (view, catalogue):
            tables = {name: _digest(view, name) for name in catalogue.tables}
            return {"tables": tables, "objects": catalogue.objects(view)}

    def table(self, request: dict[str, Any]) -> dict[str, Any]:
        table = quoted(request["name"])
        # Qualified, because SQLite takes an unknown name in double quotes alone for a string.
        columns = ", ".join(f"{table}.{quoted(column)}" for column in request["columns"]) or "*"
        with self.held[request["handle"]].viewed(self.viewer) as (view, _):
            try:
                with closing(view.execute(f"SELECT {columns} FROM main.{table}")) as cursor:
                    rows, names = cursor.fetchmany(request["limit"] + 1), [c[0] for c in cursor.description]
            except sqlite3.Error as error:
                return {"error": str(error)}
        kept = [[_plain(value) for value in row] for row in rows[: request["limit"]]]
        return {"columns": names, "rows": kept, "truncated": len(rows) > len(kept)}


def _digest(view: sqlite3.Connection, table: str) -> tuple[int, str]:
    """Digest a table, first as if all its text were UTF-8: without a call a value."""
    try:
        with strict_text(view):
            return _digest_read(view, table)
    except sqlite3.OperationalError:
        return _digest_read(view, table)


def _digest_read(view: sqlite3.Connection, table: str) -> tuple[int, str]:
    with closing(view.execute(f"SELECT * FROM main.{quoted(table)}")) as cursor:
        return digest_rows([column[0] for column in cursor.description], cursor)


def _checked(path: Path, sha256: str) -> bytes:
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise Fault(f"database {path.name} does not hold what its name says")
    if data[18:20] == b"\x02\x02":
        # A copy in memory cannot be in WAL mode; 1 is the rollback journal (file format, section 1.3.3).
        return data[:18] + b"\x01\x01" + data[20:]
    return data


def _worded(error: Exception, seconds: float) -> str:
    text = str(error)
    if isinstance(error, MemoryError):
        return "out of memory"
    if text == "interrupted":
        return f"the statement ran longer than {seconds:g} s and was stopped"
    if text.startswith("You can only execute one statement"):
        return "one statement a turn: this was more than one, and none was run"
    return text


def _plain(value: SqlValue) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def read_frame(stream: BinaryIO) -> dict[str, Any] | None:
    """Read one message: four bytes of length, JSON, and the tables if it says how long they are; None at the end."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    message: dict[str, Any] = json.loads(stream.read(int.from_bytes(head, "big")))
    if "tables_bytes" in message:
        message["tables"] = stream.read(message["tables_bytes"])
    return message


def frame(message: dict[str, Any], tables: bytes = b"") -> bytes:
    """Write one message; `tables`, which are JSON already, go behind it as they are."""
    data = json.dumps({**message, "tables_bytes": len(tables)} if tables else message).encode()
    return len(data).to_bytes(4, "big") + data + tables


def main(arguments: Sequence[str]) -> None:
    """Serve until the other end closes; the arguments are the limits as JSON and the number of the socket."""
    limits, wire = arguments
    with os.fdopen(int(wire), "rb") as source, os.fdopen(int(wire), "wb", closefd=False) as sink:
        worker = Worker(json.loads(limits))
        reply: dict[str, Any] = {"ready": sqlite3.sqlite_version}
        while True:
            sink.write(frame(reply))
            sink.flush()
            request = read_frame(source)
            if request is None:
                return
            reply = worker.serve(request)
