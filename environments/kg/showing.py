"""What a prompt shows of a graph: its relations, and some things with what they are related to."""

from __future__ import annotations

import random
from collections.abc import Iterator

from environments.kg.derivation import Inventor
from environments.kg.facts import Value
from environments.kg.ontology import Ontology
from schemas.record import digest

_STARTS = 3
_BESIDE = 2
"""Things beside each start that it is related to: questions need two that meet."""
_VALUES = 4


def relations_told(ontology: Ontology) -> list[str]:
    """Return a line a relation: its name and what it leads to."""
    return [f"{one.name} -> {one.range}" for one in sorted(ontology.relations.values(), key=lambda one: one.name)]


def things_told(inventor: Inventor, key: str) -> list[dict[str, object]]:
    """Return some things, drawn by `key`: each with name, type, and a line a relation with its first values."""
    rng, facts = random.Random(digest("shown", key)), inventor.facts
    shown: dict[str, None] = {}
    for start in rng.sample(sorted(facts.out), _STARTS):
        linked = sorted({t for targets in facts.out[start].values() for t in targets if isinstance(t, str)})
        shown.update(dict.fromkeys([start, *rng.sample(linked, min(_BESIDE, len(linked)))]))
    return [
        {"name": facts.names[thing], "type": facts.types[thing], "relations": list(_lines(inventor, thing))}
        for thing in shown
    ]


def _lines(inventor: Inventor, thing: str) -> Iterator[str]:
    names = inventor.facts.names
    for relation, targets in sorted(inventor.facts.out[thing].items()):
        words = [one.text if isinstance(one, Value) else names[one] for one in targets]
        more = f", and {len(words) - _VALUES} more" if len(words) > _VALUES else ""
        yield f"{relation}: {', '.join(words[:_VALUES])}{more}"
