"""What every stage does at its ends: the clock, the ledger's landing, the page on the dashboard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flows.run_page import run_page, tell_stage
from tasks.land_completions import land_completions, land_losses
from tasks.workshop import Workshop


@asynccontextmanager
async def stage(workshop: Workshop, name: str) -> AsyncIterator[None]:
    """Run a stage's clock; what was paid for lands when it ends, however it ends."""
    workshop.progress.begin(name)
    workshop.ledger.begin(str(workshop.build))
    async with run_page(workshop, f"stage:{name}"):
        is_cut = True
        try:
            yield
            is_cut = False
        finally:
            land_completions(workshop)
            land_losses(workshop)
            workshop.progress.end(name, is_cut=is_cut)
        await tell_stage(workshop, name)
