"""Which tasks' rows a release takes, and what it says of those that stay out: disputed, too hard or too easy ones."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.band import Band
from schemas.mixture_config import MixtureConfig
from schemas.rejection import DISPUTED
from tasks.workshop import Workshop

_OF_DISPUTED = f"task_id IN (SELECT id FROM turned_away WHERE reason = '{DISPUTED}')"


def in_band(recipe: MixtureConfig) -> str:
    """Return the condition on `task_id` that a recipe's `pass_rate` is."""
    if recipe.pass_rate is None:
        return "true"
    measured = f"attempts >= {recipe.min_attempts} AND {Band.read(recipe.pass_rate).sql}"
    return f"task_id IN (SELECT task_id FROM task_difficulty WHERE {measured})"


def note_left_out(workshop: Workshop, curation: str, versions: Mapping[str, int]) -> tuple[str, ...]:
    """Say how many agent rows stay out for their tasks' sake."""
    recipe = workshop.config.mixture
    unmeasured = f"task_id IN (SELECT task_id FROM task_difficulty WHERE attempts < {recipe.min_attempts})"
    outside = f"task_id NOT IN (SELECT id FROM turned_away) AND NOT {in_band(recipe)}"

    def count(where: str) -> int:
        sql = f"SELECT count(*) FROM trajectories WHERE curation_id = ? AND {where}"
        return int(workshop.warehouse.query(sql, (curation,), versions=versions)[0][0])

    notes = []
    if disputed := count(_OF_DISPUTED):
        seen = f"trajmill sql \"FROM turned_away WHERE reason = '{DISPUTED}'\""
        notes.append(
            f"{_rows(disputed)} left out: independent attempts at their tasks agree with each other and not with the "
            f"reference (`{seen}`)."
        )
    if recipe.pass_rate is not None and (left_out := count(outside)):
        few = count(f"{outside} AND {unmeasured}")
        least = "1 attempt" if recipe.min_attempts == 1 else f"{recipe.min_attempts} attempts"
        notes.append(
            f"{_rows(left_out)} left out: the recipe takes tasks of {recipe.pass_rate}, measured by {least} or more, "
            f'and {few} of these are of tasks with fewer (`trajmill sql "FROM task_difficulty"`).'
        )
    return tuple(notes)


def _rows(count: int) -> str:
    return "1 agent row" if count == 1 else f"{count:,} agent rows"
