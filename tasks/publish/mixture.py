"""Publication: choose the rows, check the whole, write the folder, land the release. Same sources, same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from prefect import task

from formats.releases.dataset_card import CardTable, ReleaseFacts
from formats.releases.release_folder import TRAIN, VALIDATION
from schemas.episode import NOT_FINAL
from schemas.errors import ConfigError
from schemas.mixture_config import MixtureConfig
from schemas.record import canonical_json
from schemas.release import FileHash, Release, SourceDigest
from tasks.publish.about_checks import Accepted, note_fallen, note_weaker_checks
from tasks.publish.about_tasks import note_left_out
from tasks.publish.audit import audit_release
from tasks.publish.choose_rows import Candidates, count_fallen
from tasks.publish.count_tokens import tokenizer_sha256
from tasks.publish.eligible import sampling_key
from tasks.publish.mix_samples import Mixture
from tasks.publish.pools import AGENT
from tasks.publish.read_mixture import MixtureReader, wording_of
from tasks.publish.recorded_sets import named_sets, note_recorded
from tasks.publish.release_members import land_members, land_members_of_before
from tasks.publish.split_rows import split_rows
from tasks.publish.validate_tables import validate_folder
from tasks.publish.word_as_calls import LEFT_OUT
from tasks.publish.write_release import ReleaseDraft, make_release_id
from tasks.unsettled import note_unsettled
from tasks.workshop import Workshop, begin_task
from warehouse.warehouse import Warehouse

STAGE = "publish_mixture"
SETTLED = {
    "episodes": "SELECT * REPLACE (1 AS try_number) FROM latest_episodes "
    f"WHERE outcome NOT IN {NOT_FINAL!r} AND verdict <> 'unknown'",
    "rejections": "SELECT * FROM rejections WHERE reason <> 'teacher_error'",
}
"""What of a source names a release: how an attempt ended, and not what an outage cut short on the way there."""
SOURCES = ("task_specs", "episodes", "trajectories", "conversations", "rejections")
"""Tables that a release is a function of: rows, acceptance on its card, and what was turned away. `verdicts` is one
where it has rows, so that the releases of homes without any keep their ids; `foreign_rows` where sets are named."""
LOCK = Path(__file__).resolve().parents[2] / "uv.lock"


class Planned(NamedTuple):
    """A release before it is written."""

    folder: Path
    mixture: Mixture
    facts: ReleaseFacts
    about_shares: tuple[str, ...]
    """Notes that say why a share is another than the recipe asks for."""
    splits: Mapping[str, str]
    """By row."""

    @property
    def held_out(self) -> int:
        """Count the rows that are for validation."""
        return sum(split == VALIDATION for split in self.splits.values())


@task(name="publish release", task_run_name="publish release", tags=["stage:publish_mixture"])
async def publish_release(build: int, tables: Sequence[CardTable]) -> Release:
    """Publish the mixture of what the warehouse holds; one that is published already is returned as it stands.

    With it goes what there is to say of its checks and outages today, even where it was not known back then.
    """
    workshop = begin_task()
    (release,) = publish_recipes(workshop, build, tables, lambda candidates: [workshop.config.mixture])
    return release


def publish_recipes(
    workshop: Workshop,
    build: int,
    tables: Sequence[CardTable],
    recipes_of: Callable[[Candidates], Sequence[MixtureConfig]],
) -> list[Release]:
    """Publish a release of each recipe; each is what it would be alone, and rows that several hold are rendered once.

    `recipes_of` gives the recipes once it is known what there is to mix; they differ in eta and total alone.
    """
    land_members_of_before(workshop.warehouse)
    versions = _versions(workshop)
    sources = _sources(workshop, versions)
    curation = workshop.config.mixture.curation_id or workshop.curation_id
    candidates = Candidates(workshop, curation, versions)
    reader = MixtureReader(workshop, curation, versions)
    order: list[str] = []
    releases: dict[str, Release] = {}
    planned: list[Planned] = []
    for recipe in recipes_of(candidates):
        config = workshop.config.model_copy(update={"mixture": recipe})
        release_id = make_release_id(sources, config, _lock_sha256(), _wording_and_tokenizer(workshop))
        order.append(release_id)
        folder, mixture = workshop.home / "releases" / release_id, candidates.mix(recipe)
        about_work = _note_work(workshop, curation, mixture, versions)
        if published := _find_published(workshop, folder, about_work):
            releases[release_id] = published
            continue
        split = split_rows(list(reader.kin(mixture.picks)) if recipe.validation else [], recipe)
        notes = (*mixture.notes, *note_recorded(workshop, mixture.shares, versions), *split.notes)
        calls = _have_calls(workshop, mixture, versions)
        told = (mixture.shares, mixture.guessable, (*notes, *about_work), tuple(tables), calls, LEFT_OUT)
        facts = ReleaseFacts(release_id, config, curation, sources, *told)
        splits = {pick.name: VALIDATION if pick.id in split.validation else TRAIN for pick in mixture.picks}
        planned.append(Planned(folder, mixture, facts, notes, splits))
    for plan, files in zip(planned, _write(planned, reader, workshop.warehouse, versions), strict=True):
        release = _make_release(workshop, build, plan, files)
        validate_folder(plan.folder, release, plan.about_shares, plan.facts.config.mixture.unit)
        _land(workshop, release)
        releases[release.release_id] = release
    return [releases[release_id] for release_id in order]


def _write(
    planned: Sequence[Planned], reader: MixtureReader, warehouse: Warehouse, versions: Mapping[str, int]
) -> list[tuple[FileHash, ...]]:
    """Write releases in one pass over the rows that any of them holds, in the order that all of them have."""
    drafts = [ReleaseDraft(one.folder, one.facts, one.splits, len(one.mixture.picks)) for one in planned]
    picks = {pick.name: pick for one in planned for pick in one.mixture.picks}
    seed = planned[0].facts.config.mixture.seed if planned else 0
    ordered = sorted(picks.values(), key=lambda pick: sampling_key(pick.name, seed))
    for chunk in reader.chunks(ordered, with_calls=any(one.facts.has_calls for one in planned)):
        for draft in drafts:
            draft.add(chunk)

    def finish(draft: ReleaseDraft, plan: Planned) -> tuple[FileHash, ...]:
        recipe = plan.facts.config.mixture
        return draft.finish(lambda files: audit_release(warehouse, versions, plan.mixture, recipe, files))

    return [finish(draft, plan) for draft, plan in zip(drafts, planned, strict=True)]


def _make_release(workshop: Workshop, build: int, plan: Planned, files: tuple[FileHash, ...]) -> Release:
    facts = plan.facts
    return Release(
        release_id=facts.release_id,
        recipe=canonical_json(facts.config.mixture).decode(),
        curation_id=facts.curation_id,
        sources=facts.sources,
        shares=facts.shares,
        guessable=facts.guessable,
        rows=len(plan.splits),
        validation_rows=plan.held_out,
        files=files,
        notes=facts.notes,
        build=build,
        created_at=datetime.now(UTC),
        path=str(plan.folder),
        seconds=workshop.progress.stages[STAGE].seconds,
        cost_usd=workshop.ledger.totals().cost_usd,
    )


def _land(workshop: Workshop, release: Release) -> None:
    land_members(workshop.warehouse, Path(release.path))
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


def _note_checks(workshop: Workshop, curation: str, mixture: Mixture, versions: Mapping[str, int]) -> tuple[str, ...]:
    """Say what was left out since it does not stand, and what was accepted under weaker checks than today's."""
    chosen = [pick.id for pick in mixture.picks if pick.stratum == AGENT]
    accepted = workshop.warehouse.query(
        "SELECT latest_verdicts.environment, check_contract FROM trajectories JOIN latest_verdicts USING (episode_id) "
        "WHERE trajectory_id IN (SELECT unnest(?::VARCHAR[]))",
        (chosen,),
        versions=versions,
    )
    fallen = note_fallen(count_fallen(workshop, curation, versions))
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
        f"UNION ALL SELECT conversation_id FROM conversations WHERE {calls} "
        f"UNION ALL SELECT row_id FROM foreign_rows WHERE tools IS NOT NULL OR {calls}",
        versions=versions,
    )
    calling = {row[0] for row in found}
    return any(pick.id in calling for pick in mixture.picks)


def _versions(workshop: Workshop) -> dict[str, int]:
    """Return the versions of the tables that the mixture is made from: the newest, but for those that the recipe names.

    Raises:
        ConfigError: the recipe names a table that is not there.
    """
    now, said = workshop.warehouse.versions(), workshop.config.mixture.versions
    if unknown := sorted(said.keys() - now.keys()):
        raise ConfigError(f"mixture.versions names {', '.join(unknown)}; the tables are {', '.join(now)}")
    return now | said


def _wording_and_tokenizer(workshop: Workshop) -> list[object]:
    """Return what a release's rows are a function of beside tables and recipe."""
    sha256 = tokenizer_sha256(workshop.config.mixture)
    return [*wording_of(workshop.worlds), *(() if sha256 is None else (("tokenizer", sha256),))]


def _sources(workshop: Workshop, versions: Mapping[str, int]) -> tuple[SourceDigest, ...]:
    (judged_again,) = workshop.warehouse.query("SELECT count(*) FROM verdicts", versions=versions)[0]
    named = named_sets(workshop)
    tables = (*SOURCES, *(("verdicts",) if judged_again else ()), *(("foreign_rows",) if named else ()))
    some = {**SETTLED, "foreign_rows": named}
    digests = {table: workshop.warehouse.digest(table, versions=versions, of=some.get(table)) for table in tables}
    return tuple(SourceDigest(table=name, digest=one, version=versions[name]) for name, one in digests.items())


def _lock_sha256() -> str:
    return hashlib.sha256(LOCK.read_bytes()).hexdigest() if LOCK.is_file() else "installed without a lock file"
