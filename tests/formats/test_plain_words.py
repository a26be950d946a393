"""Words of others in cells, notes and pages: what a reader of the page sees of them is the words."""

from __future__ import annotations

import html
import re

import pytest
from markdown_it import MarkdownIt

from flows.artifacts import release_page
from formats.plain_words import code, escape, escape_cells
from formats.releases.dataset_card import render_table
from reports.drift import _markdown_cell
from schemas.release import Release

EVIL = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- away",
    "&lt;b&gt; &copy;",
    "[click](https://evil.example)",
    "![](https://evil.example/pixel.png)",
    "[x]: https://evil.example",
    "[x][y]",
    "<https://evil.example>",
    "see https://evil.example/a?b=c",
    "HTTP://EVIL.example",
    "www.evil.example",
    "javascript:alert(1)",
    "a | b || c \\| d",
    "`code` ``more`` ```",
    "```\nfence",
    "one\ntwo\r\n\r\nthree",
    "# a heading",
    "- an item",
    "+ an item",
    "* an item",
    "1. an item",
    "2) an item",
    "> a quotation",
    "===",
    "---",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "**bold** ~~gone~~ $x$",
    "\\`\\<\\[ backslashes \\",
)
PLAIN = ("missing_section", "gpt-3.5", "self_instruct (os)", "0.2 of 12, a: b; c/d", "CC-BY-4.0", "wörter, 言葉", "–")
READER = MarkdownIt("gfm-like", {"html": True, "linkify": False})


def shown(page: str) -> tuple[str, set[str]]:
    """Return the words and the tags of a rendered page."""
    rendered = READER.render(page)
    return html.unescape(re.sub(r"<[^>]*>", "", rendered)).strip(), set(re.findall(r"<(\w+)", rendered))


def flat(words: str) -> str:
    return " ".join(words.split())


@pytest.mark.parametrize("words", EVIL)
def test_in_a_line_the_words_are_shown_and_nothing_else(words):
    text, tags = shown(escape(words))
    assert text == flat(words) and tags <= {"p"}


@pytest.mark.parametrize("words", EVIL)
def test_in_a_table_they_stay_in_their_cell(words):
    page = render_table(("name", words), [(words, 3), ("next", 4)])
    assert len(page.splitlines()) == 4
    text, tags = shown(page)
    assert tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert [flat(line) for line in text.splitlines() if line.strip()] == [
        "name",
        flat(words),
        flat(words),
        "3",
        "next",
        "4",
    ]


@pytest.mark.parametrize("words", EVIL)
def test_in_what_differs_and_in_an_item_they_are_words_too(words):
    cell = _markdown_cell(f"- {words}")
    assert shown(f"| a |\n|---|\n| {cell} |")[1] <= {"table", "thead", "tbody", "tr", "th", "td", "code", "br"}
    assert shown(f"- {escape(words, keep='`')}")[1] <= {"ul", "li", "code"}
    assert shown(f"in {code(words)}")[1] == {"p", "code"}


@pytest.mark.parametrize("words", EVIL)
def test_nothing_becomes_a_link_by_itself(words):
    assert not re.search(r"(?i)(https?|javascript|ftp):|\bwww\.", escape(words))


@pytest.mark.parametrize("words", PLAIN)
def test_ordinary_words_stay_as_they_are(words):
    assert escape(words) == words


def test_what_controls_the_reader_is_replaced():
    assert escape("a\x1b[31mb\u202ec\x00d\ud800") == "a\ufffd\\[31mb\ufffdc\ufffdd\ufffd"


def test_tables_of_the_dashboard_are_escaped_and_their_numbers_kept():
    assert escape_cells([{"reason": "<b>", "rows": 3, "share": None}]) == [
        {"reason": "&lt;b&gt;", "rows": 3, "share": None}
    ]


def test_the_page_of_a_release_holds_a_folder_of_any_name():
    fields = {"release_id": "r", "build": 1, "rows": 3, "shares": (), "notes": ("<b> `x` [l](u)",)}
    page = release_page(Release.model_construct(path='a"b`c|d', **fields))
    assert 'load_dataset("a\\"b`c|d", split="train")' in page and '`` a"b`c|d ``' in page
    assert "\n- &lt;b&gt; `x` \\[l\\](u)" in page
