"""A build killed at random moments, whose tasks show times, process ids and random names: told is what that changes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.killed_builds import (
    SEED,
    STAGES,
    Builder,
    Killed,
    differing_tasks,
    is_frugal,
    kill_amid_a_rollout,
    kill_and_continue,
    restless_tasks,
    rows_of,
    shown_in,
    task_of_row,
    told_tasks,
    without,
)
from formats.releases.huggingface import verify_release
from schemas.tables import TABLES
from warehouse.state import State
from warehouse.warehouse import Warehouse

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(2400)]

KILLS_PER_STAGE = 2


@pytest.fixture(scope="module")
def restless(
    tmp_path_factory: pytest.TempPathFactory, restless_endpoint: Any, written_config: Callable[..., Path]
) -> Builder:
    return Builder(tmp_path_factory.mktemp("kills"), written_config(os=28, db=6, shard=10), restless_endpoint)


@pytest.fixture(scope="module")
def references(restless: Builder) -> tuple[Path, Path]:
    """Two undisturbed builds: what differs between them is no matter of kills."""
    return restless.undisturbed(), restless.undisturbed()


@pytest.fixture(scope="module")
def killed(restless: Builder, references: tuple[Path, Path]) -> list[Killed]:
    rng = random.Random(SEED)
    moments = [(stage, rng.random()) for stage in STAGES for _ in range(KILLS_PER_STAGE)]
    at_random = [kill_and_continue(restless, stage, share) for stage, share in moments]
    return [*at_random, kill_amid_a_rollout(restless, shown_in(references[0], differing_tasks(*references)))]


def test_kills_fall_into_every_stage(
    killed: list[Killed], references: tuple[Path, Path], tell: Callable[[str], None]
) -> None:
    tell(f"seed {SEED}; {len(restless_tasks(references[0]))} tasks show what is never the same twice")
    tell("died in               share  paid  in flight  asked again  sent after  journalled  not reproducible")
    for kill in killed:
        again = len(set(kill.again) & set(kill.asked))
        tell(
            f"{kill.stage:<20} {kill.share:6.2f} {len(kill.paid):5} {kill.in_flight.total():10} {again:12} "
            f"{len(kill.again):11} {kill.journalled:11} {len(told_tasks(kill.home)):17}"
        )
    assert {kill.stage for kill in killed} == set(STAGES)


def test_no_sandbox_worker_or_server_outlives_a_killed_build(killed: list[Killed]) -> None:
    assert [kill.left for kill in killed] == [[]] * len(killed)


def test_the_same_command_goes_on_with_the_same_build(killed: list[Killed]) -> None:
    assert {(kill.told["build"], kill.told["resumed"]) for kill in killed} == {(1, True)}
    assert all(State(kill.home).count_journalled() == 0 for kill in killed), "every rollout came to its end"


def test_no_row_stands_twice(killed: list[Killed]) -> None:
    for kill in killed:
        warehouse = Warehouse(kill.home)
        for table in TABLES:
            assert warehouse.count(table) == len(rows_of(kill.home, table)), table


def test_the_rows_are_those_of_an_undisturbed_build_but_for_what_is_told(
    killed: list[Killed], references: tuple[Path, Path]
) -> None:
    by_nature = differing_tasks(*references)
    assert by_nature, "the tasks show times, process ids and random names, so that two builds cannot be the same"
    for kill in killed:
        apart = by_nature | told_tasks(kill.home)
        for table in task_of_row(kill.home):
            assert without(kill.home, table, apart) == without(references[0], table, apart), (kill.stage, table)


def test_only_tasks_that_show_such_things_are_told_as_not_reproducible(
    killed: list[Killed], references: tuple[Path, Path]
) -> None:
    restless = restless_tasks(references[0])
    assert differing_tasks(*references) <= restless
    assert not told_tasks(references[0]) | told_tasks(references[1])
    assert all(told_tasks(kill.home) <= restless for kill in killed)
    assert any(told_tasks(kill.home) for kill in killed), "a kill amid the rollouts met one"
    where = "outcome IN ('environment_error', 'teacher_error') AND outcome_reason <> 'not_reproducible'"
    assert not any(Warehouse(kill.home).count("episodes", where) for kill in killed)


def test_no_request_is_sent_again_but_those_in_flight(killed: list[Killed]) -> None:
    for kill in killed:
        assert is_frugal(kill), kill.stage


def test_every_release_is_whole(killed: list[Killed]) -> None:
    for kill in killed:
        assert kill.told["path"] == str(kill.home / "releases" / kill.told["release_id"])
        verify_release(Path(kill.told["path"]))
        assert [path.name for path in (kill.home / "releases").iterdir()] == [kill.told["release_id"]]


def test_what_was_not_reproducible_is_tried_again_by_the_next_build(killed: list[Killed], restless: Builder) -> None:
    home = max(killed, key=lambda kill: len(told_tasks(kill.home))).home
    told = told_tasks(home)
    restless.endpoint.asked.clear()
    assert restless.run(home)["build"] == 2
    tries = Warehouse(home).query(
        "SELECT task_id, try_number, build, outcome <> 'environment_error' AND verdict <> 'unknown' FROM episodes "
        "WHERE list_contains(?::VARCHAR[], task_id) ORDER BY ALL",
        (sorted(told),),
    )
    assert tries == [row for task in sorted(told) for row in ((task, 1, 1, False), (task, 2, 2, True))]
    assert max(Counter(restless.endpoint.asked).values()) == 1, "no request of the second try was sent before"
