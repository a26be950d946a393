"""`[worlds.kg]`: what a configuration may say about the knowledge-graph world."""

from __future__ import annotations

from pydantic import Field

from environments.kg.ontology import FREEBASE
from schemas.record import Record


class KgConfig(Record):
    requests: int = Field(default=9, ge=0)
    """Questions that a build asks for (self-instruct); `generate.tasks_per_request` of them share a request."""
    questions: int = Field(default=12, ge=0)
    """Questions that a build derives from the built-in graph at most: half are to be solved, half are replayed."""
    graph: str = ""
    """Another graph beside the built-in one: a file of RDF (.nt, .ttl, packed as .gz or not), or the URL of a SPARQL
    endpoint (one with a password is said in TRAJMILL_SPARQL_URL, and its ontology here); empty = there is none."""
    graph_name: str = "freebase"
    """What tasks call it; AgentBench's are imported under `freebase`."""
    ontology: str = ""
    """What its relations are: AgentBench's folder of `vocab.json` and `fb_roles`, or a table of our own form."""
    namespace: str = FREEBASE
    """What its names begin with."""
    timeout_seconds: float = Field(default=30.0, gt=0)
    """Wall time that an endpoint has for a query."""
