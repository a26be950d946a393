"""JSON as models write it, mended where there is one thing it can mean.

json-repair and its like guess: they close what was cut off and drop what they do not understand. What is read here is
run, so that what has two meanings, or an end that never came, is no JSON. JSON5 readers drop the backslash of `\\d`.
"""

from __future__ import annotations

import json
import re
from typing import Any

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_WORDS = {"None": "null", "True": "true", "False": "false"}
MOST_CHARS = 200_000


def read_json(text: str) -> Any:
    """Read JSON, also with trailing commas, single quotes, literal newlines, unknown escapes or Python's words.

    Raises:
        ValueError: it is none, or has more than one meaning.
    """
    if len(text) > MOST_CHARS:
        raise ValueError(f"over {MOST_CHARS} characters")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except ValueError as plain:
        try:
            return json.loads(_mended(text), strict=False)
        except (ValueError, RecursionError):
            raise ValueError(str(plain)) from plain


def json_span(text: str, start: int) -> int | None:
    """Return where the object or list that begins at `start` ends; None = it does not."""
    depth, at = 0, start
    while at < len(text):
        character = text[at]
        if character in "\"'" and (found := _TEXT.match(text, at)):
            at = found.end()
            continue
        depth += (character in "{[") - (character in "}]")
        at += 1
        if depth == 0:
            return at
    return None


def _mended(text: str) -> str:
    parts, at = [], 0
    for found in _TEXT.finditer(text):
        parts += [_outside(text[at : found.start()]), _quoted(found[0])]
        at = found.end()
    return "".join([*parts, _outside(text[at:])])


def _outside(text: str) -> str:
    text = re.sub(r",(\s*[}\]])", r"\1", text)
    return re.sub(r"\b(None|True|False)\b", lambda found: _WORDS[found[1]], text)


def _quoted(text: str) -> str:
    inner = _ESCAPE.sub(_escape, text[1:-1])
    if text[0] == "'":
        inner = re.sub(r'(\\.)|"', lambda found: found[1] or '\\"', inner, flags=re.DOTALL)
    return f'"{inner}"'


def _escape(found: re.Match[str]) -> str:
    said = found[1]
    if said[0] in '"\\/bfnrt' or len(said) > 1:
        return found[0]
    return "'" if said == "'" else "\\\\" + said
