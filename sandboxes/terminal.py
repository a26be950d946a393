"""Terminal output as text: what a person reads when all of it has been shown.

Invalid UTF-8 is replaced, escape sequences and control characters go. Terminals know both forms of a control: ESC and a
letter, and one character of U+0080 to U+009F (ECMA-48, section 5.3). Within a line the cursor moves as there: carriage
return, backspace, and the sequences that move it or erase; what is written over stays where the new text is shorter.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, bracketed paste
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: window titles
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MOVES = re.compile(r"(?:\x1b\[|\x9b)(\d*)([CDGKPX])|([\r\b])")
"""Right, left, to a column, erase in line, delete and erase characters; return and backspace."""
_MOST_COLUMNS = 10_000
"""Further right no cursor goes: a sequence of ten characters must not make a line of a gigabyte."""


def plain_text(output: bytes) -> str:
    """Return what a person would read; newlines and tabs stay, CR LF becomes LF."""
    text = output.decode("utf-8", "replace")
    return "\n".join(_line_as_read(line) for line in text.split("\n")) if _MOVES.search(text) else _plain(text)


def _plain(text: str) -> str:
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def _line_as_read(line: str) -> str:
    line = line.rstrip("\r")
    if not _MOVES.search(line):
        return _plain(line)
    cells: list[str] = []
    column = at = 0
    for move in _MOVES.finditer(line):
        column = _write(cells, column, _plain(line[at : move.start()]))
        column, at = _move(cells, column, move), move.end()
    _write(cells, column, _plain(line[at:]))
    return "".join(cells)


def _write(cells: list[str], column: int, text: str) -> int:
    if text and column > len(cells):
        cells += " " * (column - len(cells))
    cells[column : column + len(text)] = text
    return column + len(text)


def _move(cells: list[str], column: int, move: re.Match[str]) -> int:
    """Move the cursor, or erase what stands there; return its column."""
    kind, given = move[2] or move[3], int(move[1][:5]) if move[1] else None
    count = given or 1
    if kind == "K":
        _erase(cells, column, given or 0)
    elif kind == "P":
        del cells[column : column + count]
    elif kind == "X":
        end = min(column + count, len(cells))
        cells[column:end] = " " * (end - column)
    steps = {"\r": -column, "\b": -1, "C": count, "D": -count, "G": count - 1 - column}
    return min(max(column + steps.get(kind, 0), 0), _MOST_COLUMNS + len(cells))


def _erase(cells: list[str], column: int, part: int) -> None:
    """Erase in a line: 0 from the cursor on, 1 up to the cursor, 2 all of it."""
    if part == 0 or column >= len(cells):
        del cells[0 if part else column :]
    elif part == 1:
        cells[: column + 1] = " " * (column + 1)
    else:
        cells[:] = []
