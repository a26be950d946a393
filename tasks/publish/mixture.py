"""Publication: choose the rows, check the whole, write the folder, land the release. Same sources, same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from prefect import task

from formats.releases.dataset_card import CardTable, ReleaseFacts
from schemas.episode import NOT_FINAL
from schemas.errors import NothingFound
from schemas.record import canonical_json
from schemas.release import FileHash, Release, SourceDigest
from tasks.privacy.rows import find_private_rows
from tasks.publish.about_checks import FALLEN, Accepted, note_fallen, note_weaker_checks
from tasks.publish.about_tasks import in_band, note_left_out
from tasks.publish.mix_samples import AGENT, Eligible, Mixture, mix_samples
from tasks.publish.read_mixture import MixtureReader, wording_of
from tasks.publish.split_rows import split_rows
from tasks.publish.validate_tables import validate_folder
from tasks.publish.word_as_calls import LEFT_OUT
from tasks.publish.write_release import make_release_id, write_release
from tasks.unsettled import note_unsettled
from tasks.workshop import Workshop, begin_task

STAGE = "publish_mixture"
SETTLED = {
    "episodes": "SELECT * REPLACE (1 AS try_number) FROM latest_episodes "
    f"WHERE outcome NOT IN {NOT_FINAL!r} AND verdict <> 'unknown'",
    "rejections": "SELECT * FROM rejections WHERE reason <> 'teacher_error'",
}
"""What of a source names a release: how an attempt ended, and not what an outage cut short on the way there."""
SOURCES = ("task_specs", "episodes", "trajectories", "conversations", "rejections")
"""Tables that a release is a function of: rows, acceptance on its card, and what was turned away. `verdicts` is one
where it has rows, so that the releases of homes without any keep their ids."""
_TURNED_AWAY = "SELECT id FROM turned_away"
_AGENT_ROWS = (
    f"trajectories WHERE curation_id = ? AND trajectory_id NOT IN ({_TURNED_AWAY}) "
    f"AND episode_id NOT IN ({_TURNED_AWAY}) AND task_id NOT IN ({_TURNED_AWAY})"
)
LOCK = Path(__file__).resolve().parents[2] / "uv.lock"


@task(name="publish release", task_run_name="publish release", tags=["stage:publish_mixture"])
async def publish_release(build: int, tables: Sequence[CardTable]) -> Release:
    """Publish the mixture of what the warehouse holds; one that is published already is returned as it stands.

    With it goes what there is to say of its checks and outages today, even where it was not known back then.
    """
    workshop = begin_task()
    versions = workshop.warehouse.versions()
    sources = _sources(workshop, versions)
    release_id = make_release_id(sources, workshop.config, _lock_sha256(), wording_of(workshop.worlds))
    curation = workshop.config.mixture.curation_id or workshop.curation_id
    mixture = choose_rows(workshop, curation, versions)
    about_work = _note_work(workshop, curation, mixture, versions)
    folder = workshop.home / "releases" / release_id
    if published := _find_published(workshop, folder, about_work):
        return published
    found = MixtureReader(workshop, curation, versions)
    recipe = workshop.config.mixture
    split = split_rows(list(found.kin(mixture.picks)) if recipe.validation else [], recipe)
    about_shares = (*mixture.notes, *split.notes)
    calls = _have_calls(workshop, mixture, versions)
    told = (mixture.shares, mixture.guessable, (*about_shares, *about_work), tuple(tables), calls, LEFT_OUT)
    facts = ReleaseFacts(release_id, workshop.config, curation, sources, *told)
    rows = found.rows(mixture.picks, split.validation)
    files = write_release(folder, rows, count=len(mixture.picks), facts=facts)
    release = _make_release(workshop, build, folder, facts, files, len(mixture.picks), len(split.validation))
    validate_folder(folder, release, about_shares)
    _land(workshop, release)
    return release


def _make_release(
    workshop: Workshop,
    build: int,
    folder: Path,
    facts: ReleaseFacts,
    files: tuple[FileHash, ...],
    rows: int,
    validation_rows: int,
) -> Release:
    return Release(
        release_id=facts.release_id,
        recipe=canonical_json(facts.config.mixture).decode(),
        curation_id=facts.curation_id,
        sources=facts.sources,
        shares=facts.shares,
        guessable=facts.guessable,
        rows=rows,
        validation_rows=validation_rows,
        files=files,
        notes=facts.notes,
        build=build,
        created_at=datetime.now(UTC),
        path=str(folder),
        seconds=workshop.progress.stages[STAGE].seconds,
        cost_usd=workshop.ledger.totals().cost_usd,
    )


def _land(workshop: Workshop, release: Release) -> None:
    workshop.warehouse.land("releases", [release], key=release.release_id)
    workshop.progress.expect(STAGE, release.rows)
    workshop.progress.keep(STAGE, release.rows)


def _find_published(workshop: Workshop, folder: Path, about_work: Sequence[str]) -> Release | None:
    """Return the release that stands in its folder, with what its notes do not say yet."""
    found: list[Release] = workshop.warehouse.read("releases", "release_id = ?", (folder.name,))
    if not found or not folder.is_dir():
        return None
    notes = tuple(dict.fromkeys((*found[0].notes, *about_work)))
    return found[0].model_copy(update={"path": str(folder), "notes": notes})  # the home may have moved since


def choose_rows(workshop: Workshop, curation: str, versions: Mapping[str, int]) -> Mixture:
    """Mix what nobody turned away, as the tables stood at `versions`.

    Raises:
        NothingFound: there is no agent row to mix.
    """
    agent = workshop.warehouse.query(
        "SELECT trajectory_id, n_trained, tokens, NULL, coalesce(guessable, false) "
        f"FROM {_AGENT_ROWS} AND episode_id NOT IN ({FALLEN}) AND {in_band(workshop.config.mixture)}",
        (curation,),
        versions=versions,
    )
    if not agent:
        why = note_left_out(workshop, curation, versions) + note_fallen(_count_fallen(workshop, curation, versions))
        told = why or (_what_is_there(workshop, curation),)
        raise NothingFound(f"{told[0].rstrip('.')}, so there is no mixture")
    general = workshop.warehouse.query(
        f"SELECT conversation_id, n_trained, tokens, source_model FROM conversations "
        f"WHERE conversation_id NOT IN ({_TURNED_AWAY})",
        versions=versions,
    )
    recipe = workshop.config.mixture
    private = _private_rows(workshop, versions)
    agent_rows, general_rows = ((Eligible(*row) for row in some if row[0] not in private) for some in (agent, general))
    return mix_samples(agent_rows, general_rows, recipe)


def _private_rows(workshop: Workshop, versions: Mapping[str, int]) -> set[str]:
    """Return the rows that hold secrets or personal data, of the kinds of data that the configuration takes none of."""
    config = workshop.config
    how = {"trajectories": config.curate.personal, "conversations": config.general.cleaning.personal}
    rejecting = [table for table, personal in how.items() if personal == "reject"]
    return {row for table in rejecting for row in find_private_rows(workshop.warehouse, table, versions)}


def _what_is_there(workshop: Workshop, curation: str) -> str:
    """Say why there is no agent row: nothing was kept, or not by this curation."""
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


def _count_fallen(workshop: Workshop, curation: str, versions: Mapping[str, int]) -> int:
    sql = f"SELECT count(*) FROM {_AGENT_ROWS} AND episode_id IN ({FALLEN})"
    return int(workshop.warehouse.query(sql, (curation,), versions=versions)[0][0])


def _note_checks(workshop: Workshop, curation: str, mixture: Mixture, versions: Mapping[str, int]) -> tuple[str, ...]:
    """Say what was left out since it does not stand, and what was accepted under weaker checks than today's."""
    chosen = [pick.id for pick in mixture.picks if pick.stratum == AGENT]
    accepted = workshop.warehouse.query(
        "SELECT latest_verdicts.environment, check_contract FROM trajectories JOIN latest_verdicts USING (episode_id) "
        "WHERE list_contains(?::VARCHAR[], trajectory_id)",
        (chosen,),
        versions=versions,
    )
    fallen = note_fallen(_count_fallen(workshop, curation, versions))
    return (*fallen, *note_weaker_checks(Accepted(*row) for row in accepted))


def _note_work(workshop: Workshop, curation: str, mixture: Mixture, versions: Mapping[str, int]) -> tuple[str, ...]:
    """Say what tasks, checks and outages left out, as far as it is known today."""
    about_checks = _note_checks(workshop, curation, mixture, versions)
    return (*note_left_out(workshop, curation, versions), *about_checks, *note_unsettled(workshop, versions))


def _have_calls(workshop: Workshop, mixture: Mixture, versions: Mapping[str, int]) -> bool:
    """Whether any chosen row says more than role and content (`ReleaseRow.has_calls`)."""
    says_more = "m.role = 'tool' OR len(m.tool_calls) > 0 OR m.reasoning_content <> ''"
    calls = f"len(list_filter(messages, lambda m: {says_more})) > 0"
    found = workshop.warehouse.query(
        f"SELECT trajectory_id FROM trajectories WHERE tools IS NOT NULL OR {calls} "
        f"UNION ALL SELECT conversation_id FROM conversations WHERE {calls}",
        versions=versions,
    )
    calling = {row[0] for row in found}
    return any(pick.id in calling for pick in mixture.picks)


def _sources(workshop: Workshop, versions: Mapping[str, int]) -> tuple[SourceDigest, ...]:
    (judged_again,) = workshop.warehouse.query("SELECT count(*) FROM verdicts", versions=versions)[0]
    tables = (*SOURCES, "verdicts") if judged_again else SOURCES
    digests = {table: workshop.warehouse.digest(table, versions=versions, of=SETTLED.get(table)) for table in tables}
    return tuple(SourceDigest(table=name, digest=one, version=versions[name]) for name, one in digests.items())


def _lock_sha256() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else "installed without a lock file"
