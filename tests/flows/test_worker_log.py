"""What a worker's process prints: each stage's line once, and nothing of an interpreter that ends."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows import run_page

ROOT = Path(__file__).resolve().parents[2]
ENDING = """
import sys
import flows.build
import duckdb, threading, time
held = duckdb.connect()
threading.Thread(target=lambda: time.sleep(600), daemon=True).start()
sys.modules["held"] = held
print("the last line", file=sys.stderr)
sys.exit(3)
"""


def test_a_line_stands_on_every_page_and_once_on_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    console, pages = io.StringIO(), [io.StringIO(), io.StringIO()]
    handler = logging.StreamHandler(console)
    logging.getLogger().addHandler(handler)
    loggers = []
    for number, page in enumerate(pages):
        logger = logging.getLogger(f"test_run_page_{number}")
        logger.setLevel(logging.INFO)
        logger.addHandler(logging.StreamHandler(page))
        loggers.append(logger)
    token = run_page._loggers.set(tuple(loggers))
    try:
        run_page.tell_notes(["a note"])
    finally:
        run_page._loggers.reset(token)
        logging.getLogger().removeHandler(handler)
    assert [page.getvalue() for page in pages] == ["a note\n"] * 2
    assert console.getvalue() == "a note\n"


@pytest.mark.parametrize("is_worker", [True, False])
def test_a_worker_s_process_ends_without_a_word_of_duckdb_s(is_worker: bool, tmp_path: Path) -> None:
    said = {"PREFECT__FLOW_RUN_ID": "0"} if is_worker else {}
    environment = {**os.environ, "TRAJMILL_HOME": str(tmp_path), **said}
    ran = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    assert ran.returncode == 3 and "the last line" in ran.stderr
    assert ("leaked" in ran.stderr) is not is_worker
