"""A cleaned page: read within bounds, and cut down to what rounds about some candidates can ever show.

Mind2Web's `cleaned_html` is XML: elements with `backend_node_id` and a few telling attributes, words in `<text>`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from lxml import etree

from environments.mind2web.pruning import keep_around

ID = "backend_node_id"
WORDS = "text"
"""Tag of the elements that hold a page's words."""
MAX_PAGE_CHARS = 4_000_000
"""Of a cleaned page as it comes; the largest that Mind2Web's authors name have some hundred thousand."""
MAX_KEPT_CHARS = 400_000
"""Of a page that a task keeps."""
MAX_NODES = 100_000
_BROKEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class BadPage(ValueError):
    """A page that cannot be read, or is none that is read."""


def read_page(markup: str) -> etree._Element:
    """Parse a cleaned page: no entities of its own, nothing from elsewhere, at most 256 levels (libxml2's own limit).

    Raises:
        BadPage: it is no XML, too long, of too many elements or too deep.
    """
    if len(markup) > MAX_PAGE_CHARS:
        raise BadPage(f"the page has {len(markup):,} characters; {MAX_PAGE_CHARS:,} are read at most")
    if "<!" in markup and re.search(r"<!(?:DOCTYPE|ENTITY)", markup, re.IGNORECASE):
        raise BadPage("the page declares a document type; a cleaned page has none")
    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        page = etree.fromstring(_BROKEN.sub(" ", markup).encode(), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise BadPage(f"the page is no XML: {str(error)[:200]}") from error
    if sum(1 for _ in page.iter()) > MAX_NODES:
        raise BadPage(f"the page has more than {MAX_NODES:,} elements")
    return page


def nodes_by_id(page: etree._Element) -> dict[str, etree._Element]:
    """Return the elements that have an id, the first of each."""
    found: dict[str, etree._Element] = {}
    for node in page.iter(etree.Element):
        if (name := node.get(ID)) is not None:
            found.setdefault(name, node)
    return found


def reduce_page(page: etree._Element, candidates: Collection[str]) -> etree._Element:
    """Drop all that no round about some of these candidates shows; what they show stays the same, to the letter.

    `page` is changed. Kept are whole elements: rounds prune and collapse, each for its own candidates.
    """
    kept = keep_around(nodes_by_id(page), candidates)
    for node in reversed(list(page.iter(etree.Element))):
        parent = node.getparent()
        owner = parent if node.tag == WORDS else node
        if parent is not None and owner.get(ID, "") not in kept:
            parent.remove(node)
    return page


def markup_of(page: etree._Element) -> str:
    """Write a page as XML, its blanks collapsed."""
    markup: str = etree.tostring(page, encoding="unicode", with_tail=False)
    return re.sub(r"\s+", " ", markup)


def words_of(node: etree._Element) -> str:
    """Return all words below an element, in one line."""
    return " ".join(" ".join(text.split()) for text in node.itertext() if text.strip())


def elements(page: etree._Element) -> Iterator[etree._Element]:
    """Yield the elements that are no words, in document order."""
    return (node for node in page.iter(etree.Element) if node.tag != WORDS)


def tags_named(page: etree._Element, names: Iterable[str]) -> list[str]:
    """Return the tags of the elements of these ids, in their order; "" where there is none."""
    known = nodes_by_id(page)
    return [str(known[name].tag) if name in known else "" for name in names]
