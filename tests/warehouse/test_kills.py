"""kill -9 at moments drawn from a fixed seed: what was told landed stands, once, and a blind retry adds nothing."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from warehouse.warehouse import Warehouse

LANDINGS = """
import sys
from pathlib import Path
from schemas.rejection import Rejection
from warehouse.warehouse import Warehouse
warehouse = Warehouse(Path(sys.argv[1]))
print("ready", flush=True)
for number in range(int(sys.argv[2]), 10_000):
    rows = [Rejection.make(stage="s", reason="r", detail="", source=str(number), raw="")]
    warehouse.land("rejections", rows, key=str(number))
    print(number, flush=True)
"""

TIDYING = """
import sys
from pathlib import Path
from warehouse.warehouse import Warehouse
warehouse = Warehouse(Path(sys.argv[1]))
print("ready", flush=True)
warehouse.gc()
"""


def run_and_kill(script: str, arguments: list[str], seconds: float) -> list[str]:
    """Start a process, kill it `seconds` after it is ready, and return what it said."""
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.kill()
    said, _ = process.communicate()
    return said.splitlines()


@pytest.mark.slow
def test_what_was_told_landed_stands_once_after_kills_and_blind_retries(tmp_path: Path) -> None:
    draw, told = random.Random(7), set[str]()
    for _ in range(8):
        first = max((int(number) for number in told), default=-1) + 1
        told |= set(run_and_kill(LANDINGS, [str(tmp_path), str(first)], draw.uniform(0.05, 0.6)))
    sources = [row.source for row in Warehouse(tmp_path).read("rejections")]
    assert len(sources) == len(set(sources)), "a retry landed a row twice"
    assert told <= set(sources), "what was told landed is gone"
    assert len(sources) - len(told) <= 1, "only the last landing can stand untold"


@pytest.mark.slow
def test_tables_are_whole_after_gc_is_killed(tmp_path: Path, make: SimpleNamespace) -> None:
    draw, warehouse = random.Random(7), Warehouse(tmp_path)
    for attempt in range(8):
        for number in range(attempt * 5, attempt * 5 + 5):
            warehouse.land("rejections", [make.rejection(number)], key=str(number))
            warehouse.land("conversations", [make.conversation(number)], key=str(number))
        digests = {table: warehouse.digest(table) for table in ("rejections", "conversations")}
        run_and_kill(TIDYING, [str(tmp_path)], draw.uniform(0, 0.15))
        assert {table: warehouse.digest(table) for table in digests} == digests
        assert all(warehouse.has_landed("rejections", str(number)) for number in range(attempt * 5 + 5))
    warehouse.gc()
    assert warehouse.count("rejections") == 40
