"""Cuts a file of JSON values into bytes, one piece a value: an array, one value a line, or values over many lines.

Memory stays constant and one bad byte costs one value; a streaming parser of the whole array (ijson, say) loses
everything after it. Brackets are counted outside strings; what stands between them is parsed by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from schemas.errors import InputError

MAX_VALUE_BYTES = 64 * 1024 * 1024
"""A value whose end is not found within this is given up; ShareGPT's longest chats are about 1 MB."""
_HEAD_BYTES = 64 * 1024
"""What the form is told by."""
_CHUNK_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_NOT_TEXT = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
# Possessive on single characters only: before Python 3.11.5 a possessive group may skip what it must match (gh-106052).
_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*"'
_WITHIN = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb")*", re.DOTALL)
"""Everything up to the next bracket outside a string, or up to a string whose end has not come yet."""
_BETWEEN = re.compile(rb'(?:[^"\[\]{},]++|' + _STRING + rb")*", re.DOTALL)
"""The same between values, where commas count too."""


class Piece(NamedTuple):
    """One value as it stands in the file."""

    line: int
    """Line (one value a line) or position (array, values over many lines), from 1."""
    raw: bytes
    fault: str = ""
    """Why the value's end was not found; empty where it was."""


def cut_values(path: Path) -> Iterator[Piece]:
    """Yield the values of a file in its order; the form is found by content, and blank lines are no values.

    Raises:
        InputError: the file cannot be opened, or is no UTF-8 text at all (an archive, UTF-16).
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}. Give a JSON or JSONL file.") from error
    with file:
        head = file.read(_HEAD_BYTES)
        for magic, name in _NOT_TEXT.items():
            if head.startswith(magic):
                raise InputError(f"{path} is {name}, not UTF-8 text. Unpack or convert it to JSON or JSONL first.")
        file.seek(len(_BOM) if head.startswith(_BOM) else 0)
        yield from _choose_cut(head.removeprefix(_BOM))(file)


def _choose_cut(head: bytes) -> Callable[[BinaryIO], Iterator[Piece]]:
    """Choose by the first two lines: an array, an object that goes on in the second line, or one value a line."""
    lines = [line for line in map(bytes.strip, head.split(b"\n", 64)) if line][:2]
    if lines and lines[0].startswith(b"["):
        return _cut_array
    if len(lines) == 2 and lines[0].startswith(b"{") and lines[1][:1] in b'"}':
        return _cut_sequence
    return _cut_lines


def _cut_lines(file: BinaryIO) -> Iterator[Piece]:
    line = 0
    while raw := file.readline(MAX_VALUE_BYTES):
        line += 1
        is_whole = raw.endswith(b"\n") or len(raw) < MAX_VALUE_BYTES
        if raw := raw.strip():
            yield Piece(line, raw, "" if is_whole else f"no line end after {MAX_VALUE_BYTES:,} bytes")
        while not is_whole:
            rest = file.readline(MAX_VALUE_BYTES)
            is_whole = rest.endswith(b"\n") or len(rest) < MAX_VALUE_BYTES


def _cut_array(file: BinaryIO) -> Iterator[Piece]:
    while file.read(1) != b"[":
        pass
    yield from _cut_sequence(file, in_array=True)


def _cut_sequence(file: BinaryIO, *, in_array: bool = False) -> Iterator[Piece]:
    """Cut values that follow each other, with or without commas; in an array, up to its closing bracket."""
    scanner, index = _Scanner(), 0
    while chunk := file.read(_CHUNK_BYTES):
        for raw in scanner.feed(chunk):
            index += 1
            yield Piece(index, raw)
        if scanner.is_closed or len(scanner.buffer) > MAX_VALUE_BYTES:
            break
    rest = (scanner.buffer + file.read(_CHUNK_BYTES)).strip()
    if scanner.is_closed and rest:
        yield Piece(index + 1, rest, "text after the end of the array; nothing after this was read")
    elif len(rest) > MAX_VALUE_BYTES:
        yield Piece(index + 1, rest, f"no end after {MAX_VALUE_BYTES:,} bytes; nothing after this was read")
    elif not scanner.is_closed and (rest or in_array):
        yield Piece(index + 1, rest, "the file ends before the value or its array does")


class _Scanner:
    """Finds where values end; keeps only the bytes of the unfinished one."""

    def __init__(self) -> None:
        self.buffer = b""
        self.is_closed = False
        self._position = 0
        self._depth = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take more bytes, yield the values that are complete."""
        self.buffer += chunk
        start = 0
        while not self.is_closed:
            end = self._find_end()
            if end is None:
                break
            if raw := self.buffer[start:end].strip(b" \t\r\n,"):
                yield raw
            start = self._position
        self.buffer = self.buffer[start:]
        self._position -= start

    def _find_end(self) -> int | None:
        """Return where the value at hand ends, or None where more bytes are needed."""
        while True:
            skipped = (_WITHIN if self._depth else _BETWEEN).match(self.buffer, self._position)
            self._position = skipped.end() if skipped else self._position
            mark = self.buffer[self._position : self._position + 1]
            if mark in (b"", b'"'):
                return None
            self._position += 1
            if self._ends_value(mark):
                return self._position - self.is_closed

    def _ends_value(self, mark: bytes) -> bool:
        if mark in b"[{":
            self._depth += 1
        elif mark == b",":
            return True
        elif self._depth:
            self._depth -= 1
            return self._depth == 0
        else:
            self.is_closed = mark == b"]"
            return True
        return False
