"""Reads a file of JSON values one by one: an array, one value a line, values over many lines, or Parquet's rows.

Memory stays constant and one bad byte costs one value; a streaming parser of the whole array (ijson, say) loses
everything after it. Brackets are counted outside strings; what stands between them is parsed by itself, within the
bounds of `schemas.bounded_reading`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from formats.json_scanner import BLANKS, UNPARSED, Scanner
from formats.parquet_rows import cut_parquet
from formats.unpacked import Damaged, Text, is_parquet, open_text
from schemas.bounded_reading import MAX_VALUE_BYTES, NotJson, parse_json
from schemas.errors import InputError
from schemas.rejection import Rejection

UNREADABLE_VALUE: Mapping[str, str] = {
    "not_json": "is no JSON, or no UTF-8",
    "cut_off": "has no end: the file stops in the middle",
    "out_of_bounds": "is too long, too deep or of too many parts to be read (see Bounds)",
    "repeated_key": "has an object in which a key stands twice",
}
"""Reasons for which a value cannot be read, in every format of JSON values."""
_CALLED = re.compile(r"\.(?:(?:json|jsonl|ndjson)(?:\.(?:gz|bz2|xz|zst))?|parquet)$", re.IGNORECASE)
_BEGINS = re.compile(rb'\s*(?:\[\s*)?\{\s*["}]')
_HEAD_BYTES = 64 * 1024
"""What the form is told by."""
_CHUNK_BYTES = 1024 * 1024
_LOOK_AHEAD_BYTES = 64 * 1024
"""Of an object that begins behind the first line and goes on over many: a longer one is told line by line."""


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
    value: Any = UNPARSED
    """What it says, where it was parsed to find its end."""


def read_values(path: Path) -> Iterator[Value | Unread]:
    """Yield the values of a file in its order, each parsed, or told why it cannot be.

    Raises:
        InputError: the file cannot be opened, or is no text at all (an archive).
    """
    for line, raw, fault, reason, value in cut_values(path):
        if fault:
            yield Unread(line, raw, reason, fault)
            continue
        try:
            yield Value(line, raw, parse_json(raw) if value is UNPARSED else value)
        except NotJson as error:
            yield Unread(line, raw, error.reason, str(error))


def holds_values(path: Path) -> bool:
    """Whether a file of a folder holds values: it is called so, or begins as Parquet, an object or a list of such does.

    What a name promises is read, so that what is wrong with it is told.
    """
    if _CALLED.search(path.name):
        return True
    try:
        return is_parquet(path) or _BEGINS.match(open_text(path).peek(_HEAD_BYTES)) is not None
    except InputError:
        return False


def list_of(value: Any) -> Any:
    """Return the list that a text of JSON holds, as tables of texts (Parquet, CSV) have it; anything else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] != "[":
        return value
    try:
        return parse_json(value.encode())
    except (NotJson, UnicodeEncodeError):
        return value


def cut_values(path: Path) -> Iterator[Piece]:
    """Yield the values of a file in its order; the form is found by content, and blank lines are no values.

    What is packed (gzip, bzip2, xz, zstd) or spelled otherwise (UTF-16, UTF-32) is read as what it holds.

    Raises:
        InputError: the file cannot be opened, or is no text at all (an archive).
    """
    if is_parquet(path):
        yield from (Piece(*row) for row in cut_parquet(path))
        return
    text, last = open_text(path), 0
    try:
        for piece in _choose_cut(text.peek(_HEAD_BYTES))(text):
            last = piece.line
            yield piece
    except Damaged as damage:  # between values; where it is in one, that one is told
        yield Piece(last + 1, b"", str(damage))


def _choose_cut(head: bytes) -> Callable[[Text], Iterator[Piece]]:
    """Choose by how the text begins: an array, objects over many lines, or one value a line."""
    lines = [line for line in map(bytes.strip, head.split(b"\n", 64)) if line]
    if lines and lines[0].startswith(b"["):
        return _cut_array
    if len(lines) > 1 and lines[0].startswith(b"{") and _goes_on(head, lines):
        return _cut_sequence
    return _cut_lines


def _goes_on(head: bytes, lines: list[bytes]) -> bool:
    """Tell whether the object that the first line begins ends in a later one: a broken first line costs no other."""
    if _is_object(lines[0]):
        return False
    whole = next(Scanner().feed(head), None)
    if whole is not None:
        return b"\n" in whole[0] and _is_object(whole[0])
    return lines[1][:1] == b'"' or not any(map(_is_object, lines[1:]))  # longer than what was looked at


def _is_object(raw: bytes) -> bool:
    try:
        return isinstance(parse_json(raw), dict)
    except NotJson:
        return False


def _cut_lines(text: Text, after: int = 0) -> Iterator[Piece]:
    line = after
    while raw := (yield from _next_line(text, line + 1)):
        line += 1
        is_whole = raw.endswith(b"\n") or len(raw) < MAX_VALUE_BYTES
        if raw := raw.strip():
            fault = "" if is_whole else f"no line end after {MAX_VALUE_BYTES:,} bytes, the most that is read"
            spread = _spread(text, raw) if is_whole and raw[:1] == b"{" and raw[-1:] not in b"}]" else None
            yield Piece(line, spread or raw, fault, "out_of_bounds")
            line += spread.count(b"\n") if spread else 0
        while not is_whole:
            rest = text.readline(MAX_VALUE_BYTES)
            is_whole = rest.endswith(b"\n") or len(rest) < MAX_VALUE_BYTES


def _next_line(text: Text, line: int) -> Generator[Piece, None, bytes]:
    """Return the next line; where the file is damaged in it what was read of it is told, and nothing follows."""
    try:
        return text.readline(MAX_VALUE_BYTES)
    except Damaged as damage:
        raw = damage.before.strip()
        if is_whole := _is_object(raw):
            yield Piece(line, raw)
        yield Piece(line + is_whole, b"" if is_whole else raw, str(damage))
        return b""


def _spread(text: Text, first: bytes) -> bytes | None:
    """Return the object that a line begins and later ones end, and go behind it; None = there is none."""
    ahead = text.peek(_LOOK_AHEAD_BYTES)
    begun = first + b"\n"
    whole = next(Scanner().feed(begun + ahead), None)
    if whole is None or b"\n" not in whole[0] or not _is_object(whole[0]):
        return None
    rest = (begun + ahead)[len(whole[0]) :]
    end = rest.find(b"\n") + 1
    if rest[: end or None].strip(BLANKS):
        return None
    text.read(len(ahead))
    text.put_back(rest[end:] if end else b"")
    return whole[0]


def _cut_array(text: Text, after: int = 0) -> Iterator[Piece]:
    while text.read(1) != b"[":
        pass
    yield from _cut_sequence(text, in_array=True, after=after)


def _cut_sequence(text: Text, *, in_array: bool = False, after: int = 0) -> Iterator[Piece]:
    """Cut values that follow each other, with or without commas; behind a closing bracket comes an array, or lines."""
    scanner, index = Scanner(), after
    too_long = f"more than {MAX_VALUE_BYTES:,} bytes, the most that is read"
    try:
        while not scanner.is_closed and (chunk := text.read(_CHUNK_BYTES)):
            for raw, is_whole, value in scanner.feed(chunk):
                index += 1
                yield Piece(index, raw, "" if is_whole else too_long, "out_of_bounds", value)
    except Damaged as damage:
        yield Piece(index + 1, (scanner.head or scanner.buffer).strip(), str(damage))
        return
    if scanner.is_closed:
        text.put_back((b"" if in_array else b"]") + scanner.buffer)  # a bracket that closes nothing is told
        yield from _cut_rest(text, index)
    elif (rest := (scanner.head or scanner.buffer).strip()) or in_array:
        yield Piece(index + 1, rest, "the file ends before the value or its array does")


def _cut_rest(text: Text, after: int) -> Iterator[Piece]:
    """Cut what follows an array: another one (files that were put one behind the other), else lines."""
    while (mark := text.read(1)) in (b" ", b"\t", b"\r", b"\n", b","):
        pass
    text.put_back(mark)
    line = text.peek(_HEAD_BYTES).partition(b"\n")[0] if mark == b"[" else b""
    is_array = bool(line) and (not _is_list(line) or b"{" in line)
    yield from _cut_array(text, after) if is_array else _cut_lines(text, after)


def _is_list(raw: bytes) -> bool:
    """Whether a line is a whole list by itself."""
    try:
        return isinstance(parse_json(raw.strip()), list)
    except NotJson:
        return False
