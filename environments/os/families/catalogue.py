"""All families, by topic, and the way back from a problem to its family and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from environments.os.families import (
    accounts,
    archives,
    compression,
    file_changes,
    files,
    hosts,
    permissions,
    process_listings,
    processes,
    script_changes,
    scripts,
    system,
    text,
    text_changes,
)
from environments.os.families.family import Family, Scene
from environments.os.families.phrasing import Phrase

FAMILIES: tuple[Family, ...] = (
    *files.FAMILIES,
    *file_changes.FAMILIES,
    *text.FAMILIES,
    *text_changes.FAMILIES,
    *processes.FAMILIES,
    *process_listings.FAMILIES,
    *permissions.FAMILIES,
    *archives.FAMILIES,
    *compression.FAMILIES,
    *scripts.FAMILIES,
    *script_changes.FAMILIES,
    *system.FAMILIES,
    *accounts.FAMILIES,
    *hosts.FAMILIES,
)

_CORES: tuple[tuple[str, Phrase, Family], ...] = tuple(
    (core.literal, core, family) for family in FAMILIES for core in family.cores
)


@dataclass(frozen=True)
class Found:
    """A problem that one of our families has phrased."""

    family: Family
    params: dict[str, str]
    scene: Scene


@lru_cache(maxsize=512)
def recognise(problem: str) -> Found | None:
    """Return the family and parameters that a problem was phrased from, None where no phrase fits."""
    for literal, core, family in _CORES:
        if literal in problem:
            params = family.read(core, problem)
            if params is not None:
                return Found(family, params, family.scene(params))
    return None


def of_topic(topic: str) -> tuple[Family, ...]:
    """Return the families of a topic, given by any text that starts with its name; all families for other topics."""
    chosen = tuple(family for family in FAMILIES if topic.lower().startswith(family.topic.removesuffix("s")))
    return chosen or FAMILIES
