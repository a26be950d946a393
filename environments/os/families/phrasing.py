"""Phrases: text with `{slots}` and `[free|choices]` that can be written and, the other way round, recognised.

The same template makes the problem and reads it back, so the solver needs nothing but the prompt.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

_PART = re.compile(r"\{(\w+)\}|\[([^\]]*)\]")


@dataclass(frozen=True)
class Phrase:
    """One way to say something."""

    text: str

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Return the names of the slots, each once, in order of appearance."""
        return tuple(dict.fromkeys(m[1] for m in _PART.finditer(self.text) if m[1]))

    @cached_property
    def literal(self) -> str:
        """Return the longest fixed stretch: a text without it cannot be this phrase."""
        return max(_PART.sub("\0", self.text).split("\0"), key=len)

    @cached_property
    def _parts(self) -> tuple[str | tuple[str, ...] | re.Match[str], ...]:
        parts: list[str | tuple[str, ...] | re.Match[str]] = []
        end = 0
        for found in _PART.finditer(self.text):
            parts.append(self.text[end : found.start()])
            parts.append(found if found[1] else tuple(found[2].split("|")))
            end = found.end()
        return (*parts, self.text[end:])

    def write(self, rng: random.Random, values: Mapping[str, str]) -> str:
        """Fill the slots and draw the free choices."""
        return "".join(
            part if isinstance(part, str) else rng.choice(part) if isinstance(part, tuple) else values[part[1]]
            for part in self._parts
        )

    def pattern(self, shapes: Mapping[str, str]) -> re.Pattern[str]:
        """Compile the phrase to a pattern with one named group per slot; `shapes` says what a slot looks like."""
        seen: set[str] = set()
        out = []
        for part in self._parts:
            if isinstance(part, str):
                out.append(re.escape(part))
            elif isinstance(part, tuple):
                out.append(f"(?:{'|'.join(map(re.escape, part))})")
            else:
                out.append(f"(?P={part[1]})" if part[1] in seen else f"(?P<{part[1]}>{shapes[part[1]]})")
                seen.add(part[1])
        return re.compile("".join(out))


def phrases(text: str) -> tuple[Phrase, ...]:
    """Read a list of phrases: each starts with `- ` and may go on over the following lines."""
    items = re.split(r"^\s*- ", text, flags=re.MULTILINE)[1:]
    return tuple(Phrase(" ".join(item.split())) for item in items)
