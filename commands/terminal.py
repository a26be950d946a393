"""Prints for people (rich tables on stdout) or for programs (`--json`: one object on stdout, the rest on stderr)."""

from __future__ import annotations

import csv
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reports.funnel import TableOf
from schemas.message import Message

_ROLES = {"user": "cyan", "assistant": "green", "system": "magenta"}
_PIPED_WIDTH = 100
"""Columns where nobody's window (`COLUMNS`) sets fewer, for text in frames."""
_TABLE_WIDTH = 4000
"""The same for tables: ids, paths and times stay whole for grep, however long a folder's name is."""


def say_json(value: Any) -> None:
    """Print one JSON object."""
    sys.stdout.write(_as_json(value) + "\n")


def say_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print a table as CSV, a line break alone after each row: NULL is empty, lists and mappings are JSON."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else spell(value) for value in row] for row in rows)


def say(*parts: str | Text) -> None:
    """Print a line as it stands: nothing in it is markup, whatever a path or a note holds."""
    _console().print(Text.assemble(*parts), soft_wrap=True)


def bold(text: str) -> Text:
    """Return a part of a line that stands out."""
    return Text(text, style="bold")


def say_notes(notes: Iterable[str]) -> None:
    """Print what a reader of a release must know."""
    for note in notes:
        say(Text("note ", style="yellow"), note)


def say_aside(text: str) -> None:
    """Print a line on stderr, where no program takes it for the result."""
    sys.stderr.write(f"trajmill: {text}\n")


def say_table(title: str, table: TableOf) -> None:
    """Print a table; an empty one says so."""
    console = _console(_TABLE_WIDTH)
    console.print(Text(title, style="bold"), soft_wrap=True)
    console.print(_drawn(table) if table.rows else "nothing yet")
    console.print()


def say_panel(title: str, text: str, style: str = "white") -> None:
    """Print a text in a frame, as it stands."""
    _console().print(Panel(Text(text.strip()), title=Text(title), title_align="left", border_style=style))


def say_conversation(messages: list[dict[str, Any]]) -> None:
    """Print messages as panels; trained ones are marked."""
    for message in messages:
        title = message["role"] + (" · trained" if message["train"] else "")
        colour = _ROLES.get(message["role"], "white")
        if message.get("reasoning_content"):
            say_panel(f"{title} · reasoning", message["reasoning_content"], colour)
        held = Message.model_validate({name: value for name, value in message.items() if value is not None})
        say_panel(title, held.spelled, colour)


def spell(value: Any) -> str:
    """Write a value as a person reads it: text as it stands, lists and mappings as JSON, None as `not set`."""
    if value is None:
        return "not set"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S %Z}".strip()
    return _plain(value) if isinstance(value, bytes) else _as_json(value)


def _as_json(value: Any) -> str:
    """Write JSON, whatever SQL returned: an integer has all its digits, NaN and infinity are null."""
    try:
        return orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # an integer over 64 bit, a key that is a list, half a character
        return json.dumps(_ready(value), separators=(",", ":"))


def _ready(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else spell(key): _ready(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_ready(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        return _ready(_plain(value))
    if isinstance(value, bytes):
        return _plain(value)
    return orjson.loads(orjson.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    """Give what SQL returns and JSON lacks a form: decimals are numbers, bytes are text where they are, else hex."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return bytes(value).hex()
    return str(value)


def is_terminal() -> bool:
    """Whether a person with colours reads stdout."""
    return Console().is_terminal and "NO_COLOR" not in os.environ


def _console(piped_width: int = _PIPED_WIDTH) -> Console:
    console = Console(highlight=False)
    if console.is_terminal:
        return console
    said = os.environ.get("COLUMNS", "")
    width = min(piped_width, int(said)) if said.isdecimal() and piped_width == _PIPED_WIDTH else piped_width
    return Console(highlight=False, width=max(20, width))


def _drawn(table: TableOf) -> Table:
    drawn = Table(box=None, pad_edge=False, header_style="dim")
    for position, column in enumerate(table.columns):
        numbers = any(_is_number(row[position]) for row in table.rows)
        drawn.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
    for row in table.rows:
        drawn.add_row(*(Text(_cell(value)) for value in row))
    return drawn


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return spell(value)
