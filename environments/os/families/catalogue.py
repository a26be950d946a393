"""All families, by topic, and the way back from a problem to its family and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from environments.os.families import changes, grown, questions
from environments.os.families.family import Family, Scene

FAMILIES: tuple[Family, ...] = (*questions.FAMILIES, *changes.FAMILIES)
"""A question and a change for every topic."""


@dataclass(frozen=True)
class Found:
    """A problem of one of our families."""

    family: Family
    params: dict[str, str]
    scene: Scene
    grown_from: str | None = None
    """The kind of the family that it was grown from; None = it was not grown."""


@lru_cache(maxsize=512)
def recognise(problem: str) -> Found | None:
    """Return the family and parameters that a problem was made from, None where it is somebody else's."""
    for family in FAMILIES:
        if found := family.pattern.fullmatch(problem):
            return Found(family, found.groupdict(), family.scene(found.groupdict()))
    inner, out = grown.split(problem) or ("", "")
    parent = recognise(inner) if inner else None
    if parent is None or parent.grown_from:
        return None
    return Found(
        grown.grown_family(parent.family), parent.params, grown.grown_scene(parent.scene, out), parent.family.kind
    )


def of_topic(topic: str) -> tuple[Family, ...]:
    """Return the families of a topic, given by any text that starts with its name; all families for other topics."""
    chosen = tuple(family for family in FAMILIES if topic.lower().startswith(family.topic.removesuffix("s")))
    return chosen or FAMILIES
