"""A whole release of an earlier commit's home: every row in each wording, splits that share nothing, the same bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import pytest

from formats.releases.release_folder import ReleaseRow, read_release
from schemas.release import Release
from tasks.publish import plain_chats
from tasks.publish.mixture import publish_release
from tasks.publish.read_mixture import MixtureReader
from tasks.workshop import Workshop


def rows_of(release: Release, form: Any = "original") -> dict[str, ReleaseRow]:
    found = read_release(Path(release.path))
    return {row.id: row for split in found.splits for row in found.rows(split, form)}


async def test_each_row_says_what_it_is_and_stands_there_in_both_wordings(old_shop: Workshop) -> None:
    release = await publish_release.fn(1, [])
    rows, calls = rows_of(release), rows_of(release, "tool_calls")
    assert rows.keys() == calls.keys()
    trajectories = {row.trajectory_id: row for row in old_shop.warehouse.read("trajectories")}
    agent = [row for row in rows.values() if row.source == "agent"]
    assert {row.id for row in agent} == trajectories.keys()
    for row in agent:
        made, called = trajectories[row.id], calls[row.id]
        assert row.messages == made.messages
        about = ("task_id", "family", "difficulty", "model", "reward", "guessable")
        assert [getattr(row, name) for name in about] == [getattr(made, name) for name in about]
        spoken = [message for message in called.messages if message.role == "assistant"]
        assert [m.train for m in spoken] == [True] * made.n_trained
        assert all(len(m.tool_calls) == 1 and m.content == "" for m in spoken)
        trained = [message.content for message in made.messages if message.train]
        for message, text in zip(spoken, trained, strict=True):
            values = orjson.loads(message.tool_calls[0].arguments).values()
            assert values or message.tool_calls[0].name in text
            assert all(value in text for value in values)
            assert (message.reasoning_content or "") in text
        known = {tool["function"]["name"] for tool in orjson.loads(called.tools or "")}
        assert {m.tool_calls[0].name for m in spoken} <= known
    chats = [row for row in rows.values() if row.source != "agent"]
    assert {(row.task_id, row.reward, row.guessable, row.tools) for row in chats} == {(None, None, None, None)}
    assert all(calls[row.id].messages == row.messages and row.model for row in chats)


async def test_no_task_and_no_database_is_in_both_splits_and_both_are_counted(old_shop: Workshop) -> None:
    release = await publish_release.fn(1, [])
    rows = rows_of(release)
    sides: dict[str, set[str]] = {}
    specs = {spec.task_id: spec for spec in old_shop.warehouse.read("task_specs")}
    for row in rows.values():
        if row.task_id:
            sides.setdefault(row.task_id, set()).add(row.split)
            sides.setdefault(specs[row.task_id].setup.database or row.task_id, set()).add(row.split)
    assert all(len(splits) == 1 for splits in sides.values())
    held = [row for row in rows.values() if row.split == "validation"]
    assert release.validation_rows == len(held) > 0 and release.rows == len(rows)
    manifest = read_release(Path(release.path)).manifest
    assert manifest["splits"] == {"train": len(rows) - len(held), "validation": len(held)}


async def test_the_same_tables_give_the_same_bytes_again(old_shop: Workshop) -> None:
    def files(folder: Path) -> dict[str, str]:
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    first = await publish_release.fn(1, [])
    stood = files(Path(first.path))
    Path(first.path).rename(old_shop.home / "elsewhere")
    again = await publish_release.fn(1, [])
    assert again.release_id == first.release_id
    assert files(Path(again.path)) == stood


async def test_plain_chats_are_written_as_they_would_be_row_by_row(
    old_shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    asked: list[int] = []
    read = MixtureReader._general_rows
    monkeypatch.setattr(
        MixtureReader, "_general_rows", lambda self, picks: asked.append(len(picks)) or read(self, picks)
    )
    looked_at = "looked_at IS NOT NULL AND "  # this home is older than that, and holds nothing private
    monkeypatch.setattr(plain_chats, "_SQL", plain_chats._SQL.replace(looked_at, ""))
    first = await publish_release.fn(1, [])
    assert sum(asked) < 0.1 * first.rows, "most of the chats are plain"
    stood = files(Path(first.path))
    Path(first.path).rename(old_shop.home / "elsewhere")
    monkeypatch.setattr(plain_chats, "_SQL", plain_chats._SQL.replace("'s?(ua)+'", "'none'"))
    again = await publish_release.fn(1, [])
    assert sum(asked) > 0.1 * first.rows and files(Path(again.path)) == stood
