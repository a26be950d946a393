"""From HTML to a cleaned page, within bounds: elements get ids, words get an element of their own, most attributes go.

The form is Mind2Web's: `aria-label` is `aria_label`, scripts and styles are gone, what is hidden has no words.
"""

from __future__ import annotations

from typing import NamedTuple

from lxml import etree, html

from environments.mind2web.page import ID, MAX_PAGE_CHARS, WORDS, BadPage, words_of

KEY = "data-key"
"""Attribute by which a page's author names an element; it does not stay."""
_GONE = {"script", "style", "noscript", "template", "iframe", "object", "embed", "meta", "link", "base"}
_KEPT = {
    "alt", "aria_description", "aria_label", "aria_role", "class", "label", "name", "placeholder", "role", "title",
    "type", "value",
}  # fmt: skip
_CONTROLS = {"a", "button", "input", "select", "textarea"}
_ROLES = {"button", "link", "tab", "option", "menuitem", "checkbox", "radio", "combobox", "searchbox", "textbox"}
MAX_NODES = 30_000
"""Elements of a page in HTML."""
MAX_DEPTH = 200
"""Levels of a page; libxml2 writes none that it does not read again (256)."""


class Cleaned(NamedTuple):
    """A page and what its author named."""

    page: etree._Element
    keys: dict[str, str]
    """Ids by the author's names."""


def clean_page(markup: str) -> Cleaned:
    """Clean a page.

    Raises:
        BadPage: it is empty, too long, of too many elements or too deep.
    """
    if len(markup) > MAX_PAGE_CHARS:
        raise BadPage(f"the page has {len(markup):,} characters; {MAX_PAGE_CHARS:,} are read at most")
    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        source = html.document_fromstring(markup.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError) as error:
        raise BadPage(f"the page is no HTML: {str(error)[:200]}") from error
    page, keys, number = etree.Element("html"), dict[str, str](), 0
    waiting = [(source, page, 0)]
    while waiting:
        old, new, depth = waiting.pop()
        new.set(ID, str(number))
        number += 1
        if number > MAX_NODES or depth > MAX_DEPTH:
            raise BadPage(f"the page has more than {MAX_NODES:,} elements or {MAX_DEPTH} levels")
        _attributes(old, new)
        if (key := old.get(KEY)) is not None:
            keys.setdefault(key, new.get(ID, ""))
        _add_words(new, old.text)
        below = []
        for child in old:
            if isinstance(child.tag, str) and child.tag not in _GONE:
                below.append((child, etree.SubElement(new, _tag(child.tag)), depth + 1))
            _add_words(new, child.tail)
        waiting += reversed(below)
    _space(page)
    return Cleaned(page, keys)


def controls(page: etree._Element) -> list[etree._Element]:
    """Return the elements that something can be done with, in document order."""
    return [node for node in page.iter(etree.Element) if node.tag in _CONTROLS or node.get("role") in _ROLES]


def name_of(node: etree._Element) -> str:
    """Return what people call a control: its label, its words, or what stands in it."""
    for attribute in ("aria_label", "placeholder", "name", "title", "value"):
        if node.tag in ("input", "select", "textarea") and node.get(attribute):
            return str(node.get(attribute))
    return words_of(node) or node.get("aria_label") or node.get("title") or str(node.tag)


def options_of(node: etree._Element) -> list[str]:
    """Return the options of a list."""
    return [words_of(option) for option in node.iter("option")]


def _tag(tag: str) -> str:
    return tag if tag.isidentifier() else "div"


def _attributes(old: etree._Element, new: etree._Element) -> None:
    for name, value in old.attrib.items():
        plain, value = str(name).replace("-", "_").lower(), " ".join(str(value).split())
        if plain in _KEPT and value and not (plain == "class" and old.tag != "svg"):
            new.set(plain, _safe(value))
    if "selected" in old.attrib:
        new.set("option_selected", "true")
    if "checked" in old.attrib:
        new.set("input_checked", "true")


def _add_words(parent: etree._Element, text: str | None) -> None:
    words = _safe(" ".join((text or "").split()))
    if words:
        etree.SubElement(parent, WORDS).text = words


def _safe(text: str) -> str:
    """Leave out what XML cannot hold."""
    return "".join(one for one in text if one >= " " and not "\ud800" <= one <= "\udfff" and one not in "\ufffe\uffff")


def _space(page: etree._Element) -> None:
    """Set elements apart by blanks, as in the recorded pages."""
    for node in page.iter(etree.Element):
        node.tail = " "
        if len(node):
            node.text = " "
    page.tail = None
