"""Artifacts with fixed keys, which make Prefect's run page a dashboard and keep a history per key."""

from __future__ import annotations

import json

from prefect import get_run_logger
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.context import FlowRunContext

from formats.plain_words import code, escape, escape_cells
from formats.releases.dataset_card import CardTable
from reports import funnel as report
from schemas.release import Release
from tasks.workshop import Workshop


async def publish_artifacts(workshop: Workshop, release: Release) -> None:
    """Put the build's tables beside its run: funnel, reject reasons, yield by world, cost, data card, release."""
    warehouse, build = workshop.warehouse, workshop.build
    beside = "".join(f"; {row['what']}: {row['requests']:,} requests" for row in report.losses(warehouse).records())
    tables = {
        "funnel": (report.funnel(warehouse, build), f"What became of the tasks of build {build}"),
        "reject-reasons": (report.reasons(warehouse, build), f"What build {build} turned away, and why"),
        "yield-by-world": (report.outcomes(warehouse, build), f"How the episodes of build {build} ended"),
        "cost": (report.costs(warehouse), f"What everything in this home was paid, up to build {build}{beside}"),
    }
    for key, (table, description) in tables.items():
        await acreate_table_artifact(key=key, table=escape_cells(table.records()), description=description)
    card = (workshop.home / "releases" / release.release_id / "README.md").read_text(encoding="utf-8")
    about = f"The card of release {release.release_id}"
    await acreate_markdown_artifact(key="data-card", markdown=card.split("---\n", 2)[-1], description=about)
    about = f"The release of build {build}: {release.rows:,} rows"
    await acreate_markdown_artifact(key="release", markdown=release_page(release), description=about)
    get_run_logger().info(f"release {release.release_id}, {release.rows:,} rows: {release.path}")


async def publish_comparison(table: CardTable) -> None:
    """Put mixtures that are to be compared beside the run that made them; outside of Prefect there is no page."""
    if FlowRunContext.get() is None:
        return
    records = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    await acreate_table_artifact(key="mixtures-by-eta", table=escape_cells(records), description=table.title)


def release_page(release: Release) -> str:
    """Say where a release lies and how to load it: no browser follows a link from a server's page to a file."""
    shares = "\n".join(
        f"| {escape(s.stratum)} | {s.rows:,} | {s.achieved_rows:.1%} | {s.asked:.1%} | {s.available:,} |"
        for s in release.shares
    )
    notes = "".join(f"\n- {escape(note, keep='`')}" for note in release.notes)
    return f"""\
# The release of build {release.build}

`{release.release_id}`: {release.rows:,} rows in {code(release.path)}

```python
from datasets import load_dataset

load_dataset({json.dumps(release.path)}, split="train")
```

| source | rows | share | asked | available |
|---|--:|--:|--:|--:|
{shares}
{notes}

Push it: `trajmill export hub --release {release.release_id} --repo OWNER/NAME`. The whole card is the artifact
`data-card`.
"""
