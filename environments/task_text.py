"""A made-up task as models write it: parts under headings, some of them code.

Headings of any level, bold, numbered or bare, text on their line, code in any fence or none. Of several whole tasks the
last counts: a draft comes first. What is not understood has a reason that says what is missing.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from environments.code_blocks import Block, BlockReader, Passage, has_open_quote, to_last_fence
from environments.dialects.thoughts import without_reasoning
from environments.task_headings import SYNONYMS, Heading, heading_in, heading_pattern
from schemas.rejection import Refusal

MAX_SECTION_CHARS = 8000
"""A section longer than this is no task for an episode's turns."""
_WRAPPERS = re.compile(
    r"^[ \t]*</?(?:response|answer|output|reply|task|final|result)>[ \t]*(?=$|[#*<])", re.MULTILINE | re.IGNORECASE
)
_RULE = re.compile(r"\s*(?:(?:-\s*){3,}|(?:\*\s*){3,}|(?:_\s*){3,}|={3,}|</?\w+>)\s*")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NOTHING = re.compile(
    r"\b(?:none|no|not|nothing|n/?a|without|empty|unnecessary|nil|needn'?t|isn'?t|doesn'?t)\b|无|不需"
    r"|なし|不要|\b(?:нет|не)\b|\b(?:ning|sin|kein)",
    re.IGNORECASE,
)
_NONE = re.compile(
    r"\W*(?:none|n/?a|nothing|empty|nil|no|not (?:needed|required|necessary|applicable))?\W*", re.IGNORECASE
)
_ASIDE = re.compile(
    r"\b(?:verif\w*|check\w*|confirm\w*|test\w*|prints?|outputs?|result\w*|expected|shows?|see"
    r"|alternativ\w*|equivalent\w*|after(?:wards)?|note|example)\b",
    re.IGNORECASE,
)
_PROSE = re.compile(r"\s*(?:[A-Z][\w'’]*,? (?:[\w'’`-]+[,;:]? )+.*[.!?:)]|[A-Z][\w'’-]+[.!?]|\*\*\w+.*)\s*")


class _Mark(NamedTuple):
    place: int
    """Among the lines and blocks."""
    heading: Heading


class Sections:
    """A reply under headings: which there are, which hold one code block, which may be blank, how long one may be."""

    def __init__(
        self,
        titles: Sequence[str],
        *,
        code: Collection[str],
        may_be_blank: Collection[str],
        most_chars: int = MAX_SECTION_CHARS,
        plain_code: re.Pattern[str] | None = None,
    ) -> None:
        """`titles` are lower case, in the order in which a missing one is told; `initialisation` takes a z, too.

        `plain_code` matches the beginning of a text that is code though no fence says so.
        """
        self._titles, self._code, self._may_be_blank, self._most = tuple(titles), code, may_be_blank, most_chars
        self._plain_code = plain_code
        own = {title: title.replace("lisation", "li[sz]ation") + "s?" for title in titles}
        self._own = heading_pattern(own)
        self._any = heading_pattern({title: "|".join((word, SYNONYMS.get(title, word))) for title, word in own.items()})

    @property
    def titles(self) -> tuple[str, ...]:
        """The parts, in their order."""
        return self._titles

    @property
    def code(self) -> Collection[str]:
        """Those that hold code."""
        return self._code

    @property
    def patterns(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """What begins a heading: by the parts' own words, and by other words for them, too."""
        return self._own, self._any

    def read(self, reply: str) -> dict[str, Block] | Refusal:
        """Cut a reply; headings inside code blocks are code. A text is a block without a language.

        Reasons: missing_section, repeated_section, empty_section, no_code_block, several_blocks, unclosed_block,
        too_long, control_characters.
        """
        lines = _WRAPPERS.sub("", without_reasoning(reply).lstrip("\ufeff")).split("\n")
        first: Refusal | None = None
        for pattern in (self._own, self._any):
            for closing, heredocs in ((False, True), (True, True), (True, False)):
                found = self._read_lines(lines, pattern, closing, heredocs)
                if not isinstance(found, Refusal) or found.reason not in ("missing_section", "unclosed_block"):
                    return found
                first = first or found
        return first or Refusal("missing_section", "no heading")

    def _read_lines(
        self, lines: Sequence[str], pattern: re.Pattern[str], closing: bool, heredocs: bool
    ) -> dict[str, Block] | Refusal:
        def title_of(line: str) -> str | None:
            heading = heading_in(line, pattern)
            return heading.title if heading else None

        read = BlockReader(lines, title_of, self._code, headings_close=closing, heredocs=heredocs)
        pieces = read.read()
        marks = [
            _Mark(i, heading)
            for i, piece in enumerate(pieces)
            if piece.block is None and not piece.is_quoted and (heading := heading_in(piece.text, pattern))
        ]
        chosen = self._choose(marks)
        if isinstance(chosen, Refusal):
            is_open = any(piece.block and not piece.block.is_closed for piece in pieces)
            if is_open and chosen.reason == "missing_section":
                return Refusal("unclosed_block", f"a code block is never closed, and there is {chosen.detail}")
            return chosen
        parts: dict[str, Block] = {}
        for mark, end in chosen:
            title = mark.heading.title
            inside = [Passage(-1, mark.heading.rest), *pieces[mark.place + 1 : end]]
            between = lines[pieces[mark.place].number + 1 : pieces[end].number if end else None]
            part = self._read_code(title, inside, between) if title in self._code else _read_text(inside, between)
            if isinstance(part, Refusal):
                return part
            if problem := self._problem_of(title, part):
                return problem
            parts[title] = part
        return {title: parts[title] for title in self._titles}

    def _choose(self, marks: Sequence[_Mark]) -> list[tuple[_Mark, int | None]] | Refusal:
        """Return the headings of the last whole task, each with where its part ends."""
        styles = dict.fromkeys(mark.heading.style for mark in marks)
        drafts = [draft for style in styles for draft in self._drafts([m for m in marks if m.heading.style == style])]
        whole = [draft for draft in drafts if len(draft) == len(self._titles)]
        if not whole:
            drafts = self._drafts(marks)
            whole = [draft for draft in drafts if len(draft) == len(self._titles)]
        if not whole:
            return self._missing(marks, drafts)
        last = max(whole, key=lambda draft: draft[0].place)
        begun = [mark for mark in marks if mark.place > last[-1].place and mark.heading.style == last[0].heading.style]
        if begun:
            return Refusal("repeated_section", f"{begun[0].heading.title} stands there once more after a whole task")
        return list(zip(last, [*(mark.place for mark in last[1:]), None], strict=True))

    def _drafts(self, marks: Sequence[_Mark]) -> list[list[_Mark]]:
        """Cut headings where one comes again that was there."""
        drafts: list[list[_Mark]] = []
        for mark in marks:
            if not drafts or any(mark.heading.title == other.heading.title for other in drafts[-1]):
                drafts.append([])
            drafts[-1].append(mark)
        return drafts

    def _missing(self, marks: Sequence[_Mark], drafts: Sequence[Sequence[_Mark]]) -> Refusal:
        there = {mark.heading.title for mark in marks}
        missing = [title.capitalize() for title in self._titles if title not in there]
        if len(drafts) > 1 and not (missing and len(there) > len(self._titles) - len(missing)):
            return Refusal("repeated_section", f"{drafts[1][0].heading.title} stands there twice")
        return Refusal("missing_section", f"no heading {', '.join(missing)}")

    def _problem_of(self, title: str, part: Block) -> Refusal | None:
        text = part.code
        if not text.strip() and title not in self._may_be_blank:
            return Refusal("empty_section", f"{title} is empty")
        if len(text) > self._most:
            return Refusal("too_long", f"{title} has {len(text)} characters; {self._most} are allowed")
        return Refusal("control_characters", f"{title} holds control characters") if _CONTROL.search(text) else None

    def _read_code(self, title: str, inside: Sequence[Passage], between: Sequence[str]) -> Block | Refusal:
        blocks = list(_own_blocks(inside))
        if len(blocks) == 1:
            return blocks[0]
        if len(blocks) > 1 and has_open_quote(blocks[0].code):
            return to_last_fence(between)
        if len(blocks) > 1:
            return Refusal("several_blocks", f"{title} has {len(blocks)} code blocks, one is expected")
        text = "\n".join(_without_rules([line.text for line in inside]))
        if not text.strip() or (title in self._may_be_blank and _NONE.fullmatch(text.strip())):
            return Block("")
        inline = re.fullmatch(r"(?:[^`\n]*\s)?(`{1,2})([^`\n]+)\1[^`\n]*", text.strip())
        if inline and inline[0].strip("`.") == inline[2]:
            return Block("", [inline[2].strip()])
        if self._plain_code and self._plain_code.match(text):
            return Block("", _without_remarks(textwrap.dedent(text).split("\n")))
        if title in self._may_be_blank and len(text) < 300 and _NOTHING.search(text):
            return Block("")
        if inline and " " in inline[2].strip():
            return Block("", [inline[2].strip()])
        return Refusal("no_code_block", f"{title} has no code block")


def _read_text(inside: Sequence[Passage], between: Sequence[str]) -> Block:
    """Read a part that is text, whole as it was written; one that stands in a fence as a whole comes without it."""
    blocks = [line.block for line in inside if line.block]
    if len(blocks) == 1 and not any(line.text.strip() for line in inside if line.block is None):
        return Block("", blocks[0].lines)
    return Block("", _without_rules([inside[0].text, *between]))


def _without_rules(lines: Sequence[str]) -> list[str]:
    kept = list(lines)
    while kept and (not kept[0].strip() or _RULE.fullmatch(kept[0])):
        kept.pop(0)
    while kept and (not kept[-1].strip() or _RULE.fullmatch(kept[-1])):
        kept.pop()
    return kept


def _without_remarks(lines: Sequence[str]) -> list[str]:
    """Cut prose off the end of code that no fence ends."""
    for index, line in enumerate(lines):
        ends = index and (not lines[index - 1].strip() or lines[index - 1].rstrip().endswith(";"))
        if ends and _PROSE.fullmatch(line):
            return _without_rules(lines[:index])
    return list(lines)


def _own_blocks(inside: Sequence[Passage]) -> Iterator[Block]:
    """Yield a part's blocks but for those after the first that only show or try something."""
    said = ""
    is_first = True
    for line in inside:
        if line.block is None:
            if not is_first and re.match(r"\s*#{1,6}\s", line.text):
                return
            said += line.text
            continue
        is_empty = not line.block.code.strip() and not line.block.is_closed
        if is_first or not (is_empty or _ASIDE.search(said) or line.block.language in ("text", "output", "txt")):
            yield line.block
        is_first, said = False, ""
