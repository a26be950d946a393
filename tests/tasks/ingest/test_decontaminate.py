"""A chat that holds most of a benchmark's item is turned away, with the item's place."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from formats.chats.chat import Chat, ChatRow
from schemas.cleaning import CleaningConfig
from schemas.errors import ConfigError
from schemas.rejection import Rejection
from schemas.trajectory import Conversation
from tasks.ingest.admit import admit_conversations
from tasks.ingest.decontaminate import Benchmarks, load_benchmarks

ITEM = " ".join(f"token{number}" for number in range(50))


def changed(every: int) -> str:
    return " ".join("other" if number % every == every - 1 else word for number, word in enumerate(ITEM.split()))


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        (ITEM, 1, 1),
        (f"Before it. {ITEM} And after.", 1, 1),
        (changed(3), 1, 1),
        (changed(2), 0, 0),
        (" ".join(ITEM.split()[:25]) + " and nothing more of it", 0.5, 0.6),
        (" ".join(ITEM.split()[:5]), 0, 0),
        (" ".join(random.Random(0).sample(ITEM.split(), 50)), 0, 0.3),
        ("Quite another text about bread and how it rises in the oven.", 0, 0),
    ],
    ids=["whole", "within", "every third word", "every second word", "half", "five words", "shuffled", "another"],
)
def test_what_is_covered_is_in_windows_of_ten_that_may_differ_in_four(text: str, low: float, high: float) -> None:
    overlap = Benchmarks({"items.jsonl:1": ITEM}).overlap(iter([text]))
    assert low <= overlap.share <= high


def test_a_short_item_is_looked_for_whole() -> None:
    known = Benchmarks({"a": "How many rivers are there"})
    assert known.overlap(iter(["Tell me: how many rivers are there?"])).share == 1
    assert known.overlap(iter(["How many lakes are there"])).share == 0


def test_a_dirty_row_is_turned_away_with_the_items_place_and_others_say_their_share(tmp_path: Path) -> None:
    path = tmp_path / "bench.jsonl"
    path.write_text(
        json.dumps({"question": "Which loaf is it?", "n": 1}) + "\n" + json.dumps({"question": ITEM}) + "\n"
    )
    rows = [
        ChatRow("f", n, b"", Chat(None, None, [("user", "Say it."), ("assistant", t)]))
        for n, t in enumerate((ITEM, changed(2)))
    ]
    rules = CleaningConfig(languages=(), benchmarks=(str(path),))
    dirty, clean = admit_conversations(rows, license="MIT", rules=rules)
    assert isinstance(dirty, Rejection) and isinstance(clean, Conversation)
    assert (dirty.reason, dirty.detail) == ("contaminated", "it covers 100% of the tokens of bench.jsonl:2")
    assert clean.overlap == 0


def test_a_benchmark_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    for name in ("none.jsonl", "empty.txt"):
        with pytest.raises(ConfigError, match=r"general\.cleaning\.benchmarks"):
            load_benchmarks((str(tmp_path / name),))
