"""Fenced code in a model's Markdown: which lines are code, which are text, and where a block ends.

Models nest fences: a script writes a README with fences of its own through a heredoc, and a whole reply stands in a
```markdown block. A line within a heredoc is code whatever it looks like; a fence that names a language opens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

_FENCE = re.compile(r"^(\s*(?:(?:[-*+]|\d+[.)]|>)\s+)?)(`{3,}|~{3,})(.*)$")
_HEREDOC = re.compile(r"(?<![<\d$(])<<(-?)[ \t]*(?:'([^'\n]+)'|\"([^\"\n]+)\"|\\?([A-Za-z_]\w*))")
_LANGUAGE = re.compile(
    r"bash|sh|shell|zsh|ksh|console|terminal|shell-?session|python3?|py|g?awk|perl|sed|te?xt|plaintext|sql|sqlite3?|postgres"
    r"|postgresql|psql|plpgsql|mysql|mariadb|markdown|md|json|ya?ml|ini|toml|html|xml|diff|dockerfile|makefile|javascript|js"
    r"|ruby|c|cpp|csv|log|output"
)
_CONSOLES = frozenset({"console", "terminal", "shell-session", "shellsession"})


@dataclass
class Block:
    """One block of code."""

    language: str
    """As its fence says, lower case; "" = it does not."""
    lines: list[str] = field(default_factory=list)
    is_closed: bool = False

    @property
    def code(self) -> str:
        """The code alone: of a console session what was typed."""
        typed = [line[2:] for line in self.lines if line.startswith("$ ")]
        code = "\n".join(typed if typed and self.language in _CONSOLES else self.lines)
        return code if self.is_closed else code.rstrip()


@dataclass
class Passage:
    """One line outside of code, or the first one of a block."""

    number: int
    text: str
    block: Block | None = None
    is_quoted: bool = False
    """Whether it stands in a heredoc of code that has no fence."""


class BlockReader:
    """Reads lines one by one."""

    def __init__(
        self,
        lines: Sequence[str],
        title_of: Callable[[str], str | None],
        code: Collection[str],
        *,
        headings_close: bool = False,
        heredocs: bool = True,
    ) -> None:
        """`title_of` tells a heading; text under one of `code` is code, too. With `headings_close` a heading ends a
        block that nothing closed; without `heredocs` none is looked for."""
        self._lines, self._title_of, self._code = lines, title_of, code
        self._last_of = {line.strip(): number for number, line in enumerate(lines)}
        """Where each line stands for the last time: a heredoc's end is found without a search."""
        self._headings_close, self._heredocs = headings_close, heredocs
        self._block: Block | None = None
        self._fence, self._indent, self._depth = "", 0, 0
        self._ends: list[str] = []
        """Words that end the heredocs which are open."""
        self._wrapper = ""
        """The fence that the whole reply stands in."""
        self._title: str | None = None
        """The last heading's."""

    def read(self) -> list[Passage]:
        """Return what stands outside of code, and the blocks."""
        found: list[Passage] = []
        for number, line in enumerate(self._lines):
            if self._ends:
                self._read_in_heredoc(line, found, number)
            elif self._block is not None and not (self._headings_close and self._title_of(line)):
                self._read_in_block(number, line, self._block)
            else:
                self._block = None
                if not self._read_text(number, line, found):
                    break
        return found

    def _read_in_heredoc(self, line: str, found: list[Passage], number: int) -> None:
        if line.strip() == self._ends[0]:
            self._ends.pop(0)
        if self._block is None:
            found.append(Passage(number, line, is_quoted=True))
        else:
            self._block.lines.append(self._dedent(line))

    def _read_in_block(self, number: int, line: str, block: Block) -> None:
        fence = _FENCE.match(line)
        if fence and fence[2].startswith(self._fence):
            if self._depth == 0 and not fence[3].strip():
                block.is_closed, self._block = True, None
                return
            self._depth += 0 if " " in fence[3].strip() else 1 if fence[3].strip() else -1
        elif line.rstrip().endswith(self._fence) and line.count(self._fence) == 1:  # closed on the last line of code
            block.lines.append(self._dedent(line.rstrip().removesuffix(self._fence)))
            block.is_closed, self._block = True, None
            return
        block.lines.append(self._dedent(line))
        self._notice_heredocs(number, line)

    def _read_text(self, number: int, line: str, found: list[Passage]) -> bool:
        """Read a line outside of code; False = the block that the reply stood in ends here."""
        fence = _FENCE.match(line)
        if fence is None or (fence[2][0] == "`" and "`" in fence[3].strip().rstrip("`")):
            self._title = self._title_of(line) or self._title
            found.append(Passage(number, line))
            if self._title in self._code:
                self._notice_heredocs(number, line)
            return True
        if self._wraps(number):
            self._wrapper = fence[2]
            return True
        if self._wrapper and self._ends_wrapper(number, fence):
            return False
        found.append(Passage(number, line, self._open(fence)))
        return True

    def _open(self, fence: re.Match[str]) -> Block:
        language, rest = _split_info(fence[3].strip().rstrip(fence[2][0]).strip())
        block = Block(language, [rest] if rest else [])
        if fence[3].rstrip().endswith(fence[2]):
            block.is_closed = True
        else:
            self._block, self._fence, self._depth = block, fence[2], 0
            self._indent = len(fence[1].expandtabs(4)) if not fence[1].strip().startswith(">") else 0
        return block

    def _wraps(self, number: int) -> bool:
        """Whether a fence before the first heading holds the headings."""
        coming = [line for line in self._lines[number + 1 : number + 8] if line.strip()][:3]
        return self._title is None and any(map(self._title_of, coming))

    def _ends_wrapper(self, number: int, fence: re.Match[str]) -> bool:
        if fence[3].strip() or not fence[2].startswith(self._wrapper):
            return False
        rest = self._lines[number + 1 :]
        is_another_there = any((f := _FENCE.match(line)) and f[2].startswith(self._wrapper) for line in rest)
        return not is_another_there and not any(map(self._title_of, rest))

    def _notice_heredocs(self, number: int, line: str) -> None:
        if not self._heredocs or line.lstrip().startswith("#"):
            return
        for found in _HEREDOC.finditer(line):
            word = found[2] or found[3] or found[4]
            if self._last_of.get(word, -1) > number:
                self._ends.append(word)

    def _dedent(self, line: str) -> str:
        return line[min(self._indent, len(line) - len(line.lstrip())) :]


def has_open_quote(code: str) -> bool:
    """Whether a script ends within quotes: then a fence that ended it was a part of what it quotes."""
    quote, escaped = "", False
    for character in code:
        if escaped:
            escaped = False
        elif character == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote)


def to_last_fence(lines: Sequence[str]) -> Block:
    """Return all from the first fence to the last bare one as a block."""
    fences = [(i, fence) for i, line in enumerate(lines) if (fence := _FENCE.match(line))]
    (first, opening), bare = fences[0], [i for i, fence in fences[1:] if not fence[3].strip()]
    language, _ = _split_info(opening[3].strip())
    return Block(language, list(lines[first + 1 : bare[-1] if bare else None]), is_closed=True)


def _split_info(info: str) -> tuple[str, str]:
    """Return (language, code) of what stands behind an opening fence: a file name is neither."""
    word, _, rest = info.partition(" ")
    language = re.split(r"[:,{]", word.strip("{}.").lower())[0]
    if not rest.strip() or re.fullmatch(r"\S+\.\w{1,5}|\{.*\}|\w+=\S+", rest.strip()):
        return (language, "") if re.fullmatch(r"[\w+#.-]*", language) else ("", info)
    return (language, rest.strip()) if _LANGUAGE.fullmatch(language) else ("", info)
