"""The jailed process that holds SQLite databases: frames of JSON on stdin and stdout, many databases by handle.

It imports the standard library and the three modules beside it that are bound into the jail. The deadline does not
fire inside one opcode: the host kills the process then, and loses nothing (`sqlite_engine.py`).
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from environments.db.sqlite_catalogue import quoted, schema_objects, schema_text, table_names
from environments.db.sqlite_guard import Held, built, deserialized, read_only
from environments.db.state import SqlValue, digest_rows

_CUT_VALUE = 2000
_TEMPLATES_BYTES = 128 << 20
_FAULTS = (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError)


class Fault(Exception):
    """The request cannot be served; its text goes to the host."""


class Worker:
    """Serves requests one at a time."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.limits = limits
        self.held: dict[str, Held] = {}
        self.templates: dict[str, bytes] = {}
        self.deadline = 0.0

    def serve(self, request: dict[str, Any]) -> dict[str, Any]:
        self.deadline = time.monotonic() + float(request.get("seconds", 60.0))
        operations = {"open": self.open, "execute": self.execute, "state": self.state, "table": self.table}
        try:
            if request["op"] == "close":
                self.held.pop(request["handle"]).connection.close()
                return {}
            return operations[request["op"]](request)
        except Fault as fault:
            return {"fault": str(fault)}
        except _FAULTS as error:
            return {"fault": f"{request['op']}: {error or type(error).__name__}"}

    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        connection, reopen = self._connect(request)
        held = Held(connection, reopen)
        shown = {"schema": schema_text(connection), "tables": table_names(connection)}
        held.harden(self.limits, lambda: time.monotonic() > self.deadline)
        self.held[request["handle"]] = held
        return shown

    def _connect(self, request: dict[str, Any]) -> tuple[sqlite3.Connection, Callable[[], sqlite3.Connection] | None]:
        if request["database"] is None:
            return deserialized(built(request["tables"])), None
        path = Path(request["path"])
        if not path.is_file():
            raise Fault(f"there is no database {path.name} here")
        if path.stat().st_size > self.limits["copied_mb"] << 20:
            return read_only(path), lambda: read_only(path)
        return deserialized(self._template(path, request["database"])), None

    def _template(self, path: Path, sha256: str) -> bytes:
        """Return the file's bytes, checked once; the oldest templates make room."""
        if sha256 not in self.templates:
            data = path.read_bytes()
            if hashlib.sha256(data).hexdigest() != sha256:
                raise Fault(f"database {path.name} does not hold what its name says")
            if data[18:20] == b"\x02\x02":
                # A copy in memory cannot be in WAL mode; 1 is the rollback journal (file format, section 1.3.3).
                data = data[:18] + b"\x01\x01" + data[20:]
            while self.templates and sum(map(len, self.templates.values())) + len(data) > _TEMPLATES_BYTES:
                self.templates.pop(next(iter(self.templates)))
            self.templates[sha256] = data
        return self.templates[sha256]

    def execute(self, request: dict[str, Any]) -> dict[str, Any]:
        held = self.held[request["handle"]]
        held.touched.clear()
        held.wrote = False
        cursor = held.connection.cursor()
        try:
            cursor.execute(request["sql"])
            rows, truncated = self._fetch(cursor)
        except _FAULTS as error:
            return {"error": _worded(error, float(request["seconds"]))}
        finally:
            cursor.close()
        columns = [column[0] for column in cursor.description or ()]
        return {
            "columns": columns,
            "rows": rows,
            "truncated": truncated,
            "tables": sorted(held.touched),
            "wrote": held.wrote,
        }

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
        view = self.held[request["handle"]].view()
        try:
            tables = {}
            for name in table_names(view):
                cursor = view.execute(f"SELECT * FROM main.{quoted(name)}")
                tables[name] = digest_rows([c[0] for c in cursor.description], cursor)
            return {"tables": tables, "objects": schema_objects(view)}
        finally:
            view.close()

    def table(self, request: dict[str, Any]) -> dict[str, Any]:
        view = self.held[request["handle"]].view()
        table = quoted(request["name"])
        # Qualified, because SQLite takes an unknown name in double quotes alone for a string.
        columns = ", ".join(f"{table}.{quoted(column)}" for column in request["columns"]) or "*"
        try:
            cursor = view.execute(f"SELECT {columns} FROM main.{table}")
            rows = cursor.fetchmany(request["limit"] + 1)
        except sqlite3.Error as error:
            return {"error": str(error)}
        finally:
            view.close()
        kept = [[_plain(value) for value in row] for row in rows[: request["limit"]]]
        return {"columns": [c[0] for c in cursor.description], "rows": kept, "truncated": len(rows) > len(kept)}


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
    """Read one message: four bytes of length, then JSON; None at the end of the stream."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    message: dict[str, Any] = json.loads(stream.read(int.from_bytes(head, "big")))
    return message


def frame(message: dict[str, Any]) -> bytes:
    """Write one message."""
    data = json.dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


def main(arguments: Sequence[str]) -> None:
    """Serve until stdin ends; the first argument is the limits as JSON."""
    worker, source, sink = Worker(json.loads(arguments[0])), sys.stdin.buffer, sys.stdout.buffer
    reply: dict[str, Any] = {"ready": sqlite3.sqlite_version}
    while True:
        sink.write(frame(reply))
        sink.flush()
        request = read_frame(source)
        if request is None:
            return
        reply = worker.serve(request)
