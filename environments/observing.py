"""What a solver sees of long output: its head and its tail, and between them how much is missing.

From contract 3 of the solvers' prompts on (`environments.base.TELLING`); what went before stands with each world.
"""

from __future__ import annotations

HEAD = 2 / 3
"""Share of the room that the head has: what a command shows first says what it is, the last lines say how it ended."""
_NEAR = 0.25
"""An end is moved to a whole line where that costs at most this share of it."""


def head_and_tail(text: str, most: int, *, more: bool = False) -> str:
    """Return a text whole where it has at most `most` characters, else its ends, within `most` with the note.

    Ends are cut at whole lines where lines are short. `more`: the text itself is only the begin of what there was, and
    so is its end no end.
    """
    if len(text) <= most and not more:
        return text
    if more:
        head = _whole_lines(text[: most - len(_note(text, more))])
        return f"{head}\n{_note(text[len(head) :], more)}"
    room = most - len(_note(text, more)) - 2
    head = _whole_lines(text[: int(room * HEAD)])
    tail = _whole_lines(text[len(text) - (room - int(room * HEAD)) :], is_tail=True)
    missing = text[len(head) : len(text) - len(tail)]
    return f"{head}\n{_note(missing, more)}\n{tail}"


def _note(missing: str, more: bool) -> str:
    lines = missing.strip("\n").count("\n") + 1
    said = f"{lines:,} lines, {len(missing):,} characters" if lines > 1 else f"{len(missing):,} characters"
    return f"[... {said}{' and more' if more else ''} not shown ...]"


def _whole_lines(part: str, *, is_tail: bool = False) -> str:
    """Return a part without the line that it cuts, where little is lost by that."""
    at = part.find("\n") if is_tail else part.rfind("\n")
    lost = at + 1 if is_tail else len(part) - at
    if at < 0 or lost > len(part) * _NEAR:
        return part
    return part[at + 1 :] if is_tail else part[:at]


def shown_rows(rows: list[str], most: int) -> tuple[str, int]:
    """Return worded rows as one list within `most` characters, and how many of them it shows: the first and the last.

    A row that alone is too long is shown by its ends.
    """
    whole = ", ".join(rows)
    if len(whole) + 2 <= most:
        return f"[{whole}]", len(rows)
    room = most - len(f"[, ... {len(rows):,} rows ..., ]")
    head = _fitting(rows, room * HEAD)
    tail = _fitting(rows[len(head) :][::-1], room - sum(len(row) + 2 for row in head))[::-1]
    if not head:
        others = f", ... {len(rows) - 1:,} rows ..." if rows[1:] else ""
        return f"[{head_and_tail(rows[0], max(most - 40, 60))}{others}]", 1
    shown = len(head) + len(tail)
    return f"[{', '.join([*head, f'... {len(rows) - shown:,} rows ...', *tail])}]", shown


def _fitting(rows: list[str], room: float) -> list[str]:
    kept: list[str] = []
    for row in rows:
        room -= len(row) + 2
        if room < 0:
            break
        kept.append(row)
    return kept
