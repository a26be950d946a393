"""Failure notes: what was asked and not answered, and why, beside the ledger's answers, for good.

An episode or a rejection says so as well, but not where a run ended because nobody answered at all.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from schemas.completion import CompletionRequest
from schemas.errors import TeacherError
from schemas.redaction import hide
from teachers.ledger.tables import FAILURES, insert_into, unreadable

_log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """A request that failed after all its retries."""

    request_hash: str
    purpose: str
    model: str
    error: str
    """Class of the error."""
    detail: str
    """What happened the last time, and what to do."""
    times: int


class FailureNotes:
    """The failures of one build; a request that fails again is noted again in its row."""

    def __init__(self, engine: sa.Engine, build: str) -> None:
        self._engine = engine
        self._build = build

    def note(self, request: CompletionRequest, error: TeacherError) -> None:
        """Store a failure; where that fails the log keeps it, since the error itself is on its way to the caller."""
        told = {
            "error": type(error).__name__,
            "detail": hide(str(error))[:2000],
            "last_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        row = {
            "build": self._build,
            "request_hash": request.request_hash,
            "purpose": request.purpose,
            "model": request.model,
            "times": 1,
            **told,
        }
        again: dict[str, Any] = {**told, "times": FAILURES.c.times + 1}
        insert = insert_into(self._engine, FAILURES).values(row)
        try:
            with self._engine.begin() as connection:
                connection.execute(insert.on_conflict_do_update(index_elements=["build", "request_hash"], set_=again))
        except SQLAlchemyError as problem:
            _log.error("not stored: %s of %s, %s (%s)", told["error"], request.model, told["detail"], problem)

    def rows(self) -> list[Failure]:
        """Return all, ordered by stage and request.

        Raises:
            WarehouseError: they cannot be read.
        """
        columns = (FAILURES.c[name] for name in Failure._fields)
        wanted = sa.select(*columns).where(FAILURES.c.build == self._build)
        try:
            with self._engine.connect() as connection:
                found = connection.execute(wanted.order_by(FAILURES.c.purpose, FAILURES.c.request_hash))
                return [Failure(*row) for row in found]
        except SQLAlchemyError as error:
            raise unreadable(self._engine, error) from error
