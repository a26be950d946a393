"""What the worlds' authors share: rounds, seeds and examples, and replies cut at headings (Self-Instruct).

Source: reference/agenttuning.md 2.1; Wang et al. 2022 (six hand-written and two machine-made examples).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from environments.base import Draw
from formats.json_values import Unread, Value, read_values
from schemas.errors import ConfigError, InputError
from schemas.record import digest
from schemas.rejection import Refusal
from schemas.task_spec import TaskSpec

D = TypeVar("D")
MAX_SECTION_CHARS = 8000
"""A section longer than this is no task for an episode's turns."""
_FENCE = "```"


class Example(NamedTuple, Generic[D]):
    """A task that may stand in a prompt."""

    name: str
    """Name of the seed, or the task id of an admitted task."""
    task: D
    group: str = ""
    """Examples of the group that is asked for come first."""


def request_key(draw: Draw, world: str, position: int) -> str:
    """Name a request by all that makes two differ: seed, build, world, round, position."""
    return f"seed {draw.seed} build {draw.build} {world} round {draw.index} request {position}"


def draw_examples(
    draw: Draw, key: str, seeds: Sequence[Example[D]], example_of: Callable[[TaskSpec], Example[D]], group: str = ""
) -> list[Example[D]]:
    """Draw a prompt's examples by `key`; where machine-made ones are short, seeds take their places."""
    chosen = sorted(draw.machine_made, key=lambda spec: digest(key, spec.task_id))[: draw.generate.machine_examples]
    drawn = _draw([example_of(spec) for spec in chosen], f"{key}/machine", draw.generate.machine_examples, group)
    missing = draw.generate.seed_examples + draw.generate.machine_examples - len(drawn)
    drawn += _draw(seeds, f"{key}/seeds", missing, group)
    return sorted(drawn, key=lambda example: digest(f"{key}/order", example.name))


def _draw(examples: Sequence[Example[D]], key: str, count: int, group: str) -> list[Example[D]]:
    return sorted(examples, key=lambda e: (e.group != group if group else False, digest(key, e.name)))[:count]


def read_seed_lines(path: Path, keys: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where each object of a JSONL file stands (`file:line`) and the object; blank lines are passed over.

    Raises:
        ConfigError: a line is no JSON, or lacks one of the texts.
    """
    for read in _seeds_in(path):
        where, row = f"{path}:{read.line}", None if isinstance(read, Unread) else read.value
        if isinstance(read, Unread):
            raise ConfigError(f"the seed {where} is no JSON that is read: {read.detail}")
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in keys):
            raise ConfigError(f"the seed {where} needs the texts {', '.join(keys)}")
        yield where, row


def _seeds_in(path: Path) -> Iterator[Value | Unread]:
    try:
        yield from read_values(path)
    except InputError as error:
        raise ConfigError(f"the seeds cannot be read: {error}") from error


class Sections:
    """A reply under headings: which there are, which hold one code block, which may be blank, how long one may be."""

    def __init__(
        self,
        titles: Sequence[str],
        *,
        code: Collection[str],
        may_be_blank: Collection[str],
        most_chars: int = MAX_SECTION_CHARS,
    ) -> None:
        """`titles` are lower case, in the order in which a missing one is told; `initialisation` takes a z, too."""
        self._titles, self._code, self._may_be_blank, self._most = tuple(titles), code, may_be_blank, most_chars
        words = "|".join(re.escape(title).replace("lisation", "li[sz]ation") for title in titles)
        self._heading = re.compile(rf"#{{2,4}}\s*({words})\s*:?\s*", re.IGNORECASE)

    def read(self, reply: str) -> dict[str, str] | Refusal:
        """Cut a reply; headings inside code blocks are code.

        Reasons: missing_section, repeated_section, empty_section, no_code_block, several_blocks, unclosed_block,
        too_long, control_characters.
        """
        sections = self._cut(reply)
        if isinstance(sections, Refusal):
            return sections
        texts: dict[str, str] = {}
        for title in self._titles:
            text = self._read_section(title, sections[title])
            if isinstance(text, Refusal):
                return text
            texts[title] = text
        return texts

    def _cut(self, reply: str) -> dict[str, list[str]] | Refusal:
        sections: dict[str, list[str]] = {}
        lines: list[str] = []
        is_code = False
        for line in reply.replace("\r\n", "\n").split("\n"):
            heading = None if is_code else self._heading.fullmatch(line.strip())
            if heading is None:
                is_code = _is_code_after(line, is_code)
                lines.append(line)
                continue
            title = heading[1].lower().replace("lization", "lisation")
            if title in sections:
                return Refusal("repeated_section", f"{title} stands there twice")
            lines = sections[title] = []
        if is_code:
            return Refusal("unclosed_block", "the reply ends inside a code block")
        missing = [title.capitalize() for title in self._titles if title not in sections]
        return Refusal("missing_section", f"no heading {', '.join(missing)}") if missing else sections

    def _read_section(self, title: str, lines: Sequence[str]) -> str | Refusal:
        text = _read_block(title, lines) if title in self._code else "\n".join(lines).strip()
        if isinstance(text, Refusal):
            return text
        if not text.strip() and title not in self._may_be_blank:
            return Refusal("empty_section", f"{title} is empty")
        if len(text) > self._most:
            return Refusal("too_long", f"{title} has {len(text)} characters; {self._most} are allowed")
        if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text):
            return Refusal("control_characters", f"{title} holds control characters")
        return text


def _is_code_after(line: str, is_code: bool) -> bool:
    return not line.rstrip().endswith(_FENCE) if is_code else line.lstrip().startswith(_FENCE)


def _read_block(title: str, lines: Sequence[str]) -> str | Refusal:
    blocks: list[list[str]] = []
    is_code = False
    for line in lines:
        was_code, is_code = is_code, _is_code_after(line, is_code)
        if is_code and not was_code:
            blocks.append([])
        elif is_code:
            blocks[-1].append(line)
        elif was_code and line.strip() != _FENCE:  # closed on the last line of code
            blocks[-1].append(line.rstrip().removesuffix(_FENCE))
    if len(blocks) == 1:
        return "\n".join(blocks[0])
    if not blocks:
        return Refusal("no_code_block", f"{title} has no code block")
    return Refusal("several_blocks", f"{title} has {len(blocks)} code blocks, one is expected")
