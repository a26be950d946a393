"""What can be wrong before anything is spent: configuration, home, ledger, sandbox, teacher. Told in words, exit 2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from environments.registry import probe_worlds
from flows.configuration import load_config
from flows.open_workshop import own_home
from schemas.settings import Settings
from tasks.prefect_environment import make_prefect_home
from teachers.ledger import try_ledger
from teachers.open import check_teacher


async def preflight(config_name: str, overrides: Mapping[str, Any] | None, *, asks: bool = True) -> None:
    """Try what a run will need, before Prefect is started for it; one that `asks` nothing needs no teacher.

    Raises:
        ConfigError: something is wrong; the text says what to do.
    """
    config, settings = load_config(config_name, overrides), Settings()
    with own_home(settings.home):
        make_prefect_home()
    if settings.ledger_url:
        try_ledger(settings.ledger_place(settings.home))
    await probe_worlds(config, settings.cache)
    if asks:
        await check_teacher(config, settings)
