"""Reads a file of JSON values one by one: an array, one value a line, or values over many lines.

Memory stays constant and one bad byte costs one value; a streaming parser of the whole array (ijson, say) loses
everything after it. Brackets are counted outside strings; what stands between them is parsed by itself, within the
bounds of `schemas.bounded_reading`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from schemas.bounded_reading import IN_TEXT, MAX_VALUE_BYTES, NotJson, end_of_text, open_file, parse_json
from schemas.errors import InputError
from schemas.rejection import MAX_RAW_BYTES, Rejection

UNREADABLE_VALUE: Mapping[str, str] = {
    "not_json": "is no JSON, or no UTF-8",
    "cut_off": "has no end: the file stops in the middle",
    "out_of_bounds": "is too long, too deep or of too many parts to be read (see Bounds)",
    "repeated_key": "has an object in which a key stands twice",
}
"""Reasons for which a value cannot be read, in every format of JSON values."""
_HEAD_BYTES = 64 * 1024
"""What the form is told by."""
_CHUNK_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_NOT_TEXT = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "a zip archive",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PAR1": "Parquet",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_STRING = rb'"' + IN_TEXT + rb'"'
_WITHIN = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb"){0,1000}", re.DOTALL)
"""Everything up to the next bracket outside a string, or up to a string that is long or whose end has not come yet."""
_BETWEEN = re.compile(rb'(?:[^"\[\]{},]++|' + _STRING + rb"){0,1000}", re.DOTALL)
"""The same between values, where commas count too."""
_MARKS = b"[]{},"
_BLANKS = b" \t\r\n,"


class Value(NamedTuple):
    """One value of a file, parsed."""

    line: int
    """Line (one value a line) or position (array, values over many lines), from 1."""
    raw: bytes
    value: Any


class Unread(NamedTuple):
    """One value of a file that cannot be read, and why."""

    line: int
    raw: bytes
    reason: str
    """One of `UNREADABLE_VALUE`."""
    detail: str

    def reject(self, file: str, stage: str, environment: str | None = None) -> Rejection:
        """Turn it away."""
        return Rejection.make(
            stage=stage,
            reason=self.reason,
            detail=self.detail,
            source=f"{file}:{self.line}",
            raw=self.raw,
            environment=environment,
        )


class Piece(NamedTuple):
    """One value as it stands in the file."""

    line: int
    """Line (one value a line) or position (array, values over many lines), from 1."""
    raw: bytes
    fault: str = ""
    """Why the value's end was not found; empty where it was."""
    reason: str = "cut_off"
    """What a fault is called, one of `UNREADABLE_VALUE`."""


def read_values(path: Path) -> Iterator[Value | Unread]:
    """Yield the values of a file in its order, each parsed, or told why it cannot be.

    Raises:
        InputError: the file cannot be opened, or is no UTF-8 text at all (an archive, UTF-16).
    """
    for line, raw, fault, reason in cut_values(path):
        if fault:
            yield Unread(line, raw, reason, fault)
            continue
        try:
            value = parse_json(raw)
        except NotJson as error:
            yield Unread(line, raw, error.reason, str(error))
        else:
            yield Value(line, raw, value)


def cut_values(path: Path) -> Iterator[Piece]:
    """Yield the values of a file in its order; the form is found by content, and blank lines are no values.

    Raises:
        InputError: the file cannot be opened, or is no UTF-8 text at all (an archive, UTF-16).
    """
    with open_file(path) as file:
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
            fault = "" if is_whole else f"no line end after {MAX_VALUE_BYTES:,} bytes, the most that is read"
            yield Piece(line, raw, fault, "out_of_bounds")
        while not is_whole:
            rest = file.readline(MAX_VALUE_BYTES)
            is_whole = rest.endswith(b"\n") or len(rest) < MAX_VALUE_BYTES


def _cut_array(file: BinaryIO) -> Iterator[Piece]:
    while file.read(1) != b"[":
        pass
    yield from _cut_sequence(file, in_array=True)


def _cut_sequence(file: BinaryIO, *, in_array: bool = False) -> Iterator[Piece]:
    """Cut values that follow each other, with or without commas; what follows a closing bracket is cut into lines."""
    scanner, index = _Scanner(), 0
    too_long = f"more than {MAX_VALUE_BYTES:,} bytes, the most that is read"
    while not scanner.is_closed and (chunk := file.read(_CHUNK_BYTES)):
        for raw, is_whole in scanner.feed(chunk):
            index += 1
            yield Piece(index, raw, "" if is_whole else too_long, "out_of_bounds")
    if scanner.is_closed:
        file.seek(-len(scanner.buffer) - (not in_array), os.SEEK_CUR)  # a bracket that closes nothing is told
        yield from (rest._replace(line=line) for line, rest in enumerate(_cut_lines(file), index + 1))
    elif (rest := (scanner.head or scanner.buffer).strip()) or in_array:
        yield Piece(index + 1, rest, "the file ends before the value or its array does")


class _Scanner:
    """Finds where values end; keeps only the bytes of the unfinished one, and of one that is too long its head."""

    def __init__(self) -> None:
        self.buffer = b""
        self.head = b""
        """Where the value at hand is too long: how it begins."""
        self.is_closed = False
        self._position = 0
        self._depth = 0
        self._in_text = False

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, bool]]:
        """Take more bytes, yield the values that are complete, each with whether it is whole."""
        self.buffer += chunk
        start = 0
        while not self.is_closed:
            end = self._find_end()
            if end is None:
                break
            if raw := (self.head or self.buffer[start:end]).strip(_BLANKS):
                yield raw, not self.head and len(raw) <= MAX_VALUE_BYTES
            self.head = b""
            start = self._position
        self.buffer = self.buffer[start:]
        self._position -= start
        if self.head or len(self.buffer) > MAX_VALUE_BYTES:
            self.head = self.head or self.buffer.lstrip(_BLANKS)[:MAX_RAW_BYTES]
            self.buffer = self.buffer[self._position :]
            self._position = 0

    def _find_end(self) -> int | None:
        """Return where the value at hand ends, or None where more bytes are needed."""
        while True:
            if self._in_text:
                self._position, is_over = end_of_text(self.buffer, self._position)
                if not is_over:
                    return None
                self._in_text = False
            skipped = (_WITHIN if self._depth else _BETWEEN).match(self.buffer, self._position)
            self._position = skipped.end() if skipped else self._position
            mark = self.buffer[self._position : self._position + 1]
            if not mark:
                return None
            if mark == b'"':
                self._in_text = True
                self._position += 1
            elif mark in _MARKS:
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
