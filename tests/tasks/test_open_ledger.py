"""A ledger beside tables with rows: a lost one is told, a new one's answers land."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from commands.home_findings import examine_home
from schemas.completion import CompletionRequest, Sampling
from schemas.errors import ConfigError
from schemas.message import Message
from schemas.rejection import Rejection
from tasks.land_completions import LEDGER
from tasks.open_ledger import open_ledger
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.scripted import Scripted
from warehouse.warehouse import Warehouse


def answer(ledger: Ledger, *texts: str) -> None:
    for text in texts:
        said = (Message(role="user", content=text),)
        request = CompletionRequest(
            purpose="collect_episodes", teacher="t", model="m", messages=said, sampling=Sampling(max_tokens=9)
        )
        asyncio.run(Ledgered(Scripted(["yes"]), ledger).complete(request))


def land(warehouse: Warehouse, ledger: Ledger) -> int:
    last = warehouse.landed_version("completions", LEDGER) or 0
    rows = ledger.rows_after(last, 100)
    return warehouse.land("completions", [one for _, one in rows], key=LEDGER, version=rows[-1][0], after=last)


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    warehouse = Warehouse(tmp_path)
    with closing(open_ledger(warehouse, tmp_path / "ledger.sqlite")) as ledger:
        answer(ledger, "a", "b", "c")
        land(warehouse, ledger)
    return warehouse


@pytest.mark.parametrize("prefix", ["", "sqlite:///"])
def test_a_ledger_of_0_bytes_beside_rows_is_damage(warehouse: Warehouse, tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"")
    said = r"has 0 bytes beside landed answers.* 3 paid answers had landed and stay in `completions`.*Restore the file"
    with pytest.raises(ConfigError, match=said):
        open_ledger(warehouse, f"{prefix}{path}")
    assert path.stat().st_size == 0
    (found,) = [one for one in examine_home(tmp_path) if not one.works]
    assert found.what == path.name and "3 paid answers had landed" in found.found and "remove it" in found.fix


def test_rows_of_other_tables_count_too(tmp_path: Path) -> None:
    warehouse, path = Warehouse(tmp_path), tmp_path / "ledger.sqlite"
    path.touch()
    open_ledger(warehouse, path).close()  # nothing stands in the home: it is a new one
    warehouse.land("rejections", [Rejection.make(stage="import", reason="r", detail="d", source="s", raw="")], key="a")
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"beside tables with rows \(rejections 1\).* 0 paid answers had landed"):
        open_ledger(warehouse, path)


def test_what_is_answered_after_the_ledger_was_removed_lands(warehouse: Warehouse, tmp_path: Path) -> None:
    for file in tmp_path.glob("ledger.sqlite*"):
        file.unlink()
    for text in ("d", "e"):  # opened anew, and opened again
        with closing(open_ledger(warehouse, tmp_path / "ledger.sqlite")) as ledger:
            answer(ledger, text)
            assert land(warehouse, ledger) == 1
    assert warehouse.count("completions") == 5
