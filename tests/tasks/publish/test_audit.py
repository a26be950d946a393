"""A card audits its rows: what was asked and had, how long they are, what they share; a recipe's unit holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from formats.releases.release_folder import read_release
from schemas.errors import ConfigError, ExpectationError
from schemas.release import Release
from tasks.publish.choose_rows import Candidates
from tasks.publish.count_tokens import Calibration
from tasks.publish.mixture import publish_release
from tasks.publish.pools import AGENT
from tasks.workshop import Workshop
from tests.tiny_tokenizer import save_tokenizer
from warehouse.expectations import validate_mixture
from warehouse.release_audit import count_release


def card(release: Release) -> str:
    return (Path(release.path) / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def again(old_shop: Workshop, open_shop: Callable[..., Workshop]) -> Callable[..., Workshop]:
    """Open the home with another recipe."""
    curation = old_shop.config.mixture.curation_id

    def open_with(**recipe: Any) -> Workshop:
        said = {f"mixture__{name}": value for name, value in recipe.items()}
        return open_shop(home=old_shop.home, worlds=dict(old_shop.worlds), mixture__curation_id=curation, **said)

    return open_with


async def test_a_recipe_in_trained_tokens_repeats_what_it_may_and_is_audited(
    again: Callable[..., Workshop], tmp_path: Path
) -> None:
    named = str(save_tokenizer(tmp_path / "tokenizer"))
    again(eta=0.5, unit="trained_tokens", epochs={AGENT: 2.0}, tokenizer=named, tokenizer_sample=0)
    release = await publish_release.fn(1, [])
    agent = next(share for share in release.shares if share.stratum == AGENT)
    assert agent.repeated == agent.rows // 2 > 0 and release.rows == sum(share.rows for share in release.shares)
    assert any("agent is repeated, as mixture.epochs lets it" in note for note in release.notes)
    counted = [note for note in release.notes if "trained tokens are those of tokenizer" in note]
    assert counted and all(note.endswith(" rows.") for note in counted), "every row was counted"
    text = card(release)
    for title in ("Asked and achieved", "Lengths", "Difficulty", "Thoughts", "Openings", "Copies left"):
        assert f"\n## {title}" in text
    assert "eta = 0.5 (share of agent trained tokens)" in text
    rows = list(read_release(Path(release.path)).rows())
    twice = [row.id for row in rows if row.id.endswith("/2")]
    assert len(twice) == agent.repeated and {name.partition("/")[0] for name in twice} <= {row.id for row in rows}
    calls = pq.read_table(Path(release.path) / "data" / "tool_calls", columns=["id"])["id"].to_pylist()
    assert set(twice) <= set(calls), "a copy stands there as calls, too"


async def test_sources_are_sql_and_what_they_cannot_be_is_told(again: Callable[..., Workshop]) -> None:
    sources = {
        "db": {"table": "trajectories", "where": "environment = 'db'"},
        "short": {"table": "conversations", "where": "len(messages) <= 2"},
        "long": {"table": "conversations", "where": "true", "weight": None},
    }
    shop = again(eta=0.5, sources=sources)
    recipe = shop.config.mixture
    mixture = Candidates(shop, recipe.curation_id or "", shop.warehouse.versions()).mix(recipe)
    assert {pick.source for pick in mixture.picks} == {AGENT, "short", "long"}
    worlds = dict(shop.warehouse.query("SELECT trajectory_id, environment FROM trajectories"))
    assert {worlds[pick.id] for pick in mixture.picks if pick.stratum == AGENT} == {"db"}
    lengths = dict(shop.warehouse.query("SELECT conversation_id, len(messages) FROM conversations"))
    assert {lengths[pick.id] <= 2 for pick in mixture.picks if pick.source == "short"} == {True}
    assert {lengths[pick.id] <= 2 for pick in mixture.picks if pick.source == "long"} == {False}
    for where in ("nosuch = 1", "true; DROP TABLE episodes", "episode_id IN (SELECT * FROM read_csv('/etc/passwd'))"):
        shop = again(sources={"x": {"table": "trajectories", "where": where}})
        with pytest.raises(ConfigError, match=r"mixture\.sources\.x\.where"):
            Candidates(shop, recipe.curation_id or "", shop.warehouse.versions())


async def test_a_mixture_is_made_from_the_versions_that_it_names(again: Callable[..., Workshop]) -> None:
    first = await publish_release.fn(1, [])
    then = {source.table: source.version for source in first.sources}
    shop = again(versions=then)
    (chat, *_) = shop.warehouse.read("conversations")
    shop.warehouse.land("conversations", [chat.model_copy(update={"conversation_id": "later"})], key="later")
    release = await publish_release.fn(1, [])
    assert {s.table: (s.digest, s.version) for s in release.sources} == {
        s.table: (s.digest, s.version) for s in first.sources
    }
    again(versions={"nosuch": 1})
    with pytest.raises(ConfigError, match=r"mixture\.versions names nosuch; the tables are"):
        await publish_release.fn(1, [])


def test_an_estimate_is_calibrated_and_its_error_on_others_is_told(
    again: Callable[..., Workshop], tmp_path: Path
) -> None:
    named = str(save_tokenizer(tmp_path / "tokenizer"))
    shop = again(tokenizer=named, tokenizer_sample=0)
    curation = shop.config.mixture.curation_id or ""
    exact = Candidates(shop, curation, shop.warehouse.versions())
    shop = again(tokenizer=named, tokenizer_sample=10)
    estimated = Candidates(shop, curation, shop.warehouse.versions())
    assert [one.factor for one in exact.calibrations] == [None] * len(exact.calibrations)
    sampled = [one for one in estimated.calibrations if one.factor is not None]
    assert sampled and all(one.counted == 10 and abs(one.error) < 0.5 and one.row_error > 0 for one in sampled)
    assert all("on 5 other rows the sum is" in one.note for one in sampled)
    there, here = (sum(row.trained_tokens for row in found.general) for found in (exact, estimated))
    assert abs(here / there - 1) < 0.2, "the sum of the estimates is near that of the counts"
    with pytest.raises(ConfigError, match=r"mixture\.tokenizer"):
        Candidates(again(tokenizer=str(tmp_path / "nowhere")), curation, shop.warehouse.versions())


def test_the_note_says_the_factor_and_both_errors() -> None:
    note = Calibration("gpt-4", "abc", 21, 0.987, -0.0123, 0.087).note
    assert "estimated as 0.987 x UTF-8 bytes / 4; on 11 other rows the sum is -1.2% off, a row 8.7% in" in note


async def test_an_audit_counts_openings_and_copies(old_shop: Workshop) -> None:
    release = await publish_release.fn(1, [])
    files = read_release(Path(release.path)).files("train")
    counted = count_release(files)
    openings = {row[0]: dict(zip(counted["openings"].columns, row, strict=True)) for row in counted["openings"].rows}
    worlds = set(old_shop.warehouse.column("trajectories", "DISTINCT environment"))
    assert worlds and all(openings[world]["its share"] > 0.3 for world in worlds), "rows of a world share instructions"
    copies = {row[0]: row for row in counted["copies"].rows}
    assert all(copies[world][2] == 0 for world in worlds), "no two agent rows are the same"
    total = sum(row[1] for row in counted["lengths"].rows)
    assert total == release.rows - release.validation_rows


@pytest.mark.parametrize(("reached", "noted", "clean"), [(0.2, False, True), (0.4, False, False), (0.4, True, True)])
async def test_shares_are_held_to_the_unit_that_was_asked_for(
    old_shop: Workshop, reached: float, noted: bool, clean: bool
) -> None:
    release = await publish_release.fn(1, [])
    files = sorted((Path(release.path) / "data" / "messages").glob("*.parquet"))
    shares = [
        share.model_copy(update={"asked": 0.2, "achieved_trained_tokens": reached})
        if share.stratum == AGENT
        else share.model_copy(update={"achieved_trained_tokens": share.asked})
        for share in release.shares
    ]
    notes = ["agent ran short"] if noted else []

    def validate() -> bool:
        return validate_mixture(files, shares=shares, notes=notes, unit="trained_tokens").is_clean

    if clean:
        assert validate()
    else:
        with pytest.raises(ExpectationError, match="shares_as_asked_or_noted"):
            validate()
