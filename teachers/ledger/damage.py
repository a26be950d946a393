"""What is wrong with a ledger's file, and what to do: each cause has a sentence of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path

import sqlalchemy as sa

_MAGIC = b"SQLite format 3\0"
_CODE = 0xFF
"""The low byte of SQLite's extended error codes."""
BACK = (
    "Restore it from a copy, or have back what can be read with `sqlite3 ledger.sqlite .recover | sqlite3 "
    "mended.sqlite`. Without either move it away, and a new one is begun: what had landed stays in `completions`, and "
    "what is asked again is paid again"
)
_OF_ANOTHER_FORM = "A newer Trajmill or SQLite wrote the file: update, or use another --home"
WIPED_BACK = (
    "Restore the file from a copy; without one remove it, and a new one is begun: what is asked again is paid again"
)


def advise(error: Exception, path: Path) -> str:
    """Return in words why a file cannot be used as a ledger, and what to do."""
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    if code is None and isinstance(error, sqlite3.DatabaseError):  # what `PRAGMA quick_check` found
        code = sqlite3.SQLITE_CORRUPT
    head = _head(path)
    match code & _CODE if code is not None else None:
        case sqlite3.SQLITE_NOTADB if not head.startswith(_MAGIC):
            return f"The file is no SQLite database: something wrote over it, or another file has its name. {BACK}"
        case sqlite3.SQLITE_NOTADB if _is_of_later_form(head):
            return _OF_ANOTHER_FORM
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"The file is damaged or cut off. {BACK}"
        case sqlite3.SQLITE_ERROR:
            return _OF_ANOTHER_FORM
        case sqlite3.SQLITE_FULL:
            return "The disk is full: make room, then run again"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "Another program holds it: end that one, then run again"
        case sqlite3.SQLITE_IOERR:
            return "The disk does not answer: look at it, or choose another folder with --home"
    if path.is_dir():
        return "It is a folder: move it away"
    return "Make it and its folder writable, or choose a writable folder with --home"


def wiped(path: Path, landed: Mapping[str, int]) -> str:
    """Return what happened to a file of 0 bytes beside tables with rows, '' where nothing did.

    A new ledger has its tables before a row lands: such a file has lost what it held. (What stands in a `-wal` beside
    it SQLite removes, once the file has 0 bytes.)
    """
    rows = {name: count for name, count in landed.items() if count}
    if not rows or not path.is_file() or path.stat().st_size:
        return ""
    tables = ", ".join(f"{name} {count:,}" for name, count in rows.items() if name != "completions")
    beside = f"beside tables with rows ({tables})" if tables else "beside landed answers"
    return (
        f"{path} has 0 bytes {beside}: it is no new ledger, its answers were lost, as by a full disk or a broken copy. "
        f"{rows.get('completions', 0):,} paid answers had landed and stay in `completions`; those that had not are gone"
    )


def other_form(connection: sa.Connection, tables: Collection[sa.Table]) -> str:
    """Return in what a file's tables differ from those that this version reads and writes, '' where in nothing."""
    for table in tables:
        there = {row[1]: row for row in connection.exec_driver_sql(f"PRAGMA table_info({table.name})")}
        if there and (missing := sorted(set(table.columns.keys()) - there.keys())):
            return f"its table {table.name} has no column {', '.join(missing)}. {_OF_ANOTHER_FORM}"
        more = [name for name, row in there.items() if name not in table.columns and row[3] and row[4] is None]
        if more:
            return f"its table {table.name} asks for {', '.join(more)}, which is not known here. {_OF_ANOTHER_FORM}"
    return ""


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(100)
    except OSError:
        return b""


def _is_of_later_form(head: bytes) -> bool:
    """By https://sqlite.org/fileformat.html: a page size that there is, and a form to write in above WAL's, 2."""
    page = int.from_bytes(head[16:18], "big")
    return len(head) == 100 and page in (1, *(2**n for n in range(9, 16))) and max(head[18:20]) > 2
