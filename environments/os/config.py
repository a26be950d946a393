"""`[worlds.os]`: what a configuration may say about the OS world."""

from __future__ import annotations

from pydantic import Field

from schemas.record import Record


class OsConfig(Record):
    requests: int = Field(default=96, ge=0)
    """Self-instruct requests a build; each asks for one task."""
    seeds: str = "built-in"
    """Folder or JSONL file of seed examples, or `built-in`."""
