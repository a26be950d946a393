"""Expectations over what has landed: failing rows are turned away, a failing table stops the release."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from prefect import task

from schemas.errors import ExpectationError
from schemas.mixture_config import Unit
from schemas.record import digest
from schemas.rejection import Rejection
from schemas.release import Release
from tasks.workshop import begin_task
from warehouse.expectations import CHECKED, STAGES_DIGEST, FailedCheck, validate_mixture, validate_stages
from warehouse.warehouse import Warehouse


@task(name="validate tables", task_run_name="validate tables", tags=["stage:publish_mixture"])
async def validate_tables(build: int) -> dict[str, int]:
    """Check every table once; return the number of rows that were turned away, by expectation.

    Tables that were found clean are not checked again before something lands in them or the checks change: publishing
    what stands already needs no validation, and does not wait seconds for Great Expectations.

    Raises:
        ExpectationError: a table as a whole breaks a promise, or the validation could not run.
    """
    workshop = begin_task()
    warehouse = workshop.warehouse
    known, *more = _clean_keys(warehouse, build)
    if warehouse.has_landed("releases", known):
        return {}
    report = validate_stages(warehouse, build=build)
    rejections = [_reject(failure, build) for failure in report.failures]
    if rejections:
        key = f"expectations/{digest(sorted(r.rejection_id for r in rejections))}"
        warehouse.land("rejections", rejections, key=key)
    else:
        for key in (known, *more):
            warehouse.land("releases", [], key=key)  # no row: only that these tables are clean
    return dict(Counter(failure.expectation for failure in report.failures))


def _clean_keys(warehouse: Warehouse, build: int) -> list[str]:
    """Name what a validation looks at: the checks, the tables as they are, and the build if it made episodes.

    Whoever has looked at all this has looked at it for a build without episodes as well, the second key.
    """
    tables = warehouse.fingerprint(CHECKED)
    of_builds = [build, None] if warehouse.count("episodes", f"build = {build}") else [None]
    return [f"clean/{digest(STAGES_DIGEST, tables, of_build)}" for of_build in of_builds]


def _reject(failure: FailedCheck, build: int) -> Rejection:
    return Rejection.make(
        stage=failure.expectation,
        reason="breaks_expectation",
        detail=f"{failure.table}: {failure.value}",
        source=failure.row_id,
        raw={"table": failure.table, "row_id": failure.row_id},
        build=build,
    )


def validate_folder(folder: Path, release: Release, about_shares: Sequence[str], unit: Unit = "rows") -> None:
    """Check a written mixture against what its card says; one that fails is not left standing.

    `about_shares` are the notes that say why a share is another than the recipe asks for, in its `unit`.

    Raises:
        ExpectationError: it does not hold what the card promises.
    """
    files = sorted((folder / "data" / "messages").glob("*.parquet"))
    report = validate_mixture(files, shares=release.shares, notes=about_shares, unit=unit)
    if not report.is_clean:
        shutil.rmtree(folder)
        worst = "; ".join(f"{f.row_id}: {f.expectation} ({f.value})" for f in report.failures[:5])
        raise ExpectationError(f"{len(report.failures)} rows of the mixture break a promise: {worst}")
