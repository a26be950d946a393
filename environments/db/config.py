"""`[worlds.db]`: what a configuration may say about the database world."""

from __future__ import annotations

from pydantic import Field

from schemas.record import Record


class DbConfig(Record):
    requests: int = Field(default=72, ge=0)
    """Changes (INSERT, UPDATE, DELETE) that a build asks for; `generate.tasks_per_request` of them share a request."""
    seeds: str = "built-in"
    """JSONL file of seed examples, or `built-in`."""
    bird: str = "built-in"
    """BIRD-format folder (questions with gold SQL, SQLite databases), or `built-in`."""
    questions: int = Field(default=60, ge=0)
    """Questions a build at most; each is tried both ways."""
