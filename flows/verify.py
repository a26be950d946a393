"""verify: a random part of the accepted episodes is executed again, on a schedule; what came out otherwise is drift."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from prefect import flow, get_run_logger
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from flows.configuration import load_config
from flows.own_home import lasting_home
from formats.plain_words import escape_cells
from reports.drift import Drift, by_world, drift_page, measure_drift, require_little_drift
from schemas.bounded_reading import NotJson, parse_json, read_file
from schemas.errors import InputError
from schemas.settings import Settings
from schemas.verification import Verification
from tasks.verify.rows import ProofPlace, draw_accepted, proofs_of_episodes, verify_rows
from warehouse.warehouse import Warehouse

_log = logging.getLogger(__name__)
HISTORY = 26
"""Earlier checks on the page: half a year of weeks."""


@flow(name="verify", flow_run_name="verify ({config})", validate_parameters=False)
async def verify(config: str = "demo", overrides: dict[str, Any] | None = None, seed: int | None = None) -> Drift:
    """Draw, execute again, report; fail where more came out otherwise than the config allows.

    `seed` None = that of the week, so that every week draws another part.
    """
    settings, chosen, now = Settings(), load_config(config, overrides).verify, datetime.now(UTC)
    home, seed = lasting_home(settings.home), week_of(now) if seed is None else seed
    warehouse = Warehouse(home)
    proofs = proofs_of_episodes(warehouse, draw_accepted(warehouse, chosen.sample, seed))
    done = await verify_rows(ProofPlace(home, settings.cache, settings.database_servers()), proofs)
    drift = measure_drift(done)
    write_report(home, now, seed, drift, done)
    await _tell(home, drift, done, seed)
    require_little_drift(drift, chosen.max_drift, chosen.sample, seed)
    return drift


def week_of(now: datetime) -> int:
    """Return a week's own seed: 202647 for the 47th of 2026."""
    year, week, _ = now.isocalendar()
    return year * 100 + week


def write_report(home: Path, now: datetime, seed: int, drift: Drift, done: list[Verification]) -> Path:
    """Write a check down as `<home>/reports/verify-<time>.json`, for SQL over many: read_json."""
    path = home / "reports" / f"verify-{now:%Y%m%dT%H%M%SZ}.json"
    path.parent.mkdir(exist_ok=True)
    differing = [one.model_dump(mode="json") for one in done if not one.is_same]
    report = {"at": now.isoformat(timespec="seconds"), "seed": seed, **drift._asdict(), "share": drift.share}
    path.write_bytes(orjson.dumps({**report, "differing": differing}, option=orjson.OPT_INDENT_2))
    return path


def past_reports(home: Path) -> list[dict[str, Any]]:
    """Read the newest reports, the newest first; one that is damaged (a write that was cut) is told and passed over."""
    newest = sorted((home / "reports").glob("verify-*.json"), reverse=True)[:HISTORY]
    return [report for path in newest if (report := _read_report(path)) is not None]


def _read_report(path: Path) -> dict[str, Any] | None:
    try:
        report = parse_json(read_file(path))
        if not isinstance(report, dict) or not {"at", "seed", "verified", "differs", "share"} <= report.keys():
            raise NotJson("not_json", "it is no report")
    except (InputError, NotJson) as error:
        _log.warning("the report %s is left out: %s", path, error)
        return None
    return report


async def _tell(home: Path, drift: Drift, done: list[Verification], seed: int) -> None:
    about = f"{drift.differs} of {drift.here} accepted episodes came out otherwise"
    page = drift_page(drift, done, past_reports(home), seed)
    await acreate_markdown_artifact(key="drift", markdown=page, description=about)
    await acreate_table_artifact(key="drift-by-world", table=escape_cells(by_world(done).records()), description=about)
    get_run_logger().info(f"{about}; {drift.elsewhere} were made elsewhere")
