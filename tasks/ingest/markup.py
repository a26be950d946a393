"""Mends the texts of chats that were copied from pages: HTML, code fences, what the page itself said.

After FastChat's clean_sharegpt.py (its patterns are named where they are), which parses every message as HTML. Here
only marked-up prose is parsed: a question about HTML, code in a fence and `a < b` stay as they are.
"""

from __future__ import annotations

import functools
import html
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import NamedTuple

_PROSE = "p|div|ul|ol|table|pre|h[1-6]|blockquote|b|strong|i|em|code|a|s|del|sub|sup|span|u|li"
_OPENING = re.compile(rf"<({_PROSE})(?:\s[^<>]*)?>", re.IGNORECASE)
_CLOSING = re.compile(rf"</({_PROSE})\s*>", re.IGNORECASE)
_BREAK = re.compile(r"(?<![ \t])[ \t]*+<br\s*/?>\n?", re.IGNORECASE)
_WHOLE = re.compile(
    r"\A\s*<(?:p|div|ul|ol|table|pre|h[1-6]|blockquote)[\s>].*</[a-z0-9]+\s*>\s*\Z", re.DOTALL | re.IGNORECASE
)
_IS_CODE = re.compile(
    r"<(?:!doctype|html|head|body|script|style|form|input|button(?![^<>]*>\s*Copy)|template|nav|section|svg|link|meta)\b"
    r"|\son\w+\s*=|</?[a-z]+-[a-z]|\{\{",
    re.IGNORECASE,
)
"""What is written about HTML, and is no prose marked up with it."""
_CODE = re.compile(r"```.*?(?:```|\Z)|``.*?``|`[^`\n]*`", re.DOTALL)
_PRE = re.compile(r"<(pre)\b[^<>]*>", re.IGNORECASE)
_PRE_CODE = re.compile(r"<(code)\b[^<>]*>", re.IGNORECASE)
_LANGUAGE = re.compile(r"language-([\w+#.-]+)")
_TAG = re.compile(r"<[^<>]*>")
_COPIED_FENCE = re.compile(r"```[ \t]*+\n?[ \t]*+([\w+#.-]*?)[ \t]*+(?:Copy code)+(?!Copy code)(.*?)```", re.DOTALL)
"""FastChat's code_lang_pattern, whose language may be anything between two fences: here it is a word."""
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.MULTILINE)
_REGENERATED = re.compile(r"\A\s*\d{1,3} / \d{1,3}(?=\s*\n|[A-Z])\s*")
"""FastChat's regenerate_pattern, which takes the fraction from the head of a sum as well."""
_COPIED_CHARS = re.compile(r"Copy\d+ chars / \d+ words")


def mend_html(text: str) -> str:
    """Return the text with marked-up prose as Markdown."""
    if "<" not in text or _IS_CODE.search(text):
        return text
    if _WHOLE.match(text):
        return _convert(text).strip()
    parts, at = [], 0
    for code in _CODE.finditer(text):
        parts += [_mend_prose(text[at : code.start()]), code[0]]
        at = code.end()
    return "".join((*parts, _mend_prose(text[at:])))


def mend_fences(text: str) -> str:
    """Return the text without what a copy button left in its fences, and with a fence closed that nothing closes."""
    if "```" not in text and "~~~" not in text:
        return text
    if "Copy code" in text:
        text = _COPIED_FENCE.sub(_rewrite_fence, text)
    opened = ""
    for mark in _FENCE.findall(text):
        if not opened:
            opened = mark
        elif mark[0] == opened[0] and len(mark) >= len(opened):
            opened = ""
    return f"{text.rstrip()}\n{opened}" if opened else text


def drop_leftovers(text: str) -> str:
    """Return the text without what a chat page wrote around it."""
    if " / " not in text:
        return text
    return _COPIED_CHARS.sub("", _REGENERATED.sub("", text))


MENDERS: dict[str, tuple[str, Callable[[str], str]]] = {
    "html": ("html_to_markdown", mend_html),
    "fences": ("mended_fences", mend_fences),
    "leftovers": ("dropped_leftovers", drop_leftovers),
}
"""By the rule's name: what a row's `repaired` says of it, and what does it; in this order."""


def _mend_prose(text: str) -> str:
    if "<" not in text:
        return text
    return _BREAK.sub("\n", _replace(text, _OPENING, lambda found: _convert(text[found.start : found.end]).strip("\n")))


class _Element(NamedTuple):
    start: int
    end: int
    """Place behind its closing tag."""
    opening: str
    inner: str


def _elements(text: str, opening: re.Pattern[str]) -> Iterator[_Element]:
    """Yield what tags open, up to the next closing tag of that name; what begins within another is not looked at.

    Closing tags are listed once: a text of many openings that nothing closes is not read to its end for each.
    """
    closings: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for closing in _CLOSING.finditer(text):
        closings[closing[1].lower()].append(closing.span())
    at = 0
    for found in opening.finditer(text):
        later = closings[found[1].lower()]
        number = bisect_left(later, (found.end(),))
        if found.start() >= at and number < len(later):
            begin, at = later[number]
            yield _Element(found.start(), at, found[0], text[found.end() : begin])


def _replace(text: str, opening: re.Pattern[str], change: Callable[[_Element], str]) -> str:
    parts, at = [], 0
    for found in _elements(text, opening):
        parts += [text[at : found.start], change(found)]
        at = found.end
    return "".join((*parts, text[at:]))


def _rewrite_fence(found: re.Match[str]) -> str:
    code = found[2].rstrip().lstrip("\n")
    return f"```{found[1]}\n{code}\n```" if code else ""


def _convert(markup: str) -> str:
    return _converter()(_replace(markup, _PRE, _plain_code))


def _plain_code(pre: _Element) -> str:
    """Make a page's box of code (a bar with the language and a copy button, then the code) one element."""
    inner = next(_elements(pre.inner, _PRE_CODE), None)
    attributes, code = (inner.opening, inner.inner) if inner else ("", pre.inner)
    bar = _TAG.sub("", pre.inner[: inner.start]).replace("Copy code", "").strip() if inner else ""
    named = _LANGUAGE.search(attributes)
    language = named[1] if named else bar if re.fullmatch(r"[\w+#.-]{1,20}", bar) else ""
    escaped = html.escape(html.unescape(_TAG.sub("", code)).strip("\n"), quote=False)
    attribute = f' class="language-{language}"' if language else ""
    return f"<pre><code{attribute}>{escaped}\n</code></pre>"


@functools.cache
def _converter() -> Callable[[str], str]:
    # Its public function translates the options anew for every text, which takes twice what converting takes.
    from html_to_markdown import _html_to_markdown as compiled

    options = compiled.ConversionOptions(
        heading_style=compiled.HeadingStyle.ATX,
        code_block_style=compiled.CodeBlockStyle.BACKTICKS,
        extract_metadata=False,
    )
    return lambda markup: compiled.convert(markup, options).content or ""
