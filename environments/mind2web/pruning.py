"""What of a page a round shows: its candidates, what is above, below and beside them, said in short.

Behaviour of AgentBench's Mind2Web task (THUDM/AgentBench@9b7a46c src/server/tasks/mind2web/data_utils/dom_utils.py),
written anew without recursion: ancestors, 50 descendants down to six levels, three siblings each way; elements that say
nothing and hold one child give way to it; attributes become a few words; ids are counted from 0.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import islice
from typing import NamedTuple

from lxml import etree

DEPTH = 5
"""Levels of descendants below a candidate's children."""
DESCENDANTS = 50
SIBLINGS = 3
CHOICE_WORDS = 10
"""Words of an element that a choice shows."""
_ID, _TEXT = "backend_node_id", "text"
_TEXT_WORDS = 20
_VALUE_WORDS = 5
_WORD_CHARS = 15
_ATTRIBUTES = (
    "role", "aria_role", "type", "alt", "aria_description", "aria_label", "label", "title", "name", "text_value",
    "value", "placeholder", "input_checked", "input_value", "option_selected", "class",
)  # fmt: skip
"""The attributes that are said, in this order."""
_SILENT = {"hidden", "none", "presentation", "null", "undefined"}
_UNESCAPED = (
    ("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&ndash;", "-"), ("&rsquo;", "'"),
    ("&lsquo;", "'"), ("&ldquo;", '"'), ("&rdquo;", '"'), ("&#39;", "'"), ("&#40;", "("), ("&#41;", ")"),
)  # fmt: skip
"""In this order, as the original does."""


class Choice(NamedTuple):
    """A candidate of a round."""

    element: str
    """Its id in the page."""
    words: str
    """How it begins, as the round shows it."""


class Shown(NamedTuple):
    """A page as a round shows it."""

    html: str
    choices: tuple[Choice, ...]
    """In the order of the page: B, C, D, ..."""


def show(page: etree._Element, candidates: Sequence[str]) -> Shown:
    """Word a page around some candidates; those that it does not have are no choices."""
    pruned, numbers = prune(page, candidates), dict[str, int]()
    html = word(pruned, numbers)
    marked = [node for node in pruned.iter(etree.Element) if _ID in node.attrib]
    choices = (Choice(node.get(_ID, ""), " ".join(word(node, numbers).split()[:CHOICE_WORDS])) for node in marked)
    return Shown(html, tuple(choices))


def keep_around(nodes: Mapping[str, etree._Element], candidates: Collection[str]) -> set[str]:
    """Return the ids of the elements that stand around these candidates; "" where one of them has none."""
    kept: set[str] = set()
    for name in candidates:
        node = nodes.get(name)
        if node is None:
            continue
        around = [node, *node.iterancestors(), *islice(_descendants(node), DESCENDANTS), *_siblings(node)]
        kept.update(one.get(_ID, "") for one in around)
    return kept


def _descendants(node: etree._Element) -> Iterator[etree._Element]:
    """Yield what is below, in document order, down to six levels."""
    waiting = [(child, 0) for child in reversed(node)]
    while waiting:
        one, depth = waiting.pop()
        yield one
        if depth < DEPTH:
            waiting += [(child, depth + 1) for child in reversed(one)]


def _siblings(node: etree._Element) -> list[etree._Element]:
    parent = node.getparent()
    if parent is None:
        return []
    beside = [one for one in parent if one.tag != _TEXT]
    place = beside.index(node)
    return beside[max(0, place - SIBLINGS) : place + SIBLINGS + 1]


def prune(page: etree._Element, candidates: Sequence[str]) -> etree._Element:
    """Return a copy with what stands around the candidates; only they keep their ids."""
    nodes: dict[str, etree._Element] = {}
    for node in page.iter(etree.Element):
        if (name := node.get(_ID)) is not None:
            nodes.setdefault(name, node)
    kept, chosen = keep_around(nodes, candidates), set(candidates)
    copy = deepcopy(page)
    for node in reversed(list(copy.iter(etree.Element))):
        parent = node.getparent()
        owner = parent if node.tag == _TEXT and parent is not None else node
        name = owner.get(_ID, "")
        if name not in kept and parent is not None:
            parent.remove(node)
            continue
        if name not in chosen or node.tag == _TEXT:
            node.attrib.pop(_ID, None)
        if parent is not None and _says_nothing(node):
            for child in list(node):
                node.addprevious(child)
            parent.remove(node)
    return copy


def _says_nothing(node: etree._Element) -> bool:
    """Whether an element only wraps one other, or nothing."""
    return not node.attrib and node.tag != _TEXT and len(node) <= 1 and all(child.tag != _TEXT for child in node)


def word(page: etree._Element, numbers: dict[str, int]) -> str:
    """Write an element and what is below as tags whose attributes are a few words, in one line.

    `numbers` are the ids that were given so far; new ones are added.
    """
    copy = deepcopy(page)
    for node in copy.iter(etree.Element):
        if node.tag == _TEXT:
            node.text = " ".join((node.text or "").split()[:_TEXT_WORDS])
            continue
        name, said = node.get(_ID), _said(node)
        node.attrib.clear()
        if name is not None:
            node.attrib["id"] = str(numbers.setdefault(name, len(numbers)))
        if said:
            node.attrib["meta"] = said
    text: str = etree.tostring(copy, encoding="unicode").replace('"', " ")
    text = text.replace("meta= ", "").replace("id= ", "id=").replace(" >", ">")
    text = re.sub(r"<text>(.*?)</text>", r"\1", text)
    for escaped, plain in _UNESCAPED:
        text = text.replace(escaped, plain)
    return re.sub(r"\s+", " ", text).strip()


def _said(node: etree._Element) -> str:
    """Return what an element's attributes say: five words of each, none twice, twenty in all."""
    seen: dict[str, None] = {}
    for name in _ATTRIBUTES:
        value = (node.get(name) or "").lower()
        if value in _SILENT or value.startswith("http"):
            continue
        words = " ".join([one for one in value.split() if len(one) < _WORD_CHARS][:_VALUE_WORDS])
        if words:
            seen.setdefault(words)
    return " ".join(" ".join(seen).split()[:_TEXT_WORDS])
