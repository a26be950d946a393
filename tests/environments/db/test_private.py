"""Folders of private servers: what a dead process left is removed, and nothing of the living."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from environments.db.server.private import own_folder, sweep


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_folders_of_the_dead_are_swept_and_those_of_the_living_are_not(temporary: Path) -> None:
    mine = own_folder("postgres")
    _, _, boot, namespace, pid, began, random = mine.name.split("-")
    dead = temporary / f"trajmill-mariadb-{boot}-{namespace}-{pid}-{began}0-{random}"
    of_another_boot = temporary / f"trajmill-postgres-{'0' * 12}-{namespace}-{pid}-{began}-{random}"
    of_another_namespace = temporary / f"trajmill-postgres-{boot}-1-{pid}-{began}-{random}"
    somebody_elses = temporary / "trajmill-postgres-notes"
    for folder in (dead, of_another_boot, of_another_namespace, somebody_elses):
        shutil.copytree(mine, folder)
    sweep()
    assert {*temporary.iterdir()} == {mine, of_another_namespace, somebody_elses}


def test_a_server_s_socket_has_a_path_that_the_kernel_takes() -> None:
    folder = own_folder("postgres")
    folder.rmdir()
    longest = Path("/tmp") / folder.name / ".s.PGSQL.65535.lock"
    assert len(str(longest)) < 108
