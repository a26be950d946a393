"""What an answer may mean: rows of values, in every form that people give them.

`plain_readings` are JSON, Python literals, lines and commas, the whole text first. `readings` adds what chat models
wrap them in: fences, notes, boxes, bold, tables, pairs, sentences. No reading guesses between two answers.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from environments.db.measures import MEASURES
from environments.db.state import is_composable
from environments.db.wrapping import OTHER, PROSE_WORDS, VALUE, is_note, unwrapped

MAX_ANSWER_CHARS = 100_000
_MAX_DEPTH = 32
"""Of lists in lists: a row holds values, and deeper ones only make their text long."""
_DECIMAL = re.compile(r"Decimal\((['\"])([^'\"]*)\1\)")
_BULLET = re.compile(r"\A\s*(?:[-*•]|\d+[.)])\s+")
_PAIR = re.compile(r"(.+?)(?:\s*[:=→]\s*|\s+[-–—]\s+|\s*\((?=[^()]*\)$))([^:=→()]+)\)?")
_NUMBER = re.compile(
    r"(?<![\w.,])[-+−]?[$€£]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\d,]*\d)(?![A-Za-z])(?:\s*%|\s*[€£])?"
)
_VAGUE = re.compile(
    r"\b(?:not|more than|less than|fewer than|at least|at most|about|around|roughly|between|over|under)\b|n't\b",
    re.IGNORECASE,
)
_MAX_SENTENCE = 300


@dataclass(frozen=True)
class Reading:
    """One meaning of an answer."""

    rows: Sequence[Sequence[Any]]
    names: tuple[str, ...] = ()
    """What the answer calls its columns; empty = nothing."""


def readings(answer: str, width: int) -> Iterator[Reading]:
    """Yield what the answer may mean; `width` is the number of values in a row of the right one."""
    seen: set[str] = set()
    for text in unwrapped(answer.strip()[:MAX_ANSWER_CHARS]):
        if text and text not in seen:
            seen.add(text)
            yield from plain_readings(text, width, parse_float=Written)
            yield from _further(text, width)


class Written(str):
    """A number of an answer as it is written: `1.10` keeps its zero."""


def plain_readings(answer: str, width: int, *, parse_float: Callable[[str], Any]) -> Iterator[Reading]:
    """Yield an answer's meanings as JSON, a Python literal, lines or commas; the whole text first."""
    text = answer.strip()[:MAX_ANSWER_CHARS]
    for part in dict.fromkeys((text, *_first_line(text), text.strip("`").strip())):
        value = _literal(part, parse_float)
        if isinstance(value, (list, tuple, dict)):
            yield from _structured(value, width)
        if not part.startswith(("[", "(", "{")):  # `1,174` is a number too, not only a Python tuple
            yield from _bare(part, width)


def _further(text: str, width: int) -> Iterator[Reading]:
    value = _literal(text, Written)
    if isinstance(value, dict) and len(value) == 1 and isinstance(inner := next(iter(value.values())), (list, dict)):
        yield from _structured(inner, width)
    yield from _table(text)
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
    values = [_literal(line, Written) for line in lines]
    if len(lines) > 1 and all(isinstance(value, (list, tuple, dict)) for value in values):
        yield from _structured(values, width)
    if width == 2:
        yield from _pairs(lines)
    if width == 1:
        yield from _sentence(text)
        yield from _lines_of_texts(lines)


def _lines_of_texts(lines: Sequence[str]) -> Iterator[Reading]:
    """Yield one value a line, after a line that announces them."""
    if len(lines) > 1 and lines[0].endswith(":") and not OTHER.search(lines[0]):
        yield Reading([(line,) for line in lines[1:]])


def _table(text: str) -> Iterator[Reading]:
    """Yield the rows of a Markdown table, under the names of its head."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rule = next((i for i, line in enumerate(lines) if i and _is_rule(line)), None)
    if rule is None or "|" not in lines[rule - 1] + lines[rule]:
        return
    end = next((i for i in range(rule + 1, len(lines)) if "|" not in lines[i]), len(lines))
    if is_note("\n".join((*lines[: rule - 1], *lines[end:]))):
        yield Reading([_split_row(line) for line in lines[rule + 1 : end]], tuple(_split_row(lines[rule - 1])))


def _is_rule(line: str) -> bool:
    return "-" in line and not line.strip("-:| ") and all("-" in part for part in line.strip("| ").split("|"))


def _split_row(line: str) -> tuple[str, ...]:
    inner = line[1:] if line.startswith("|") else line
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return tuple(part.strip().replace("\\|", "|") for part in re.split(r"(?<!\\)\|", inner))


def _pairs(lines: Sequence[str]) -> Iterator[Reading]:
    """Yield `cargo: 6, child: 4`, on one line or on several, as rows of two."""
    parts = [lines] if len(lines) > 1 else [re.split(r"[,;]\s+", lines[0])] if lines else []
    for items in parts:
        found = [_PAIR.fullmatch(item.strip(" ,;")) if len(item) <= _MAX_SENTENCE else None for item in items]
        if all(found):
            yield Reading([(match[1].strip(), match[2].strip()) for match in found if match])


def _sentence(text: str) -> Iterator[Reading]:
    """Yield the one number of a sentence, its measure with it."""
    if len(text) > _MAX_SENTENCE or "\n" in text or text.startswith(("[", "{", "(")):
        return
    found = list(_NUMBER.finditer(text))
    if len(found) != 1 or len(text.split()) < PROSE_WORDS or OTHER.search(text) or _VAGUE.search(text):
        return
    start, end = found[0].span()
    if not re.search(r"\d", text[:start] + text[end:]):
        after = re.match(r"\s*([A-Za-z°]+)", text[end:])
        measure = after[1] if after and after[1].lower() in MEASURES else ""
        yield Reading([(f"{found[0].group().strip()} {measure}".strip(),)])


def _first_line(text: str) -> tuple[str, ...]:
    """Return the first line where what follows is prose: with a second answer in it, there is not one answer."""
    first, _, rest = text.partition("\n")
    lines = [line for line in rest.splitlines() if line.strip()]
    is_prose = all(len(line.split()) >= PROSE_WORDS and not VALUE.search(line) for line in lines)
    return (first.strip(),) if is_prose else ()


def _literal(text: str, parse_float: Callable[[str], Any]) -> Any:
    value = _parsed(text, parse_float)
    return value if _is_shallow(value) else None


def _is_shallow(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        nested = [one for one in level if isinstance(one, (list, tuple, dict, set))]
        level = [inner for one in nested for inner in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return True
    return False


def _parsed(text: str, parse_float: Callable[[str], Any]) -> Any:
    try:
        return json.loads(text, parse_float=parse_float)
    except (ValueError, RecursionError):
        pass
    if not is_composable(text):
        return None  # Python's own parser composes names
    try:
        # MySQL drivers print exact numbers as Decimal('59.6'); agents copy that (agenttuning.md 2.3).
        return ast.literal_eval(_DECIMAL.sub(r"'\2'", text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _structured(value: Any, width: int) -> Iterator[Reading]:
    if isinstance(value, dict):
        yield from _object(value, width)
        return
    items = list(value)
    names = tuple(map(str, items[0])) if items and isinstance(items[0], dict) else ()
    if names and all(isinstance(item, dict) and set(map(str, item)) == set(names) for item in items):
        by_name = [{str(key): one for key, one in item.items()} for item in items]
        yield Reading([tuple(item[name] for name in names) for item in by_name], names)
        return
    rows = [_row(item) for item in items]
    yield Reading(rows)
    if width > 1 and all(len(row) == 1 for row in rows):
        yield Reading([tuple(one for row in rows for one in row)])


def _object(value: Mapping[Any, Any], width: int) -> Iterator[Reading]:
    names, items = tuple(map(str, value)), list(value.values())
    if not any(isinstance(item, (list, tuple, dict)) for item in items):
        yield Reading([tuple(items)], names)
        if width == 2:
            yield Reading(list(zip(names, items, strict=True)))
        if width != 1:
            return
    yield Reading([_row(item) for item in items])


def _row(item: Any) -> tuple[Any, ...]:
    values = list(item.values()) if isinstance(item, dict) else item
    return tuple(values) if isinstance(values, (list, tuple)) else (values,)


def _bare(text: str, width: int) -> Iterator[Reading]:
    lines = [_BULLET.sub("", line).strip() for line in text.splitlines() if line.strip()]
    if width == 1:
        yield Reading([(text,)])
        yield Reading([(line,) for line in lines])
        for separator in (";", ","):
            parts = text.replace("\n", separator).split(separator)
            yield Reading([(part,) for part in parts if part.strip()])
        return
    for separator in ("|", "\t", ";", ","):
        yield Reading([tuple(line.strip("|()[] ").split(separator)) for line in lines])
