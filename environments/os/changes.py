"""The check `changes`: what the agent changed and shows, against what the reference does from the initial state.

A change is a path that was added, modified or deleted, its kind, its mode and its content; times do not count, and a
directory that is left empty counts like any other. What programs leave by themselves (`by_products.py`) is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from environments.os.answer import canonical_answer
from environments.os.by_products import without_by_products
from sandboxes.base import Change, FileDifference
from schemas.episode import RewardPart, Verdict
from schemas.task_spec import TaskSpec

_DECIMAL = re.compile(r"[-+]?\d{1,30}(?:\.\d{1,30})?")
TOLD = 3
"""Differing paths that a verdict names."""


@dataclass(frozen=True)
class Deed:
    """What somebody did: the files that differ now, and what was shown for it."""

    difference: FileDifference
    shown: str
    handed_in: bool = True
    """Whether `shown` was given as the answer; else it is what the last command happened to show."""


def judge_deed(agent: Deed, reference: Deed, *, ordered: bool, instruction: str) -> Verdict:
    """Compare both parts; a reference that changes something and prints nothing asks for no answer, but takes none."""
    changes = tell_difference(agent.difference, reference.difference, instruction)
    nothing_asked = bool(reference.difference.changes) and not reference.shown.strip()
    ignored = nothing_asked and not agent.handed_in
    output = "" if ignored or is_same_output(agent.shown, reference.shown, ordered=ordered) else "the output differs"
    parts = (RewardPart(name="changes", value=float(not changes)), RewardPart(name="output", value=float(not output)))
    problems = "; ".join(problem for problem in (changes, output) if problem)
    if problems:
        reason = "wrong_changes" if changes else "wrong_output"
        return Verdict(name="failed", reward=0.0, parts=parts, detail=problems, reason=reason)
    detail = f"{len(reference.difference.changes)} changes and the output are the reference's"
    return Verdict(name="passed", reward=1.0, parts=parts, detail=detail)


def is_told_by_output(spec: TaskSpec, verdict: Verdict) -> bool:
    """Whether what was shown last passed as the answer to a question: the reference changed nothing."""
    return spec.check.kind == "changes" and verdict.detail.startswith("0 changes")


def tell_difference(agent: FileDifference, reference: FileDifference, instruction: str) -> str:
    """Return in words where the changes differ; empty = nowhere."""
    if not agent.complete:
        return f"more changed than can be compared (over {len(agent.changes)} paths)"
    wanted = {change.path: change for change in reference.changes}
    made = {c.path: c for c in without_by_products(agent.changes, frozenset(wanted), instruction)}
    told = [_told(path, made.get(path), wanted.get(path)) for path in sorted({*wanted, *made})]
    differing = [words for words in told if words]
    more = f" and {len(differing) - TOLD} more" if len(differing) > TOLD else ""
    return f"the changes differ: {', '.join(differing[:TOLD])}{more}" if differing else ""


def _told(path: str, made: Change | None, wanted: Change | None) -> str:
    if made == wanted:
        return ""
    name = path.encode("utf-8", "backslashreplace").decode()
    if made is None or wanted is None:
        change, owner = (made, "the agent's alone") if made else (wanted, "missing")
        return f"{name} {change.change if change else ''} ({owner})"
    fields = [f for f in ("change", "kind", "mode", "sha256") if getattr(made, f) != getattr(wanted, f)]
    return f"{name} ({', '.join(fields).replace('sha256', 'content')})"


def is_same_output(shown: str, wanted: str, *, ordered: bool) -> bool:
    """Compare lines; runs of blanks count as one, empty lines do not count.

    Unless `ordered`, neither the order of the lines counts nor how often one is said: a listing has its folder's order.
    """
    mine, theirs = _lines(shown), _lines(wanted)
    return mine == theirs if ordered else set(mine) == set(theirs)


def is_same_answer(spec: TaskSpec, one: str, other: str) -> bool:
    """Compare two answers as if either were what the reference prints; numbers by their value."""
    ordered = spec.check.kind != "changes" or spec.check.ordered
    said = [(canonical_answer(a, b, spec.instruction), b.strip()) for a, b in ((one, other), (other, one))]
    return any(is_same_output(a, b, ordered=ordered) or _is_same_number(a, b) for a, b in said)


def _is_same_number(one: str, other: str) -> bool:
    return all(map(_DECIMAL.fullmatch, (one, other))) and Decimal(one) == Decimal(other)


def _lines(text: str) -> list[str]:
    return [words for words in (" ".join(line.split()) for line in text.splitlines()) if words]
