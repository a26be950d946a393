"""Marked-up prose becomes Markdown; code, comparisons and questions about HTML stay to the letter."""

from __future__ import annotations

import pytest

from schemas.cleaning import CleaningConfig
from tasks.ingest.markup import drop_leftovers, mend_fences, mend_html
from tasks.ingest.mend import mend_texts

BOX = (
    '<div class="markdown prose"><p>Here:</p><pre><div class="bg-black"><div class="flex"><span>python</span>'
    '<button class="flex">Copy code</button></div><div class="p-4"><code class="!whitespace-pre hljs">'
    '<span class="hljs-keyword">if</span> a &lt; b_c:\n    <span>print</span>(a)\n</code></div></div></pre></div>'
)


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("<p>Hello <b>world</b>, a_b * c</p>", "Hello **world**, a_b * c"),
        ("<p>One</p>\n<p>Two</p>", "One\n\nTwo"),
        ("<ul><li>x</li><li>y</li></ul>", "- x\n- y"),
        ("Take the <strong>red</strong> one<br>and go.", "Take the **red** one\nand go."),
        (
            'Line one\nLine two: <a href="http://x.y/z">this</a>\n- item',
            "Line one\nLine two: [this](http://x.y/z)\n- item",
        ),
        (BOX, "Here:\n\n```python\nif a < b_c:\n    print(a)\n```"),
        (
            "Use <em>this</em>:\n```html\n<p>stays</p>\n```\nand `<b>`.",
            "Use *this*:\n```html\n<p>stays</p>\n```\nand `<b>`.",
        ),
    ],
)
def test_marked_up_prose_becomes_markdown(text: str, mended: str) -> None:
    assert mend_html(text) == mended


@pytest.mark.parametrize(
    "text",
    [
        "Is a < b and c > d?",
        "List<String> names = new ArrayList<>();",
        "What does <div> do?",
        "```html\n<div><p>Hi</p></div>\n```",
        "Mend this: <html><body><p>Hi</body></html>",
        "<script>alert('<b>x</b>')</script>",
        '<form action="/x"><p>Name</p></form>',
        "<my-element><p>Hi</p></my-element>",
        "An open fence:\n```\n<p>Hi</p>",
        "<image>\nWhat is it?",
    ],
)
def test_code_and_questions_about_html_stay_to_the_letter(text: str) -> None:
    assert mend_html(text) == text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("```\npythonCopy codeprint(1)\n```", "```python\nprint(1)\n```"),
        ("```pythonCopy code\nprint(1)\n```", "```python\nprint(1)\n```"),
        ("See:\n```\nCopy code\n```\nthere", "See:\n\nthere"),
        ("```c\nint x;", "```c\nint x;\n```"),
        ("~~~\nx\n```\n", "~~~\nx\n```\n~~~"),
        ("````md\n```\nx\n```\n", "````md\n```\nx\n```\n````"),
    ],
)
def test_fences_are_mended(text: str, mended: str) -> None:
    assert mend_fences(text) == mended


@pytest.mark.parametrize("text", ["```c\nint x;\n```", "no fence", "inline ```x``` code", "```\na\n```\n\n```\nb\n```"])
def test_whole_fences_stay_to_the_letter(text: str) -> None:
    assert mend_fences(text) == text


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("2 / 2\n\nSure.", "Sure."),
        ("1 / 3Sure.", "Sure."),
        ("print(1)Copy120 chars / 20 words", "print(1)"),
        ("1 / 2 + 1 / 3 = 5 / 6", "1 / 2 + 1 / 3 = 5 / 6"),
        ("3 / 4 of them", "3 / 4 of them"),
    ],
)
def test_what_a_page_left_is_dropped_and_fractions_stay(text: str, mended: str) -> None:
    assert drop_leftovers(text) == mended


LONG = 500_000
REPEATED = {
    "elements that nothing closes": ("<div>", "", ""),
    "closed by another": ("<div>", "", "</p>"),
    "marks within marks": ("<b><i>", "", ""),
    "boxes of code": ("<pre>", "<div>", "</div>"),
    "code in boxes": ("<code>", "<div><pre>", "</pre></div>"),
    "blanks before a break": (" \t", "<", ""),
    "blanks in a copied fence": (" \n", "```a Copy code", ""),
    "copy buttons": ("Copy code", "```a", ""),
    "copied fences": ("```a Copy code\n", "", "x"),
    "comparisons": ("<", "", ""),
    "entities": ("&lt;", "<p>", "</p>"),
    "list items": ("<li>a", "<ul>", "</ul>"),
    "tables": ("<table><tr><td>", "", "</table>"),
}
"""What a chat may repeat (unit, before, behind): a rule that goes on to the end for each one takes hours over it."""


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("unit", "before", "behind"), REPEATED.values(), ids=REPEATED)
def test_a_long_chat_holds_no_import_up(unit: str, before: str, behind: str) -> None:
    text = before + unit * (LONG // len(unit)) + behind
    texts, _ = mend_texts([text, text], CleaningConfig())
    assert len(texts) == 2
