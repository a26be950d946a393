"""The ledger, landed: completions are appended above the last row that landed, under one app-transaction."""

from __future__ import annotations

from tasks.workshop import Workshop

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
