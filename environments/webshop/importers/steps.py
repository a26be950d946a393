"""What somebody clicked, told by the pages that they saw one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from environments.webshop.pages import BACK_TO_SEARCH, BUY, NEXT, PREVIOUS
from schemas.recording import RecordedTurn

Seen = Mapping[str, Any]
"""A page: `page`, `keywords`, `number`, `asin`, `options`, `sub`."""


class Strange(ValueError):
    """A page that no click leads to from the one before it."""


def turns_of(pages: Sequence[Seen]) -> tuple[RecordedTurn, ...]:
    """Return the searches and clicks between pages.

    Raises:
        Strange: there are none that lead from one to the next.
    """
    steps = [step for before, after in pairwise(pages) for step in _between(before, after)]
    return tuple(RecordedTurn(action_kind=kind, action=text) for kind, text in steps)


def _between(before: Seen, after: Seen) -> Iterator[tuple[str, str]]:
    """Yield what leads from a page to the next; a step back in the browser is the clicks that do the same."""
    match after["page"]:
        case "index":
            if before["page"] != "index":
                yield "click", BACK_TO_SEARCH.lower()
        case "search_results":
            yield from _to_results(before, after)
        case "item_page":
            yield from _to_item(before, after)
        case "item_sub_page" if before["page"] == "item_page" and before["asin"] == after["asin"]:
            yield "click", _sub_of(after)
        case "done" if before["page"] in ("item_page", "item_sub_page") and before["asin"] == after["asin"]:
            if before["page"] == "item_sub_page":
                yield "click", PREVIOUS.lower()
            yield "click", BUY.lower()
        case _:
            raise _strange(before, after)


def _to_results(before: Seen, after: Seen) -> Iterator[tuple[str, str]]:
    is_new = before["page"] == "index" or before["keywords"] != after["keywords"]
    if before["page"] == "done" or not after["keywords"]:
        raise _strange(before, after)
    if is_new:
        if before["page"] != "index":
            yield "click", BACK_TO_SEARCH.lower()
        yield "search", after["keywords"]
    elif before["page"] != "search_results":
        yield from [("click", PREVIOUS.lower())] * (1 + (before["page"] == "item_sub_page"))
    ahead = after["number"] - (1 if is_new else before["number"])
    yield from [("click", (NEXT if ahead > 0 else PREVIOUS).lower())] * min(abs(ahead), 10)


def _to_item(before: Seen, after: Seen) -> Iterator[tuple[str, str]]:
    if before["page"] == "search_results":
        yield "click", after["asin"].lower()
    elif before["page"] not in ("item_page", "item_sub_page") or before["asin"] != after["asin"]:
        raise _strange(before, after)
    if before["page"] == "item_sub_page":
        yield "click", PREVIOUS.lower()
    old = {} if before["page"] == "search_results" else before["options"]
    for name, value in after["options"].items():
        if old.get(name) != value:
            yield "click", str(value).lower()


def _sub_of(page: Seen) -> str:
    return str((page["sub"] or ["description"])[0]).lower()


def _strange(before: Seen, after: Seen) -> Strange:
    return Strange(f"from {before['page']} {before['asin']} no click leads to {after['page']} {after['asin']}")
