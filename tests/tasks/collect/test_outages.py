"""An outage amid a build: what it cut short is asked again when the build goes on, and no small release hides it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from flows.open_workshop import open_workshop
from schemas.completion import Completion, CompletionRequest
from schemas.errors import OutageError, TeacherError
from schemas.release import Release
from tasks.collect.episodes import collect_shard, plan_shards
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.generate.rounds import derive_tasks, generate_round
from tasks.ingest.conversations import general_files, ingest_file
from tasks.land_completions import land_completions
from tasks.publish.mixture import publish_release
from tasks.unsettled import is_outage, require_outcomes
from tasks.workshop import Workshop
from warehouse.warehouse import Warehouse

OVERRIDES = {
    "environments": ["db"],
    "generate.rounds": 2,
    "worlds.db.requests": 12,
    "worlds.db.questions": 6,
    "collect.shard_size": 6,
    "general.conversations": 80,
}
Shop = Callable[..., AbstractAsyncContextManager[Workshop]]


class Unwell:
    """A teacher whose endpoint fails for a share of the requests of a stage; what it answers comes from a real one."""

    def __init__(self, workshop: Workshop, purpose: str, share: float) -> None:
        self._teacher, self._purpose, self._share = workshop.teacher, purpose, share
        self.failed = 0

    async def complete(self, request: CompletionRequest) -> Completion:
        drawn = int(hashlib.sha256(request.model_dump_json().encode()).hexdigest()[:8], 16) / 16**8
        if request.purpose == self._purpose and drawn < self._share:
            self.failed += 1
            raise TeacherError("nobody is there")
        return await self._teacher.complete(request)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    @asynccontextmanager
    async def opened(
        home: str = "home", unwell: tuple[str, float] | None = None, **said: Any
    ) -> AsyncIterator[Workshop]:
        monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / home))
        dotted = {name.replace("__", "."): value for name, value in said.items()}
        async with open_workshop("build", "smoke", OVERRIDES | dotted) as workshop:
            if unwell:
                workshop.teacher = Unwell(workshop, *unwell)
            yield workshop

    return opened


async def build_all(workshop: Workshop) -> Release:
    """Run every stage as the flows do, without Prefect."""
    try:
        await derive_tasks.fn(workshop.build)
        for index in range(workshop.config.generate.rounds):
            await generate_round.fn(workshop.build, index)
        for wave in range(1, workshop.config.collect.attempts + 1):
            for part, index in plan_shards(workshop, "db", wave, "teacher", None):
                await collect_shard.fn(workshop.build, part, index)
        require_outcomes(workshop, workshop.build)
        for index in range(count_shards(workshop)):
            await curate_shard.fn(workshop.build, index)
        for path in general_files(workshop):
            await ingest_file.fn(path, "Apache-2.0")
        require_outcomes(workshop)
    finally:
        land_completions(workshop)
    return await publish_release.fn(workshop.build, [])


def rows_of(release: Release) -> dict[str, str]:
    return {file.path: file.sha256 for file in release.files if file.path.startswith("data/")}


@pytest.mark.parametrize(
    ("purpose", "said"),
    [
        ("generate_tasks", {"generate__tasks_per_request": 1}),
        ("collect_episodes", {}),
        ("curate_trajectories", {}),
        ("collect_episodes", {"collect__attempts": 3, "collect__until_passed": True, "faults__solver": 0.6}),
    ],
)
async def test_a_build_that_an_outage_ended_goes_on_and_ends_with_the_rows_of_one_that_had_none(
    purpose: str, said: dict[str, Any], shop: Shop, tmp_path: Path
) -> None:
    with pytest.raises((OutageError, TeacherError)):
        async with shop(unwell=(purpose, 0.7), **said) as workshop:
            await build_all(workshop)
    assert Warehouse(tmp_path / "home").count("releases", "release_id <> ''") == 0, "nothing small is published"
    sent = workshop.ledger.counts.sent
    async with shop(**said) as workshop:
        assert (workshop.build, workshop.resumed) == (1, True)
        release = await build_all(workshop)
    assert sent + workshop.ledger.counts.sent == workshop.warehouse.count("completions"), "nothing was paid twice"
    assert workshop.warehouse.count("latest_episodes", "verdict = 'unknown'") == 0
    async with shop("calm", **said) as workshop:
        assert rows_of(await build_all(workshop)) == rows_of(release)


async def test_what_is_asked_again_after_the_curation_was_planned_is_curated_as_well(shop: Shop) -> None:
    class Killed(BaseException):
        """The process dies here."""

    for share in (1.0, 0.2, 0.0):
        with pytest.raises(Killed):
            async with shop(unwell=("collect_episodes", share), publish__max_unknown=1.0) as workshop:
                await derive_tasks.fn(workshop.build)
                for index in range(workshop.config.generate.rounds):
                    await generate_round.fn(workshop.build, index)
                for part, index in plan_shards(workshop, "db", 1, "teacher", None):
                    await collect_shard.fn(workshop.build, part, index)
                for index in range(count_shards(workshop)):
                    await curate_shard.fn(workshop.build, index)
                raise Killed
    assert len(workshop.state.plans(1, "curate_trajectories")) == 3
    async with shop() as workshop:
        release = await build_all(workshop)
        assert not [note for note in release.notes if "no outcome" in note]
    final = "SELECT episode_id FROM latest_episodes WHERE verdict = 'passed'"
    fates = (
        "SELECT episode_id FROM trajectories UNION ALL SELECT split_part(source, '/', 1) FROM rejections "
        "WHERE stage = 'curate' AND reason <> 'teacher_error'"
    )
    assert workshop.warehouse.query(f"SELECT count(*) FROM ({final}) WHERE episode_id NOT IN ({fates})") == [(0,)]


async def test_a_build_with_too_many_unknown_outcomes_says_what_they_are_and_how_to_go_on(shop: Shop) -> None:
    with pytest.raises(OutageError) as told:
        async with shop(unwell=("collect_episodes", 0.5)) as workshop:
            await build_all(workshop)
    unknown = workshop.warehouse.count("latest_episodes", "verdict = 'unknown'")
    attempts = workshop.warehouse.count("latest_episodes")
    for part in (
        f"{unknown} of {attempts} attempts have no outcome (teacher_error {unknown})",
        "publish.max_unknown = 0.02",
        "run the same command",
        "--set publish.max_unknown=",
    ):
        assert part in str(told.value)
    said = str(told.value).split("--set publish.max_unknown=")[1].split(" ")[0]
    async with shop(unwell=("collect_episodes", 1.0), publish__max_unknown=float(said)) as workshop:
        assert workshop.resumed, "how much may be missing may change under way"
        release = await build_all(workshop)
    (note,) = [note for note in release.notes if "no outcome" in note]
    assert note == f"{unknown} attempts have no outcome (teacher_error {unknown}): the next build asks again."
    assert note in (Path(release.path) / "README.md").read_text(encoding="utf-8"), "the card says so, too"
    assert note in workshop.warehouse.read("releases")[0].notes


async def test_what_used_up_its_tries_is_listed_and_does_not_count(shop: Shop) -> None:
    for _ in range(2):
        with pytest.raises(OutageError):
            async with shop(unwell=("collect_episodes", 0.5), collect__max_tries=3) as workshop:
                await build_all(workshop)
    async with shop(unwell=("collect_episodes", 0.5), collect__max_tries=3) as workshop:
        release = await build_all(workshop)
    lost = workshop.warehouse.count("latest_episodes", "verdict = 'unknown' AND try_number = 3")
    (note,) = [note for note in release.notes if "no outcome" in note]
    assert lost > 2 and f"{lost} attempts have no outcome after 3 tries (teacher_error {lost})" in note
    listed = note.split('"')[1]
    assert len(workshop.warehouse.query(listed)) == lost, "the statement that lists them is right"
    async with shop(collect__max_tries=3) as workshop:
        assert (workshop.build, plan_shards(workshop, "db", 1, "teacher", None)) == (2, []), "three tries were all"


@pytest.mark.parametrize(
    ("unknown", "of", "most", "is_one"),
    [
        (0, 0, 0.02, False),
        (2, 2, 0.02, False),
        (2, 4, 0.0, False),
        (3, 3, 0.02, True),
        (3, 149, 0.02, True),
        (3, 150, 0.02, False),
        (17, 23, 0.02, True),
        (17, 23, 1.0, False),
        (20, 1000, 0.02, False),
        (21, 1000, 0.02, True),
    ],
)
def test_more_than_the_share_and_at_least_three_are_an_outage(unknown: int, of: int, most: float, is_one: bool) -> None:
    assert is_outage(unknown, of, most) is is_one


async def test_what_an_interruption_made_irreproducible_is_told_and_stops_no_build(shop: Shop) -> None:
    async with shop() as workshop:
        await derive_tasks.fn(workshop.build)
        ids = iter(range(100))
        for part, index in plan_shards(workshop, "db", 1, "teacher", None):
            await collect_shard.fn(workshop.build, part, index)
        seen = workshop.warehouse.read("episodes")
        told = {"outcome": "environment_error", "outcome_reason": "not_reproducible", "verdict": "unknown"}
        changed = [
            one.model_copy(update={**told, "episode_id": f"e{next(ids)}", "landing": "other"}) for one in seen[:5]
        ]
        workshop.warehouse.land("episodes", changed, key="interrupted")
        require_outcomes(workshop, workshop.build)
        broken = [one.model_copy(update={"outcome_reason": "SandboxError", "try_number": 2}) for one in changed]
        workshop.warehouse.land("episodes", broken, key="broken")
        with pytest.raises(OutageError, match="environment_error 5"):
            require_outcomes(workshop, workshop.build)
