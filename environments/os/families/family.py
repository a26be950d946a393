"""What a family of OS tasks is: a problem's text with slots, and a scene that follows from the parameters alone."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from environments.os.families import words
from environments.os.families.folder import Folder, survey
from rehearsals.base import Move

Topic = Literal["files", "text", "processes", "permissions", "archives", "scripts", "system"]
Kind = Literal["number", "name", "line", "change"]
"""What is asked: a number, a name, a line of text, or a change of files."""
Params = Mapping[str, str]


@dataclass(frozen=True)
class Slot:
    """A parameter as it stands in a problem."""

    draw: Callable[[random.Random], str]
    shape: str
    """Pattern of what `draw` gives."""


@dataclass(frozen=True)
class Scene:
    """Everything that follows from a problem's parameters; nothing in it is drawn from anywhere else."""

    before: Folder
    reference: str
    moves: tuple[Move, ...]
    """The way to the solution; where a question is asked, the last line that the last command prints is the answer."""
    answer: str | None = None
    """What is right, computed without any command; None where a change is asked."""
    after: Folder | None = None
    """The folder as it must be found after the change; None where a question is asked."""
    modes: bool = False
    """Permissions count."""
    init: str = ""
    """What the initialisation does besides building the folder."""
    check: str = ""
    """The evaluation of a change where comparing the folder is not enough; "" = `folder_check`."""

    @property
    def initialisation(self) -> str:
        """Return the whole initialisation script."""
        return self.before.init() + (f"\n{self.init}" if self.init else "")

    @property
    def evaluation(self) -> str:
        """Return the evaluation script."""
        if self.after is None:
            return '[ "$1" = "$2" ]'
        return self.check or folder_check(self.after, self.modes)


def folder_check(after: Folder, modes: bool = False, skip: str = "") -> str:
    """Return the check that a folder is exactly as it should be, but for the path `skip`."""
    leave = f" | grep -v ' ./{skip}$'" if skip else ""
    have, want = f"$({survey(modes)}{leave})", after.listing(modes)
    return f'cd {after.root} || exit 1\nhave={have}\nwant=\'{want}\'\n[ "$have" = "$want" ]'


Build = Callable[[Params, random.Random], Scene]


@dataclass(frozen=True)
class Family:
    """A kind of task with parameters."""

    name: str
    topic: Topic
    kind: Kind
    slots: Mapping[str, Slot]
    problem: str
    """With `{slots}`: the same text makes the problem and reads it back. Most of its words must come from the slots,
    or two problems are no news to each other (ROUGE-L of 0.7)."""
    pattern: re.Pattern[str]
    explanation: str
    build: Build
    unit: tuple[str, str] = ("", "")
    """What a number counts: singular and plural."""
    volatile: bool = False
    """Its solver sees times or random names, which differ from run to run."""

    def draw(self, rng: random.Random) -> dict[str, str]:
        """Draw parameters that all differ."""
        params: dict[str, str] = {}
        for name, slot in self.slots.items():
            value = slot.draw(rng)
            while value in params.values():
                value = slot.draw(rng)
            params[name] = value
        return params

    def scene(self, params: Params) -> Scene:
        """Build the scene; what the problem does not say is drawn from the parameters."""
        seed = ",".join(f"{name}={params[name]}" for name in sorted(params))
        return self.build(params, random.Random(f"{self.name}:{seed}"))


def family(
    topic: Topic,
    kind: Kind,
    problem: str,
    unit: tuple[str, str] = ("", ""),
    volatile: bool = False,
    **slots: Slot,
) -> Callable[[Build], Family]:
    """Make the decorated scene builder a family of its own name; its docstring, with slots, explains the solution."""

    def make(build: Build) -> Family:
        pattern = _compile(problem, slots)
        return Family(build.__name__, topic, kind, slots, problem, pattern, build.__doc__ or "", build, unit, volatile)

    return make


def _compile(problem: str, slots: Mapping[str, Slot]) -> re.Pattern[str]:
    """Return a pattern with one named group per slot; a slot that comes again must hold the same."""
    pattern = re.escape(problem)
    for name, slot in slots.items():
        marked = re.escape(f"{{{name}}}")
        pattern = pattern.replace(marked, f"(?P<{name}>{slot.shape})", 1).replace(marked, f"(?P={name})")
    return re.compile(pattern)


def one_of(options: tuple[str, ...]) -> Slot:
    """Return a slot that is one word of a list."""
    return Slot(lambda rng: rng.choice(options), f"(?:{'|'.join(map(re.escape, options))})")


def number(low: int, high: int) -> Slot:
    """Return a slot that is a number."""
    return Slot(lambda rng: str(rng.randint(low, high)), r"\d+")


def file_name(*extensions: str) -> Slot:
    """Return a slot that is a file name with one of these extensions."""
    return Slot(lambda rng: f"{_stem(rng)}.{rng.choice(extensions)}", rf"[a-z-]+\.(?:{'|'.join(extensions)})")


def _stem(rng: random.Random) -> str:
    return f"{rng.choice(words.STEMS)}-{rng.choice(words.CITIES)}"


DIRECTORY = Slot(
    lambda rng: f"~/{rng.choice(words.PLACES)}/{rng.choice(words.SUBJECTS)}/{_stem(rng)}-{rng.randint(2, 97)}",
    r"~/[a-z]+/[a-z]+/[a-z]+-[a-z]+-\d+",
)
STEM = Slot(_stem, "[a-z]+-[a-z]+")
WORD = one_of(words.STEMS)
EXTENSION = one_of(words.EXTENSIONS)


def distinct(rng: random.Random, options: tuple[str, ...], count: int, *taken: str) -> list[str]:
    """Return `count` different words that are none of `taken`."""
    return rng.sample([option for option in options if option not in taken], count)
