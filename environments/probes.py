"""Probes of an admission, taken until one fails: its name is the reason, the rest would only cost."""

from __future__ import annotations

from collections.abc import AsyncIterator

from schemas.task_spec import Probe


async def until_failure(trials: AsyncIterator[Probe]) -> tuple[Probe, ...]:
    """Take probes up to and with the first that fails."""
    probes: list[Probe] = []
    async for probe in trials:
        probes.append(probe)
        if not probe.passed:
            break
    return tuple(probes)
