"""What was lost stays known, in either kind of ledger."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from schemas.errors import WarehouseError
from schemas.run_config import BudgetConfig
from teachers.budget.budgeted import caps_of, losses_of
from teachers.budget.caps import PICOS, Amount
from teachers.budget.losses import LOSSES
from teachers.ledger.ledger import Ledger

MUCH = Amount(3_000_000_000, 5_000 * PICOS)
"""More than 32 bits hold, both of it."""


def test_losses_count_by_build_and_stage_and_what_was_overbilled_is_not_counted_twice(place, ask):
    ledger = Ledger(place)
    losses = losses_of(ledger, "1")
    losses.add("reply_lost", ask(purpose="generate_tasks"), MUCH, "no answer in time")
    losses.add("overbilled", ask(), Amount(7, 7), "billed more")
    assert [(loss.kind, loss.amount) for loss in losses.rows()] == [("reply_lost", MUCH), ("overbilled", Amount(7, 7))]
    ledger.close()
    again = Ledger(place)
    budget_caps = caps_of(again, "1", BudgetConfig())
    assert (budget_caps.spent, budget_caps.spent_on("generate_tasks")) == (MUCH, MUCH)
    assert losses_of(again, "2").rows() == []
    again.close()


def test_many_may_begin_at_once(place):
    ledgers = [Ledger(place) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert [losses.rows() for losses in threads.map(lambda ledger: losses_of(ledger, "1"), ledgers)] == [[]] * 8
    for ledger in ledgers:
        ledger.close()


def test_a_loss_that_cannot_be_stored_is_logged_and_takes_no_answer_along(tmp_path, ask, caplog):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    losses = losses_of(ledger, "1")
    with ledger.engine.begin() as connection:
        connection.execute(sa.schema.DropTable(LOSSES))
    with caplog.at_level(logging.ERROR):
        losses.add("overbilled", ask(), Amount(7, 7), "billed 7 more")
    assert "not stored: overbilled of m, billed 7 more" in caplog.text
    with pytest.raises(WarehouseError, match=r"ledger\.sqlite cannot be read"):
        losses.rows()
    ledger.close()
