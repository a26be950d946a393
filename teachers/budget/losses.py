"""Losses: what was, or may have been, billed without an answer to show for it. Durable beside the ledger.

`reply_lost`: a request went out and its reply never came, or came unreadable. Whether it was billed nobody here can
tell, so the caps counts the most that it can have cost. `given_up`: the same, but it was us who stopped waiting, since
the run was ended; counted alike, and no row tells it, so that a build that went on has the rows of one that never
stopped. `overbilled`: an answer that was billed beyond the maximum of its request; the amount is what was too much.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from schemas.completion import CompletionRequest
from schemas.redaction import hide
from teachers.budget.caps import NOTHING, Amount
from teachers.ledger.tables import LOSSES, unreadable

Kind = Literal["reply_lost", "given_up", "overbilled"]

_log = logging.getLogger(__name__)


class Loss(NamedTuple):
    """One of them."""

    row_id: int
    kind: Kind
    purpose: str
    model: str
    request_hash: str
    amount: Amount
    detail: str

    @classmethod
    def read(cls, row: sa.Row[Any]) -> Loss:
        amount = Amount(row.tokens, row.pico_usd)
        return cls(row.row_id, row.kind, row.purpose, row.model, row.request_hash, amount, row.detail)


class Losses:
    """The losses of one build."""

    def __init__(self, engine: sa.Engine, build: str) -> None:
        self._engine = engine
        self._build = build

    def add(self, kind: Kind, request: CompletionRequest, amount: Amount, detail: str) -> None:
        """Store one; where that fails the log keeps it, since the answer that comes with it must not be lost too."""
        row = {
            "build": self._build,
            "kind": kind,
            "purpose": request.purpose,
            "model": request.model,
            "request_hash": request.request_hash,
            "tokens": amount.tokens,
            "pico_usd": amount.picos,
            "detail": hide(detail)[:2000],
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.insert(LOSSES), row)
        except SQLAlchemyError as error:
            _log.error("not stored: %s of %s, %s (%s)", kind, request.model, detail, error)

    def rows(self) -> list[Loss]:
        """Return all, in the order in which they were stored.

        Raises:
            WarehouseError: they cannot be read.
        """
        wanted = sa.select(LOSSES).where(LOSSES.c.build == self._build).order_by(LOSSES.c.row_id)
        try:
            with self._engine.connect() as connection:
                return [Loss.read(row) for row in connection.execute(wanted)]
        except SQLAlchemyError as error:
            raise unreadable(self._engine, error) from error

    def spent(self) -> dict[str, Amount]:
        """Return what must be counted as spent beside the ledger's answers, by stage: `overbilled` is in those."""
        found: dict[str, Amount] = {}
        for loss in self.rows():
            if loss.kind != "overbilled":
                found[loss.purpose] = found.get(loss.purpose, NOTHING) + loss.amount
        return found
