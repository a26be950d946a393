"""Checks of what a row claims: success without a step, a second task, something else than was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from reports.audit.acting import CLAIM, acts, is_agents, is_finishing, observations, replies, words_of
from reports.audit.defects import AuditedRow

_NEXT_TASK = re.compile(
    r"\b(?:new|next|another|different) (?:problem|question|task)\b|\bmy (?:problem|question|task) is\b", re.IGNORECASE
)
_ERROR = re.compile(r"\s*(?:error\b|traceback|exception\b|.{0,80}cannot be executed|bash: .{0,80}not found)", re.I)
_AMOUNT = re.compile(
    r"(?<![\w.])(\d+(?:\.\d+)?)[\s-]*(inch|foot|feet|cm|mm|ounce|oz|pound|lb|gallon|liter|litre|watt|volt)(?:e?s)?\b",
    re.IGNORECASE,
)
_ELSEWHERE = re.compile(r"\b(?:back|prev|search|return|another|other|instead|next page)\b", re.IGNORECASE)
_TAKING = re.compile(r"\b(?:buy|purchase|order|book|checkout|add to cart)\b", re.IGNORECASE)


def check_claims(row: AuditedRow) -> Iterator[tuple[str, str]]:
    """Yield what a row claims and does not show."""
    if not is_agents(row):
        return
    yield from _check_success(row)
    yield from _check_second_task(row)
    yield from _check_request(row)


def _check_success(row: AuditedRow) -> Iterator[tuple[str, str]]:
    said = replies(row)
    if not said:
        return
    last, words = said[-1][1], words_of(said[-1][1])
    claims = row.claims_success or is_finishing(last) or CLAIM.search(words)
    seen = observations(row)
    if claims and not seen and not any(acts(one) for _, one in said):
        yield "unshown_success", f"nothing was seen before it said {words[:80]!r}"
    elif seen and _ERROR.match(seen[-1]) and CLAIM.search(words):
        yield "unshown_success", f"the last thing that it saw was {seen[-1].strip()[:80]!r}"


def _check_second_task(row: AuditedRow) -> Iterator[tuple[str, str]]:
    """Tell a task that begins after a finished one, where the loss counts on turns of both."""
    said = replies(row)
    for at, one in said:
        later = [place for place, _ in said if place > at]
        if is_finishing(one) and later:
            asked = next((m.content for m in row.messages[at + 1 :] if m.role == "user"), "")
            if _NEXT_TASK.search(asked[:400]) or len(later) > 1:
                yield "second_task", f"turn {at} finishes, and turn {later[0]} goes on: {asked.strip()[:80]!r}"
                return


def _check_request(row: AuditedRow) -> Iterator[tuple[str, str]]:
    """Tell a taking of something whose size, as the agent itself says, is not the one that was asked for."""
    said = replies(row)
    if not said or not any(_TAKING.search(one.content) or one.tool_calls for _, one in said[-2:]):
        return
    asked = "\n".join(m.content for m in row.messages[: said[0][0]] if m.role == "user")
    wanted: dict[str, set[float]] = {}
    for number, unit in _AMOUNT.findall(asked):
        wanted.setdefault(unit.lower(), set()).add(float(number))
    last: tuple[int, str, str] | None = None
    for index, (_, one) in enumerate(said):
        others = [(n, u) for n, u in _AMOUNT.findall(words_of(one)) if _is_other(n, u.lower(), wanted)]
        last = (index, *others[-1]) if others else last
    if last is None:
        return
    after = [words_of(one) for _, one in said[last[0] :]]
    if _TAKING.search(after[-1]) and not any(_ELSEWHERE.search(words) for words in after):
        yield "unlike_request", f"asked were {sorted(wanted[last[2].lower()])} {last[2]}, taken was {last[1]} {last[2]}"


def _is_other(number: str, unit: str, wanted: dict[str, set[float]]) -> bool:
    return len(wanted.get(unit, ())) == 1 and float(number) not in wanted[unit]
