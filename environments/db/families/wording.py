"""Changes in words, and back: one sentence for each operation, recognised by the same words.

Names stand in backticks, texts in double quotes. A ticket before the sentence keeps two requests on one table apart.
"""

from __future__ import annotations

import random
import re

from environments.db.families.change import Assignment, Change, Condition, Value

_NAME, _VALUE = r"`([^`]+)`", r'("[^"]*"|NULL|-?\d+(?:\.\d+)?)'
_IS = {
    "=": "is",
    "<>": "is not",
    ">": "is above",
    "<": "is below",
    ">=": "is at least",
    "<=": "is at most",
    "after": "is later than",
    "before": "is earlier than",
}
_PERCENT = " percent, rounded to two decimals"
_DO = {
    "set": ("set", "to", ""),
    "add": ("raise", "by", ""),
    "cut": ("lower", "by", ""),
    "raise_percent": ("raise", "by", _PERCENT),
    "cut_percent": ("lower", "by", _PERCENT),
}
_ITEM = re.compile(rf"{_NAME} {_VALUE}")
_CONDITION = re.compile(rf"{_NAME} ({'|'.join(_IS.values())}) {_VALUE}")
_ASSIGNMENT = re.compile(rf"(set|raise|lower) {_NAME} (?:to|by) {_VALUE}({_PERCENT})?")
_INSERT = re.compile(rf"Add to {_NAME}: (.+)\.\Z")
_UPDATE = re.compile(rf"In {_NAME}, (.+) where (.+)\.\Z")
_DELETE = re.compile(rf"Delete from {_NAME} where (.+)\.\Z")
_TICKET = re.compile(r"\ATicket [a-z]+-[a-z]+-[a-z]+-\d+\. ")
_SYLLABLES = ("ba", "du", "fe", "gi", "ko", "lu", "mi", "no", "pa", "re", "so", "ti", "va", "wo", "zu")


def word_name(name: str) -> str:
    """Write a table's or column's name."""
    return f"`{name}`"


def word_value(value: Value) -> str:
    """Write a value: texts in double quotes."""
    return f'"{value}"' if isinstance(value, str) else "NULL" if value is None else repr(value)


def word_problem(change: Change, rng: random.Random) -> str:
    """Say in one sentence what is to be changed, under a ticket of its own."""
    ticket = "-".join("".join(rng.choices(_SYLLABLES, k=3)) for _ in range(3))
    return f"Ticket {ticket}-{rng.randrange(100, 10_000)}. {word_change(change)}"


def word_change(change: Change) -> str:
    """Say in one sentence what is to be changed."""
    table = word_name(change.table)
    where = " and ".join(f"{word_name(c.column)} {_IS[c.comparison]} {word_value(c.value)}" for c in change.where)
    if change.operation == "INSERT":
        row = ", ".join(f"{word_name(a.column)} {word_value(a.value)}" for a in change.assignments)
        return f"Add to {table}: {row}."
    if change.operation == "DELETE":
        return f"Delete from {table} where {where}."
    return f"In {table}, {' and '.join(map(_word_assignment, change.assignments))} where {where}."


def _word_assignment(assignment: Assignment) -> str:
    verb, to, rounding = _DO[assignment.kind]
    return f"{verb} {word_name(assignment.column)} {to} {word_value(assignment.value)}{rounding}"


def read_change(problem: str) -> Change | None:
    """Recognise a change that was worded here; None where the words are somebody else's."""
    sentence = _TICKET.sub("", problem)
    if found := _INSERT.match(sentence):
        row = (Assignment(column, _read_value(value)) for column, value in _ITEM.findall(found[2]))
        change = Change("INSERT", found[1], tuple(row))
    elif found := _UPDATE.match(sentence):
        change = Change("UPDATE", found[1], _read_assignments(found[2]), _read_conditions(found[3]))
    elif found := _DELETE.match(sentence):
        change = Change("DELETE", found[1], (), _read_conditions(found[2]))
    else:
        return None
    return change if word_change(change) == sentence else None


def _read_assignments(text: str) -> tuple[Assignment, ...]:
    kinds = {(verb, rounding): kind for kind, (verb, _, rounding) in _DO.items()}
    found = _ASSIGNMENT.findall(text)
    return tuple(Assignment(c, _read_value(value), kinds[verb, rounding]) for verb, c, value, rounding in found)


def _read_conditions(text: str) -> tuple[Condition, ...]:
    comparisons = {words: comparison for comparison, words in _IS.items()}
    return tuple(Condition(c, comparisons[words], _read_value(value)) for c, words, value in _CONDITION.findall(text))


def _read_value(text: str) -> Value:
    if text == "NULL":
        return None
    return text[1:-1] if text.startswith('"') else float(text) if "." in text else int(text)
