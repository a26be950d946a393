"""Finds where the JSON values of a file end: brackets are counted outside strings, and mostly need not be.

Most files are written by a program: what stands between two values, and how the next begins, is the same all through.
What stands between two such joints is a value if it parses as one; anything else is looked at bracket by bracket.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from schemas.bounded_reading import IN_TEXT, MAX_VALUE_BYTES, NotJson, end_of_text, parse_json
from schemas.rejection import MAX_RAW_BYTES

_STRING = rb'"' + IN_TEXT + rb'"'
_WITHIN = re.compile(rb'(?:[^"\[\]{}]++|' + _STRING + rb"){0,1000}", re.DOTALL)
"""Everything up to the next bracket outside a string, or up to a string that is long or whose end has not come yet."""
_BETWEEN = re.compile(rb'(?:[^"\[\]{},]++|' + _STRING + rb"){0,1000}", re.DOTALL)
"""The same between values, where commas count too."""
_MARKS = b"[]{},"
BLANKS = b" \t\r\n,"
_OPENING = re.compile(rb'\{\s*"[^"\\]{1,64}"')
"""How an object begins, with its first key."""
_MOST_BETWEEN = 64
_MOST_GUESSED = 64 * 1024
"""Bytes of a value that is cut at a joint; a longer one is looked at bracket by bracket."""
UNPARSED: Any = object()
"""In place of a value that nobody has parsed yet."""


class CutValue(NamedTuple):
    """One value between its neighbours."""

    raw: bytes
    is_whole: bool
    value: Any = UNPARSED
    """What it says, where it was parsed to find its end."""


class Scanner:
    """Finds where values end; keeps only the bytes of the unfinished one, and of one that is too long its head."""

    def __init__(self) -> None:
        self.buffer = b""
        self.head = b""
        """Where the value at hand is too long: how it begins."""
        self.is_closed = False
        self._position = 0
        self._depth = 0
        self._in_text = False
        self._opening = b""
        """What stood between two values, up to the first key of the second; empty where no two have been seen."""

    def feed(self, chunk: bytes) -> Iterator[CutValue]:
        """Take more bytes, yield the values that are complete."""
        self.buffer += chunk
        start, last = 0, -1
        while not self.is_closed:
            if found := self._guess(start):
                start = last = self._position
                yield found
                continue
            end = self._find_end()
            if end is None:
                break
            if raw := (self.head or self.buffer[start:end]).strip(BLANKS):
                self._learn(last, end if self.head else end - len(raw))
                last = end
                yield CutValue(raw, not self.head and len(raw) <= MAX_VALUE_BYTES)
            self.head = b""
            start = self._position
        self.buffer = self.buffer[start:]
        self._position -= start
        if self.head or len(self.buffer) > MAX_VALUE_BYTES:
            self.head = self.head or self.buffer.lstrip(BLANKS)[:MAX_RAW_BYTES]
            self.buffer = self.buffer[self._position :]
            self._position = 0

    def _learn(self, last: int, begin: int) -> None:
        """Keep what stands between the end of the value before, where that is known, and the first key of this one."""
        opening = _OPENING.match(self.buffer, begin)
        if opening and 0 <= last <= begin <= last + _MOST_BETWEEN:
            self._opening = self.buffer[last : opening.end()]

    def _guess(self, start: int) -> CutValue | None:
        """Return the next value, if it begins as the one before did, ends where the next does so, and is one."""
        is_between = start == self._position and not (self._depth or self._in_text or self.head)
        if not (is_between and self._opening and self.buffer.startswith(self._opening, start)):
            return None
        begin = self.buffer.index(b"{", start)
        end = self.buffer.find(b"}" + self._opening, begin, begin + _MOST_GUESSED) + 1
        if not end:
            return None
        try:
            value = parse_json(raw := self.buffer[begin:end])
        except NotJson:
            return None
        self._position = end
        return CutValue(raw, True, value)

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
