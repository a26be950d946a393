"""Publication: choose the rows, check the whole, write the folder, land the release. Same sources, same bytes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from prefect import task

from formats.dataset_card import CardTable, ReleaseFacts
from formats.huggingface import ReleaseRow
from schemas.errors import ConfigError
from schemas.record import canonical_json
from schemas.release import Release, SourceDigest
from tasks.mix_samples import AGENT, Candidate, Mixture, Pick, mix_samples
from tasks.validate_tables import validate_folder
from tasks.workshop import Workshop, begin_task
from tasks.write_release import make_agent_row, make_general_row, make_release_id, write_release

STAGE = "publish_mixture"
SOURCES = ("task_specs", "episodes", "trajectories", "conversations", "rejections")
"""Tables that a release is a function of: rows, acceptance on its card, and what was turned away."""
INNER_STAGES = ("generate", "admit", "collect", "curate", "ingest", "import")
"""Stages whose rejections never became rows; those of any other (`review`, an expectation) name rows to leave out."""
LOCK = Path(__file__).resolve().parent.parent / "uv.lock"


@task(name="publish release", task_run_name="publish release", tags=["stage:publish_mixture"])
async def publish_release(build: int, tables: Sequence[CardTable]) -> Release:
    """Publish the mixture of what the warehouse holds; one that is published already is returned as it stands."""
    workshop, clock = begin_task(), time.monotonic()
    versions = workshop.warehouse.versions()
    sources = tuple(_source(workshop, table, versions) for table in SOURCES)
    release_id = make_release_id(sources, workshop.config, _lock_sha256())
    folder = workshop.home / "releases" / release_id
    published: list[Release] = workshop.warehouse.read("releases", "release_id = ?", (release_id,))
    if published and folder.is_dir():
        return published[0].model_copy(update={"path": str(folder)})  # the home may have moved since
    curation = workshop.config.mixture.curation_id or workshop.curation_id
    mixture = choose_rows(workshop, curation, versions)
    told = (mixture.shares, mixture.guessable, mixture.notes, tuple(tables))
    facts = ReleaseFacts(release_id, workshop.config, curation, sources, *told)
    files = write_release(folder, _rows(workshop, mixture, versions), count=len(mixture.picks), facts=facts)
    release = Release(
        release_id=release_id,
        recipe=canonical_json(workshop.config.mixture).decode(),
        curation_id=curation,
        sources=sources,
        shares=mixture.shares,
        guessable=mixture.guessable,
        rows=len(mixture.picks),
        files=files,
        notes=mixture.notes,
        build=build,
        created_at=datetime.now(UTC),
        path=str(folder),
        seconds=time.monotonic() - clock,
        cost_usd=workshop.ledger.totals().cost_usd,
    )
    validate_folder(folder, release)
    workshop.warehouse.land("releases", [release], key=release_id)
    workshop.progress.expect(STAGE, len(mixture.picks))
    workshop.progress.keep(STAGE, len(mixture.picks))
    return release


def choose_rows(workshop: Workshop, curation: str, versions: Mapping[str, int]) -> Mixture:
    """Mix what nobody turned away, as the tables stood at `versions`.

    Raises:
        ConfigError: there is no agent row to mix.
    """
    turned_away = f"SELECT split_part(source, '/', 1) FROM rejections WHERE stage NOT IN {INNER_STAGES!r}"
    agent = workshop.warehouse.query(
        "SELECT trajectory_id, n_trained, tokens, NULL, coalesce(guessable, false) FROM trajectories "
        f"WHERE curation_id = ? AND trajectory_id NOT IN ({turned_away}) AND episode_id NOT IN ({turned_away}) "
        f"AND task_id NOT IN ({turned_away})",
        (curation,),
        versions=versions,
    )
    if not agent:
        raise ConfigError("no trajectory has been kept yet, so there is no mixture; run `trajmill build` first")
    general = workshop.warehouse.query(
        f"SELECT conversation_id, n_trained, tokens, source_model FROM conversations "
        f"WHERE conversation_id NOT IN ({turned_away})",
        versions=versions,
    )
    recipe = workshop.config.mixture
    return mix_samples((Candidate(*row) for row in agent), (Candidate(*row) for row in general), recipe)


def _rows(workshop: Workshop, mixture: Mixture, versions: Mapping[str, int]) -> Iterator[ReleaseRow]:
    """Yield the mixture's rows in its order, reading one shard's worth at a time."""
    size = workshop.config.mixture.rows_per_shard
    for start in range(0, len(mixture.picks), size):
        picks = mixture.picks[start : start + size]
        found = _agent_rows(workshop, picks, versions) | _general_rows(workshop, picks, versions)
        yield from (found[pick.id] for pick in picks)


def _agent_rows(workshop: Workshop, picks: Sequence[Pick], versions: Mapping[str, int]) -> dict[str, ReleaseRow]:
    wanted = [pick.id for pick in picks if pick.stratum == AGENT]
    where = "list_contains(?::VARCHAR[], trajectory_id)"
    rows = workshop.warehouse.read("trajectories", where, (wanted,), versions=versions)
    return {row.trajectory_id: make_agent_row(row) for row in rows}


def _general_rows(workshop: Workshop, picks: Sequence[Pick], versions: Mapping[str, int]) -> dict[str, ReleaseRow]:
    strata = {pick.id: pick.stratum for pick in picks if pick.stratum != AGENT}
    where = "list_contains(?::VARCHAR[], conversation_id)"
    rows = workshop.warehouse.read("conversations", where, (list(strata),), versions=versions)
    return {row.conversation_id: make_general_row(row, strata[row.conversation_id]) for row in rows}


def _source(workshop: Workshop, table: str, versions: Mapping[str, int]) -> SourceDigest:
    stood = workshop.warehouse.digest(table, versions=versions)
    return SourceDigest(table=table, digest=stood, version=versions[table])


def _lock_sha256() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else "installed without a lock file"
