"""Expectations over what has landed: failing rows are turned away, a failing table stops the release."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
from prefect import task

from schemas.errors import ExpectationError
from schemas.record import digest
from schemas.rejection import Rejection
from schemas.release import Release
from tasks.workshop import begin_task
from warehouse.expectations import Failure, validate_mixture, validate_stages


@task(name="validate tables", task_run_name="validate tables", tags=["stage:publish_mixture"])
async def validate_tables(build: int) -> dict[str, int]:
    """Check every table once; return the number of rows that were turned away, by expectation.

    Raises:
        ExpectationError: a table as a whole breaks a promise, or the validation could not run.
    """
    workshop = begin_task()
    report = validate_stages(workshop.warehouse, build=build)
    rejections = [_reject(failure, build) for failure in report.failures]
    if rejections:
        key = f"expectations/{digest(sorted(r.rejection_id for r in rejections))}"
        workshop.warehouse.land("rejections", rejections, key=key)
    return dict(Counter(failure.expectation for failure in report.failures))


def _reject(failure: Failure, build: int) -> Rejection:
    return Rejection.make(
        stage=failure.expectation,
        reason="breaks_expectation",
        detail=f"{failure.table}: {failure.value}",
        source=failure.row_id,
        raw={"table": failure.table, "row_id": failure.row_id},
        build=build,
    )


def validate_folder(folder: Path, release: Release) -> None:
    """Check a written mixture against what its card says; one that fails is not left standing.

    Raises:
        ExpectationError: it does not hold what the card promises.
    """
    rows = pq.read_table(folder / "data" / "messages", columns=["id", "source", "messages"])
    report = validate_mixture(rows, shares=release.shares, notes=release.notes)
    if not report.is_clean:
        shutil.rmtree(folder)
        worst = "; ".join(f"{f.row_id}: {f.expectation} ({f.value})" for f in report.failures[:5])
        raise ExpectationError(f"{len(report.failures)} rows of the mixture break a promise: {worst}")
