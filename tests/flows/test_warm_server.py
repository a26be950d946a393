"""A real server kept warm: the second command finds the first's, its history is whole, and it ends with its home."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.dashboard.server_folder import warm_servers

WAIT_SECONDS = 600


@pytest.mark.slow
def test_two_commands_share_a_server_that_outlives_them_and_ends_with_its_home(
    smoke: Any, trajmill: Callable[..., Any], tmp_path: Path
) -> None:
    home = smoke.copy(tmp_path / "home")
    stays = {"TRAJMILL_SERVER_IDLE_MINUTES": "60"}
    try:
        first = trajmill("publish", "--config", "smoke", "--json", home=home, **stays)
        assert first.code == 0, first.err  # and it has ended: the server holds no pipe of the command
        (folder,) = warm_servers(home)
        record = folder.read()
        second = trajmill("publish", "--config", "smoke", "--json", home=home, **stays)
        assert second.json == first.json
        assert [one.read() for one in warm_servers(home)] == [record]
        assert trajmill("status", "--json", home=home).json["warm_servers"] == 1
        query = "SELECT name FROM flow_run WHERE state_name = 'Completed'"
        wait_until(lambda: len(ask(home, query)) == 2)
        mixed = "SELECT name FROM task_run WHERE state_name = 'Completed' AND name = 'publish release'"
        wait_until(lambda: len(ask(home, mixed)) == 2)  # recorded after the commands had gone
    finally:
        shutil.rmtree(home)
    wait_until(lambda: not is_served(home))


def ask(home: Path, query: str) -> list[Any]:
    return sqlite3.connect(f"file:{home}/prefect/prefect.db?mode=ro", uri=True).execute(query).fetchall()


def is_served(home: Path) -> bool:
    """Say whether a process of a server names the home."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if "commands.dashboard.warm_server" in command and str(home.resolve()) in command:
            return True
    return False


def wait_until(true: Callable[[], bool]) -> None:
    while not true():  # one that waits for ever is ended by its time-out
        time.sleep(0.1)
