"""Publication from a finished home: the same sources give the same release; what was turned away stays out."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from environments.db.world import DbWorld
from schemas.episode import Episode, Verdict
from schemas.errors import ConfigError
from schemas.message import ToolCall
from schemas.rejection import Rejection
from schemas.rejudgement import Rejudgement
from schemas.release import GuessableShare, Release
from schemas.verification import Verification
from tasks.publish.choose_rows import choose_rows
from tasks.publish.mixture import SOURCES, publish_release
from tasks.publish.pools import AGENT
from tasks.workshop import Workshop


@pytest.fixture
def shop(open_shop: Callable[..., Workshop], smoke: Any, tmp_path: Path) -> Workshop:
    return open_shop(home=smoke.copy(tmp_path / "copy"))


def files_of(folder: Path) -> dict[str, str]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def rows_of(release: Release) -> list[str]:
    ids: list[str] = pq.read_table(Path(release.path) / "data" / "messages", columns=["id"])["id"].to_pylist()
    return ids


def messages_of(release: Release) -> Path:
    (shard,) = (Path(release.path) / "data" / "messages").iterdir()
    return shard


def fields_of_messages(release: Release) -> list[str]:
    message = pq.read_schema(messages_of(release)).field("messages").type.value_type
    return [message.field(index).name for index in range(message.num_fields)]


def turn_away(shop: Workshop, source: str) -> None:
    rejection = Rejection.make(stage="review", reason="rejected_by_person", detail="no", source=source, raw="")
    shop.warehouse.land("rejections", [rejection], key=source)


def judge_again(shop: Workshop, verdict: Verdict, contract: int, where: str = "true") -> list[str]:
    """Land a later verdict on the episodes of some trajectories; return the trajectories."""
    kept = shop.warehouse.query(f"SELECT trajectory_id, episode_id FROM trajectories WHERE {where} ORDER BY 1")
    mine = ("list_contains(?::VARCHAR[], episode_id)", ([episode for _, episode in kept],))
    episodes: list[Episode] = shop.warehouse.read("latest_episodes", *mine)
    found = [
        Verification(id=one.episode_id, kind="episode", environment=one.environment, verdict=verdict)
        for one in episodes
    ]
    rows = [Rejudgement.make(one, said, contract, 1) for one, said in zip(episodes, found, strict=True)]
    shop.warehouse.land("verdicts", rows, key=f"{verdict.name}/{contract}/{where}")
    return [trajectory for trajectory, _ in kept]


def said_in(release: Release) -> tuple[str, str]:
    """Return the card and the manifest."""
    card, manifest = Path(release.path, "README.md"), Path(release.path, "manifest.json")
    return card.read_text(encoding="utf-8"), manifest.read_text(encoding="utf-8")


async def test_what_is_published_already_is_returned_as_it_stands(shop: Workshop) -> None:
    first = await publish_release.fn(1, [])
    stood = files_of(Path(first.path))
    again = await publish_release.fn(2, [])
    assert again == first and files_of(Path(first.path)) == stood
    assert shop.warehouse.count("releases", "release_id = ?", (first.release_id,)) == 1


async def test_a_folder_that_was_lost_is_written_again_byte_for_byte(shop: Workshop) -> None:
    shutil.rmtree((await publish_release.fn(1, [])).path)
    first = await publish_release.fn(1, [])
    stood = files_of(Path(first.path))
    shutil.rmtree(first.path)
    again = await publish_release.fn(1, [])
    assert again.release_id == first.release_id and files_of(Path(again.path)) == stood
    assert shop.warehouse.count("releases", "release_id = ?", (first.release_id,)) == 1


async def test_the_hashes_of_the_release_are_those_of_its_files(shop: Workshop) -> None:
    release = await publish_release.fn(1, [])
    on_disk = files_of(Path(release.path))
    assert {file.path: file.sha256 for file in release.files}.items() <= on_disk.items()
    assert len(rows_of(release)) == release.rows == sum(share.rows for share in release.shares)


async def test_another_seed_is_another_release(shop: Workshop, open_shop: Callable[..., Workshop]) -> None:
    first = await publish_release.fn(1, [])
    open_shop(home=shop.home, mixture__seed=1)
    second = await publish_release.fn(1, [])
    assert first.release_id != second.release_id and set(rows_of(first)) != set(rows_of(second))


@pytest.mark.parametrize("column", ["trajectory_id", "episode_id", "task_id"])
async def test_a_person_s_verdict_keeps_a_row_out_of_every_later_release(shop: Workshop, column: str) -> None:
    before = await publish_release.fn(1, [])
    trajectory, named = shop.warehouse.query(f"SELECT trajectory_id, {column} FROM trajectories ORDER BY 1")[0]
    assert trajectory in rows_of(before)
    turn_away(shop, named)
    after = await publish_release.fn(1, [])
    assert trajectory not in rows_of(after) and after.release_id != before.release_id


async def test_a_release_has_the_fields_of_calls_where_a_chosen_row_has_some(shop: Workshop) -> None:
    plain = await publish_release.fn(1, [])
    assert fields_of_messages(plain) == ["role", "content", "train"]
    (good, *_) = shop.warehouse.read("trajectories", "trajectory_id IN ?", (rows_of(plain),))
    call = ToolCall(call_id="c", name="bash", arguments="{}")
    said = tuple(m.model_copy(update={"content": "", "tool_calls": (call,)}) if m.train else m for m in good.messages)
    calling = good.model_copy(update={"trajectory_id": "calling", "messages": said, "tools": "[]", "part": 1})
    shop.warehouse.land("trajectories", [calling], key="calling")
    release = await publish_release.fn(1, [])
    assert "calling" in rows_of(release) and release.rows > plain.rows
    tools = pq.read_table(messages_of(release), columns=["id", "tools"]).to_pylist()
    assert {row["id"] for row in tools if row["tools"] is not None} == {"calling"}
    turn_away(shop, "calling")
    again = await publish_release.fn(1, [])
    assert fields_of_messages(again) == ["role", "content", "train"], "no chosen row has any"


async def test_a_conversation_that_was_turned_away_stays_out(shop: Workshop) -> None:
    before = await publish_release.fn(1, [])
    chats = set(shop.warehouse.column("conversations", "conversation_id"))
    (chosen, *_) = sorted(set(rows_of(before)) & chats)
    turn_away(shop, chosen)
    assert chosen not in rows_of(await publish_release.fn(1, []))


async def test_a_stage_s_own_rejections_turn_no_row_away(shop: Workshop) -> None:
    episodes = set(shop.warehouse.column("trajectories", "episode_id"))
    mixture = choose_rows(shop, shop.curation_id, shop.warehouse.versions())
    assert sum(pick.stratum == AGENT for pick in mixture.picks) == len(episodes) > 0
    assert shop.warehouse.count("rejections", "stage = 'curate'") > 0


async def test_a_mixture_without_any_trajectory_is_told(open_shop: Callable[..., Workshop]) -> None:
    open_shop()
    with pytest.raises(ConfigError, match="no trajectory has been kept yet"):
        await publish_release.fn(1, [])


async def test_another_curation_s_trajectories_are_not_mixed_in(shop: Workshop, open_shop: Any) -> None:
    open_shop(home=shop.home, curate__per_task=1)
    with pytest.raises(ConfigError, match="no trajectory of this configuration's curation"):
        await publish_release.fn(1, [])
    open_shop(home=shop.home, curate__per_task=1, mixture__curation_id=shop.curation_id)
    assert (await publish_release.fn(1, [])).curation_id == shop.curation_id


async def test_rows_whose_answer_can_be_guessed_are_capped_counted_in_the_release_and_on_its_card(
    shop: Workshop, open_shop: Any
) -> None:
    tagged = set(shop.warehouse.column("trajectories", "trajectory_id", "guessable"))
    specs = shop.warehouse.read("task_specs")
    guessable = [spec.task_id for spec in specs if spec.is_guessable]
    assert tagged == set(shop.warehouse.column("trajectories", "trajectory_id", "task_id IN ?", (guessable,)))
    everything = open_shop(home=shop.home, mixture__guessable=1.0)
    whole = await publish_release.fn(1, [])
    assert whole.guessable == GuessableShare(
        asked=1.0, achieved=round(len(tagged) / whole.shares[0].rows, 6), rows=len(tagged), left_out=0
    )
    open_shop(home=everything.home, mixture__guessable=0.0)
    none = await publish_release.fn(1, [])
    assert none.guessable == GuessableShare(asked=0.0, achieved=0.0, rows=0, left_out=len(tagged))
    assert not tagged & set(rows_of(none)) and none.shares[0].rows == none.shares[0].available - len(tagged)
    assert f"{len(tagged)} were left out" in Path(none.path, "README.md").read_text(encoding="utf-8")
    assert shop.warehouse.read("releases", "release_id = ?", (none.release_id,))[0].guessable == none.guessable


async def test_what_an_outage_cut_short_on_the_way_makes_no_other_release(shop: Workshop) -> None:
    before = await publish_release.fn(1, [])
    landed: list[Episode] = shop.warehouse.read("latest_episodes")
    cut_short = {"outcome": "teacher_error", "verdict": "unknown", "reward": 0.0, "n_turns": 0, "landing": "cut"}
    again = [one.model_copy(update={"try_number": 3}) for one in landed[:4]]
    told = [one.model_copy(update={**cut_short, "try_number": 2}) for one in landed[:4]]
    never = landed[0].model_copy(update={**cut_short, "episode_id": "never settled"})
    outage = Rejection.make(stage="curate", reason="teacher_error", detail="no", source="x/y", raw="")
    shop.warehouse.land("episodes", [*told, *again, never], key="outage")
    shop.warehouse.land("rejections", [outage], key="outage")
    after = await publish_release.fn(1, [])
    assert after.release_id == before.release_id
    settled = never.model_copy(update={"outcome": "finished", "verdict": "failed", "try_number": 2})
    shop.warehouse.land("episodes", [settled], key="settled")
    assert (await publish_release.fn(1, [])).release_id != before.release_id


async def test_what_does_not_pass_today_s_checks_is_left_out_counted_and_told(shop: Workshop) -> None:
    before = await publish_release.fn(1, [])
    assert {source.table for source in before.sources} == set(SOURCES), "no verdicts, no other id"
    (one, *_) = sorted(set(rows_of(before)) & set(shop.warehouse.column("trajectories", "trajectory_id")))
    assert judge_again(shop, Verdict(name="failed", detail="no"), 3, f"trajectory_id = '{one}'") == [one]
    after = await publish_release.fn(1, [])
    assert set(rows_of(before)) - set(rows_of(after)) >= {one} and after.release_id != before.release_id
    assert after.shares[0].available == before.shares[0].available - 1
    (told,) = [note for note in after.notes if "left out: judged again, what was done there does not pass" in note]
    assert told.startswith("1 agent row ") and all(told in text.replace('\\"', '"') for text in said_in(after))
    assert "verdicts" in {source.table for source in after.sources}


async def test_a_mixture_of_which_nothing_passes_today_s_checks_is_told(shop: Workshop) -> None:
    count = len(judge_again(shop, Verdict(name="failed"), 3))
    with pytest.raises(ConfigError, match=rf"{count} agent rows left out: judged again, .* so there is no mixture"):
        await publish_release.fn(1, [])


async def test_rows_that_weaker_checks_accepted_stay_and_are_told_by_world_until_they_are_judged_again(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await publish_release.fn(1, [])
    assert not [note for note in before.notes if "contract" in note], "accepted under today's checks"
    monkeypatch.setattr(DbWorld, "check_contract", 4)
    stood = said_in(before)
    again = await publish_release.fn(1, [])
    total = shop.warehouse.count("trajectories", "environment = 'db'")
    weak = f"{{}} of {total} agent rows (db) were accepted under contract 3 of its checks, today's is 4: "
    (told,) = set(again.notes) - set(before.notes)
    assert told == weak.format(total) + "`trajmill verify --rejudge` judges them again."
    assert again.release_id == before.release_id and said_in(again) == stood, "it stands as it was published"
    shutil.rmtree(before.path)
    assert all(told in text for text in said_in(await publish_release.fn(1, [])))
    first = shop.warehouse.column("trajectories", "trajectory_id", "environment = 'db'")[0]
    (one,) = judge_again(shop, Verdict(name="passed", reward=1.0), 4, f"trajectory_id = '{first}'")
    judged = await publish_release.fn(1, [])
    assert one in rows_of(judged) and judged.release_id != before.release_id
    assert any(note.startswith(weak.format(total - 1)) for note in judged.notes)
    judge_again(shop, Verdict(name="passed", reward=1.0), 5, "environment = 'db'")
    assert not [note for note in (await publish_release.fn(1, [])).notes if "contract" in note]


async def test_a_verdict_that_is_unknown_leaves_a_row_where_it_was(shop: Workshop) -> None:
    before = await publish_release.fn(1, [])
    judge_again(shop, Verdict(name="unknown", detail="SandboxError: gone"), 3)
    after = await publish_release.fn(1, [])
    assert set(rows_of(after)) == set(rows_of(before)) and after.notes == before.notes
