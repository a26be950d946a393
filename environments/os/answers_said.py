"""The answer in a reply of the OS world: in parentheses, behind its name, in a block or in the paragraph below."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from environments.dialects.fences import find_fences
from environments.dialects.forms import CUT, NoAct, bounded
from environments.dialects.labels import ANSWER_LABEL, FINAL_LABEL

_PAIRS = {
    "`": "`",
    "“": "”",
    "‘": "’",
    "'": "'",
    "**": "**",
    "\\boxed{": "}",
    "\\text{": "}",
    "$": "$",
}
"""Quotation marks and mark-up that hold a whole answer."""
_FULL_STOP = re.compile(r"(?<=\d)\.\Z")
"""A sentence's end behind a number."""
_BRACKETS = {"(": ")", "[": "]", "（": "）", "{": "}"}


def said_answer(region: Sequence[str], invented: Collection[str], *, is_cut: bool) -> str:
    """Return the answer from what stands behind its name and below.

    Raises:
        NoAct: there is none, or it was cut.
    """
    kept = bounded(region, frozenset(), invented, is_answer=True)
    text = "\n".join(kept).strip()
    opening = text.lstrip(" *_`")
    is_below = not kept[0].strip() and text.endswith(")")
    if (kept[0].strip() and opening[:1] in _BRACKETS) or (is_below and opening.startswith("(")):
        if is_cut and _BRACKETS[opening[0]] not in opening:
            raise NoAct(CUT)
        return plain(in_brackets(opening))
    fences = list(find_fences(kept, frozenset()))
    inline = re.sub(r"^(?:\*+|__+)?[ \t]*(?:[:：=]|[-–—](?=[ ]))?[ \t]*", "", kept[0]).strip()
    if not inline and fences and fences[0].is_closed:
        return plain(fences[0].text)
    below = "\n".join(kept[1:]).strip("\n")
    said = inline or re.split(r"\n[ \t]*\n", below)[0]
    if is_cut and not (below if inline else below[len(said) :]).strip():
        raise NoAct(CUT)
    label = FINAL_LABEL.match(said) or ANSWER_LABEL.match(said)
    said = plain(said[label.end() :] if label else said)
    if not said:
        raise NoAct("`answer` came without an answer")
    return said


def in_brackets(text: str) -> str:
    """Return what the first pair of brackets holds; a bracket too many in it is the answer's own.

    Where none closes it the line is the answer.
    """
    close = _BRACKETS[text[0]]
    depth = 0
    for at, character in enumerate(text):
        depth += (character == text[0]) - (character == close)
        if depth == 0:
            rest = text[at + 1 :].split("\n")[0]
            if close in rest and text[0] not in rest.partition(close)[0]:
                return text[1 : at + 1 + rest.rindex(close)]
            return text[1:at]
    first = text.split("\n")[0]
    return first[1 : first.rindex(close)] if close in first else first[1:]


def plain(text: str) -> str:
    """Take quotation marks and mark-up off that hold the whole answer; inside straight double quotes it is verbatim."""
    text = text.strip()
    while True:
        if len(text) > 1 and text[0] == text[-1] == '"' and ('"' not in text[1:-1] or text[1] == '"'):
            return text[1:-1]
        for opening, closing in _PAIRS.items():
            inner = text[len(opening) : -len(closing)]
            if (
                text.startswith(opening)
                and text.endswith(closing)
                and len(text) > len(opening + closing)
                and closing not in inner
            ):
                text = inner.strip()
                break
        else:
            return _FULL_STOP.sub("", text)
