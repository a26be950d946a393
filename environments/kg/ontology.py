"""What a graph's relations lead from and to: which are listed, which are attributes, how questions word them.

Two forms are read: our own table (`sample/ontology.tsv`), and AgentBench's folder of `vocab.json` (what is listed) and
`fb_roles` (domain, relation, range).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from schemas.bounded_reading import read_text
from schemas.errors import ConfigError, InputError
from schemas.record import digest

FREEBASE = "http://rdf.freebase.com/ns/"
"""Namespace of Freebase's names."""
NAME, TYPE = "type.object.name", "type.object.type"
"""What names and types are said by, in Freebase as here; neither is ever listed."""
NUMBER = "type.int"
"""Type of what `count` gives."""
MOST_BYTES = 64_000_000
"""Of an ontology's file; AgentBench's largest has 1.5 MB."""
_COLUMNS = 6


@dataclass(frozen=True)
class Relation:
    """One relation, in one direction."""

    name: str
    domain: str
    range: str
    inverse: str = ""
    """The same facts the other way round; empty = there is none."""
    phrase: str = ""
    """What it is called in a question, before what it is asked of; empty = no question is worded with it."""
    noun: str = ""
    """An attribute's name in a superlative; empty = it is no attribute."""


@dataclass(frozen=True)
class Ontology:
    """Relations by name, and what is listed of them."""

    namespace: str
    relations: Mapping[str, Relation]
    listed: frozenset[str]
    """What `get_relations` may show."""
    attributes: frozenset[str]
    """What `get_attributes` may show."""

    def range_of(self, relation: str) -> str:
        """Return the type of what a relation leads to.

        Raises:
            KeyError: nothing is known of it.
        """
        return self.relations[relation].range

    @cached_property
    def digest(self) -> str:
        """Digest of all that changes what the tools say."""
        said = sorted((one.name, one.range) for one in self.relations.values())
        return digest(self.namespace, said, sorted(self.listed), sorted(self.attributes))


def read_ontology(path: Path, namespace: str = FREEBASE) -> Ontology:
    """Read a table of our own form, or AgentBench's folder.

    Raises:
        ConfigError: it is not there, or not of that form; the text says where.
    """
    try:
        if path.is_dir():
            return _of_agentbench(path, namespace)
        return _of_table(read_text(path, MOST_BYTES).splitlines(), path, namespace)
    except (InputError, OSError) as error:
        raise ConfigError(f"the ontology cannot be read: {error}") from error


def _of_table(lines: Iterable[str], path: Path, namespace: str) -> Ontology:
    found: dict[str, Relation] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if not 3 <= len(cells) <= _COLUMNS or not all(cells[:3]) or any(" " in cell for cell in cells[:3]):
            raise ConfigError(
                f"{path}:{number} is no relation: three to six columns parted by tabs (relation, domain, range, "
                f"inverse, phrase, noun), this is {line[:80]!r}"
            )
        found[cells[0]] = Relation(*cells)
    if not found:
        raise ConfigError(f"{path} holds no relation: a line each, columns parted by tabs")
    attributes = frozenset(one.name for one in found.values() if one.noun)
    return Ontology(namespace, found, frozenset(found), attributes)


def _of_agentbench(folder: Path, namespace: str) -> Ontology:
    words = f"{folder} is no ontology of AgentBench: it holds `vocab.json` and `fb_roles`"
    try:
        vocabulary = json.loads(read_text(folder / "vocab.json", MOST_BYTES))
        listed, attributes = (frozenset(map(str, vocabulary[key])) for key in ("relations", "attributes"))
        roles = [line.split() for line in read_text(folder / "fb_roles", MOST_BYTES).splitlines() if line.strip()]
        found = {name: Relation(name, domain, range_) for domain, name, range_, *_ in roles}
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise ConfigError(f"{words} ({type(error).__name__}: {error})") from error
    return Ontology(namespace, found, listed, attributes)
