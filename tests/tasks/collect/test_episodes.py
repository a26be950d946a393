"""Collection and every other landing: a crash in between, wherever, and the next run ends with the same tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from environments.db.rehearsal import DbRehearsal
from flows.open_workshop import open_workshop
from rehearsals.plan import model_seed, solver_fault
from reports import funnel as report
from schemas.episode import make_episode_id
from schemas.record import Record
from schemas.tables import TABLES
from schemas.task_spec import TaskSpec
from tasks.collect.episodes import STAGE, Chance, collect_shard, cut_shards, has_reached_goal, plan_shards, specs_of
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.generate.rounds import derive_tasks, generate_round
from tasks.ingest.conversations import general_files, ingest_file
from tasks.land_completions import land_completions
from tasks.publish.mixture import publish_release
from tasks.publish.validate_tables import validate_tables
from tasks.workshop import Workshop
from warehouse.state import State
from warehouse.warehouse import Warehouse

OVERRIDES = {
    "environments": ["db"],
    "generate.rounds": 2,
    "worlds.db.requests": 6,
    "worlds.db.questions": 6,
    "collect.shard_size": 6,
    "curate.per_task": 1,
    "general.conversations": 80,
}
Shop = Callable[..., AbstractAsyncContextManager[Workshop]]


class Crash(BaseException):
    """The process dies here."""


class Fragile(Warehouse):
    """Dies before the n-th landing in a table."""

    def __init__(self, home: Path, table: str, number: int) -> None:
        super().__init__(home)
        self._table, self._left = table, number

    def land(self, table: str, rows: Sequence[Record], **options: Any) -> int:
        self._left -= table == self._table
        if not self._left:
            raise Crash(table)
        return super().land(table, rows, **options)


class Dying(State):
    """Dies after the first landing of episodes, before it forgets how they were rolled out."""

    def clear_journal(self, episode_ids: Iterable[str]) -> None:
        raise Crash("clear_journal")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path))

    @asynccontextmanager
    async def opened(**overrides: Any) -> AsyncIterator[Workshop]:
        dotted = {name.replace("__", "."): value for name, value in overrides.items()}
        async with open_workshop("build", "smoke", OVERRIDES | dotted) as workshop:
            yield workshop

    return opened


async def build_all(workshop: Workshop) -> None:
    """Run every stage, without Prefect."""
    await make_tasks(workshop)
    await collect(workshop)
    for index in range(count_shards(workshop)):
        await curate_shard.fn(workshop.build, index)
    for path in general_files(workshop):
        await ingest_file.fn(path, "Apache-2.0")
    land_completions(workshop)
    await validate_tables.fn(workshop.build)
    await publish_release.fn(workshop.build, [])


async def make_tasks(workshop: Workshop) -> None:
    await derive_tasks.fn(workshop.build)
    for index in range(workshop.config.generate.rounds):
        await generate_round.fn(workshop.build, index)


async def collect(workshop: Workshop) -> None:
    for wave in range(1, workshop.config.collect.attempts + 1):
        for part, index in plan_shards(workshop, "db", wave, "teacher", None):
            await collect_shard.fn(workshop.build, part, index)


def digests(home: Path) -> dict[str, str]:
    warehouse = Warehouse(home)
    return {table: warehouse.digest(table) for table in TABLES}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    import asyncio

    home = tmp_path_factory.mktemp("undisturbed")

    async def run() -> None:
        async with open_workshop("build", "smoke", OVERRIDES) as workshop:
            await build_all(workshop)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJMILL_HOME", str(home))
        asyncio.run(run())
    return digests(home)


@pytest.mark.parametrize(
    ("table", "number"),
    [
        ("rejections", 1),
        pytest.param("task_specs", 1, marks=pytest.mark.slow),
        pytest.param("task_specs", 3, marks=pytest.mark.slow),
        ("turns", 2),
        ("episodes", 1),
        pytest.param("episodes", 2, marks=pytest.mark.slow),
        pytest.param("trajectories", 1, marks=pytest.mark.slow),
        pytest.param("conversations", 1, marks=pytest.mark.slow),
        pytest.param("conversations", 2, marks=pytest.mark.slow),
        ("completions", 1),
        ("releases", 1),
    ],
)
async def test_a_crash_before_any_landing_costs_no_row_and_no_request(
    table: str, number: int, shop: Shop, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    with pytest.raises(Crash):
        async with shop() as workshop:
            workshop.warehouse = Fragile(tmp_path, table, number)
            await build_all(workshop)
    sent = workshop.ledger.counts.sent
    async with shop() as workshop:
        assert (workshop.build, workshop.resumed) == (1, True)
        await build_all(workshop)
    assert digests(tmp_path) == undisturbed
    assert sent + workshop.ledger.counts.sent == workshop.warehouse.count("completions"), "each was asked once"


async def test_turns_whose_episodes_never_landed_are_not_seen(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(Crash):
        async with shop() as workshop:
            await make_tasks(workshop)
            workshop.warehouse = Fragile(tmp_path, "episodes", 1)
            await collect(workshop)
    warehouse = Warehouse(tmp_path)
    assert warehouse.snapshots(["turns"])["turns"].files, "they lie there"
    assert (warehouse.count("turns"), warehouse.count("episodes")) == (0, 0), "and do not count"
    async with shop() as workshop:
        await collect(workshop)
        assert workshop.ledger.counts.sent <= workshop.warehouse.count("turns") - warehouse.count("episodes")
    orphans = "SELECT count(*) FROM turns t LEFT JOIN episodes e USING (episode_id, landing) WHERE e.landing IS NULL"
    assert Warehouse(tmp_path).query(orphans) == [(0,)]


async def test_what_a_kill_after_landing_left_in_the_journal_goes_when_the_shard_is_found_landed(
    shop: Shop, tmp_path: Path
) -> None:
    with pytest.raises(Crash):
        async with shop() as workshop:
            await make_tasks(workshop)
            workshop.state = Dying(tmp_path)
            await collect(workshop)
    assert Warehouse(tmp_path).count("episodes") > 0 and State(tmp_path).count_journalled() > 0
    async with shop() as workshop:
        workshop.state.append("under way", 1, 0, "SELECT 1", "[(1,)]")
        await collect(workshop)
        assert workshop.state.journalled() == [("under way", 1)], "what has not landed is still needed"


async def first_by_teacher(workshop: Workshop) -> tuple[str, Chance]:
    """Return the first planned attempt of the teacher that acts at once: its episode's id and the plan's line."""
    planned = workshop.state.plan(workshop.build, STAGE, "db teacher wave 1", list)
    chances = [chance for chance in map(Chance.parse, planned) if chance.solver == "teacher"]
    specs = {spec.task_id: spec for spec in specs_of(workshop, [chance.task_id for chance in chances])}
    chance = next(chance for chance in chances if not planted_in(workshop, specs[chance.task_id], chance))
    spec = specs[chance.task_id]
    world, solver = await workshop.open_world("db"), workshop.solver_rules(spec).solver.solver_id
    return make_episode_id(chance.task_id, solver, world.world_id, chance.attempt), chance


def planted_in(workshop: Workshop, spec: TaskSpec, chance: Chance) -> str | None:
    """Return the fault that is planted in an attempt: some end before anything was done."""
    problem, rehearsal = spec.instruction.strip(), DbRehearsal()
    seed = model_seed("offline-a", workshop.config.seed * 1000 + chance.attempt)
    return solver_fault(problem, seed, rehearsal.solver_faults(problem), workshop.config.faults)


async def collect_with_a_false_journal(workshop: Workshop, episode_id: str, try_number: int) -> None:
    """Let an earlier run have seen something that will not come again."""
    workshop.state.append(episode_id, try_number, 0, "date", "a time that has passed")
    await collect(workshop)


async def test_what_was_not_reproducible_is_told_and_tried_again_by_the_next_builds_until_max_tries(
    shop: Shop, tmp_path: Path
) -> None:
    async with shop(collect__max_tries=2) as workshop:
        await make_tasks(workshop)
        plan_shards(workshop, "db", 1, "teacher", None)
        episode_id, _ = await first_by_teacher(workshop)
        await collect_with_a_false_journal(workshop, episode_id, 1)
    async with shop(collect__max_tries=2) as workshop:
        plan_shards(workshop, "db", 1, "teacher", None)
        assert (await first_by_teacher(workshop))[0] == episode_id, "the next build plans it again"
        await collect_with_a_false_journal(workshop, episode_id, 2)
        assert workshop.ledger.counts.sent == 0, "what it was told before it was told again from the ledger"
    async with shop(collect__max_tries=2) as workshop:
        assert plan_shards(workshop, "db", 1, "teacher", None) == [], "two tries were all"
    columns = "attempt, try_number, build, outcome, outcome_reason, verdict"
    tries = Warehouse(tmp_path).query(
        f"SELECT {columns} FROM episodes WHERE episode_id = ? ORDER BY try_number", (episode_id,)
    )
    told = ("environment_error", "not_reproducible", "unknown")
    assert tries == [(1, 1, 1, *told), (1, 2, 2, *told)], "tries are ours, the solver's chance stays its first"
    assert report.outages(Warehouse(tmp_path)).rows == [("db", *told[:2], 2, 0)]


async def test_a_second_try_that_goes_well_is_the_episode_that_counts(shop: Shop, tmp_path: Path) -> None:
    async with shop() as workshop:
        await make_tasks(workshop)
        plan_shards(workshop, "db", 1, "teacher", None)
        episode_id, _ = await first_by_teacher(workshop)
        await collect_with_a_false_journal(workshop, episode_id, 1)
        assert workshop.state.count_journalled() == 0, "what has landed is forgotten"
    async with shop() as workshop:
        await collect(workshop)
    warehouse = Warehouse(tmp_path)
    (latest,) = warehouse.read("latest_episodes", "episode_id = ?", (episode_id,))
    assert (latest.try_number, latest.is_final) == (2, True)
    assert report.outages(warehouse).rows == [("db", "environment_error", "not_reproducible", 1, 1)]
    assert warehouse.count("episodes", "build = 2") == 1, "the others were final and are left alone"


BEST_OF_3 = {"collect__attempts": 3, "collect__until_passed": True, "faults__solver": 0.6}


def verdicts_by_task(warehouse: Warehouse) -> dict[str, list[tuple[int, str]]]:
    """Return each task's attempts by the teacher, in order, with what the check said."""
    rows = warehouse.query(
        "SELECT task_id, attempt, verdict FROM latest_episodes WHERE solver.kind = 'teacher' ORDER BY ALL"
    )
    found: dict[str, list[tuple[int, str]]] = {}
    for task_id, attempt, verdict in rows:
        found.setdefault(task_id, []).append((attempt, verdict))
    return found


async def test_best_of_n_ends_with_the_first_attempt_that_passes(shop: Shop, tmp_path: Path) -> None:
    async with shop(**BEST_OF_3) as workshop:
        await make_tasks(workshop)
        await collect(workshop)
    attempts = verdicts_by_task(Warehouse(tmp_path))
    for made in attempts.values():
        assert [number for number, _ in made] == list(range(1, len(made) + 1))
        assert all(verdict == "failed" for _, verdict in made[:-1]), "none is made after one that passed"
        assert made[-1][1] == "passed" or len(made) == 3
    assert {len(made) for made in attempts.values()} == {1, 2, 3}
    async with shop(**BEST_OF_3) as workshop:
        plans = [plan_shards(workshop, "db", wave, "teacher", None) for wave in (1, 2, 3)]
    assert plans == [[], [], []], "the next build has nothing to attempt again"


@pytest.mark.slow
@pytest.mark.parametrize("landing", [1, 4])
async def test_best_of_n_goes_on_after_a_crash_as_if_there_had_been_none(
    landing: int, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Crash):
        async with shop(**BEST_OF_3) as workshop:
            workshop.warehouse = Fragile(tmp_path, "episodes", landing)
            await make_tasks(workshop)
            await collect(workshop)
    async with shop(**BEST_OF_3) as workshop:
        await collect(workshop)
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "calm"))
    async with shop(**BEST_OF_3) as workshop:
        await make_tasks(workshop)
        await collect(workshop)
    calm = Warehouse(tmp_path / "calm")
    for table in ("task_specs", "episodes", "turns"):
        assert Warehouse(tmp_path).digest(table) == calm.digest(table)
    assert max(len(made) for made in verdicts_by_task(calm).values()) == 3


async def test_best_of_n_does_not_take_an_outage_for_a_failed_attempt(shop: Shop, tmp_path: Path) -> None:
    async with shop(**BEST_OF_3) as workshop:
        await make_tasks(workshop)
        plan_shards(workshop, "db", 1, "teacher", None)
        episode_id, chance = await first_by_teacher(workshop)
        await collect_with_a_false_journal(workshop, episode_id, 1)
    assert verdicts_by_task(Warehouse(tmp_path))[chance.task_id] == [(1, "unknown")], "no second one yet"
    async with shop(**BEST_OF_3) as workshop:
        await collect(workshop)
    made = verdicts_by_task(Warehouse(tmp_path))[chance.task_id]
    assert made[-1][1] == "passed" or len(made) == 3, "the next build makes up for it"


async def test_a_goal_that_was_reached_before_the_crash_is_not_passed_after_it(shop: Shop, tmp_path: Path) -> None:
    async with shop(collect__goal=3) as workshop:
        await make_tasks(workshop)
        shards = plan_shards(workshop, "db", 1, "teacher", None)
        await collect_shard.fn(workshop.build, *shards[0])
        assert has_reached_goal(workshop, "db") and len(shards) > 1


async def test_a_goal_of_one_world_goes_before_that_of_all(shop: Shop) -> None:
    async with shop(collect__goal=1000, collect__goals={"db": 3}) as workshop:
        await make_tasks(workshop)
        await collect_shard.fn(workshop.build, *plan_shards(workshop, "db", 1, "teacher", None)[0])
        assert has_reached_goal(workshop, "db") and not has_reached_goal(workshop, "os")


async def test_episodes_of_a_mixture_cost_what_all_its_calls_cost(shop: Shop, tmp_path: Path) -> None:
    panel = {"proposers": ["offline-a", "offline-b"], "aggregator": "offline-a"}
    async with shop(teacher__mixtures={"panel": panel}, teacher__solver="panel", collect__tasks=6) as workshop:
        await make_tasks(workshop)
        await collect(workshop)
        land_completions(workshop)
    warehouse = Warehouse(tmp_path)
    asked = (
        "FROM episodes e JOIN turns t USING (episode_id, landing) JOIN completions c USING (completion_id) "
        "JOIN completions p ON list_contains(c.parents, p.completion_id)"
    )
    columns = "count(DISTINCT c.completion_id), count(DISTINCT p.completion_id), count(DISTINCT p.model)"
    answers, proposals, models = warehouse.query(f"SELECT {columns} {asked}")[0]
    assert (proposals, models) == (2 * answers, 2) and answers > 0
    episodes = warehouse.read("episodes", "solver.kind = 'teacher'")
    assert {episode.solver.model for episode in episodes} == {"panel"}
    assert sum(episode.usage.requests for episode in episodes) == 3 * answers
    tokens = warehouse.query("SELECT sum(prompt_tokens) FROM completions WHERE purpose = 'collect_episodes'")[0][0]
    assert sum(episode.usage.prompt_tokens for episode in episodes) == tokens


def test_shards_are_cut_from_the_whole_plan() -> None:
    assert cut_shards(["a", "b", "c", "d", "e"], 2) == [["a", "b"], ["c", "d"], ["e"]]


def test_a_planned_chance_reads_back_as_it_was_written() -> None:
    chance = Chance("0123", "teacher", 2, 3)
    assert Chance.parse(str(chance)) == chance
