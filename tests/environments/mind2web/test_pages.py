"""Pages are read within bounds, cut down without a loss, and shown as AgentBench shows them."""

from __future__ import annotations

import random
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from environments.mind2web.cleaning import clean_page, controls, name_of
from environments.mind2web.page import BadPage, markup_of, nodes_by_id, read_page, reduce_page
from environments.mind2web.pruning import show

TAGS = ("div", "span", "a", "button", "ul", "li", "input", "select", "option", "p", "form")
WORDS = ("buy", "Now &amp; then", "hidden", "http://x.y", "averyveryverylongword indeed", "none", "&quot;quoted&quot;")


def grow(dice: random.Random, depth: int, ids: list[int]) -> str:
    tag, said, inside = dice.choice(TAGS), "", ""
    if dice.random() < 0.93:
        ids[0] += 1
        said = f' backend_node_id="{ids[0]}"'
    for name in dice.sample(
        ["role", "aria_label", "type", "title", "name", "value", "class"], dice.choice([0, 0, 1, 2])
    ):
        said += f' {name}="{dice.choice(WORDS)}"'
    for _ in range(dice.choice([0, 1, 1, 2, 3, 7]) if depth < dice.choice([3, 5, 7]) else 0):
        is_text = dice.random() < 0.35
        inside += f"<text>{dice.choice(WORDS)}</text> " if is_text else grow(dice, depth + 1, ids)
    return f"<{tag}{said}>{inside}</{tag}> "


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_what_is_cut_down_shows_the_same_in_every_round(seed: int) -> None:
    dice, ids = random.Random(seed), [0]
    markup = '<html backend_node_id="0">' + "".join(grow(dice, 0, ids) for _ in range(3)) + "</html>"
    page = read_page(markup)
    there = list(nodes_by_id(page))
    candidates = dice.sample(there, min(len(there), 10))
    less = read_page(markup_of(reduce_page(deepcopy(page), candidates)))
    for size in (1, 3, 5):
        some = dice.sample(candidates, min(size, len(candidates)))
        assert show(less, some) == show(page, some)
    assert set(candidates) <= set(nodes_by_id(less))


SHOWN = (
    '<html backend_node_id="1"> <div backend_node_id="2"> <div backend_node_id="3"> '
    '<button backend_node_id="4" aria_label="Open THE menu" class="btn big"><text>  Menu\n &amp; more </text></button> '
    '<a backend_node_id="5" title="http://x.y/z" type="hidden" role="link"><text>Home</text></a> '
    '</div> </div> <p backend_node_id="6"><text>' + "word " * 30 + '</text></p> <i backend_node_id="7" /> </html>'
)


def test_a_round_shows_a_page_in_the_original_s_form() -> None:
    """The text that AgentBench's own code gave for this page (9b7a46c), once."""
    shown = show(read_page(SHOWN), ["4", "6"])
    assert shown.html == (
        "<html> <div> <button id=0 open the menu btn big>Menu & more</button> <a link>Home</a> </div> "
        f"<p id=1>{' '.join(['word'] * 20)}</p> </html>"
    )
    assert [(choice.element, choice.words) for choice in shown.choices] == [
        ("4", "<button id=0 open the menu btn big>Menu & more</button>"),
        ("6", "<p id=1>word word word word word word word word word"),
    ]


def deep(levels: int) -> str:
    return "".join(f'<a backend_node_id="{n}">' for n in range(levels)) + "</a>" * levels


@pytest.mark.parametrize(
    ("markup", "told"),
    [
        ("", "no XML"),
        ("just words", "no XML"),
        ("<html><a></html>", "no XML"),
        ("<html>", "no XML"),
        (deep(300), "no XML"),
        ("<a>" + "x" * 4_000_001 + "</a>", "characters"),
        ("<a>" + "<b/>" * 100_001 + "</a>", "elements"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ('<!doctype a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        ("<a>&undefined;</a>", "no XML"),
        ('<a b="1" b="2"/>', "no XML"),
    ],
)
def test_a_hostile_page_is_told(markup: str, told: str) -> None:
    with pytest.raises(BadPage, match=told):
        read_page(markup)


@pytest.mark.parametrize("dirt", ["\x00", "\x08", "\ud800", "\uffff", "\udcff"])
def test_what_xml_cannot_hold_is_a_blank(dirt: str) -> None:
    page = read_page(f'<a backend_node_id="1"><text>one{dirt}two</text></a>')
    assert show(page, ["1"]).choices[0].words == "<a id=0>one two</a>"


def test_a_declared_encoding_changes_nothing() -> None:
    page = read_page('<?xml version="1.0" encoding="latin-1"?><a backend_node_id="1"><text>é</text></a>')
    assert "é" in show(page, ["1"]).html


@given(st.text(max_size=120))
def test_any_text_is_a_page_or_is_told(markup: str) -> None:
    try:
        assert read_page(markup) is not None
    except BadPage as error:
        assert str(error)


@given(st.text(max_size=120) | st.text("<>/ab= \"'&;", max_size=80))
def test_any_html_is_cleaned_to_a_page_that_reads(markup: str) -> None:
    try:
        cleaned = clean_page(markup)
    except BadPage:
        return
    again = read_page(markup_of(cleaned.page))
    assert nodes_by_id(again).keys() == nodes_by_id(cleaned.page).keys()


@pytest.mark.parametrize("markup", ["<div>" * 150 + "<button>Go</button>", "<p>" * 9_000], ids=["deep", "many"])
def test_a_large_page_is_cleaned(markup: str) -> None:
    assert len(read_page(markup_of(clean_page(markup).page)))


@pytest.mark.parametrize("markup", ["", "x" * 4_000_001, "<i>" * 5_000, "<b></b>" * 31_000])
def test_a_page_beyond_bounds_is_not_cleaned(markup: str) -> None:
    with pytest.raises(BadPage):
        clean_page(markup)


def test_cleaning_keeps_what_is_said_and_drops_the_rest() -> None:
    page = clean_page(
        '<body onload="x()"><script>evil()</script><style>p{}</style><!-- no --><a href="/x" aria-label="Go on" '
        'data-key="go" style="a">On <b>and</b> on</a><input checked name="news" type=checkbox>'
        "<select name=n><option selected>One<option>Two</select><my-tag>Odd</my-tag></body>"
    )
    markup = markup_of(page.page)
    assert not any(gone in markup for gone in ("evil", "p{}", "no --", "href", "onload", "style", "data-key"))
    assert [name_of(node) for node in controls(page.page)] == ["On and on", "news", "n"]
    assert page.keys == {"go": controls(page.page)[0].get("backend_node_id")}
    assert 'option_selected="true"' in markup and 'input_checked="true"' in markup and "Odd" in markup


def test_a_page_of_four_thousand_elements_is_shown(benchmark_page: etree._Element) -> None:
    names = list(nodes_by_id(benchmark_page))[10:4000:500]
    assert len(show(benchmark_page, names[:5]).choices) == 5


@pytest.fixture(scope="module")
def benchmark_page() -> etree._Element:
    rows = "".join(f"<li><a href=x>Link {n}</a> <span>Words about {n}</span></li>" for n in range(1300))
    return clean_page(f"<ul>{rows}</ul>").page
