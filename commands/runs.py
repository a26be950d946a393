"""What the commands do that run a flow."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from commands.preflight import BUILD, STAGE, Needs, Wanted
from commands.run_flow import Watch, run_flow
from commands.terminal import bold, say, say_aside, say_conversation, say_json, say_notes, say_table
from reports import funnel as report
from schemas.release import Release

if TYPE_CHECKING:
    from tasks.workshop import Workshop

CURATION = Needs(worlds=False, home=True, episodes=True)
PUBLICATION = Needs(teacher=False, worlds=False, trajectories=True)


def run_build(config: str, overrides: dict[str, Any], fresh: bool, json: bool) -> None:
    """Run the whole figure and report."""
    watch = Watch(quiet=json)
    release: Release = run_flow("flows.build:build", watch, BUILD, config=config, overrides=overrides, fresh=fresh)
    workshop = _workshop(watch)
    if json:
        say_json(_build_object(workshop, release))
        return
    _report_build(workshop, release)


def _build_object(workshop: Workshop, release: Release) -> dict[str, Any]:
    funnel = report.funnel(workshop.warehouse, workshop.build)
    return {
        "build": workshop.build,
        "resumed": workshop.resumed,
        "release_id": release.release_id,
        "path": release.path,
        "rows": release.rows,
        "notes": release.notes,
        "funnel": funnel.records(),
        "seconds": {name: round(stage.seconds, 2) for name, stage in workshop.progress.stages.items()},
        "requests_sent": workshop.ledger.counts.sent,
        "task_runs": workshop.progress.task_runs,
    }


def _report_build(workshop: Workshop, release: Release) -> None:
    warehouse, build = workshop.warehouse, workshop.build
    say(bold(f"\nBuild {build}"), " (continued)" if workshop.resumed else "")
    say_table("What became of the tasks", report.funnel(warehouse, build))
    say_table("What was turned away, and why", report.reasons(warehouse, build))
    say_table("The mixture", _shares(release))
    say_notes(release.notes)
    say("One kept trajectory:")
    say_conversation(report.sample(warehouse, build))
    say("Release ", bold(release.release_id), f", {release.rows:,} rows: {release.path}")
    say("Load it: ", bold(f'datasets.load_dataset("{release.path}")'))
    say("Ask it:  ", bold('trajmill sql "SELECT environment, outcome, count(*) FROM episodes GROUP BY ALL"'))
    pages = "http://127.0.0.1:4200/v2/runs and http://127.0.0.1:4200/v2/artifacts"
    say("Dashboard: ", bold("trajmill up"), f", then {pages}")


def _shares(release: Release) -> report.TableOf:
    columns = ("source", "asked", "rows", "by rows", "by turns", "by tokens", "available")
    rows = [
        (
            s.stratum,
            round(s.asked, 4),
            s.rows,
            round(s.achieved_rows, 4),
            round(s.achieved_turns, 4),
            round(s.achieved_tokens, 4),
            s.available,
        )
        for s in release.shares
    ]
    return report.TableOf(columns, rows)


def run_stage(entrypoint: str, config: str, overrides: dict[str, Any], json: bool, needs: Needs = STAGE) -> None:
    """Run one stage and report what it kept and turned away."""
    watch = Watch(quiet=json)
    run_flow(entrypoint, watch, needs, config=config, overrides=overrides)
    workshop = _workshop(watch)
    if not any(stage.done for stage in workshop.progress.stages.values()):
        say_aside("nothing was left to do: what this call is about stands already")
    if json:
        say_json(_stage_object(workshop))
        return
    say_table("What became of the tasks", report.funnel(workshop.warehouse, workshop.build))
    say_table("What was turned away, and why", report.reasons(workshop.warehouse, workshop.build))


def _stage_object(workshop: Workshop) -> dict[str, Any]:
    stages = {n: s for n, s in workshop.progress.stages.items() if s.started is not None}
    done = {n: {"done": s.done, "kept": s.kept, "rejected": s.rejected} for n, s in stages.items()}
    return {"build": workshop.build, "stages": done}


def run_collect(config: str, overrides: dict[str, Any], solver: str, origins: list[str] | None, json: bool) -> None:
    """Collect with a solver; references and recordings run on every origin unless some are named."""
    if solver != "teacher" and not origins:
        origins = ["self_instruct", "derived", "own", "recorded", "benchmark"]
    watch = Watch(quiet=json)
    needs = Needs(teacher=solver == "teacher", tasks=Wanted(solver, tuple(origins) if origins else None))
    flow = "flows.collect_episodes:collect_episodes"
    run_flow(flow, watch, needs, config=config, overrides=overrides, solver=solver, origins=origins)
    workshop = _workshop(watch)
    ended = report.outcomes(workshop.warehouse, workshop.build)
    if not workshop.progress.stages["collect_episodes"].total:
        say_aside("nothing was left to do: all that this call is about has been attempted before")
    if json:
        say_json(_collect_object(workshop.build, ended))
    else:
        say_table("How the episodes ended", ended)


def _collect_object(build: int, ended: report.TableOf) -> dict[str, Any]:
    """Count a build's episodes by outcome and by verdict, and by both within each world."""
    by_outcome: Counter[str] = Counter()
    by_verdict: Counter[str] = Counter()
    for row in ended.records():
        by_outcome[row["outcome"]] += row["episodes"]
        by_verdict[row["verdict"]] += row["episodes"]
    counts = {"by_outcome": dict(by_outcome), "by_verdict": dict(by_verdict)}
    return {"build": build, "episodes": by_outcome.total(), **counts, "outcomes": ended.records()}


def run_publish(config: str, overrides: dict[str, Any], json: bool) -> None:
    """Publish and say where."""
    flow = "flows.publish_mixture:publish_mixture"
    release: Release = run_flow(flow, Watch(quiet=json), PUBLICATION, config=config, overrides=overrides)
    if json:
        say_json({"release_id": release.release_id, "path": release.path, "notes": release.notes})
        return
    say_table("The mixture", _shares(release))
    say_notes(release.notes)
    say("Release ", bold(release.release_id), f", {release.rows:,} rows: {release.path}")


def run_scan(config: str, overrides: dict[str, Any], json: bool) -> None:
    """Publish mixtures of eta 0.0 to 1.0 and lay them beside each other."""
    from tasks.publish.scan_eta import compare

    flow = "flows.publish_mixture:scan_eta"
    releases: list[Release] = run_flow(flow, Watch(quiet=json), PUBLICATION, config=config, overrides=overrides)
    table = compare(releases)
    found = report.TableOf(table.columns, list(table.rows))
    if json:
        told = {"notes": {release.release_id: release.notes for release in releases}}
        say_json({"releases": found.records(), "paths": [release.path for release in releases], **told})
        return
    say_table(table.title, found)
    say_notes(dict.fromkeys(note for release in releases for note in release.notes))
    say(f"{len(releases)} releases: {releases[0].path.rpartition('/')[0]}")


def _workshop(watch: Watch) -> Workshop:
    if watch.workshop is None:
        sys.exit(1)
    return watch.workshop
