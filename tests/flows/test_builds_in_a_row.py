"""Night after night on one home: each build adds, nothing is asked twice, and the files stay few."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest

from flows.open_workshop import open_workshop
from flows.publish_mixture import card_table
from reports import funnel as report
from tasks.ingest.conversations import BUILT_IN_LICENSE, general_files, ingest_file
from tasks.land_completions import land_completions
from tasks.publish.mixture import publish_release
from tasks.publish.validate_tables import validate_tables
from tasks.tidy_home import tidy_home
from tasks.workshop import Workshop
from warehouse.warehouse import Warehouse

Asking = Callable[[Workshop], Awaitable[None]]

GC_EVERY = 3
MAX_FILES = 200
SMALL = {
    "generate.rounds": 1,
    "generate.os.requests": 4,
    "generate.db.requests": 3,
    "generate.db.questions": 2,
    "general.conversations": 60,
}


class Row(NamedTuple):
    """Builds in a row on one home."""

    min_added: int
    """Accepted trajectories that every one of them must add."""
    home: Path
    builds: list[dict[str, Any]]
    """What `--json` said of each."""
    asked: list[list[str]]
    """What each sent."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("smoke", 2, 10), id="two smoke builds", marks=pytest.mark.slow),
        pytest.param(("demo", 3, 100), id="three default builds", marks=pytest.mark.nightly),
    ],
)
def row(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    endpoint: Any,
    trajmill: Callable[..., Any],
) -> Row:
    config, nights, min_added = request.param
    found = Row(min_added, tmp_path_factory.mktemp("row") / "home", [], [])
    asking = ("--config", config, "--set", "teacher.kind=openai", "--set", "teacher.name=endpoint")
    for _ in range(nights):
        endpoint.asked.clear()
        ran = trajmill("build", *asking, "--json", home=found.home, **endpoint.settings)
        assert ran.code == 0, ran.err
        found.builds.append(ran.json)
        found.asked.append(list(endpoint.asked))
    return found


def kept_by_build(home: Path) -> dict[int, int]:
    query = "SELECT e.build, count(*) FROM trajectories t JOIN latest_episodes e USING (episode_id) GROUP BY 1"
    return dict(Warehouse(home).query(query))


def test_every_night_adds_accepted_trajectories(row: Row, tell: Callable[[str], None]) -> None:
    kept = kept_by_build(row.home)
    tell(f"accepted by build: {kept}; requests: {[len(asked) for asked in row.asked]}")
    assert [told["build"] for told in row.builds] == list(range(1, len(row.builds) + 1))
    assert all(kept[told["build"]] >= row.min_added for told in row.builds)


def test_no_request_is_sent_twice(row: Row) -> None:
    sent = Counter(request for asked in row.asked for request in asked)
    assert [request for request, times in sent.items() if times > 1] == []
    assert sent.total() == Warehouse(row.home).count("completions"), "and every answer is kept"
    assert [told["requests_sent"] for told in row.builds] == [len(asked) for asked in row.asked]


def test_every_release_differs_and_holds_more_than_the_one_before(row: Row) -> None:
    paths = [Path(told["path"]) for told in row.builds]
    manifests = [orjson.loads((path / "manifest.json").read_bytes()) for path in paths]
    assert len({manifest["release_id"] for manifest in manifests}) == len(paths)
    shards = [{file["sha256"] for file in manifest["files"]} for manifest in manifests]
    assert not any(one & next_one for one, next_one in pairwise(shards)), "no file is the same"
    agent = [manifest["rows_by_source"]["agent"] for manifest in manifests]
    assert agent == sorted(set(agent)), "what was accepted before is still there"


async def build_small(number: int, ask_everything: Asking) -> Path:
    """Run every stage of a small build, without Prefect; return the home's tables."""
    async with open_workshop("build", "smoke", SMALL) as workshop:
        assert (workshop.build, workshop.resumed) == (number, False)
        await ask_everything(workshop)
        for path in general_files(workshop):
            await ingest_file.fn(path, BUILT_IN_LICENSE)
        land_completions(workshop)
        await validate_tables.fn(workshop.build)
        acceptance = card_table("Acceptance", report.acceptance(workshop.warehouse))
        await publish_release.fn(workshop.build, [acceptance])
        return workshop.warehouse.tables


def count_files(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


@pytest.mark.parametrize(
    "builds", [pytest.param(6, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.nightly)]
)
def test_small_builds_with_gc_now_and_then_stay_under_200_files(
    builds: int,
    ask_everything: Asking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tell: Callable[[str], None],
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path))
    counts: list[tuple[int, int]] = []
    for number in range(1, builds + 1):
        tables = asyncio.run(build_small(number, ask_everything))
        before = count_files(tables)
        if number % GC_EVERY == 0:
            tidy_home(tmp_path)
            counts.append((before, count_files(tables)))
    tell(f"files before and after gc, every {GC_EVERY} builds: {counts}")
    assert all(before < MAX_FILES for before, _ in counts)
    warehouse = Warehouse(tmp_path)
    assert warehouse.count("releases") == builds, "every build is still there, and had something new"
    assert len(kept_by_build(tmp_path)) == builds
