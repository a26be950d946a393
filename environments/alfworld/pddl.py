"""PDDL text as nested tuples of lower-case words, as Fast Downward reads it: as much as the household needs."""

from __future__ import annotations

import re
from collections.abc import Iterator

Expression = str | tuple["Expression", ...]
_TOKEN = re.compile(r"[()]|[^\s();]+|;[^\n]*")
MOST_DEPTH = 60
"""Brackets within brackets: the household's goals need a dozen."""


class UnreadablePddl(ValueError):
    """A text is no PDDL that is read here; the text says where."""


def read_expression(text: str) -> Expression:
    """Read the one expression of a text.

    Raises:
        UnreadablePddl: brackets do not match, nothing is there, or something follows.
    """
    open_: list[list[Expression]] = [[]]
    for number, token in enumerate(_tokens(text)):
        if token == "(":
            if len(open_) > MOST_DEPTH:
                raise UnreadablePddl(f"more than {MOST_DEPTH} brackets within one another")
            open_.append([])
        elif token == ")":
            if len(open_) == 1:
                raise UnreadablePddl(f"word {number + 1} closes a bracket that was never opened")
            closed = tuple(open_.pop())
            open_[-1].append(closed)
        else:
            open_[-1].append(token)
    if len(open_) > 1:
        raise UnreadablePddl(f"{len(open_) - 1} brackets are never closed")
    if len(open_[0]) != 1:
        raise UnreadablePddl(f"one expression is expected, {len(open_[0])} are there")
    return open_[0][0]


def write_expression(expression: Expression) -> str:
    """Write an expression on one line; `read_expression` reads the same."""
    return expression if isinstance(expression, str) else f"({' '.join(map(write_expression, expression))})"


def sections_of(problem: Expression) -> dict[str, tuple[Expression, ...]]:
    """Return a problem's parts by name (`:objects`, `:init`, `:goal`), without it.

    Raises:
        UnreadablePddl: it is no `(define (problem ...) ...)`.
    """
    if isinstance(problem, str) or len(problem) < 2 or problem[0] != "define":
        raise UnreadablePddl("no (define (problem ...) ...)")
    return {str(part[0]): part[1:] for part in problem[1:] if isinstance(part, tuple) and part}


def typed(words: tuple[Expression, ...]) -> Iterator[tuple[str, str]]:
    """Yield each word of a typed list (`a b - type c - other`) with its type; `object` where none is said."""
    waiting: list[str] = []
    given = iter(words)
    for word in given:
        if word == "-":
            type_ = str(next(given, "object"))
            yield from ((one, type_) for one in waiting)
            waiting = []
        else:
            waiting.append(str(word))
    yield from ((one, "object") for one in waiting)


def _tokens(text: str) -> Iterator[str]:
    return (token.lower() for token in _TOKEN.findall(text) if not token.startswith(";"))
