"""The bulk of chats is what the benchmark says of it, and the same each time."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.chat_bulk import make_bulk, make_tokenizer
from tasks.ingest.split_chat import counter


def test_the_bulk_has_the_shares_that_it_tells_and_is_the_same_each_time(tmp_path: Path) -> None:
    path = make_bulk(tmp_path / "bulk.json", 1000)
    rows = json.loads(path.read_text("utf-8"))
    texts = [message["value"] for row in rows for message in row["conversations"]]
    assert len(rows) == 1000
    assert 0.04 < sum(text.startswith("<div>") for text in texts) / len(texts) < 0.06
    assert 0.09 < sum("```" in text for text in texts) / len(texts) < 0.11
    assert 30 < 1000 - len({row["id"] for row in rows}) < 70
    assert 10 <= sum(len(row["conversations"]) >= 40 for row in rows) <= 35
    assert path.read_bytes() == make_bulk(tmp_path / "again.json", 1000).read_bytes()


def test_its_tokenizer_counts_no_more_tokens_than_ascii_has_characters(tmp_path: Path) -> None:
    path = make_bulk(tmp_path / "bulk.json", 40)
    count = counter(str(make_tokenizer(tmp_path / "tokenizer", path) / "tokenizer.json"))
    assert 2 < count("the bread rises") <= 15
    assert count("§$%&") >= 4
