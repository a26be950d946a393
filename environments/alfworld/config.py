"""`[worlds.alfworld]`: what a configuration may say about the household world."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.record import Record


class AlfworldConfig(Record):
    requests: int = Field(default=9, ge=0)
    """Tasks that a build asks for in homes of ours; `generate.tasks_per_request` of them share a request."""
    games: int = Field(default=12, ge=0)
    """Games that a build makes by its seed, the six kinds in turn: half of them to be solved, half to be played by the
    expert, for which no model is needed but for its thoughts."""
    expert: Literal["explorer", "planner"] = "explorer"
    """Who plays the references of games that are made or imported: one that knows what it has seen, or one that takes
    the shortest way since it knows where everything is."""
