"""Expectations over what has landed: a failing row is turned away once, a broken mixture is not left standing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import ConfigError, ExpectationError
from schemas.message import Message
from schemas.release import Release
from schemas.trajectory import Trajectory
from tasks.publish import validate_tables as validate_module
from tasks.publish.mixture import publish_release
from tasks.publish.validate_tables import validate_folder, validate_tables
from tasks.workshop import Workshop
from warehouse.expectations import CHECKED


@pytest.fixture
def shop(open_shop: Callable[..., Workshop], smoke: Any, tmp_path: Path) -> Workshop:
    return open_shop(home=smoke.copy(tmp_path / "copy"))


def land_bad(shop: Workshop, **changes: object) -> None:
    """Land a copy of a trajectory, changed."""
    good: Trajectory = shop.warehouse.read("trajectories")[0]
    bad = good.model_copy(update={"trajectory_id": "bad", **changes})
    shop.warehouse.land("trajectories", [bad], key="bad")


def untrained(shop: Workshop) -> dict[str, object]:
    """Return changes that leave nothing to train on, in a curation of its own."""
    messages = shop.warehouse.read("trajectories")[0].messages
    silent = tuple(Message(role=m.role, content=m.content) for m in messages)
    return {"messages": silent, "n_trained": 0, "curation_id": "other"}


async def test_sound_tables_turn_nothing_away(shop: Workshop) -> None:
    before = shop.warehouse.count("rejections")
    assert await validate_tables.fn(1) == {}
    assert shop.warehouse.count("rejections") == before


async def test_a_row_that_breaks_a_promise_is_turned_away_by_the_promise_s_name_and_only_once(shop: Workshop) -> None:
    land_bad(shop, **untrained(shop))
    assert await validate_tables.fn(1) == {"something_trained": 1}
    (row,) = shop.warehouse.read("rejections", "source = 'bad'")
    assert (row.stage, row.reason, row.build) == ("something_trained", "breaks_expectation", 1)
    assert row.detail.startswith("trajectories: ")
    assert await validate_tables.fn(1) == {}


async def test_tables_that_were_found_clean_are_not_checked_again_before_something_lands(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await validate_tables.fn(1) == {}
    with monkeypatch.context() as patch:
        patch.setattr(validate_module, "validate_stages", _must_not_run)
        assert await validate_tables.fn(1) == {}
        assert await validate_tables.fn(2) == {}  # a build without episodes has none of its own to check
        patch.setattr(validate_module, "STAGES_DIGEST", "other checks")
        with pytest.raises(AssertionError, match="checked again"):
            await validate_tables.fn(1)
    land_bad(shop, **untrained(shop))
    assert await validate_tables.fn(1) == {"something_trained": 1}


def _must_not_run(*_: object, **__: object) -> None:
    raise AssertionError("checked again")


async def test_turns_are_looked_at_though_no_release_is_named_after_them(shop: Workshop) -> None:
    before = shop.warehouse.fingerprint(CHECKED)
    shop.warehouse.land("turns", shop.warehouse.read("turns")[:1], key="again")
    assert shop.warehouse.fingerprint(CHECKED) != before


async def test_what_an_expectation_turned_away_is_in_no_release(shop: Workshop, open_shop: Any) -> None:
    land_bad(shop, **untrained(shop))
    await validate_tables.fn(1)
    open_shop(home=shop.home, mixture__curation_id="other")
    with pytest.raises(ConfigError, match="every trajectory of curation other was turned away"):
        await publish_release.fn(1, [])


async def test_a_table_that_breaks_a_promise_as_a_whole_stops_the_release(shop: Workshop) -> None:
    land_bad(shop)  # a second trajectory of the same episode and curation: which of them is wrong?
    with pytest.raises(ExpectationError, match="episode_once_a_curation in 2 rows"):
        await validate_tables.fn(1)


async def test_a_mixture_that_is_not_what_its_card_says_is_taken_away(shop: Workshop) -> None:
    release = await publish_release.fn(1, [])
    shares = tuple(share.model_copy(update={"rows": share.rows + 1}) for share in release.shares)
    lying = Release.model_validate({**release.model_dump(), "shares": shares})
    with pytest.raises(ExpectationError, match="shares_as_said"):
        validate_folder(Path(release.path), lying, lying.notes)
