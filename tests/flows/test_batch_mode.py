"""A build whose teacher is asked through its Batch API: the same rows, undisturbed or killed under way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from environments.db.rehearsal import DbRehearsal
from environments.os.rehearsal import OsRehearsal
from rehearsals.server import OfflineServer
from schemas.tables import TABLES
from warehouse.digests import digest_rows
from warehouse.warehouse import Warehouse

pytestmark = pytest.mark.slow

BATCH = [
    *("--set", "teacher.mode=batch", "--set", "teacher.batch_wait_seconds=0.3"),
    *("--set", "teacher.batch_poll_seconds=0.05", "--set", "collect.concurrency=64"),
]


def digests(home: Path) -> dict[str, str]:
    """Return the digest of every table; of receipts without the one field that says how they came."""
    warehouse = Warehouse(home)
    found = {table: warehouse.digest(table) for table in TABLES if table != "completions"}
    rows = warehouse.query("SELECT to_json(c) FROM completions c ORDER BY completion_id")
    receipts = [json.loads(row[0]) | {"batch": None} for row in rows]
    return found | {"completions": digest_rows(TABLES["completions"], receipts)}


class Endpoint(OfflineServer):
    """Counts what is submitted, and calls `then` after every batch."""

    def __init__(self) -> None:
        super().__init__((OsRehearsal(volatile=False), DbRehearsal()))
        self.submitted: Counter[str] = Counter()
        self.then: Callable[[], None] = lambda: None
        make = self.batches.create

        def create(body: dict[str, Any]) -> dict[str, Any]:
            batch = make(body)
            self.submitted.update(line["custom_id"] for line in self.batches._lines(batch))
            self.then()
            return batch

        self.batches.create = create


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    endpoint.settings = {"OPENAI_BASE_URL": endpoint.start(), "OPENAI_API_KEY": "none"}
    yield endpoint
    endpoint.stop()


def test_a_build_in_batch_mode_makes_the_rows_of_one_in_chat_mode(
    endpoint: Endpoint, trajmill: Callable[..., Any], tmp_path: Path
) -> None:
    config = ["--config", "smoke", "--set", "teacher.kind=openai", "--set", "teacher.name=endpoint", "--json"]
    chat = trajmill("build", *config, home=tmp_path / "chat", **endpoint.settings)
    ran = trajmill("build", *config, *BATCH, home=tmp_path / "home", **endpoint.settings)
    assert (chat.code, ran.code) == (0, 0), (chat.err, ran.err)
    assert digests(tmp_path / "home") == digests(tmp_path / "chat")
    assert ran.json["release_id"] == chat.json["release_id"], "how a teacher is asked is in no release"
    assert Warehouse(tmp_path / "home").query("SELECT bool_and(batch), count(*) > 0 FROM completions") == [(True, True)]


def test_a_build_that_is_killed_as_a_batch_goes_out_submits_nothing_twice_and_makes_the_same_rows(
    endpoint: Endpoint, trajmill: Callable[..., Any], tmp_path: Path
) -> None:
    config = ["--config", "smoke", "--set", "teacher.kind=openai", "--set", "teacher.name=endpoint", *BATCH, "--json"]
    undisturbed = trajmill("build", *config, home=tmp_path / "undisturbed", **endpoint.settings)
    assert undisturbed.code == 0, undisturbed.err
    whole, batches = Counter(endpoint.submitted), len(endpoint.batches.batches)
    endpoint.submitted.clear()
    kill_at_batch(endpoint, batches // 2, [*config, "--home", str(tmp_path / "home")])
    finished = trajmill("build", *config, home=tmp_path / "home", **endpoint.settings)
    assert finished.code == 0, finished.err
    assert endpoint.submitted == whole and set(whole.values()) == {1}
    assert digests(tmp_path / "home") == digests(tmp_path / "undisturbed")


def kill_at_batch(endpoint: Endpoint, number: int, arguments: list[str]) -> None:
    """Run a build and kill it as its batch `number` is made, before it hears of it."""
    command = [str(Path(sys.executable).with_name("trajmill")), "build", *arguments]
    process = subprocess.Popen(command, env={**os.environ, **endpoint.settings}, stderr=subprocess.DEVNULL)
    left = iter(range(number - 1, -1, -1))

    def count() -> None:
        if next(left, 1) == 0:
            process.kill()

    endpoint.then = count
    process.wait()
    endpoint.then = lambda: None
