"""docs/tables.md is generated from the records and is what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.tables import TABLES, column_type, is_volatile, main, render_tables

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_committed_page_is_what_the_records_say() -> None:
    assert main(["--check", str(ROOT / "docs" / "tables.md")]) == 0


def test_a_page_that_differs_is_told_with_the_command_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tables.md"
    assert main(["--check", str(path)]) == 1
    assert f"python -m schemas.tables --write {path}" in capsys.readouterr().err
    assert (main(["--write", str(path)]), main(["--check", str(path)])) == (0, 0)


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_column_stands_on_the_page_with_its_type(table: Any) -> None:
    section = render_tables().split(f"## {table.name}\n")[1].split("\n## ")[0]
    for name, field in table.record.model_fields.items():
        row = next(line for line in section.splitlines() if line.startswith(f"| `{name}` "))
        assert column_type(field.annotation) in row and row.endswith("| yes |") == is_volatile(field)


def test_times_costs_and_landings_are_volatile_and_answers_are_not() -> None:
    fields = TABLES["episodes"].record.model_fields
    volatile = {name for name, field in fields.items() if is_volatile(field)}
    known = {"cost_usd", "started_at", "seconds", "landing", "state_digest", "work_digest", "verdict_reason"}
    assert volatile == known


def test_what_no_column_can_hold_is_refused() -> None:
    with pytest.raises(TypeError, match="no column type"):
        column_type(dict[str, int])
