"""Tells how two texts differ: in a few lines, and by cause where it can be said."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from schemas.verification import Cause

MAX_LINES = 6
MAX_CHARS = 160
"""Of one line of a diff."""

_TIME = re.compile(
    r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?\b|\b\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\b"
    r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\b"
    r"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\s+\d{1,2}(?:,?\s+\d{4})?\b"
    r"|\b\d{1,2}\s+(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*(?:\s+\d{4})?\b"
    r"|\b1[6-9]\d{8}(?:\.?\d{3,9})?\b"  # seconds since 1970 (2020 to 2033), or finer
)
_DRAWN_NAME = re.compile(
    r"\btmp[._]?[A-Za-z0-9_]{6,}\b|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def name_cause(then: str, now: str) -> Cause:
    """Return what sets two texts that are not equal apart: the mildest that explains all of it, else `text`."""
    masks: list[tuple[Cause, Callable[[str], object]]] = [
        ("order", lambda text: sorted(text.splitlines())),
        ("times", _without_times),
        ("names", lambda text: _DRAWN_NAME.sub("?", _without_times(text))),
        ("numbers", lambda text: _NUMBER.sub("?", _DRAWN_NAME.sub("?", _without_times(text)))),
    ]
    return next((cause for cause, mask in masks if mask(then) == mask(now)), "text")


def _without_times(text: str) -> str:
    return " ".join(_TIME.sub("?", text).split())  # columns move with what stands in them


def show_difference(then: str, now: str) -> str:
    """Show the lines that only one text has, `-` then and `+` now; cut."""
    lines = [
        f"{line[0]} {line[1:MAX_CHARS]}{' ...' if len(line) > MAX_CHARS else ''}"
        for line in difflib.unified_diff(then.splitlines(), now.splitlines(), lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    more = [f"... and {len(lines) - MAX_LINES} lines more"] if len(lines) > MAX_LINES else []
    return "\n".join([*lines[:MAX_LINES], *more]) or "line ends or blanks at the end"
