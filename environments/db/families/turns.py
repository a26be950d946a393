"""Where a solver stands in its conversation, what it reads there, and the ends that its plans share."""

from __future__ import annotations

import ast
import json
import random
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import prompts
from environments.db.families.change import Value
from rehearsals.base import Move
from schemas.message import Message

_SLOT = "\0"
_ERROR = "Error:"
_COUNT = re.compile(r"(?:[\d,]+ rows? changed; )?(?:more than )?[\d,]+ rows? \(.*\)(?:, [\d,]+ shown)?", re.DOTALL)
_NO_ROWS = re.compile(r"(?:0 rows \([^\n]*\)|[\d,]+ rows? changed|Done\.)")
"""How results begin from contract 3 of the prompt on; before it they are the list alone."""
_MOST_CHARS = 20_000

Row = tuple[Value, ...]
GIVES_UP = Move(
    "I do not see how this can be worked out from the tables, so I stop here.", "answer", '["I do not know"]'
)


@dataclass(frozen=True)
class Position:
    """What a solver knows at its next turn."""

    problem: str
    schema: str
    turn: int
    """Replies given so far."""
    observations: tuple[str, ...]
    """What came back, oldest first."""

    @property
    def has_failed(self) -> bool:
        """Whether the last statement was refused."""
        return bool(self.observations) and self.observations[-1].startswith(_ERROR)

    def rng(self) -> random.Random:
        """Return the problem's own source of choices, the same in every turn."""
        return random.Random(zlib.crc32(self.problem.encode()))


@dataclass(frozen=True)
class _Frame:
    """The fixed stretches of a solver's prompt."""

    role: str
    """Of the first message: `system` where tools are called, `user` where all is said in words."""
    begin: str
    end: str
    """Of the first message; the world's rules may follow it."""
    middle: str
    """Stands between the problem and the database's name."""
    heading: str
    """Stands between that and the schema."""

    def locate(self, messages: Sequence[Message]) -> Position | None:
        first = next((m for m in messages if m.role == self.role), None)
        if first is None or not (first.content.startswith(self.begin) and self.end in first.content):
            return None
        for index, message in enumerate(messages):
            problem, found, rest = message.content.rpartition(self.middle)
            if message.role == "user" and found and message is not first:
                later = messages[index + 1 :]
                seen = tuple(m.content for m in later if m.role in ("user", "tool"))
                replies = sum(m.role == "assistant" for m in later)
                return Position(problem.strip(), rest.partition(self.heading)[2], replies, seen)
        return None


@cache
def _frames() -> tuple[_Frame, ...]:
    frames = []
    slots = {"problem": _SLOT, "database": _SLOT, "schema": _SLOT, "dialect": _SLOT}
    _, middle, heading, _ = prompts.load("solve_db").sections(**slots)[-1].split(_SLOT)  # as the world words a task
    for name, role in (("solve_db", "user"), ("solve_db_tools", "system")):
        begin, _, end = prompts.load(name).sections(**slots)[0].partition(_SLOT)
        frames.append(_Frame(role, begin, end, middle, heading))
    return tuple(frames)


def locate(messages: Sequence[Message]) -> Position | None:
    """Find the problem in a conversation; None where it is not one of this world's solver."""
    return next((found for frame in _frames() if (found := frame.locate(messages))), None)


def word_rows(rows: Sequence[Row]) -> str:
    """Write rows as the final answer: an item a row, a list where a row has several values."""
    return json.dumps([row[0] if len(row) == 1 else list(row) for row in rows], ensure_ascii=False)


def read_rows(observation: str) -> list[Row] | None:
    """Read an observation's rows, of a cut one those that are whole; None where there are none to read."""
    count, _, listed = observation[:_MOST_CHARS].partition(":\n")
    if _NO_ROWS.fullmatch(observation):
        return []
    text = listed.partition(", ... ")[0] if _COUNT.fullmatch(count) else observation[:_MOST_CHARS]
    text += "]" if listed and not text.endswith("]") else ""
    rows = _literal(text)
    if rows is None and text.startswith("[("):
        rows = _literal(text[: text.rfind("), (")] + ")]")
    if not isinstance(rows, list) or not all(isinstance(row, tuple) for row in rows):
        return None
    return rows


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def spoil(at: Position, fault: str | None, plan: Sequence[Move]) -> Move | None:
    """Make the move of a fault that ends an episode without an answer worth the name; None where none is due.

    The last move of a plan is never made before `malformed` sets in, nor any but the first with the other two.
    """
    if fault == "repeats":
        return plan[0]
    if fault == "malformed" and at.turn >= at.rng().randrange(len(plan)):
        return replace(plan[-1], raw=f"The next thing to do is to run this and see what comes back: {plan[-1].text}")
    return GIVES_UP if fault == "gives_up" and at.turn >= 1 else None
