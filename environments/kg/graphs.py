"""The graphs that a run has: the built-in one, and the one that the configuration names. Opened once, shared by all."""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from pathlib import Path
from typing import IO, cast
from urllib.parse import urlsplit

import pyoxigraph

from environments.kg.config import KgConfig
from environments.kg.endpoint import EndpointStore
from environments.kg.ontology import Ontology, read_ontology
from environments.kg.sample import NAME, load_graph
from environments.kg.store import EmbeddedStore, Graph, SparqlStore
from schemas.errors import ConfigError
from schemas.record import digest

_FORMATS = {".nt": pyoxigraph.RdfFormat.N_TRIPLES, ".ttl": pyoxigraph.RdfFormat.TURTLE}


@cache
def built_in() -> Graph:
    """Return the built-in graph, the same for all worlds of this process."""
    ontology, facts = load_graph()
    whole = digest(facts.digest(ontology.namespace), ontology.digest)
    return Graph(NAME, ontology, EmbeddedStore.of(facts, ontology), whole)


def configured(config: KgConfig, url: str = "") -> Graph | None:
    """Return the graph that a configuration names beside the built-in one, not yet opened; None = it names none.

    `url` is the endpoint of the environment's TRAJMILL_SPARQL_URL, which goes before that of the configuration.

    Raises:
        ConfigError: it has no ontology, a taken name, or cannot be read; the text says what to do.
    """
    place = url if url and (config.ontology or config.graph) else config.graph
    if not place:
        return None
    if place == config.graph and urlsplit(place).password:
        raise ConfigError("worlds.kg.graph holds a password, which releases would keep; say it in TRAJMILL_SPARQL_URL")
    if config.graph_name == NAME:
        raise ConfigError(f"worlds.kg.graph_name = {NAME!r} is the built-in graph; give yours another name")
    if not config.ontology:
        raise ConfigError(
            "worlds.kg.graph needs worlds.kg.ontology: AgentBench's folder of vocab.json and fb_roles, or a table of "
            "relation, domain and range"
        )
    ontology = read_ontology(Path(config.ontology).expanduser(), config.namespace)
    if "://" in place:
        store: SparqlStore = EndpointStore(place, seconds=config.timeout_seconds)
        return Graph(config.graph_name, ontology, store, digest(config.graph_name, ontology.digest))
    return _of_file(Path(place).expanduser(), config.graph_name, ontology)


def _of_file(path: Path, name: str, ontology: Ontology) -> Graph:
    format_ = _FORMATS.get(Path(path.stem if path.suffix == ".gz" else path.name).suffix)
    if format_ is None:
        raise ConfigError(f"worlds.kg.graph = {str(path)!r}: a file of RDF ends in {', '.join(_FORMATS)} (or .gz)")
    try:
        read, sha256 = _load(path, format_, path.stat().st_mtime_ns)
    except (OSError, EOFError, SyntaxError, ValueError) as error:
        raise ConfigError(f"the graph {path} cannot be read: {type(error).__name__}: {error}") from error
    return Graph(name, ontology, read, digest(name, sha256, ontology.digest))


@cache
def _load(path: Path, format_: pyoxigraph.RdfFormat, changed: int) -> tuple[EmbeddedStore, str]:
    """Load a file, once for all worlds of this process while nobody changes it."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    store = pyoxigraph.Store()
    with path.open("rb") as file:
        store.bulk_load(cast(IO[bytes], gzip.GzipFile(fileobj=file)) if path.suffix == ".gz" else file, format_)
    return EmbeddedStore(store=store), sha256
