"""The built-in graph: an invented coast with its ships, ports, people, guilds, songs and festivals.

Everything is drawn by sha256 from the words beside this file, so that it is the same on every machine and Python.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from environments.kg.facts import Facts, Value
from environments.kg.ontology import Ontology, read_ontology

NAME = "tidewater"
NAMESPACE = "http://tidewater.example/ns/"
"""A name that nobody can own (RFC 2606)."""
_FOLDER = Path(__file__).parent
_DOMAINS = {
    "ship": "travel.ship",
    "port": "travel.port",
    "person": "people.person",
    "song": "culture.song",
    "festival": "culture.festival",
    "shipyard": "business.shipyard",
    "guild": "people.guild",
    "profession": "people.profession",
    "region": "geography.region",
    "good": "business.good",
    "fuel": "travel.fuel",
    "ship_class": "travel.ship_class",
}
_LINKS = {
    "travel.ship.home_port": ("ship", "port", 1),
    "travel.ship.ship_class": ("ship", "ship_class", 1),
    "travel.ship.builder": ("ship", "shipyard", 1),
    "travel.ship.fuel": ("ship", "fuel", 1),
    "travel.ship.captain": ("ship", "person", 1),
    "travel.ship.ports_called": ("ship", "port", 4),
    "travel.port.region": ("port", "region", 1),
    "travel.port.goods_traded": ("port", "good", 5),
    "travel.port.harbour_master": ("port", "person", 1),
    "business.shipyard.located_at": ("shipyard", "port", 1),
    "people.person.birthplace": ("person", "port", 1),
    "people.person.profession": ("person", "profession", 2),
    "people.person.guild": ("person", "guild", 1),
    "people.person.mentor": ("person", "person", 1),
    "culture.song.composer": ("song", "person", 1),
    "culture.song.about": ("song", "ship", 1),
    "culture.festival.host": ("festival", "port", 1),
    "culture.festival.honours": ("festival", "person", 2),
}
"""Relation -> what has it, what it leads to, and how many at most."""
_NUMBERS = {
    "travel.ship.launch_year": ("ship", 1801, 120, 1),
    "travel.ship.length_metres": ("ship", 180, 700, 10),
    "travel.ship.crew": ("ship", 4, 90, 1),
    "travel.port.population": ("port", 310, 48_000, 1),
    "travel.port.founded_year": ("port", 1204, 580, 1),
    "business.shipyard.workers": ("shipyard", 12, 900, 1),
    "people.person.birth_year": ("person", 1790, 130, 1),
    "people.person.height_cm": ("person", 148, 55, 1),
    "culture.song.verses": ("song", 3, 30, 1),
    "culture.festival.visitors": ("festival", 90, 9_000, 1),
}
"""Attribute -> what has it, its lowest value, how many values there are, and what they are divided by."""


@cache
def load_graph() -> tuple[Ontology, Facts]:
    """Return the built-in graph."""
    return read_ontology(_FOLDER / "ontology.tsv", NAMESPACE), invent()


def invent(times: int = 1) -> Facts:
    """Make up the coast, or so many of it beside each other; from the second on names have a number behind them."""
    facts = Facts()
    ontology = read_ontology(_FOLDER / "ontology.tsv", NAMESPACE)
    words = tomllib.loads((_FOLDER / "words.toml").read_text(encoding="utf-8"))
    for copy in range(times):
        things = {kind: list(_things(kind, words[kind], copy)) for kind in _DOMAINS}
        for kind, named in things.items():
            for thing, name in named:
                facts.name(thing, name, _DOMAINS[kind])
        ids = {kind: [thing for thing, _ in named] for kind, named in things.items()}
        _link(facts, ontology, ids)
        _measure(facts, ids)
    return facts


def _things(kind: str, words: Mapping[str, object], copy: int) -> Iterator[tuple[str, str]]:
    first, second = words["first"], words.get("second") or [""]
    joint = words.get("joint", " " if "second" in words else "")
    assert isinstance(first, list) and isinstance(second, list)
    names = [f"{one}{joint}{other}" for one in first for other in second]
    for number, name in enumerate(names):
        beside = f"_{copy}" if copy else ""
        yield f"m.{kind}_{number:03d}{beside}", f"{name} {copy + 1}" if copy else name


def _link(facts: Facts, ontology: Ontology, ids: Mapping[str, list[str]]) -> None:
    for relation, (have, lead_to, most) in _LINKS.items():
        inverse = ontology.relations[relation].inverse
        for thing in ids[have]:
            count = 1 + _drawn(f"{thing} {relation}", most)
            for number in range(count):
                other = ids[lead_to][_drawn(f"{thing} {relation} {number}", len(ids[lead_to]))]
                if other != thing:
                    facts.add(thing, relation, other)
                    facts.add(other, inverse, thing)


def _measure(facts: Facts, ids: Mapping[str, list[str]]) -> None:
    for attribute, (have, lowest, values, part) in _NUMBERS.items():
        for thing in ids[have]:
            whole = lowest + _drawn(f"{thing} {attribute}", values)
            facts.add(thing, attribute, Value.of(whole if part == 1 else whole / part))


def _drawn(key: str, below: int) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % below
