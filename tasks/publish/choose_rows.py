"""Reads what a mixture may draw from, as the tables stood at some versions, and mixes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.errors import ConfigError, NothingFound
from schemas.mixture_config import MixtureConfig
from tasks.privacy.rows import find_private_rows
from tasks.publish.about_checks import FALLEN, note_fallen
from tasks.publish.about_tasks import in_band, note_left_out
from tasks.publish.count_tokens import Calibration, calibrate
from tasks.publish.eligible import Eligible
from tasks.publish.mix_samples import Mixture, mix_samples
from tasks.publish.recorded_sets import eligible_recorded
from tasks.workshop import Workshop

_TURNED_AWAY = "SELECT id FROM turned_away"
_AGENT_ROWS = (
    f"trajectories WHERE curation_id = ? AND trajectory_id NOT IN ({_TURNED_AWAY}) "
    f"AND episode_id NOT IN ({_TURNED_AWAY}) AND task_id NOT IN ({_TURNED_AWAY})"
)
_AGENT = (
    "trajectory_id, n_trained, tokens, NULL, coalesce(guessable, false), trained_tokens, task_id, "
    "coalesce(family, ''), environment, episode_id, reward"
)
_GENERAL = "conversation_id, n_trained, tokens, source_model, false, trained_tokens"
KEYS = {"trajectories": "trajectory_id", "conversations": "conversation_id"}


class Candidates:
    """What a recipe may draw from: eta and the total apart, so that several mixtures are made of one reading."""

    def __init__(self, workshop: Workshop, curation: str, versions: Mapping[str, int]) -> None:
        """Read them.

        Raises:
            NothingFound: there is no agent row to mix, and the recipe asks for some.
            ConfigError: a condition of a source is no SQL, or the tokenizer cannot be read.
        """
        recipe = workshop.config.mixture
        found = workshop.warehouse.query(
            f"SELECT {_AGENT} FROM {_AGENT_ROWS} AND episode_id NOT IN ({FALLEN}) AND {in_band(recipe)}",
            (curation,),
            versions=versions,
        )
        self.recorded = eligible_recorded(workshop, versions)
        private = _private_rows(workshop, versions)
        if not found and not self.recorded and recipe.eta:
            raise NothingFound(f"{_why_nothing(workshop, curation, versions).rstrip('.')}, so there is no mixture")
        chats = workshop.warehouse.query(
            f"SELECT {_GENERAL} FROM conversations WHERE conversation_id NOT IN ({_TURNED_AWAY})", versions=versions
        )
        rows, others = ([Eligible(*row) for row in some if row[0] not in private] for some in (found, chats))
        agent = _from_sources(workshop, "trajectories", rows, versions)
        general = _from_sources(workshop, "conversations", others, versions)
        self.calibrations: tuple[Calibration, ...] = ()
        if recipe.tokenizer is not None:
            self.calibrations, agent, general = calibrate(workshop, agent, general, versions)
        self.agent, self.general = agent, general

    def mix(self, recipe: MixtureConfig) -> Mixture:
        """Mix them at a recipe's eta."""
        mixture = mix_samples(self.agent, self.general, recipe, self.recorded)
        return mixture._replace(notes=(*mixture.notes, *(one.note for one in self.calibrations)))


def choose_rows(workshop: Workshop, curation: str, versions: Mapping[str, int]) -> Mixture:
    """Mix what nobody turned away, as the tables stood at `versions`.

    Raises:
        NothingFound: there is no agent row to mix.
        ConfigError: the recipe cannot be followed.
    """
    return Candidates(workshop, curation, versions).mix(workshop.config.mixture)


def count_fallen(workshop: Workshop, curation: str, versions: Mapping[str, int]) -> int:
    """Count the agent rows whose episodes, judged again, do not stand."""
    sql = f"SELECT count(*) FROM {_AGENT_ROWS} AND episode_id IN ({FALLEN})"
    return int(workshop.warehouse.query(sql, (curation,), versions=versions)[0][0])


def _private_rows(workshop: Workshop, versions: Mapping[str, int]) -> set[str]:
    """Return the rows that hold secrets or personal data, of the kinds of data that the configuration takes none of."""
    config = workshop.config
    how = {"trajectories": config.curate.personal, "conversations": config.general.cleaning.personal}
    rejecting = [table for table, personal in how.items() if personal == "reject"]
    return {row for table in rejecting for row in find_private_rows(workshop.warehouse, table, versions)}


def _from_sources(
    workshop: Workshop, table: str, rows: Sequence[Eligible], versions: Mapping[str, int]
) -> list[Eligible]:
    """Name the first source of the recipe that takes each row; where it has sources of the table, others stay out.

    Chats that no source takes are told by the mixture.
    """
    sources = {name: one.where for name, one in workshop.config.mixture.sources.items() if one.table == table}
    if not sources:
        return list(rows)
    taken: dict[str, str] = {}
    for name, where in sources.items():
        sql = f"SELECT {KEYS[table]} FROM {table} WHERE {where}"
        try:
            _, found = workshop.warehouse.sql(sql, versions=versions)
        except ConfigError as error:
            raise ConfigError(f"mixture.sources.{name}.where = {where!r}: {error}") from None
        for (row_id,) in found:
            taken.setdefault(row_id, name)
    named = [row._replace(source=taken.get(row.id, "")) for row in rows]
    return named if table == "conversations" else [row for row in named if row.source]


def _why_nothing(workshop: Workshop, curation: str, versions: Mapping[str, int]) -> str:
    """Say why there is no agent row: nothing was kept, or not by this curation, or the recipe takes none of it."""
    left_out = note_left_out(workshop, curation, versions)
    why = left_out + note_fallen(count_fallen(workshop, curation, versions))
    return why[0] if why else _what_is_there(workshop, curation)


def _what_is_there(workshop: Workshop, curation: str) -> str:
    rows = workshop.warehouse.query("SELECT curation_id, count(*) FROM trajectories GROUP BY 1 ORDER BY 2 DESC, 1")
    if not rows:
        return "no trajectory has been kept yet (`trajmill status` says why)"
    there = ", ".join(f"{count:,} of curation {one}" for one, count in rows)
    if any(one == curation for one, _ in rows):
        return f"every trajectory of curation {curation} was turned away ({there})"
    return (
        f"no trajectory of this configuration's curation {curation} is here, but {there}: publish with the --config "
        f"and --set that `curate` had, or with --set mixture.curation_id={rows[0][0]}"
    )
