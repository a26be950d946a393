"""Whether an answer is earned: whether a step read what the task is about, and showed the value or what it counts.

A reading step runs something that reads files or the system, where the task is. What only says what stands in it
(`echo 42`, an assignment, a here-string, `python3 -c 'print(42)'`) reads nothing. Where the rule cannot tell (a sum, a
subset counted by eye, output that was cut) the answer passes and is counted. docs/os-tasks.md, "An earned answer".
"""

from __future__ import annotations

import math
import posixpath
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from environments.os.reading import FILTERS, OF_THE_MACHINE, SILENT, programs, reads, said_by, simple_commands
from environments.os.scripts import as_bash, scripts_of
from schemas.task_spec import TaskSpec

Finding = Literal["shown", "counted", "cannot_tell", "not_read", "not_shown"]
"""`shown`, `counted`: by a reading step. The last two are no earned answer."""
NOT_EARNED: Mapping[Finding, str] = {
    "not_read": "no command read anything that the task is about",
    "not_shown": "no command showed the answer, or what it counts",
}
MOST_CHARS = 10_000
"""Of an answer whose parts are looked for one by one; a longer one has been shown whole, or it cannot be told."""
UNTOLD = " (whether a command showed the answer cannot be told)"


_PATH = re.compile(
    r"(?:~|(?<![\w.~$}/:\\-]))/(?=[\w.*@])[\w./@%+,:=*?{}\[\]-]*|(?<![\w/])/(?=[\s;|)\"']|$)|\$HOME\b|~(?=/?[\s;|)]|/?$)"
)
_NAME = re.compile(r"\b[A-Za-z_][\w.-]{2,}")
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,_]*(?:\.\d+)?|\d+(?:\.\d+)?")
_ONE_NUMBER = re.compile(r"[^\w+-]*+([-+]?\d[\d,_]*+(?:\.\d++)?)\s*+(?:%|[a-z]++)?[^\w]*+")
_ITEM = re.compile(r"[\s,;:=|()\[\]{}\"'`<>]+")
_CONDITION = re.compile(r"&&|\|\||\b(?:if|case|while)\b|\?")
_CHOICE = ("yes", "no", "true", "false", "none", "0", "n/a", "empty", "nothing")
_RECURSIVE = re.compile(
    r"\bfind\b|\b-\w*[rR]|\btree\b|\bdu\b|\blocate\b|--recursive|\*\*|\btar\b|\brg\b|\bglob|os\.walk"
)


@dataclass(frozen=True)
class Seen:
    """A command and what it showed."""

    command: str
    text: str
    cwd: str = "/root"
    """Where it began."""
    is_whole: bool = True
    """Whether all of its output was kept."""


def finding(spec: TaskSpec, seen: Sequence[Seen], answer: str) -> Finding:
    """Tell whether the answer is earned by what was seen."""
    about = About(spec)
    reading = [one for one in seen if about.is_read_by(one)]
    if not reading:
        return "cannot_tell" if about.needs_nothing else "not_read"
    shown = "\n".join(_read_lines(seen, reading))
    if len(answer) > MOST_CHARS:
        return "shown" if _folded(answer) in _folded(shown) else "cannot_tell"
    if _holds(shown, answer):
        return "shown"
    if _is_counted(answer, reading):
        return "counted"
    return "cannot_tell" if _may_follow(answer, reading, spec) else "not_shown"


def is_earned(found: Finding) -> bool:
    return found not in ("not_read", "not_shown")


_HOME = re.compile(r"/root\b|\$HOME|~/|\bhome dir|\bhome folder|current (?:dir|folder)")
_SYSTEM_FILE = re.compile(r"/(?:etc|var|usr/share|tmp|opt|srv|home)/.")
PLAIN_WORDS = OF_THE_MACHINE | FILTERS | SILENT
_NO_PLACES = frozenset(("/", "/root", "/dev/null", "/bin", "/usr/bin", "/bin/bash", "/bin/sh"))


class About:
    """What a task is about: the places and names in its words and scripts."""

    def __init__(self, spec: TaskSpec) -> None:
        scripts = "\n".join(as_bash(script) for script in scripts_of(spec))
        self.text = f"{spec.instruction}\n{scripts}"
        self._programs = frozenset(_NAME.findall("\n".join(as_bash(script) for script in spec.reference)))
        self._reference = "\n".join(as_bash(script) for script in spec.reference)
        self.places = {_plain_path(p) for p in _PATH.findall(self.text)} - _NO_PLACES
        if _HOME.search(spec.instruction):
            self.places.add("/root")

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(_NAME.findall(self.text))

    @cached_property
    def needs_nothing(self) -> bool:
        """Whether the reference itself reads nothing: the answer is in the question."""
        return bool(self._reference.strip()) and not reads(self._reference)

    def is_read_by(self, one: Seen) -> bool:
        """Whether a step reads something of the task, as far as its words tell."""
        if not reads(one.command):
            return False
        paths = [_plain_path(path) for path in _PATH.findall(one.command)]
        paths = [path for path in paths if not path.startswith(("/dev/null", "/bin/", "/usr/bin/"))]
        deep = _RECURSIVE.search(one.command) is not None
        if not self.places:  # a fact of the machine: no file but one that is named, or the kernel's
            return not paths or self._is_named(paths) or not all(map(_SYSTEM_FILE.match, paths))
        if paths:
            return any(self._is_near(path, deep) for path in paths) or self._is_named(paths)
        called = {posixpath.basename(program) for program in programs(one.command)}
        others = called - PLAIN_WORDS
        if others or called & OF_THE_MACHINE & self._programs:
            return True
        is_here = called & ({"ls", "dir"} | FILTERS) and self._is_near(one.cwd, deep)
        return bool(is_here) or self._is_named(set(_NAME.findall(one.command)) - PLAIN_WORDS)

    def _is_near(self, path: str, deep: bool) -> bool:
        return any(
            place == path
            or (place.startswith(f"{path.rstrip('/')}/") and (deep or posixpath.dirname(place) == path))
            or path.startswith(f"{place}/")
            for place in self.places
        )

    def _is_named(self, paths: Iterable[str]) -> bool:
        return any(name in self.names for path in paths if len(name := posixpath.basename(path)) > 2)


def _plain_path(path: str) -> str:
    path = path.replace("$HOME", "~").rstrip("/.,:") or "/"
    path = re.sub(r"/[^/]*[*?{\[].*", "", path) or "/"
    return posixpath.normpath("/root" + path[1:] if path.startswith("~") else path)


def _read_lines(seen: Sequence[Seen], reading: Sequence[Seen]) -> Iterator[str]:
    """Yield the lines that reading steps showed, but for those that a command up to there only says."""
    said: set[str] = set()
    for one in seen:
        if not _CONDITION.search(one.command):
            said |= {line.strip() for words in simple_commands(one.command) for line in said_by(words)}
        if one in reading:
            yield from (line for line in one.text.splitlines() if line.strip() not in said)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _holds(text: str, answer: str) -> bool:
    folded, wanted = _folded(text), _folded(answer).strip("'\"`")
    if not wanted:
        return True
    values = sorted(_numbers(text))
    number = _number(wanted)
    if number is not None:
        return _is_among(number, values)
    if wanted in folded:
        return True
    items = dict.fromkeys(item for item in (part.strip(".") for part in _ITEM.split(wanted)) if item)
    return bool(items) and all(
        item in folded or ((one := _number(item)) is not None and _is_among(one, values)) for item in items
    )


def _number(text: str) -> float | None:
    """Read a number with what may stand around it; None where there is none, or one that no float holds."""
    found = _ONE_NUMBER.fullmatch(text)
    return next(iter(_finite([found[1]])), None) if found else None


def _numbers(text: str) -> list[float]:
    return _finite(_NUMBER.findall(text))


def _finite(written: Iterable[str]) -> list[float]:
    read = (float(one.replace(",", "").replace("_", "")) for one in written)
    return [one for one in read if math.isfinite(one)]


def _is_among(one: float, values: Sequence[float]) -> bool:
    """Whether sorted values hold a number, one that is no count within a hundredth of it."""
    if one.is_integer():
        at = bisect_left(values, one)
        return at < len(values) and values[at] == one
    near = 0.01 * max(abs(one), 1)
    at = bisect_right(values, one - near)
    return at < len(values) and values[at] < one + near


def _is_counted(answer: str, reading: Sequence[Seen]) -> bool:
    """Whether an output had that many lines, words or items, or one line more (a head line, `total`)."""
    number = _number(answer.strip().casefold())
    if number is None or number != int(number):
        return False
    return any(int(number) in _counts(one.text) for one in reading)


def _counts(text: str) -> set[int]:
    lines = [line for line in text.splitlines() if line.strip()]
    return {len(lines), max(len(lines) - 1, 0), len(text.split()), len(text.split(",")), len(text.split(":"))}


def _may_follow(answer: str, reading: Sequence[Seen], spec: TaskSpec) -> bool:
    """Whether the answer may follow from what was shown by more than reading: then the rule cannot tell."""
    text = "\n".join(one.text for one in reading)
    wanted = answer.strip().casefold()
    if not all(one.is_whole for one in reading) or wanted in _CHOICE or wanted in spec.instruction.casefold():
        return True
    number = _number(wanted)
    if number is None:
        return _is_made_of(wanted, text.casefold())
    numbers = _numbers(text)
    lines = [line for line in text.splitlines() if line.strip()]
    return 0 <= number <= max(len(lines), len(text.split())) or (
        len(numbers) > 1 and abs(number) <= sum(map(abs, numbers)) * (1 if number == int(number) else 1000)
    )


def _is_made_of(wanted: str, text: str) -> bool:
    """Whether most of the answer's words were shown: in another form, joined or in a sentence."""
    words = Counter(re.findall(r"\w+", wanted))
    return bool(words) and 2 * sum(count for word, count in words.items() if word in text) >= words.total()
