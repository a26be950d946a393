"""Changes in words, and back: the same phrases that word a change recognise it.

Names stand in backticks, texts in double quotes; both, and numbers, are taken out before a sentence is compared with
the phrases, so recognising is a lookup of what is left (`in \1, set \1 to \2 for the row whose \1 is \2.`).
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import cache

from environments.db.families.change import Assignment, Change, Condition, Operation, Value
from environments.db.families.words import fill, phrase, words

_NAME, _VALUE = "\1", "\2"
_LITERAL = re.compile(r"`([^`]+)`|\"([^\"]*)\"|(?<![\w.])(-?\d+(?:\.\d+)?)(?!\w)|\b(NULL)\b")
_SENTENCE_END = re.compile(r"[.?!](?= |$)")
_SLOT = re.compile(r"\{(\w+)\}")


def word_name(name: str) -> str:
    """Write a table's or column's name."""
    return f"`{name}`"


def word_value(value: Value) -> str:
    """Write a value: texts in double quotes."""
    return f'"{value}"' if isinstance(value, str) else "NULL" if value is None else repr(value)


def word_change(change: Change, rng: random.Random) -> str:
    """Say in one sentence what is to be changed."""
    core = rng.choice(words()[change.operation.lower()]["cores"])
    slots = {"table": word_name(change.table)}
    if change.operation == "INSERT":
        slots["list"] = _word_list(change.assignments, rng)
    else:
        slots["rows"] = rng.choice(words()["rows"]["one" if change.is_single else "many"])
        slots["where"] = " and ".join(_word_one(rng, "where", c.comparison, c.column, c.value) for c in change.where)
        slots["do"] = " and ".join(_word_one(rng, "update", a.kind, a.column, a.value) for a in change.assignments)
    return _capital(core.format(**slots))


def _capital(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _word_one(rng: random.Random, group: str, name: str, column: str, value: Value) -> str:
    return phrase(rng, group, name, c=word_name(column), v=word_value(value))


def _word_list(assignments: tuple[Assignment, ...], rng: random.Random) -> str:
    lists = words()["lists"]
    names = [word_name(a.column) for a in assignments]
    values = [word_value(a.value) for a in assignments]
    style = rng.random()
    if style < 0.75:
        pair, (separator, last) = rng.choice(lists["pairs"]), rng.choice(lists["separators"])
        items = [pair.format(c=c, v=v) for c, v in zip(names, values, strict=True)]
        return str(last).join(filter(None, (separator.join(items[:-1]), items[-1])))
    kind = "columns_first" if style < 0.9 else "values_first"
    return fill(rng, rng.choice(lists[kind]), cs=", ".join(names), vs=", ".join(values))


@dataclass(frozen=True)
class _Core:
    operation: Operation
    pattern: re.Pattern[str]
    literal: str


@dataclass(frozen=True)
class _Literals:
    """What was taken out of a sentence, in order."""

    names: list[str]
    values: list[Value]
    skeleton: str

    def cut(self, start: int, end: int) -> tuple[list[str], list[Value]]:
        """Return the names and values that stood in a stretch of the skeleton."""
        before, piece = self.skeleton[:start], self.skeleton[start:end]
        first, one = before.count(_NAME), before.count(_VALUE)
        return (
            self.names[first : first + piece.count(_NAME)],
            self.values[one : one + piece.count(_VALUE)],
        )


def read_change(problem: str) -> Change | None:
    """Recognise a change that one of our phrases asks for; None where the words are somebody else's."""
    literals = _take_out(problem)
    first, last = _first(literals.skeleton), max(literals.skeleton.rfind(_NAME), literals.skeleton.rfind(_VALUE))
    if first is None:
        return None
    ends = [m.end() for m in _SENTENCE_END.finditer(literals.skeleton)]
    start = max((e for e in ends if e <= first), default=0)
    stop = min((e for e in ends if e > last), default=len(literals.skeleton))
    for core in _cores():
        if core.literal in literals.skeleton:
            found = core.pattern.fullmatch(literals.skeleton, start, stop)
            change = found and _assemble(core.operation, found, literals)
            if change:
                return change
    return None


def _first(skeleton: str) -> int | None:
    found = [at for at in (skeleton.find(_NAME), skeleton.find(_VALUE)) if at >= 0]
    return min(found, default=None)


def _take_out(problem: str) -> _Literals:
    names: list[str] = []
    values: list[Value] = []

    def replace(found: re.Match[str]) -> str:
        name, text, number, _ = found.groups()
        if name is not None:
            names.append(name)
            return _NAME
        values.append(text if text is not None else _number(number) if number is not None else None)
        return _VALUE

    skeleton = _LITERAL.sub(replace, problem)
    return _Literals(names, values, skeleton)


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


@cache
def _cores() -> tuple[_Core, ...]:
    operations: tuple[Operation, ...] = ("INSERT", "UPDATE", "DELETE")
    return tuple(_compile(o, text) for o in operations for text in words()[o.lower()]["cores"])


def _compile(operation: Operation, text: str) -> _Core:
    rows = "|".join(words()["rows"]["one"] + words()["rows"]["many"])
    shapes = {"table": f"(?P<table>{_NAME})", "rows": f"(?P<rows>(?i:{rows}))"}
    parts = _SLOT.split(text)
    out = [(re.escape(part) if i % 2 == 0 else shapes.get(part, f"(?P<{part}>.+?)")) for i, part in enumerate(parts)]
    return _Core(operation, re.compile(r"\s*" + "".join(out)), max(parts[::2], key=len))


def _assemble(operation: Operation, found: re.Match[str], literals: _Literals) -> Change | None:
    (table,), _ = literals.cut(*found.span("table"))
    if operation == "INSERT":
        names, values = literals.cut(*found.span("list"))
        if not names or len(names) != len(values):
            return None
        row = tuple(Assignment(c, v) for c, v in zip(names, values, strict=True))
        return Change("INSERT", table, row)
    where = _read_pieces(found, "where", literals, "where")
    do = _read_pieces(found, "do", literals, "update") if operation == "UPDATE" else []
    if not where or do is None:
        return None
    return Change(
        operation,
        table,
        tuple(Assignment(column, value, kind) for kind, column, value in do),
        tuple(Condition(column, comparison, value) for comparison, column, value in where),
        found["rows"].lower() in words()["rows"]["one"],
    )


def _read_pieces(
    found: re.Match[str], slot: str, literals: _Literals, group: str
) -> list[tuple[str, str, Value]] | None:
    """Read phrases joined by `and`; each holds one name and one value."""
    names, values = literals.cut(*found.span(slot))
    pieces = found[slot].split(" and ")
    known = _skeletons(group)
    if not len(names) == len(values) == len(pieces) or any(piece not in known for piece in pieces):
        return None
    return [(known[p], c, v) for p, c, v in zip(pieces, names, values, strict=True)]


@cache
def _skeletons(group: str) -> dict[str, str]:
    """Return what is left of a group's phrases without names and values -> kind."""
    return {
        text.format(c=_NAME, v=_VALUE): kind
        for kind, texts in words()[group].items()
        if kind != "cores"
        for text in texts
    }
