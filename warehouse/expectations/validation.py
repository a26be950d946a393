"""Runs expectations: DuckDB flattens to scalar columns, Great Expectations judges them in an ephemeral context.

"The validation could not run" and "the data is bad" are told apart: Great Expectations says success=False for both.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import ExpectationError
from schemas.mixture_config import Unit
from schemas.release import Share
from warehouse.expectations.checks import MIXTURE, SHARES, STAGES, TEXT_MIXTURE, Expectation, TableCheck
from warehouse.expectations.report import FailedCheck, StageReport
from warehouse.release_audit import MEMORY
from warehouse.warehouse import Warehouse

Frame = Any
"""A pandas frame; pandas is imported with Great Expectations, not before."""

_ONE_AT_A_TIME = threading.Lock()
"""Great Expectations keeps its context in a global."""

_SHOWN = 5


def validate_stage(warehouse: Warehouse, stage: str, build: int | None = None) -> StageReport:
    """Validate the table that a stage fills; see `validate_stages`."""
    return validate_stages(warehouse, (stage,), build)


def validate_stages(
    warehouse: Warehouse, stages: Sequence[str] = tuple(STAGES), build: int | None = None
) -> StageReport:
    """Validate tables in one go: task_specs, episodes, trajectories, conversations.

    Args:
        build: narrows `episodes` to those of this build; what spans rows needs the other tables whole.

    Returns:
        failing rows but those that a rejection with stage = the expectation and source = the row's id has turned away.

    Raises:
        ExpectationError: a table as a whole breaks a promise, or the validation could not run.
    """
    frames = {}
    for stage in stages:
        sql = STAGES[stage].sql
        frames[stage] = warehouse.frame(sql, {"build": build} if "$build" in sql else {})
    report = _judge(frames, STAGES)
    if report.is_clean:
        return report
    known = set(warehouse.query("SELECT source, stage FROM rejections"))
    fresh = tuple(f for f in report.failures if (f.row_id, f.expectation) not in known)
    return StageReport(fresh, report.checked)


def validate_mixture(
    rows: pa.Table | Sequence[Path],
    *,
    shares: Sequence[Share] = (),
    notes: Sequence[str] = (),
    tolerance: float = 0.005,
    unit: Unit = "rows",
) -> StageReport:
    """Validate the rows of a mixture (columns `id`, `source`, `messages`) against what its card says.

    Args:
        rows: in memory, or the Parquet files that hold them.
        shares: asked and achieved, as on the card.
        notes: what the card says besides; with one, a share may be off.
        tolerance: by how much a share may be off without a note; one row more is rounding.
        unit: what the recipe's shares are of.

    Raises:
        ExpectationError: the mixture as a whole breaks a promise, or the validation could not run.
    """
    said = pa.table(
        {
            "stratum": pa.array([share.stratum for share in shares], pa.string()),
            "asked": pa.array([share.asked for share in shares], pa.float64()),
            "rows": pa.array([share.rows for share in shares], pa.int64()),
            "reached": pa.array([_reached(share, unit) for share in shares], pa.float64()),
            "largest_row": pa.array([_largest_row(share, unit) for share in shares], pa.float64()),
        }
    )
    blend = MIXTURE if _has_calls(rows) else TEXT_MIXTURE
    with duckdb.connect() as connection:
        _register(connection, rows)
        connection.register("said", said)
        given = {"tolerance": tolerance, "noted": bool(notes), "unit": unit}
        frames = {
            "mixture": connection.sql(blend.sql).df(),
            "shares": connection.sql(SHARES.sql, params=given).df(),
        }
    if frames["mixture"].empty:
        raise ExpectationError("The mixture holds no row. Look at `trajmill status` for the stage that lost them.")
    return _judge(frames, {"mixture": blend, "shares": SHARES})


def _register(connection: duckdb.DuckDBPyConnection, rows: pa.Table | Sequence[Path]) -> None:
    """Let `mixture` stand for the rows; files are read as they are needed, and never held whole."""
    if isinstance(rows, pa.Table):
        connection.register("mixture", rows)
        return
    connection.execute(f"SET memory_limit = '{MEMORY}'")
    files = ", ".join("'" + str(path).replace("'", "''") + "'" for path in rows)
    connection.execute(f"CREATE VIEW mixture AS SELECT id, source, messages FROM read_parquet([{files}])")


def _reached(share: Share, unit: Unit) -> float:
    return {
        "rows": share.achieved_rows,
        "turns": share.achieved_turns,
        "trained_tokens": share.achieved_trained_tokens,
    }[unit]


def _largest_row(share: Share, unit: Unit) -> float:
    """Return what a share may be off by for one row: no row is cut, and a long one has several times the mean."""
    return 4 * _reached(share, unit) / max(1, share.rows)


def _has_calls(rows: pa.Table | Sequence[Path]) -> bool:
    schema = rows.schema if isinstance(rows, pa.Table) else pq.read_schema(rows[0])
    message = schema.field("messages").type.value_type
    return any(message.field(index).name == "tool_calls" for index in range(message.num_fields))


def load_validator() -> None:
    """Import Great Expectations, which takes 3.5 CPU s: for a thread beside the work that comes before a validation."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations
    import great_expectations.expectations  # noqa: F401


def _judge(frames: Mapping[str, Frame], checks: Mapping[str, TableCheck]) -> StageReport:
    """Run every frame that has rows, in one context."""
    failures: list[FailedCheck] = []
    checked: dict[str, int] = {}
    with _ONE_AT_A_TIME:
        source = None
        for name, frame in frames.items():
            checked |= {f"{name}.{e.code}": len(frame) for e in checks[name].expectations}
            if len(frame):
                source = source or _open_source()
                failures += _run(source, name, frame, checks[name].expectations)
    return StageReport(tuple(sorted(failures)), checked)


def _open_source() -> tuple[Any, Any]:
    """Return an ephemeral context and its pandas source; the import takes seconds, so it waits for the first row."""
    load_validator()
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    # The default leaves a temporary folder behind for every context.
    nowhere = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False))
    context = gx.get_context(project_config=nowhere, mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context, context.data_sources.add_pandas("warehouse")


def _run(source: tuple[Any, Any], name: str, frame: Frame, expectations: Sequence[Expectation]) -> list[FailedCheck]:
    import great_expectations as gx
    import great_expectations.expectations as gxe

    context, pandas = source
    wanted = [getattr(gxe, e.kind)(**e.arguments, meta={"code": e.code}) for e in expectations]
    suite = context.suites.add(gx.ExpectationSuite(name, expectations=wanted))
    batch = pandas.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all")
    validation = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    detail = {"result_format": "COMPLETE", "unexpected_index_column_names": ["row_id"]}
    try:
        results = validation.run(batch_parameters={"dataframe": frame}, result_format=detail).results
    except gx.exceptions.GreatExpectationsError as error:
        raise _could_not_run(name, str(error)) from error
    stopping = {e.code for e in expectations if e.stops}
    found = [failures for result in results if (failures := _failures(name, result))]
    for failures in found:
        if failures[0].expectation in stopping:
            raise _stop(failures)
    return [failure for failures in found for failure in failures]


def _failures(name: str, result: Any) -> list[FailedCheck]:
    code = result.expectation_config.meta["code"]
    if raised := _raised(result.exception_info):
        raise _could_not_run(f"{name}.{code}", raised)
    if result.success:
        return []
    bad = result.result.get("unexpected_index_list")
    if not bad:
        raise _could_not_run(f"{name}.{code}", "it failed and named no row")
    return [FailedCheck(name, str(row["row_id"]), code, _value_of(row)) for row in bad]


def _value_of(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{column}={value}" for column, value in row.items() if column != "row_id") or str(row["row_id"])


def _raised(info: Mapping[str, Any]) -> str:
    """Return the message of an exception inside an expectation; one dict, or one per metric."""
    many = [value for value in info.values() if isinstance(value, Mapping)] or [info]
    return "; ".join(str(one.get("exception_message")) for one in many if one.get("raised_exception"))


def _could_not_run(what: str, why: str) -> ExpectationError:
    return ExpectationError(
        f"The validation of {what} could not run: {why}. This says nothing about the data; nothing is released. "
        "Run `trajmill doctor`, then again."
    )


def _stop(failures: Sequence[FailedCheck]) -> ExpectationError:
    first = failures[0]
    shown = "; ".join(f"{f.row_id} ({f.value})" for f in sorted(failures)[:_SHOWN])
    return ExpectationError(
        f"{first.table} breaks {first.expectation} in {len(failures)} rows: {shown}. Nothing is released: no single "
        "row is to blame, so none is turned away. Look at them with `trajmill sql`."
    )
