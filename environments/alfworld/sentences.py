"""A goal as a sentence, and a sentence as a goal: the table `sentences.toml` in both directions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from environments.alfworld.wanted import KINDS, Kind, Wanted


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(Path(__file__).with_name("sentences.toml").read_text(encoding="utf-8"))


def forms_of(kind: Kind, manner: str = "forms") -> Sequence[str]:
    """Return the wordings of a kind: `forms`, ALFWorld's two, or `free`, our own."""
    return _table()[kind][manner]


def word(wanted: Wanted, form: str) -> str:
    """Word a goal, with a full stop."""
    return form.format(thing=wanted.thing, place=wanted.place, lamp=wanted.lamp) + "."


def reasons() -> Sequence[str]:
    """Return reasons that may follow a wording of our own, after a comma."""
    return _table()["reasons"]["free"]


@cache
def _patterns() -> tuple[tuple[Kind, re.Pattern[str]], ...]:
    found = []
    for kind in KINDS:
        for form in (*forms_of(kind), *forms_of(kind, "free")):
            pattern = re.escape(form).replace(r"\{", "{").replace(r"\}", "}")
            for name in ("thing", "place", "lamp"):
                pattern = pattern.replace(f"{{{name}}}", f"(?P<{name}>[a-z]+)")
            found.append((kind, re.compile(rf"{pattern}\.?", re.IGNORECASE)))
    found.sort(key=lambda pair: -len(pair[1].pattern))  # `put a clean mug in ..` before `put a mug in ..`
    return tuple(found)


def read_sentence(text: str) -> Wanted | None:
    """Return what a sentence of the table asks for; None = it is another."""
    bare = text.strip()
    for reason in reasons():
        bare = bare.removesuffix(f", {reason}.")
    for kind, pattern in _patterns():
        if found := pattern.fullmatch(bare):
            said = {name: value.lower() for name, value in found.groupdict().items()}
            return Wanted(kind, said["thing"], said.get("place", ""), said.get("lamp", ""))
    return None
