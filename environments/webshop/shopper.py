"""The offline teacher's shopper: reads the page at hand, knows the built-in shelves, goes wrong where it is told to."""

from __future__ import annotations

import ast
import random
import re
import zlib
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import prompts
from environments.webshop.product import Product
from environments.webshop.sample import products, shelves
from environments.webshop.search import words_of
from rehearsals.base import Move
from schemas.message import Message

FAULTS = ("wrong_value", "other_form", "repeats", "malformed")
"""What can go wrong, or only look wrong (`other_form`), with a wish that it knows."""
FAULTS_UNKNOWN = ("repeats", "malformed")
_WISH = re.compile(r"\A(?:Observation:\n)?WebShop \[SEP\] Instruction: \[SEP\] (.*?) \[SEP\] Search\n", re.DOTALL)
_ACTIONS = re.compile(r"\n\nAvailable Actions:\n(\{.*\})\s*\Z", re.DOTALL)
_LIMIT = re.compile(r"(\d+(?:\.\d+)?)\s*dollars", re.IGNORECASE)
_MOST_PAGES = 4


class Visit(NamedTuple):
    """Where the shopper stands."""

    wish: str
    turn: int
    """Replies given so far."""
    page: str
    clickables: tuple[str, ...]
    said: tuple[str, ...]
    """Its own replies, oldest first."""


class Plan(NamedTuple):
    """What the shopper means to buy."""

    keywords: str
    asin: str
    """Lower case; empty = the first that looks like it."""
    options: tuple[str, ...]


@cache
def _beginnings() -> tuple[tuple[str, int], tuple[str, int]]:
    """How the two forms of a conversation begin, and how many messages stand before the first page."""
    text = prompts.load("solve_webshop").sections(observation="", world={})
    tools = prompts.load("solve_webshop_tools").sections(problem="", world={})
    return (text[0].partition("\n")[0], len(text) - 1), (tools[0].partition("\n")[0], len(tools) - 1)


def locate(messages: Sequence[Message]) -> Visit | None:
    """Find the wish in a conversation; None where it is not one of this world's solver."""
    (text, before), (tools, ahead) = _beginnings()
    first = messages[0]
    at = ahead if first.role == "system" and first.content.startswith(tools) else before
    if len(messages) <= at or not first.content.startswith((text, tools)):
        return None
    wish = _WISH.match(messages[at].content)
    if wish is None:
        return None
    later = messages[at + 1 :]
    said = tuple(m.content + "".join(c.arguments for c in m.tool_calls) for m in later if m.role == "assistant")
    seen = messages[-1].content
    actions = _ACTIONS.search(seen)
    return Visit(wish[1], len(said), seen, _clickables(actions[1]) if actions else (), said)


def _clickables(text: str) -> tuple[str, ...]:
    try:
        return tuple(ast.literal_eval(text)["clickables"])
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError):
        return ()


@lru_cache(maxsize=4096)
def recognise(wish: str) -> Plan | None:
    """Return what to buy for a wish about the built-in shelves; None where it is about something else."""
    words = set(words_of(wish))
    kinds = [kind for kind in shelves() if set(words_of(kind["query"])) <= words]
    for kind in sorted(kinds, key=lambda kind: -len(kind["query"])):
        rest = wish.lower().replace(kind["query"], " ")
        traits = [trait for trait in kind["traits"] if trait in rest]
        values = _values_said(rest, kind["options"], traits)
        limit = max(map(float, _LIMIT.findall(wish)), default=float("inf"))
        for product in products():
            if product.query == kind["query"] and set(traits) <= set(product.attributes) and product.price <= limit:
                chosen = [value for value in values if any(value in own for own in product.options.values())]
                if len(chosen) == len(values) and traits:
                    keywords = " ".join([kind["query"], *traits, *values])
                    return Plan(keywords, product.asin.lower(), tuple(chosen))
    return None


def _values_said(wish: str, options: dict[str, list[str]], traits: Sequence[str]) -> list[str]:
    """Return the values that a wish names beside its option's name (`size 8`): a bare `8` may be anything."""
    said = []
    for name, values in options.items():
        found = [value for value in values if re.search(rf"\b{re.escape(name)} {re.escape(value)}(?![\w|])", wish)]
        said += sorted(found, key=len)[-1:]
    return said


def move(visit: Visit, fault: str | None) -> Move:
    """Make the next move."""
    plan = recognise(visit.wish) or Plan(" ".join(words_of(visit.wish)[:12]), "", ())
    if fault == "wrong_value":
        plan = _wrong(visit, plan)
    made = _next(visit, plan)
    if fault == "repeats":
        return _next(visit._replace(clickables=("search",), turn=0), plan)
    if fault == "malformed" and visit.turn >= _dice(visit).randrange(3):
        return _unreadable(made)
    return Move(made.thought, made.kind, made.text.upper()) if fault == "other_form" and visit.turn else made


def _unreadable(made: Move) -> Move:
    return Move(made.thought, made.kind, made.text, raw=f"I would now look at {made.text} and then decide.")


def _dice(visit: Visit) -> random.Random:
    return random.Random(zlib.crc32(visit.wish.encode()))


def _wrong(visit: Visit, plan: Plan) -> Plan:
    """Choose a thing of another category that has nothing of what is wished for."""
    right = next((one for one in products() if one.asin.lower() == plan.asin), None)
    others = [one for one in products() if right and one.category != right.category and not _shares(one, right)]
    other = _dice(visit).choice(others) if others else None
    return plan if other is None else Plan(other.title.lower(), other.asin.lower(), ())


def _shares(one: Product, other: Product) -> bool:
    own, others = (set(words_of(" ".join(product.attributes))) for product in (one, other))
    return bool(own & others)


def _next(visit: Visit, plan: Plan) -> Move:
    clickables = visit.clickables
    if "buy now" in clickables:
        chosen = [value for value in plan.options if value in clickables and not _has_said(visit, value)]
        if chosen:
            return Move(f"The wish is for {chosen[0]}, so I choose that.", "click", chosen[0])
        return Move("All that was wished for is chosen, so I buy it.", "click", "buy now")
    products_here = [one for one in clickables if re.fullmatch(r"b0\w{8}|\w{10}", one)]
    if plan.asin in products_here:
        return Move("This one fits the wish; I open its page.", "click", plan.asin)
    if products_here and ("next >" not in clickables or visit.turn >= _MOST_PAGES or not plan.asin):
        return Move("The first of these comes nearest to the wish.", "click", products_here[0])
    if products_here:
        return Move("What I look for is not on this page, so I turn to the next one.", "click", "next >")
    if "search" in clickables or not visit.turn:
        return Move("I search for the kind of thing and what it is to be like.", "search", plan.keywords)
    return Move("That led nowhere; I go back to the search.", "click", "back to search")


def _has_said(visit: Visit, value: str) -> bool:
    """Whether one of the replies since the product was opened clicks on a value."""
    return any(f"[{value}]" in said.lower() or f'"{value}"' in said.lower() for said in visit.said)
