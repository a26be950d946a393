"""`[worlds.os]`: what a configuration may say about the OS world."""

from __future__ import annotations

from pydantic import Field

from schemas.record import Record


class OsConfig(Record):
    requests: int = Field(default=96, ge=0)
    """Tasks that a build asks for (self-instruct); `generate.tasks_per_request` of them share a request."""
    seeds: str = "built-in"
    """Folder or JSONL file of seed examples, or `built-in`."""
