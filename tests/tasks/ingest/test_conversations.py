"""Files in, conversations and rejections out: rows add up, twice is once, a cut-off run goes on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

import formats.chats.sharegpt
import tasks.ingest.conversations
from formats.catalogue import Importer
from formats.chats.chat import Chat, ChatRow
from rehearsals.chat_faults import FAULTS
from rehearsals.chats import plan_chats
from schemas.errors import ConfigError, InputError
from tasks.ingest.conversations import general_files, ingest_file
from tasks.workshop import Workshop

TALK = ("What makes bread rise in the oven?", "Yeast eats the sugar in the dough and gives off gas that lifts it.")


def write_rows(path: Path, count: int) -> Path:
    rows = [
        {"conversations": [{"from": "human", "value": f"{number}. {TALK[0]}"}, {"from": "gpt", "value": TALK[1]}]}
        for number in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "not json\n")
    return path


async def test_every_row_of_the_built_in_chats_is_kept_or_rejected_as_it_was_planned(
    open_shop: Callable[..., Workshop],
) -> None:
    shop = open_shop(general__conversations=200)
    counts: Counter[str] = Counter()
    for path in general_files(shop):
        counts.update(await ingest_file.fn(path, "Apache-2.0"))
    planned = Counter(plan_chats(200, 1, 0))
    assert counts.total() == 200 == shop.warehouse.count("conversations") + shop.warehouse.count("rejections")
    bad = {reason: rows for reason, rows in planned.items() if reason in FAULTS}
    assert len(bad) == len(FAULTS) and counts == Counter(kept=200 - sum(bad.values()), **bad)
    stage = shop.progress.stages["ingest_conversations"]
    assert (stage.done, stage.kept) == (200, counts["kept"])


async def test_a_file_that_came_in_before_is_not_read_again(open_shop: Callable[..., Workshop], tmp_path: Path) -> None:
    shop = open_shop()
    path = write_rows(tmp_path / "chats.jsonl", 5)
    assert await ingest_file.fn(path, "MIT") == {"kept": 5, "not_json": 1}
    assert await ingest_file.fn(path, "MIT") == {"imported_before": 1}
    assert shop.warehouse.count("conversations") == 5 and shop.warehouse.count("rejections") == 1


async def test_a_longer_file_with_the_same_rows_adds_only_the_new_ones(
    open_shop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop = open_shop()
    await ingest_file.fn(write_rows(tmp_path / "chats.jsonl", 5), "MIT")
    assert (await ingest_file.fn(write_rows(tmp_path / "chats.jsonl", 7), "MIT"))["kept"] == 2
    assert shop.warehouse.count("conversations") == 7


async def test_an_ingestion_that_was_cut_off_between_batches_loses_and_doubles_nothing(
    open_shop: Callable[..., Workshop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.ingest.conversations, "BATCH", 3)
    shop, path = open_shop(), write_rows(tmp_path / "chats.jsonl", 10)
    land, landed = tasks.ingest.conversations._land, []

    def die_after_two(*arguments: object) -> None:
        if len(landed) == 2:
            raise KeyboardInterrupt
        landed.append(arguments)
        land(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(tasks.ingest.conversations, "_land", die_after_two)
    with pytest.raises(KeyboardInterrupt):
        await ingest_file.fn(path, "MIT")
    monkeypatch.setattr(tasks.ingest.conversations, "_land", land)
    await ingest_file.fn(path, "MIT")
    rows = shop.warehouse.query("SELECT count(*), count(DISTINCT conversation_id) FROM conversations")
    assert rows == [(10, 10)] and shop.warehouse.count("rejections") == 1


async def test_rows_say_where_they_come_from_and_under_which_licence(
    open_shop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop = open_shop()
    await ingest_file.fn(write_rows(tmp_path / "chats.jsonl", 1), "CC-BY-4.0", "gpt-4")
    (chat,) = shop.warehouse.read("conversations")
    assert (chat.source_file, chat.source_line, chat.license, chat.source_model) == (
        "chats.jsonl",
        1,
        "CC-BY-4.0",
        "gpt-4",
    )
    (rejection,) = shop.warehouse.read("rejections")
    assert (rejection.source, rejection.reason, rejection.build) == ("chats.jsonl:2", "not_json", 1)


async def test_a_file_that_is_not_there_is_told(open_shop: Callable[..., Workshop], tmp_path: Path) -> None:
    open_shop()
    with pytest.raises(InputError, match=r"none\.json cannot be read: No such file"):
        await ingest_file.fn(tmp_path / "none.json", "MIT")


def test_no_chats_are_made_up_where_imported_ones_are_asked_for(open_shop: Callable[..., Workshop]) -> None:
    assert general_files(open_shop(general__source="imported")) == []
    assert general_files(open_shop(general__conversations=0)) == []


async def test_a_second_format_of_chats_needs_no_line_outside_its_file(
    open_shop: Callable[..., Workshop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(paths: Sequence[Path], given: Mapping[str, str]) -> Iterator[ChatRow]:
        for line, text in enumerate(paths[0].read_text().split(given["between"]), 1):
            yield ChatRow(
                paths[0].name, line, text.encode(), Chat(None, None, [("user", text), ("assistant", TALK[1])])
            )

    toy = Importer(name="toy", kind="chats", summary="questions", read=read)
    monkeypatch.setattr(formats.chats.sharegpt, "IMPORTER", toy)
    shop, path = open_shop(), tmp_path / "chats.txt"
    path.write_text(f"{TALK[0]};{TALK[0]};Why does it sink when the door of the oven is opened too soon?")
    assert await ingest_file.fn(path, "MIT", format="toy", options={"between": ";"}) == {"kept": 2, "duplicate": 1}
    assert await ingest_file.fn(path, "MIT", format="toy", options={"between": ";"}) == {"imported_before": 1}
    assert await ingest_file.fn(path, "MIT", format="toy", options={"between": "?"}) != {"imported_before": 1}
    with pytest.raises(ConfigError, match="unknown format 'sharegpt'"):
        await ingest_file.fn(path, "MIT")
    assert shop.warehouse.column("conversations", "DISTINCT license") == ["MIT"]
