"""The ledger, landed: completions are appended above the last row that landed, under one app-transaction.

What was billed, or may have been, without an answer to show for it lands with the rejections, stage `teacher`; so does
every request that failed after all its retries.
"""

from __future__ import annotations

from schemas.record import digest
from schemas.rejection import Rejection
from tasks.workshop import Workshop
from teachers.budget.budgeted import losses_of
from teachers.budget.losses import Loss
from teachers.ledger.failure_notes import Failure, FailureNotes

LEDGER = "ledger"
BATCH = 5000
"""Rows a landing: a few megabytes of replies."""


def land_completions(workshop: Workshop) -> int:
    """Land what the ledger holds above the last landed row; return the number of rows."""
    landed = 0
    while True:
        last = workshop.warehouse.landed_version("completions", LEDGER) or 0
        rows = workshop.ledger.rows_after(last, BATCH)
        if not rows:
            return landed
        completions = [completion for _, completion in rows]
        landed += workshop.warehouse.land("completions", completions, key=LEDGER, version=rows[-1][0], after=last)


def land_losses(workshop: Workshop) -> int:
    """Land what the build lost since the last time: replies that were lost, what was billed beyond a maximum, and
    requests that were not answered."""
    where = "stage = 'teacher' AND build = ?"
    landed = set(workshop.warehouse.column("rejections", "rejection_id", where, (workshop.build,)))
    losses = losses_of(workshop.ledger, str(workshop.build)).rows()
    lost = [_rejection(loss, workshop.build) for loss in losses if loss.kind != "given_up"]
    lost += [_not_answered(failure, workshop.build) for failure in failures_of(workshop).rows()]
    fresh = [rejection for rejection in lost if rejection.rejection_id not in landed]
    if fresh:
        workshop.warehouse.land("rejections", fresh, key=f"losses/{digest(*(one.rejection_id for one in fresh))}")
    return len(fresh)


def failures_of(workshop: Workshop) -> FailureNotes:
    """Return the notes of what this build asked in vain."""
    return FailureNotes(workshop.ledger.engine, str(workshop.build))


def _not_answered(failure: Failure, build: int) -> Rejection:
    return Rejection.make(
        stage="teacher",
        reason="not_answered",
        detail=failure.detail,
        source=failure.request_hash,
        build=build,
        raw={"purpose": failure.purpose, "model": failure.model, "error": failure.error},
    )


def _rejection(loss: Loss, build: int) -> Rejection:
    amount = {"tokens": loss.amount.tokens, "usd": loss.amount.usd}
    return Rejection.make(
        stage="teacher",
        reason=loss.kind,
        detail=loss.detail,
        source=loss.request_hash,
        build=build,
        raw={"purpose": loss.purpose, "model": loss.model, "row_id": loss.row_id, **amount},
    )
