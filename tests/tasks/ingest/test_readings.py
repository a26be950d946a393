"""A newer reading of a file supersedes what only the older one gave, and says so."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import formats.chats.sharegpt
import tasks.ingest.conversations
from schemas.cleaning import CleaningConfig
from schemas.trajectory import Conversation
from tasks.ingest.conversations import ingest_file
from tasks.ingest.readings import identify_reading
from tasks.workshop import Workshop

REPLY = "Yeast eats the sugar in the dough and gives off gas that lifts it."
OPEN = "SELECT conversation_id FROM conversations WHERE conversation_id NOT IN (SELECT id FROM turned_away) ORDER BY 1"


def write(path: Path, texts: Sequence[str]) -> Path:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"{n}. What makes bread rise in the oven?"},
                {"role": "assistant", "content": text},
            ]
        }
        for n, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def raise_contract(monkeypatch: pytest.MonkeyPatch, contract: int) -> None:
    newer = dataclasses.replace(formats.chats.sharegpt.IMPORTER, contract=contract)
    monkeypatch.setattr(formats.chats.sharegpt, "IMPORTER", newer)


def rules_of(shop: Workshop, **said: object) -> None:
    general = shop.config.general.model_copy(update={"cleaning": CleaningConfig(**said)})  # type: ignore[arg-type]
    shop.config = shop.config.model_copy(update={"general": general})


async def test_other_rules_supersede_what_they_do_not_give_and_bring_it_back(
    open_shop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop, path = open_shop(), write(tmp_path / "chats.jsonl", [REPLY, f"<p>{REPLY} <b>Yes.</b></p>"])
    assert await ingest_file.fn(path, "MIT") == {"kept": 2}
    first = shop.warehouse.query(OPEN)
    rules_of(shop, html=False)
    assert await ingest_file.fn(path, "MIT") == {"kept": 1, "imported_before": 1, "superseded": 1}
    second = shop.warehouse.query(OPEN)
    assert len(first) == len(second) == 2 and len({*first, *second}) == 3
    rules_of(shop, html=True, languages=("en", "de"))
    assert await ingest_file.fn(path, "MIT") == {"imported_before": 2, "superseded": 1}
    assert shop.warehouse.query(OPEN) == first
    assert await ingest_file.fn(path, "MIT") == {"imported_before": 1}


async def test_a_newer_reader_that_reads_the_same_changes_nothing(
    open_shop: Callable[..., Workshop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, path = open_shop(), write(tmp_path / "chats.jsonl", [REPLY] * 3)
    assert await ingest_file.fn(path, "MIT") == {"kept": 3}
    raise_contract(monkeypatch, 99)
    assert await ingest_file.fn(path, "MIT") == {"imported_before": 3}
    assert shop.warehouse.count("conversations") == 3 and shop.warehouse.count("turned_away") == 0


async def test_rows_that_came_in_before_imports_had_ids_are_superseded_by_their_line(
    open_shop: Callable[..., Workshop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, path = open_shop(), write(tmp_path / "chats.jsonl", [f"<p>{REPLY} Größe</p>", REPLY])
    rules_of(shop, html=False)
    await ingest_file.fn(path, "MIT")
    rows: list[Conversation] = shop.warehouse.read("conversations")
    old = [row.model_copy(update={"import_id": None, "reading": None}) for row in rows]
    asked = rows[0].messages[0]
    other = asked.model_copy(update={"role": "assistant", "content": "Of another file with this name."})
    elsewhere = old[0].model_copy(update={"conversation_id": "other", "messages": (asked, other)})
    older = open_shop(home=tmp_path / "older")
    digest = tasks.ingest.conversations.digest
    first_key = f"ingest_conversations/{digest(tasks.ingest.conversations._sha256(path), 'MIT', None)}"
    older.warehouse.land("conversations", [*old, elsewhere], key=f"{first_key}/0")
    older.warehouse.land("conversations", [], key=first_key)
    assert await ingest_file.fn(path, "MIT") == {"kept": 1, "imported_before": 1, "superseded": 1}
    (gone,) = [row.conversation_id for row in old if "<p>" in row.messages[1].content]
    assert older.warehouse.query("SELECT id, stage, reason FROM turned_away") == [(gone, "reading", "superseded")]


async def test_a_reading_that_was_cut_off_goes_on_and_supersedes_once(
    open_shop: Callable[..., Workshop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.ingest.conversations, "BATCH", 2)
    shop, path = open_shop(), write(tmp_path / "chats.jsonl", [f"<p>{n} {REPLY}</p>" for n in range(5)])
    await ingest_file.fn(path, "MIT")
    rules_of(shop, html=False)
    land, landed = tasks.ingest.conversations._land, []

    def die_after_one(*arguments: object) -> None:
        if landed:
            raise KeyboardInterrupt
        landed.append(arguments)
        land(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tasks.ingest.conversations, "_land", die_after_one)
    with pytest.raises(KeyboardInterrupt):
        await ingest_file.fn(path, "MIT")
    monkeypatch.setattr(tasks.ingest.conversations, "_land", land)
    assert (await ingest_file.fn(path, "MIT"))["superseded"] == 5
    assert len(shop.warehouse.query(OPEN)) == 5 and shop.warehouse.count("conversations") == 10


def test_a_reading_is_its_contract_and_its_rules() -> None:
    plain = identify_reading(2, CleaningConfig())
    assert plain == identify_reading(2, CleaningConfig(languages=("en",)))
    assert len({plain, identify_reading(3, CleaningConfig()), identify_reading(2, CleaningConfig(max_tokens=64))}) == 3
