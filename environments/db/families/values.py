"""New values in the manner of a column: a date near the dates shown, a price in their range, a name like theirs."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from environments.db.families.brief import Field, Table
from environments.db.families.change import Value

_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(.*)", re.DOTALL)
_DIGIT = re.compile(r"\d")
_EARLIEST_YEAR, _LATEST_YEAR = 1800, 2100


def is_date(value: Value) -> bool:
    """Whether a value is a date, with or without a time, written year first."""
    return isinstance(value, str) and _DATE.match(value) is not None


def are_years(numbers: Sequence[int | float]) -> bool:
    """Whether numbers look like years, which nobody raises by seven."""
    return min(numbers) > _EARLIEST_YEAR and max(numbers) < _LATEST_YEAR


def new_key(shown: Sequence[Value], rng: random.Random) -> Value:
    """Return a key that no row is likely to have: far from those shown."""
    last = next((value for value in reversed(shown) if value is not None), 0)
    if isinstance(last, str):
        digits = "".join(rng.choice("0123456789") for _ in range(6))
        return f"{_DIGIT.sub('', last)[:12]}{digits}"
    return int(last) + rng.randrange(20_000, 900_000)


def new_value(table: Table, field: Field, rng: random.Random) -> Value:
    """Return a value that fits the column and its neighbours; NULL only where it may be."""
    shown = [row[field.name] for row in table.rows]
    known = [value for value in shown if value is not None]
    if not known or (field.is_nullable and rng.random() < 0.12):
        return None if field.is_nullable else _from_nothing(field, rng)
    like = rng.choice(known)
    if field.foreign_table is not None:
        return like
    if isinstance(like, str):
        return _new_text(table, field, like, rng)
    numbers = [value for value in known if not isinstance(value, str)]
    return _new_number(numbers, rng)


def _from_nothing(field: Field, rng: random.Random) -> Value:
    return rng.randrange(1, 100) if field.kind in ("int", "real", "numeric") else rng.choice(("new", "spare", "other"))


def _new_text(table: Table, field: Field, like: str, rng: random.Random) -> str:
    found = _DATE.match(like)
    if found:
        year, _, _, time = found.groups()
        return f"{year}-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}{time}"
    if _DIGIT.search(like):
        return _DIGIT.sub(lambda _: rng.choice("123456789"), like)
    return _recombined(field, like, [str(row[field.name]) for row in table.rows if row[field.name]], rng)


def _recombined(field: Field, like: str, known: Sequence[str], rng: random.Random) -> str:
    """Titles and names get a new combination of words; anything else is a category, and stays one of those shown."""
    first = like.split(" ")
    last = rng.choice(known).split(" ")
    if field.name.lower() in ("name", "title") and len(first) > 1 and len(last) > 1:
        return " ".join([*first[:-1], last[-1]])
    return like


def _new_number(known: Sequence[int | float], rng: random.Random) -> int | float:
    low, high = min(known), max(known)
    if any(isinstance(value, float) for value in known):
        decimals = max(len(repr(float(value)).partition(".")[2]) for value in known)
        return round(rng.uniform(low, high * 1.2 + (high == low)), min(decimals, 2))
    if {low, high} <= {0, 1}:
        return rng.randrange(2)
    if are_years(known):
        return rng.randrange(int(low), int(high) + 1)
    return rng.randrange(int(low), int(high) + max(int(high) - int(low), 5) + 1)
