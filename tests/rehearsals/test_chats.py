"""The generator of general chats: what is planted is what admission finds."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import orjson
import pytest

from formats.chats.chat import RawRow, read_chats, read_rows
from formats.chats.sharegpt import read_chat
from rehearsals.chat_faults import REPAIRABLE
from rehearsals.chats import plan_chats, write_chats
from schemas.rejection import Rejection
from schemas.trajectory import Conversation
from tasks.ingest.admit import REASONS, admit_conversations

COUNT = 1200
TRIED_ELSEWHERE = {
    *("out_of_bounds", "repeated_key"),  # test_spoiled_files.py
    *("media", "unknown_mask", "nothing_to_train"),  # tests/formats/chats
    *("near_duplicate", "duplicate_id", "contaminated", "personal_data"),  # tests/tasks/ingest, tests/tasks/privacy
    *("wrong_format", "blocked_phrase", "repeated_digits"),  # tests/tasks/ingest
}
"""Reasons that the generator does not plant."""


def admit(paths: list[Path]) -> list[Conversation | Rejection]:
    return list(admit_conversations(read_chats(paths, read_chat), license="Apache-2.0"))


def found_in(result: Conversation | Rejection) -> str:
    return result.reason if isinstance(result, Rejection) else (*result.repaired, "good")[0]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_chats(tmp_path_factory.mktemp("chats"), count=COUNT, build=1, seed=0)


@pytest.fixture(scope="module")
def results(paths: list[Path]) -> list[Conversation | Rejection]:
    return admit(paths)


def test_both_wild_forms_are_written(paths: list[Path]) -> None:
    array, lines = paths
    assert array.read_bytes().startswith(b"[\n{")
    assert not array.read_bytes().rstrip().endswith(b"]")  # its end is the planted cut
    rows = [row.value for row in read_rows(lines) if isinstance(row, RawRow) and isinstance(row.value, dict)]
    assert len(lines.read_bytes().splitlines()) == COUNT // 2
    assert {key for row in rows for key in row} == {"id", "model", "conversations", "messages"}


def test_every_row_is_found_to_be_what_was_planted(results: list[Conversation | Rejection]) -> None:
    assert [found_in(result) for result in results] == plan_chats(COUNT, 1, 0)


def test_every_reason_and_every_repair_is_planted(results: list[Conversation | Rejection]) -> None:
    found = Counter(map(found_in, results))
    assert set(found) == {*REASONS, *REPAIRABLE, "good"} - TRIED_ELSEWHERE
    assert sum(found[reason] for reason in REASONS) == pytest.approx(0.04 * COUNT, abs=1)


def test_one_chat_in_five_is_by_offline_a(results: list[Conversation | Rejection]) -> None:
    models = Counter(result.source_model for result in results if isinstance(result, Conversation))
    assert set(models) == {"offline-a", "offline-b"}
    assert models["offline-a"] / models.total() == pytest.approx(0.2, abs=0.01)
    assert models.total() >= 800


def test_chats_have_one_to_four_exchanges_in_english(results: list[Conversation | Rejection]) -> None:
    kept = [result for result in results if isinstance(result, Conversation)]
    assert {len(result.messages) for result in kept} == {2, 4, 6, 8}
    assert {result.language for result in kept} == {"en"}
    assert not any("{" in m.content for result in kept for m in result.messages)


def test_no_two_chats_begin_alike_within_and_over_builds(tmp_path: Path) -> None:
    openings = []
    for build in range(1, 6):
        kept = admit(write_chats(tmp_path, count=COUNT, build=build, seed=0))
        openings += [result.messages[0].content for result in kept if isinstance(result, Conversation)]
    openings = [opening for opening in openings if not opening.startswith("Hello, what")]
    assert len(openings) > 5000
    assert len(set(openings)) == len(openings)


def test_the_same_arguments_give_the_same_bytes_and_others_do_not(paths: list[Path], tmp_path: Path) -> None:
    again = write_chats(tmp_path / "again", count=COUNT, build=1, seed=0)
    other = write_chats(tmp_path / "other", count=COUNT, build=1, seed=1)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]
    assert all(a.read_bytes() != b.read_bytes() for a, b in zip(again, other, strict=True))


def test_a_small_set_has_no_faults_and_an_empty_one_no_rows(tmp_path: Path) -> None:
    small = write_chats(tmp_path / "small", count=10, build=1, seed=0)
    assert [found_in(result) for result in admit(small)] == ["good"] * 10
    empty = write_chats(tmp_path / "empty", count=0, build=1, seed=0)
    assert admit(empty) == []
    assert orjson.loads(empty[0].read_bytes()) == []


def test_the_figures_in_replies_are_right(results: list[Conversation | Rejection]) -> None:
    checked = 0
    for result in results:
        for message in result.messages if isinstance(result, Conversation) else ():
            if found := re.search(r"makes (\d+) x (\d+) = (\d+) euros", message.content):
                assert int(found[1]) * int(found[2]) == int(found[3])
                checked += 1
    assert checked > 10
