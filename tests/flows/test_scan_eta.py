"""One command publishes eleven mixtures of one size and lays them beside each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from warehouse.warehouse import Warehouse


@pytest.mark.slow
def test_eleven_etas_come_from_one_command(smoke: Any, tmp_path: Path, trajmill: Callable[..., Any]) -> None:
    home = smoke.copy(tmp_path / "home")
    ran = trajmill("publish", "--scan-eta", "--config", "smoke", "--json", home=home)
    assert ran.code == 0, ran.err
    told = ran.json["releases"]
    assert [one["eta"] for one in told] == [round(tenth / 10, 1) for tenth in range(11)]
    assert len({one["release"] for one in told}) == 11 and len({one["rows"] for one in told}) == 1
    assert all(Path(path, "README.md").is_file() for path in ran.json["paths"])
    held = dict(Warehouse(home).query("SELECT release_id, count(*) FROM release_rows GROUP BY 1"))
    assert {held[one["release"]] for one in told} == {told[0]["rows"]}
