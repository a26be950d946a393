"""Equal builds make equal rows and equal bytes, whatever their home and their pace."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.beginnings import Beginning
from flows.configuration import read_config
from flows.open_workshop import open_workshop
from flows.own_home import own_home
from schemas.errors import ConfigError
from schemas.tables import TABLES
from warehouse.state import State
from warehouse.warehouse import Warehouse


def digests(home: Path) -> dict[str, str]:
    warehouse = Warehouse(home)
    return {table: warehouse.digest(table) for table in TABLES}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def paced(
    tmp_path_factory: pytest.TempPathFactory,
    quiet_endpoint: Any,
    written_config: Callable[..., Path],
    trajmill: Callable[..., Any],
) -> list[Path]:
    """Two homes: one built an episode at a time, one eight at a time."""
    config, homes = written_config(os=6, db=6), []
    for pace in (1, 8):
        homes.append(tmp_path_factory.mktemp("paced") / f"home-{pace}")
        slowly = ("--set", f"collect.concurrency={pace}", "--set", f"teacher.concurrency={pace}")
        ran = trajmill("build", "--config", str(config), *slowly, "--json", home=homes[-1], **quiet_endpoint.settings)
        assert ran.code == 0, ran.err
    return homes


@pytest.mark.slow
def test_one_episode_at_a_time_and_eight_make_the_same_rows_in_every_table(paced: list[Path]) -> None:
    slow, quick = map(digests, paced)
    assert slow == quick
    filled = {table for table in TABLES if Warehouse(paced[0]).count(table)}
    assert filled == {*TABLES} - {"recordings", "verdicts", "foreign_rows"}, (
        "every table that a build fills holds rows to compare"
    )


@pytest.mark.slow
def test_two_homes_publish_the_same_release_to_the_last_byte(paced: list[Path]) -> None:
    slow, quick = (files(home / "releases") for home in paced)
    assert slow == quick
    assert len({name.split("/")[0] for name in slow}) == 1, "one release, under one id"


@pytest.mark.slow
def test_the_same_sources_are_published_again_under_the_same_id_with_the_same_bytes(
    smoke: Any, tmp_path: Path, trajmill: Callable[..., Any]
) -> None:
    home = smoke.copy(tmp_path / "home")
    first = files(home / "releases")
    shutil.rmtree(home / "releases")
    again = trajmill("publish", "--config", "smoke", "--json", home=home)
    assert again.code == 0, again.err
    assert again.json["release_id"] == smoke.ran.json["release_id"]
    assert files(home / "releases") == first
    assert Warehouse(home).count("releases") == 1


@pytest.fixture
def unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose first build was stopped."""
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path))
    State(tmp_path).open_build("build", *Beginning.of_now(read_config("smoke")).in_state())
    return tmp_path


async def test_an_unfinished_build_is_continued_and_a_finished_one_followed_by_the_next(unfinished: Path) -> None:
    seen = []
    for _ in range(2):
        async with open_workshop("build", "smoke") as workshop:
            seen.append((workshop.build, workshop.resumed))
    assert seen == [(1, True), (2, False)]


async def test_its_budget_may_be_raised_under_way(unfinished: Path) -> None:
    async with open_workshop("build", "smoke", {"budget.tokens": 10**9}) as workshop:
        assert (workshop.build, workshop.resumed) == (1, True)


async def test_other_settings_are_not_mixed_into_it(unfinished: Path) -> None:
    with pytest.raises(ConfigError, match=r"build 1 is unfinished and began with another configuration.*--fresh"):
        async with open_workshop("build", "smoke", {"seed": 1}):
            pass


@pytest.mark.parametrize("overrides", [{"seed": 1}, {}])
async def test_fresh_leaves_it_behind_whatever_the_settings(unfinished: Path, overrides: dict[str, Any]) -> None:
    async with open_workshop("build", "smoke", overrides, fresh=True) as workshop:
        assert (workshop.build, workshop.resumed) == (2, False)
    async with open_workshop("build", "smoke", overrides) as workshop:
        assert (workshop.build, workshop.resumed) == (3, False), "what was left behind does not come back"


def test_a_second_process_on_the_same_home_is_refused_with_words(tmp_path: Path, trajmill: Callable[..., Any]) -> None:
    with own_home(tmp_path):
        ran = trajmill("build", "--config", "smoke", home=tmp_path)
    assert ran.code == 2
    assert ran.err == f"trajmill: another run works on {tmp_path}; wait for it, or choose another --home\n"


def test_other_settings_for_an_unfinished_build_end_the_command_with_code_2(
    unfinished: Path, trajmill: Callable[..., Any]
) -> None:
    ran = trajmill("build", "--config", "smoke", "--set", "seed=1", home=unfinished)
    assert ran.code == 2
    assert ran.err.startswith("trajmill: build 1 is unfinished and began with another configuration")
    assert not (unfinished / "ledger.sqlite").exists(), "nothing was spent"
