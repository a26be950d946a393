"""doctor: tries what Trajmill needs on this machine, and says how to fix what does not work."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from commands.dashboard.server_folder import warm_servers
from commands.home_findings import examine_home
from commands.terminal import say_json, say_table
from environments.base import Place
from environments.registry import make_world, world_names
from flows.own_home import MIN_FREE_BYTES
from reports.funnel import TableOf
from sandboxes.configured import open_sandbox
from schemas.errors import ConfigError, TrajmillError
from schemas.redaction import hide
from schemas.run_config import Backend, RunConfig, SandboxConfig
from schemas.settings import Settings
from teachers.ledger.ledger import try_ledger
from teachers.open import check_endpoint


class Finding(NamedTuple):
    what: str
    works: bool
    found: str
    fix: str = ""
    needed: bool = True
    """False = a build works without it unless its configuration names it."""


def run_doctor(json: bool) -> None:
    """Print every finding; the exit code is 1 where something does not work."""
    settings = Settings()
    findings = asyncio.run(examine(settings))
    if (settings.home / "tables").is_dir():
        findings += [Finding(*one) for one in examine_home(settings.home.absolute())]
    if json:
        say_json({"findings": [finding._asdict() for finding in findings]})
    else:
        rows = [(_mark(f), f.what, f.found, f.fix) for f in findings]
        say_table("What works here", TableOf(("", "what", "found", "to do"), rows))
    if not all(finding.works for finding in findings if finding.needed):
        sys.exit(1)


def _mark(finding: Finding) -> str:
    return "✓" if finding.works else "✗" if finding.needed else "-"


async def examine(settings: Settings) -> list[Finding]:
    """Try each part for real."""
    return [
        _python(),
        _disk(settings),
        await _sandbox(settings, "bubblewrap"),
        await _sandbox(settings, "docker"),
        await _sandbox(settings, "podman"),
        *[await _world(settings, name) for name in world_names()],
        _prefect(settings),
        await _ledger(settings),
        await _teacher(settings),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    works = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", works, version, "" if works else "use Python 3.11, 3.12 or 3.13")


def _disk(settings: Settings) -> Finding:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    works = free >= MIN_FREE_BYTES
    return Finding(
        "disk", works, f"{free >> 20:,} MB free under {settings.home.absolute()}", "" if works else "make room"
    )


async def _sandbox(settings: Settings, backend: Backend) -> Finding:
    async def probe() -> tuple[bool, str, str]:
        sandbox, image = open_sandbox(SandboxConfig(backend=backend), settings.cache)
        found = await sandbox.probe()
        told = found.reason or f"{found.backend}, limits by {found.limits}, image {image.digest[:12]}"
        return found.usable, told, found.fix

    default = SandboxConfig().backend == backend
    finding = await _tried("sandbox" if default else f"sandbox in {backend}", probe, "see docs/sandbox.md")
    return finding._replace(needed=default)


async def _world(settings: Settings, name: str) -> Finding:
    async def probe() -> tuple[bool, str, str]:
        place = Place(RunConfig(), settings.home, settings.cache, settings.database_servers())
        async with make_world(name, place) as world:
            return True, ", ".join(world.describe().values()), ""

    return await _tried(f"world {name}", probe, "see docs/sandbox.md")


def _prefect(settings: Settings) -> Finding:
    if url := os.environ.get("PREFECT_API_URL"):
        return Finding("Prefect", True, f"the server at {hide(url)} (PREFECT_API_URL)")
    stays = f"stays {settings.server_idle_minutes:g} idle minutes (TRAJMILL_SERVER_IDLE_MINUTES)"
    found = "one is warm" if warm_servers(settings.home) else "the first command starts one"
    return Finding("Prefect", True, f"a server of the home's own: {found}, it {stays}")


async def _ledger(settings: Settings) -> Finding:
    if settings.ledger_url is None:
        return Finding("ledger", True, "ledger.sqlite in the home (TRAJMILL_LEDGER_URL names a server for many)")

    async def probe() -> tuple[bool, str, str]:
        return True, try_ledger(settings.ledger_place(settings.home)), ""

    return await _tried("ledger", probe, "check TRAJMILL_LEDGER_URL")


async def _teacher(settings: Settings) -> Finding:
    if settings.openai_api_key is None and settings.openai_base_url is None:
        return Finding("teacher", True, "offline (set OPENAI_API_KEY or OPENAI_BASE_URL for a model of your own)")

    async def probe() -> tuple[bool, str, str]:
        await check_endpoint(settings)
        return True, hide(settings.openai_base_url or "api.openai.com"), ""

    return await _tried("teacher", probe, "check OPENAI_API_KEY and OPENAI_BASE_URL")


async def _tried(what: str, probe: Callable[[], Awaitable[tuple[bool, str, str]]], fix: str) -> Finding:
    try:
        return Finding(what, *await probe())
    except (TrajmillError, OSError) as error:
        return Finding(what, False, str(error), "" if isinstance(error, ConfigError) else fix)
