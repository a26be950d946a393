"""Whether an observation of ours and a recorded one say the same of a statement, after the normalisation named below.

Recorded is Python's `str` of MySQL 8's rows (mysql-connector 8), ours the `repr` of MariaDB's, cut at 800 characters:

- bytes are the text that they hold (`b'int'` -> `int`);
- types are spelt without a display width (`int(11)` -> `int`), a default of NULL is no default;
- numbers agree in five significant digits, whole ones in all; dates and times are their text;
- rows are compared as a multiset, `None` (no result) as no rows;
- a result that either side cut is compared as far as it is shown: what the shorter shows, the longer has;
- errors agree in their class and the object that they name; a text in which the recorder found no SQL is an error.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

REACT_ROWS = 25
"""eval_react.py of princeton-nlp/intercode keeps so many rows ..."""
REACT_CHARS = 350
"""... or so many characters of an error."""
_CUT = "[TRUNCATED]"
_WIDTH = re.compile(r"\b((?:tiny|small|medium|big)?int|year)\(\d+\)", re.IGNORECASE)
_NO_SQL = ("No SQL code was found", "Format your SQL command", "Error executing query: Your last `execute` action")
_ERRORS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern, re.IGNORECASE | re.DOTALL))
    for name, pattern in (
        ("unknown column", r"Unknown column '([^']*)'"),
        ("no table", r"Table '(?:[^'.]*\.)?([^']*)' doesn't exist"),
        ("no table", r"Unknown table '(?:[^'.]*\.)?([^']*)'"),
        ("ambiguous column", r"Column '([^']*)' in .* is ambiguous"),
        ("no database", r"Unknown database '([^']*)'"),
        ("no function", r"FUNCTION (?:\w+\.)?(\w+) does not exist"),
        ("syntax", r"You have an error in your SQL syntax()"),
        ("not grouped", r"(?:not in GROUP BY clause|aggregated query without GROUP BY)()"),
        ("group function", r"Invalid use of group function()"),
        ("limit in a subquery", r"doesn't yet support 'LIMIT & IN()"),
        ("too many rows", r"Subquery returns more than 1 row()"),
    )
)
_TYPES = {
    "Decimal": Decimal,
    "datetime.date": date,
    "datetime.datetime": datetime,
    "datetime.time": time,
    "datetime.timedelta": timedelta,
}

Row = tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """An observation, normalised."""

    error: tuple[str, str] | None = None
    """Class and object."""
    rows: tuple[Row, ...] = ()
    cut: bool = False
    """There were, or may have been, more rows."""


def agrees(theirs: str, ours: str) -> bool:
    """Whether the two say the same."""
    recorded, found = normalise(theirs, REACT_ROWS), normalise(ours)
    if recorded.error or found.error:
        return _same_error(recorded.error, found.error)
    left, right = Counter(recorded.rows), Counter(found.rows)
    if not (recorded.cut or found.cut):
        return left == right
    if found.cut and not recorded.cut:
        return right <= left
    if recorded.cut and not found.cut:
        return left <= right
    return left <= right or right <= left


def _same_error(left: tuple[str, str] | None, right: tuple[str, str] | None) -> bool:
    if left is None or right is None:
        return False
    return left == right or left[0] == "no SQL"


def normalise(text: str, rows_kept: int | None = None) -> Said:
    """Read an observation; `rows_kept` is how many rows its recorder may have kept at most."""
    text = text.strip()
    if text.startswith(_NO_SQL):
        return Said(("no SQL", ""))
    if text in ("None", ""):
        return Said()
    cut = text.endswith(_CUT)
    rows = _rows(text.removesuffix(_CUT), cut)
    if rows is None:
        return Said(_error(text))
    normal = tuple(tuple(_value(value) for value in row) for row in rows)
    return Said(rows=normal, cut=cut or len(normal) == rows_kept)


def _error(text: str) -> tuple[str, str]:
    for name, pattern in _ERRORS:
        found = pattern.search(text)
        if found:
            return name, found[1].lower().rpartition(".")[2]
    return text.partition(":")[2].strip().lower()[:60], ""


def _rows(text: str, cut: bool) -> list[tuple[Any, ...]] | None:
    """Parse `[(...), ...]`, up to the last whole row where it is cut; None = it is no list of rows."""
    if not text.startswith("["):
        return None
    if cut and not text.endswith("]"):
        whole = text.rfind("), (")
        text = text[: whole + 1] + "]" if whole >= 0 else "[]"
    try:
        value = _literal(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError):
        return None
    return value if isinstance(value, list) and all(isinstance(row, tuple) for row in value) else None


def _literal(node: ast.expr) -> Any:
    """Evaluate literals, and the constructors that drivers print; no other name means anything."""
    if isinstance(node, ast.List):
        return [_literal(item) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_literal(item) for item in node.elts)
    if isinstance(node, ast.Set):
        return frozenset(_literal(item) for item in node.elts)
    if isinstance(node, ast.Call):
        make = _TYPES[ast.unparse(node.func)] if ast.unparse(node.func) in _TYPES else _unknown(node)
        return make(*map(_literal, node.args), **{str(each.arg): _literal(each.value) for each in node.keywords})
    return ast.literal_eval(node)


def _unknown(node: ast.Call) -> Any:
    raise ValueError(f"{ast.unparse(node.func)} is no value that a driver prints")


def _value(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value).decode("utf-8", "replace")
    if value is None or value == "NULL":
        return "NULL"
    if isinstance(value, (int, float, Decimal)):
        return str(int(value)) if value == int(value) else f"{float(value):.5g}"
    return _WIDTH.sub(r"\1", str(value))
