"""Publishes mixtures of several etas in one go: equal in size, alike in all else, so that what differs is eta."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from prefect import task

from formats.releases.dataset_card import CardTable
from schemas.errors import ConfigError
from schemas.mixture_config import MixtureConfig
from schemas.release import Release
from tasks.publish.choose_rows import Candidates
from tasks.publish.eligible import thin_out
from tasks.publish.mixture import publish_recipes
from tasks.publish.pools import AGENT, agent_pools, general_pools, most_of
from tasks.workshop import begin_task

ETAS = tuple(round(tenth / 10, 1) for tenth in range(11))
"""AgentTuning scanned eta from 0 to 1 by tenths."""
COLUMNS = (
    "eta",
    "release",
    "rows",
    "agent",
    "general",
    "repeated",
    "by rows",
    "by turns",
    "by trained tokens",
    "notes",
)


@task(name="scan eta", task_run_name="scan eta", tags=["stage:publish_mixture"])
async def publish_scan(build: int, tables: Sequence[CardTable], etas: Sequence[float] = ETAS) -> list[Release]:
    """Publish a mixture of each eta; one that is published already is returned as it stands.

    Their size is `mixture.total`, or the largest that every eta can have of what there is.

    Raises:
        ConfigError: there are no rows on one of the sides.
    """
    workshop = begin_task()
    recipe = workshop.config.mixture

    def recipes(candidates: Candidates) -> list[MixtureConfig]:
        total = recipe.total or largest_total(candidates, recipe, etas)
        if not total:
            raise ConfigError("a scan of eta needs agent rows and general rows, and one of the two has none")
        return [recipe.model_copy(update={"eta": eta, "total": total}) for eta in etas]

    return publish_recipes(workshop, build, tables, recipes)


def largest_total(candidates: Candidates, recipe: MixtureConfig, etas: Sequence[float]) -> int:
    """Return the largest size, in the recipe's unit, that mixtures of all these etas can have."""
    ours = most_of(agent_pools(thin_out(candidates.agent, recipe).rows, recipe), recipe)
    theirs = most_of(general_pools(candidates.general, recipe), recipe)
    shares = [(Fraction(str(eta)), ours) for eta in etas] + [(1 - Fraction(str(eta)), theirs) for eta in etas]
    return min(math.floor(there / share) for share, there in shares if share)


def compare(releases: Sequence[Release]) -> CardTable:
    """Lay releases beside each other: what each holds of agent data, in each unit."""
    return CardTable("Mixtures by eta", COLUMNS, tuple(map(_compare, releases)))


def _compare(release: Release) -> tuple[str | int | float | None, ...]:
    shares = {share.stratum: share for share in release.shares}
    agent = shares[AGENT]
    recipe = MixtureConfig.model_validate_json(release.recipe)
    return (
        recipe.eta,
        release.release_id,
        release.rows,
        agent.rows,
        release.rows - agent.rows,
        sum(share.repeated for share in release.shares),
        round(agent.achieved_rows, 4),
        round(agent.achieved_turns, 4),
        round(agent.achieved_trained_tokens, 4),
        len(release.notes),
    )
