"""`[worlds.mind2web]`: what a configuration may say about the world of pages."""

from __future__ import annotations

from pydantic import Field

from environments.mind2web.reward import RewardName
from environments.mind2web.tournament import PER_ROUND, TOP
from schemas.record import Record


class Mind2WebConfig(Record):
    requests: int = Field(default=9, ge=0)
    """Tasks on built-in pages that a build asks for; `generate.tasks_per_request` of them share a request."""
    derived: int = Field(default=20, ge=0)
    """Steps of the built-in flows that a build derives at most: half are to be solved, half are replayed."""
    top: int = Field(default=TOP, ge=2, le=50)
    """Candidates of a made task (AgentBench: the ten best)."""
    per_round: int = Field(default=PER_ROUND, ge=2, le=10)
    """Candidates of a round (AgentBench: 5)."""
    reward: RewardName = "trajectory"
    """What the reward is: trajectory (of one step element times action F1, of several the share of right ones),
    step_success, element_f1, element or action_f1. `curate.thresholds` says from which reward on an episode is kept."""
