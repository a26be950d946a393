"""Foreign sets in a mixture: only the named ones, within eta, counted as unproven; a set that is not here is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from formats.releases.release_folder import read_release
from schemas.errors import ConfigError
from schemas.foreign_row import ForeignRow
from schemas.message import Message, ToolCall
from schemas.rejection import Rejection
from schemas.run_config import MixtureConfig
from tasks.publish.mix_samples import Eligible, mix_samples
from tasks.publish.mixture import publish_release
from tasks.workshop import Workshop


def rows(prefix: str, count: int, model: str | None = None) -> list[Eligible]:
    return [Eligible(f"{prefix}{number}", 2, 100, model) for number in range(count)]


def test_named_sets_are_a_stratum_of_their_own_within_eta() -> None:
    recipe = MixtureConfig(eta=0.5, strata={"g": 1.0}, source_models={"m": "g"}, recorded=("theirs",))
    mixed = mix_samples(rows("a", 6), rows("c", 40, "m"), recipe, rows("f", 2))
    shares = {share.stratum: share for share in mixed.shares}
    assert {name: share.rows for name, share in shares.items()} == {"agent": 6, "recorded": 2, "g": 8}
    assert (shares["agent"].asked, shares["recorded"].asked, shares["g"].asked) == (0.375, 0.125, 0.5)


def test_a_recipe_that_names_none_is_as_it_was() -> None:
    recipe = MixtureConfig(eta=0.5, strata={"g": 1.0}, source_models={"m": "g"})
    mixed = mix_samples(rows("a", 6), rows("c", 40, "m"), recipe)
    assert [share.stratum for share in mixed.shares] == ["agent", "g"] and mixed.shares[0].asked == 0.5
    assert mix_samples(rows("a", 6), rows("c", 40, "m"), recipe, rows("f", 9)) == mixed


def test_a_stratum_cannot_take_the_name_of_the_sets() -> None:
    with pytest.raises(ConfigError, match="called 'recorded'; that is the foreign sets"):
        mix_samples([], [], MixtureConfig(strata={"recorded": 1.0}))


def told(number: int, *more: Message, name: str = "theirs") -> ForeignRow:
    call = ToolCall(call_id="c", name="bash", arguments='{"command":"ls"}')
    shown = (Message(role="assistant", content="Ok."), Message(role="user", content=f"Count {number}."))
    done = Message(role="assistant", content="", train=True, tool_calls=(call,))
    said = (
        Message(role="user", content="Use tools."),
        *shown,
        done,
        Message(role="tool", content="1", tool_call_id="c"),
    )
    about = {"set": name, "format": "openai", "license": "MIT", "source_file": "f", "source_line": number, "model": "m"}
    return ForeignRow.make(raw=b"{}", messages=(*said, *more), claimed_reward=1.0, source_id=str(number), **about)


@pytest.fixture
def shop(open_shop: Callable[..., Workshop]) -> Workshop:
    """A home that holds two sets and nothing else, and whose recipe names one."""
    made = open_shop(mixture__eta=1.0, mixture__recorded=("theirs",))
    empty = Message(role="assistant", content=" ", train=True)
    mute = told(4).model_copy(update={"row_id": "mute", "n_trained": 0})
    rows = [told(1), told(2), told(3, empty), mute, told(5, name="other")]
    made.warehouse.land("foreign_rows", rows, key="k")
    return made


async def test_a_release_of_a_named_set_says_that_nothing_of_it_is_proven(shop: Workshop) -> None:
    release = await publish_release.fn(1, [])
    rows = list(read_release(Path(release.path)).rows())
    assert {(row.source, row.origin, row.reward, row.license) for row in rows} == {
        ("recorded", "recorded", None, "MIT")
    }
    assert {row.messages for row in rows} == {told(1).messages, told(2).messages}
    card = Path(release.path, "README.md").read_text(encoding="utf-8")
    assert (
        "2 rows are unproven: recorded elsewhere, in the sets `theirs` (4), and never run here; 2 were left out" in card
    )
    assert "The 2 rows of source `recorded` are unproven" in card
    assert any(source.table == "foreign_rows" for source in release.sources)


async def test_another_set_and_a_persons_word(shop: Workshop) -> None:
    before = await publish_release.fn(1, [])
    shop.warehouse.land("foreign_rows", [told(9, name="other")], key="more")
    assert (await publish_release.fn(1, [])).release_id == before.release_id, "a set that nobody named is no source"
    source = told(1).row_id
    word = Rejection.make(stage="review", reason="rejected_by_person", detail="no", source=source, raw="")
    shop.warehouse.land("rejections", [word], key="word")
    assert [row.id for row in read_release(Path((await publish_release.fn(1, [])).path)).rows()] == [told(2).row_id]


async def test_no_foreign_row_is_taken_unnamed_and_a_set_that_is_not_here_is_told(
    shop: Workshop, open_shop: Callable[..., Workshop]
) -> None:
    open_shop(home=shop.home, mixture__eta=1.0)
    with pytest.raises(ConfigError, match="no trajectory has been kept yet"):
        await publish_release.fn(1, [])
    open_shop(home=shop.home, mixture__eta=1.0, mixture__recorded=("theirs", "nobody's"))
    with pytest.raises(ConfigError, match='names the set "nobody\'s", but there are other, theirs'):
        await publish_release.fn(1, [])
