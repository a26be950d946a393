"""Reads what people, other programs or a crash may have spoiled: files and JSON, within bounds that are checked first.

A file is opened without waiting (a pipe would) and read only if it is a regular one. JSON is bounded in parts
and depth before anything walks it: parsers, pydantic and `repr` recurse, and a few bytes can stand for gigabytes.
docs/formats.md, "Bounds", says them for people.
"""

from __future__ import annotations

import json
import os
import re
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

import orjson

from schemas.errors import InputError

MAX_DEPTH = 100
"""Brackets inside each other. The deepest row that is known has 12; orjson writes 254, Python's `repr` fewer."""
MAX_PARTS = 500_000
"""Brackets, commas and texts of one value: what it takes in memory, and its faults. A table of 10,000 rows and ten
columns has 220,000."""
MAX_VALUE_BYTES = 64 << 20
"""Of one value of a file of many. ShareGPT's longest chats are about 1 MB."""
MAX_FILE_BYTES = 64 << 20
"""Of a file that is read as a whole, where its reader does not say otherwise."""

# Possessive on single characters only: before Python 3.11.5 a possessive group may skip what it must match (gh-106052).
# Groups are repeated a thousand times at most: the engine keeps 30 bytes for each.
IN_TEXT = rb'[^"\\]*+(?:\\.[^"\\]*+){0,1000}'
_IN_TEXT = re.compile(IN_TEXT, re.DOTALL)
_OUTSIDE = re.compile(rb'[^"\[\]{},]*+')
_KEY = re.compile(rb'"(?:(?<!\\")|(?<=\\\\"))[ \t\r\n]*:')
"""The end of every key, and inside texts what looks like one."""


class NotJson(ValueError):
    """Bytes that are no JSON, or none that is read."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        """A stable code: not_json, out_of_bounds, repeated_key."""


class _Repeated(Exception):
    """A key that stands twice in one object."""


def open_file(path: Path) -> BufferedReader:
    """Open a regular file for reading, or what a link leads to.

    Raises:
        InputError: it is not there, not readable, or a folder, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise InputError(f"{path} cannot be read: it is {kind}. Give a file.")
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, most_bytes: int = MAX_FILE_BYTES) -> bytes:
    """Return a whole file of at most `most_bytes`.

    Raises:
        InputError: it cannot be read, or is larger.
    """
    with open_file(path) as file:
        try:
            data = file.read(most_bytes + 1)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > most_bytes:
        raise InputError(f"{path} has more than {most_bytes:,} bytes, the most that is read of such a file.")
    return data


def read_text(path: Path, most_bytes: int = MAX_FILE_BYTES) -> str:
    """Return a whole file of UTF-8 text, without its byte order mark.

    Raises:
        InputError: it cannot be read, is larger, or is no UTF-8.
    """
    try:
        return read_file(path, most_bytes).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text: {error.reason} at byte {error.start}. Convert it first.") from error


def parse_json(raw: bytes, most_parts: int | None = None) -> Any:
    """Parse one value of JSON whose depth, brackets and commas are within bounds and whose keys stand once.

    `most_parts` is for who knows that values of a format have more, and how many; None = `MAX_PARTS`.

    Raises:
        NotJson: it is none; the reason and text say why.
    """
    most = MAX_PARTS if most_parts is None else most_parts
    if len(raw) > most and _has_more_parts(raw, most):
        raise NotJson("out_of_bounds", f"more than {most:,} brackets, commas and texts, the most that is read")
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if str(error).startswith("depth limit"):
            raise _too_deep() from error
        raise NotJson("not_json", _not_utf8(raw) or str(error)) from error
    if len(_KEY.findall(raw)) != count_keys(value):
        _require_single_keys(raw)
    return value


def _not_utf8(raw: bytes) -> str | None:
    """Say which byte is no UTF-8, and what to do; None = all are."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        at = error.start
    else:
        return None
    try:
        raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        told = f"byte {at + 1} of the value is 0x{raw[at]:02x}, which is no UTF-8 there; convert the file to UTF-8"
        return f"{told}, from Latin-1 say with iconv -f latin1 -t utf-8"
    return f"byte {at + 1} of the value begins half a character (a lone surrogate), which no text can hold"


def count_keys(value: Any) -> int:
    """Return how many keys the objects of a parsed value have, without recursion.

    Raises:
        NotJson: it is deeper than `MAX_DEPTH`.
    """
    level, keys = [value], 0
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for one in level:
            if type(one) is dict:
                keys += len(one)
                inner += one.values()
            elif type(one) is list:
                inner += one
        if not inner:
            return keys
        level = inner
    if any(isinstance(one, (dict, list)) for one in level):
        raise _too_deep()
    return keys


def _too_deep() -> NotJson:
    return NotJson("out_of_bounds", f"more than {MAX_DEPTH} levels, the most that is read")


def end_of_text(raw: bytes, position: int) -> tuple[int, bool]:
    """Return where a text ends that goes on at `position`, behind its closing quote, and True.

    Where its end has not come yet: where to go on once it has, and False.
    """
    while True:
        found = _IN_TEXT.match(raw, position)
        position = found.end() if found else position
        if raw[position : position + 1] == b'"':
            return position + 1, True
        if position + 1 >= len(raw):  # nothing, or a backslash whose character is still to come
            return position, False


def _has_more_parts(raw: bytes, most: int) -> bool:
    position = 0
    for _ in range(most + 1):
        found = _OUTSIDE.match(raw, position)
        position = (found.end() if found else position) + 1
        is_within = position <= len(raw)
        if raw[position - 1 : position] == b'"':
            position, is_within = end_of_text(raw, position)
        if not is_within:
            return False
    return True


def _require_single_keys(raw: bytes) -> None:
    """Look at every object; only for a value in which more keys may stand than were read. Its depth is known."""
    try:
        json.loads(raw, object_pairs_hook=_single_keys)
    except _Repeated as error:
        raise NotJson("repeated_key", f"the key {str(error)[:200]!r} stands twice in one object") from error


def _single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Repeated(key)
        found[key] = value
    return found
