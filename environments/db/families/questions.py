"""Reading questions: what the offline teacher knows how to ask, and what it tries where it knows nothing.

Its skill is the built-in sample: it knows which SQL answers those questions. Any other question gets an honest attempt
from the schema alone.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from functools import cache, lru_cache

from environments.db.families.brief import read_schema
from environments.db.families.change import Value, quote_name
from environments.db.families.turns import GIVES_UP, Position, Row, read_rows, spoil, word_rows
from environments.db.sample import Question, load_questions, open_database
from rehearsals.base import Move

FAULTS = ("wrong_value", "no_action", "other_form", "repeats", "malformed", "gives_up")
"""What can go wrong, or only look wrong (`other_form`), in a question that it knows."""
FAULTS_UNKNOWN = ("repeats", "malformed", "gives_up")

_FROM = re.compile(r"\b(?:FROM|JOIN) (\w+)")
_CLAUSE = re.compile(r"(?<!INNER) (?=(?:FROM|JOIN|INNER JOIN|WHERE|GROUP BY|HAVING|ORDER BY|LIMIT)\b)")
_WORD = re.compile(r"[a-z0-9]+")
_DIGIT_AT_END = re.compile(r"\d\Z")


@cache
def _known() -> dict[str, Question]:
    return {question["question"]: question for question in load_questions()}


@lru_cache(maxsize=4096)
def recognise_question(problem: str) -> Question | None:
    """Find the sample's question in a problem, whatever hint stands around it."""
    known = _known()
    return known.get(problem) or next((q for text, q in known.items() if text in problem), None)


@cache
def expected_rows(question: str) -> tuple[Row, ...]:
    """Return what the gold SQL gives on the sample, run by the standard library alone.

    Raises:
        KeyError: it is not one of the sample's questions.
    """
    record = _known()[question]
    return tuple(_database(record["db_id"]).execute(record["SQL"]))


@cache
def _database(db_id: str) -> sqlite3.Connection:
    return open_database(db_id)


def solve_question(at: Position, question: Question, fault: str | None) -> Move:
    """Make the next move on a question that it knows."""
    if fault == "no_action":
        rows = expected_rows(question["question"])
        return Move("I can tell this without looking at the data.", "answer", word_rows(rows))
    plan = _plan(at, question["SQL"])
    if (spoiled := spoil(at, fault, plan)) is not None:
        return spoiled
    return plan[at.turn] if at.turn < len(plan) else _conclude(at, question, fault)


def _plan(at: Position, sql: str) -> list[Move]:
    rng = at.rng()
    look = Move("I look at a few rows first.", "sql", f"SELECT * FROM {rng.choice(_tables(sql))} LIMIT 3")
    query = Move("Now one query gives what was asked.", "sql", _CLAUSE.sub("\n", sql))
    return [look, query] if rng.random() < 0.7 else [query]


def _tables(sql: str) -> list[str]:
    return list(dict.fromkeys(_FROM.findall(sql)))


def _conclude(at: Position, question: Question, fault: str | None) -> Move:
    rows = read_rows(at.observations[-1]) if at.observations else None
    if rows is None:
        return GIVES_UP
    final = word_rows(rows)
    if fault == "wrong_value":
        final = word_rows(_falsify(rows, at.observations))
    elif fault == "other_form":
        final = at.rng().choice(other_forms(rows, question))
    return Move("The query returned the answer.", "answer", final)


def _falsify(rows: list[Row], observations: Sequence[str]) -> list[Row]:
    """Change the last value of the first row: a text becomes another one that was seen, where there is one."""
    if not rows:
        return [(1,)]
    *kept, last = rows[0]
    seen = (v for text in observations for row in read_rows(text) or () for v in row)
    return [(*kept, _another(last, [v for v in seen if isinstance(v, str)])), *rows[1:]]


def _another(value: Value, seen: Sequence[str]) -> Value:
    if value is None or isinstance(value, int):
        return (value or 0) + 2 + abs(value or 0) // 7
    if isinstance(value, float):
        return round(value * 1.2 + 1.5, 2)
    if value in ("yes", "no"):
        return "yes" if value == "no" else "no"
    if _DIGIT_AT_END.search(value):
        return value[:-1] + str((int(value[-1]) + 1) % 10)
    return next((text for text in seen if text != value), f"{value} and others")


def other_forms(rows: Sequence[Row], question: Question) -> list[str]:
    """Return the right answer in forms that are right too: as Python writes it, columns turned, units, separators."""
    forms = [repr([tuple(row) for row in rows])]
    if len(rows[0]) > 1:
        forms.append(word_rows([tuple(reversed(row)) for row in rows]))
    if len(rows) == len(rows[0]) == 1:
        forms += _forms_of_one(rows[0][0], question)
    return forms


def _forms_of_one(value: Value, question: Question) -> list[str]:
    if isinstance(value, str):
        return [json.dumps([value + "\n"], ensure_ascii=False), json.dumps([f"'{value}'"], ensure_ascii=False)]
    forms: list[Callable[[], str | None]] = [
        lambda: f'["{value:,}"]' if isinstance(value, (int, float)) and value >= 1000 else None,
        lambda: f'["{value}%"]' if "percent" in question["question"] else None,
        lambda: f'["{value} {_tables(question["SQL"])[0]}"]' if _counts_one_table(question["SQL"]) else None,
        lambda: f'["{value}\\n"]',
    ]
    return [form for make in forms if (form := make()) is not None]


def _counts_one_table(sql: str) -> bool:
    return sql.startswith("SELECT COUNT(*) FROM") and len(_tables(sql)) == 1 and "_" not in _tables(sql)[0]


def attempt(at: Position, fault: str | None) -> Move:
    """Try a problem that it does not know: ask the table whose words the problem shares most, and answer with that."""
    table = _closest_table(at)
    if table is None:
        return GIVES_UP
    counts = "how many" in at.problem.lower() or "number of" in at.problem.lower()
    sql = f"SELECT {'COUNT(*)' if counts else '*'} FROM {quote_name(table)}{'' if counts else ' LIMIT 3'}"
    look = Move("This table shares most words with the question.", "sql", sql)
    if (spoiled := spoil(at, fault, [look])) is not None:
        return spoiled
    if at.turn == 0:
        return look
    rows = read_rows(at.observations[-1]) if at.observations else None
    return Move("That is all I need to answer.", "answer", word_rows(rows[:1]) if rows else "[]")


def _closest_table(at: Position) -> str | None:
    asked = set(_WORD.findall(at.problem.lower()))
    best: tuple[int, str | None] = (-1, None)
    for table in read_schema(at.schema):
        own = _WORD.findall(" ".join((table.name, *(f.name for f in table.fields))).lower())
        score = len(asked & ({*own} | {word.rstrip("s") for word in own}))
        best = max(best, (score, table.name), key=lambda pair: pair[0])
    return best[1]
