"""A home beside published counts: the paper's table adds up as the paper says, and ours as the tables do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reports.comparison import compare, read_published
from schemas.errors import ConfigError
from warehouse.warehouse import Warehouse


@pytest.fixture(scope="session")
def warehouse(smoke: Any) -> Warehouse:
    return Warehouse(smoke.home)


def test_the_papers_rows_add_up_to_the_papers_sums(warehouse: Warehouse) -> None:
    """AgentTuning, table of section 2: 35,341 instructions, 1,866 trajectories, 5.24 turns, 5.28 %."""
    rows = compare(warehouse, read_published("agentinstruct")).rows
    assert rows[-1][0] == "all" and rows[-1][6:] == (35_341, 1_866, 5.28, 5.24)


def test_our_side_counts_each_task_once_and_each_kept_episode_once(warehouse: Warehouse) -> None:
    rows = compare(warehouse, read_published("agentinstruct")).records()
    by_world = {row["world"]: row for row in rows if row["world"] == "os"}
    kept = warehouse.query("SELECT count(DISTINCT episode_id) FROM trajectories WHERE environment = 'os'")[0][0]
    asked = warehouse.query(
        "SELECT (SELECT count(DISTINCT task_id) FROM task_specs WHERE environment = 'os') + (SELECT count(*) "
        "FROM rejections WHERE environment = 'os' AND stage IN ('generate', 'admit'))"
    )[0][0]
    assert (by_world["os"]["tasks"], by_world["os"]["kept"]) == (asked, kept) and kept > 0
    assert rows[-1]["kept"] == sum(row["kept"] for row in rows[:-1])


def test_origins_are_counted_apart(warehouse: Warehouse, tmp_path: Path) -> None:
    table = tmp_path / "mine.toml"
    rows = "".join(
        f'[[rows]]\nworld = "db"\norigins = ["{origin}"]\ntasks = 1\nkept = 1\nturns = 1\n'
        for origin in ("self_instruct", "derived")
    )
    table.write_text(f'name = "mine"\n{rows}')
    counted = compare(warehouse, read_published(str(table))).rows
    found = warehouse.query(
        "SELECT origin, count(DISTINCT task_id) FROM task_specs WHERE environment = 'db' GROUP BY 1 ORDER BY 1 DESC"
    )
    assert [(row[1], row[2]) for row in counted[:-1]] == [(o, n) for o, n in found if o in ("self_instruct", "derived")]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "neither a file nor one of agentinstruct"),
        ("name = ", "no readable TOML"),
        ('name = "x"\nrows = []', "rows"),
        ('name = "x"\n[[rows]]\nworld = "os"\ntasks = 0\nkept = 1\nturns = 1', "tasks"),
        ('name = "x"\n[[rows]]\nworld = "os"\norigins = ["made"]\ntasks = 1\nkept = 1\nturns = 1', "origins"),
    ],
)
def test_what_is_no_such_table_is_told_in_a_sentence(text: str | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "table.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_published(str(path))
