"""Upkeep retires what a finished build needs no more, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from tasks.tidy_home import tidy_home
from teachers.ledger.ledger import Ledger
from warehouse.state import State
from warehouse.warehouse import Warehouse


@pytest.fixture
def home(smoke: Any, tmp_path: Path) -> Path:
    """A finished home of its own."""
    return Path(smoke.copy(tmp_path / "home"))


def test_answers_prices_and_rows_stay_while_the_words_of_generation_requests_go(home: Path) -> None:
    digests = {table: Warehouse(home).digest(table) for table in ("completions", "task_specs", "trajectories")}
    before = Ledger(home / "ledger.sqlite").totals()
    tidied = tidy_home(home)
    ledger = Ledger(home / "ledger.sqlite")
    asked = Warehouse(home).column("completions", "completion_id", "purpose = 'generate_tasks'")
    assert tidied.requests == len(asked) > 0
    assert ledger.totals() == before
    assert ledger.find(asked[0]) is not None
    with pytest.raises(InputError, match="retired by `trajmill gc`"):
        ledger.request(asked[0])
    kept = Warehouse(home).column("completions", "completion_id", "purpose = 'collect_episodes'")
    assert ledger.request(kept[0]).messages
    assert {table: Warehouse(home).digest(table) for table in digests} == digests


def test_a_ledger_that_stands_elsewhere_is_tidied_there(home: Path, tmp_path: Path) -> None:
    (home / "ledger.sqlite").rename(tmp_path / "elsewhere.sqlite")
    assert tidy_home(home, f"sqlite:///{tmp_path}/elsewhere.sqlite").requests > 0
    assert not (home / "ledger.sqlite").exists()


def test_a_second_time_finds_nothing_to_do(home: Path) -> None:
    tidy_home(home)
    again = tidy_home(home)
    assert (again.requests, again.chat_files) == (0, 0)


def test_an_unfinished_build_keeps_everything(home: Path) -> None:
    State(home).open_build("build", "hash", "{}")
    assert tidy_home(home).requests == 0
    assert any((home / "general").rglob("*"))
