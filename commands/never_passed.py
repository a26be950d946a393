"""`trajmill status --never-passed`: tasks that no solver passes, for a person: wrong references, or hard tasks?"""

from __future__ import annotations

from commands.look import open_home
from commands.terminal import say, say_json, say_panel, say_table
from reports.difficulty import NeverPassed, never_passed, reason_of
from reports.funnel import TableOf

SHOWN = 20
"""Tasks that are printed; --json has all."""


def run_never_passed(json: bool) -> None:
    """List them, those of most attempts first."""
    found = never_passed(open_home())
    if json:
        say_json({"never_passed": [one.record() for one in found]})
        return
    if not found:
        say("Every task that was attempted has been passed, or was turned away.")
        return
    for one in found[:SHOWN]:
        _say_task(one)
    more = f", the first {SHOWN} of them are above; --json has all" if len(found) > SHOWN else ""
    say(f"{len(found):,} tasks were attempted and never passed{more}.")
    say("Where a reference is wrong: trajmill reject TASK --reason WHY; the task is attempted no more.")


def _say_task(one: NeverPassed) -> None:
    spec = one.spec
    why = ", ".join(f"{reason} {count}" for reason, count in one.reasons.most_common())
    say(f"── {spec.environment} task {spec.task_id}: {len(one.attempts)} attempts, {why} ──")
    say_panel("task", spec.instruction, "cyan")
    say_panel("reference", "\n".join(script.code for script in spec.reference) or "none", "green")
    rows = [(a.attempt, a.solver.model or a.solver.kind, reason_of(a), _short(a.answer)) for a in one.attempts]
    say_table("attempts", TableOf(("attempt", "solver", "why", "answer"), rows))


def _short(answer: str | None, limit: int = 200) -> str:
    text = " ".join((answer or "").split())
    return text if len(text) <= limit else f"{text[:limit]} ..."
