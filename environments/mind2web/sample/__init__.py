"""The built-in sites: 24 invented pages, and flows over them whose words are filled from lists."""

from __future__ import annotations

import itertools
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from environments.mind2web.cleaning import Cleaned, clean_page, name_of
from environments.mind2web.page import nodes_by_id
from environments.mind2web.state import GoldStep

FILLINGS = 20
"""Tasks of a flow."""
_FOLDER = Path(__file__).parent


class SitePage(NamedTuple):
    """A page of a site, cleaned."""

    name: str
    title: str
    cleaned: Cleaned


class Site(NamedTuple):
    """An invented site."""

    name: str
    domain: str
    subdomain: str
    pages: Mapping[str, SitePage]
    flows: tuple[Mapping[str, Any], ...]


class FlowStep(NamedTuple):
    """A step of a task: the page it is on, what was done before, what is done now."""

    site: Site
    page: SitePage
    task: str
    previous: tuple[str, ...]
    gold: GoldStep
    source: str
    """Names it: site, flow, the words that were filled in, step."""


@cache
def sites() -> tuple[Site, ...]:
    """Return the built-in sites, by name."""
    return tuple(_site(tomllib.loads(path.read_text(encoding="utf-8"))) for path in sorted(_FOLDER.glob("*.toml")))


def _site(given: Mapping[str, Any]) -> Site:
    around = (str(given["header"]), str(given["footer"]))
    pages = {
        page["name"]: SitePage(page["name"], page["title"], clean_page(f"<body>{around[0]}{page['html']}{around[1]}"))
        for page in given["page"]
    }
    return Site(given["name"], given["domain"], given["subdomain"], pages, tuple(given["flow"]))


def flow_steps() -> Iterator[FlowStep]:
    """Yield every step of every flow, each flow with up to `FILLINGS` choices of words, site by site."""
    for site in sites():
        for number, flow in enumerate(site.flows):
            for words in _fillings(flow["slots"]):
                yield from _steps(site, number, flow, words)


def _fillings(slots: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    """Walk through all choices of words in steps that miss none, so that the first ones differ in every place."""
    every = list(itertools.product(*slots.values()))
    stride = next(one for one in range(int(len(every) * 0.618), 2 * len(every) + 2) if math.gcd(one, len(every)) == 1)
    for number in range(min(FILLINGS, len(every))):
        yield dict(zip(slots, every[number * stride % len(every)], strict=True))


def _steps(site: Site, number: int, flow: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[FlowStep]:
    task, previous, name = flow["task"].format(**words), tuple[str, ...](), "|".join(words.values())
    for index, step in enumerate(flow["steps"]):
        page, op = site.pages[step["page"]], step["op"]
        element = page.cleaned.keys[step["key"].format(**words)]
        value = step.get("value", "").format(**words)
        gold = GoldStep(element=element, op=op, value=value)
        yield FlowStep(site, page, task, previous, gold, f"built-in/{site.name}/{number}/{name}/{index}")
        previous += (represent(page.cleaned, gold),)


def represent(cleaned: Cleaned, gold: GoldStep) -> str:
    """Say in words what was done, as Mind2Web's `action_reprs` do: `[button]  Search -> CLICK`."""
    node = nodes_by_id(cleaned.page)[gold.element]
    done = gold.op if gold.op == "CLICK" else f"{gold.op}: {gold.value}"
    return f"[{_KINDS.get(str(node.tag), str(node.tag))}]  {name_of(node)} -> {done}"


_KINDS = {"a": "link", "input": "textbox", "textarea": "textbox", "select": "combobox"}
