"""Where a solver stands in its conversation, and the replies it can write there."""

from __future__ import annotations

import ast
import json
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import prompts
from environments.db.families.change import Value
from environments.db.families.words import phrase, words
from schemas.completion import ChatMessage

_SLOT = "\0"
_ERROR = "Error:"
_MOST_CHARS = 20_000

Row = tuple[Value, ...]


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
class Move:
    """One statement of a plan."""

    thought: str
    sql: str

    def reply(self) -> str:
        """Word it as a turn."""
        return f"{self.thought}\n\nAction: Operation\n```sql\n{self.sql}\n```"


@cache
def _frame() -> tuple[str, str, str]:
    """Return what the conversation begins with, and what stands between the problem, the name and the schema."""
    sections = prompts.load("solve_db").sections(problem=_SLOT, database=_SLOT, schema=_SLOT, dialect=_SLOT)
    _, middle, heading, _ = sections[-1].split(_SLOT)
    return sections[0].partition(_SLOT)[0], middle, heading


def locate(messages: Sequence[ChatMessage]) -> Position | None:
    """Find the problem in a conversation; None where it is not one of this world's solver."""
    begin, middle, heading = _frame()
    if not any(m.role == "user" and m.content.startswith(begin) for m in messages[:2]):
        return None
    for index, message in enumerate(messages):
        problem, found, rest = message.content.rpartition(middle)
        if message.role == "user" and found and not message.content.startswith(begin):
            later = messages[index + 1 :]
            seen = tuple(m.content for m in later if m.role == "user")
            replies = sum(m.role == "assistant" for m in later)
            return Position(problem.strip(), rest.partition(heading)[2], replies, seen)
    return None


def answer(thought: str, final: str) -> str:
    """Word the last turn."""
    return f"{thought}\n\nAction: Answer\nFinal Answer: {final}"


def word_rows(rows: Sequence[Row]) -> str:
    """Write rows as the final answer: an item a row, a list where a row has several values."""
    return json.dumps([row[0] if len(row) == 1 else list(row) for row in rows], ensure_ascii=False)


def read_rows(observation: str) -> list[Row] | None:
    """Read an observation's rows, of a cut one those that are whole; None where there are none to read."""
    text = observation[:_MOST_CHARS]
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


def spoil(at: Position, fault: str | None, plan: Sequence[Move], table: str) -> str | None:
    """Write the reply of a fault that ends an episode without an answer worth the name; None where none is due.

    The last move of a plan is never made before `malformed` sets in, nor any but the first with the other two.
    """
    rng = at.rng()
    if fault == "repeats":
        return plan[0].reply()
    if fault == "malformed" and at.turn >= rng.randrange(len(plan)):
        return phrase(rng, "faults", "malformed", table=table)
    if fault == "gives_up" and at.turn >= 1:
        return answer(words()["faults"]["gives_up"][0], '["I do not know"]')
    return None
