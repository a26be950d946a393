"""A whole build whose ledger stands on a server: nothing of it in the home, its password nowhere."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from teachers.ledger.ledger import Ledger
from warehouse.warehouse import Warehouse


@pytest.mark.engines
def test_a_build_keeps_its_answers_on_the_server_and_lands_them(
    trajmill: Callable[..., Any], postgres: str, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    # where the server trusts, any password will do
    url = sa.make_url(postgres)
    url = url if url.password else url.set(password="geheim-4711")
    spelt = {"TRAJMILL_LEDGER_URL": url.render_as_string(hide_password=False)}
    ran = trajmill("build", "--config", "smoke", "--json", home=home, **spelt)
    assert ran.code == 0, ran.err
    warehouse = Warehouse(home)
    with closing(Ledger(postgres)) as ledger:
        totals = ledger.totals()
        assert totals.requests == ran.json["requests_sent"] == warehouse.count("costs")
    assert totals.tokens == warehouse.query("SELECT sum(tokens) FROM costs")[0][0]
    assert not list(home.glob("ledger*"))
    tidied = trajmill("gc", "--json", home=home, **spelt)
    assert tidied.json["retired_requests"] == totals.by_purpose["generate_tasks"].requests
    assert not [path for path in home.rglob("*") if path.is_file() and b"geheim-4711" in path.read_bytes()]
