"""A second opinion on what was collected: tasks that independent attempts agree against are turned away, and counted.

Where attempts end alike (the same answer, the same state), and not as the reference does, the task is in doubt: its
reference is wrong, or its words do not say what it asks. It lands as a rejection of its own stage: no later build
attempts it, no release takes its rows. A person can take that back (`trajmill reject --undo`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prefect import task

from environments.agreement import find_agreements
from environments.endings import Ending
from schemas.errors import EpisodeError
from schemas.record import digest
from schemas.rejection import DISPUTED, SECOND_OPINION, WORDS, Rejection
from schemas.task_spec import TaskSpec
from tasks.collect.episodes import specs_of
from tasks.collect.voices import Independence, Voice, voices_on
from tasks.workshop import Workshop, begin_task

SHOWN_CHARS = 200


class Dispute(NamedTuple):
    """What speaks against a task."""

    against: tuple[Voice, ...]
    """Attempts that ended alike."""
    passed: int
    """Independent attempts that agree with the reference."""
    reference: Ending

    @property
    def detail(self) -> str:
        """Say who agrees on what."""
        agreed = shown(self.against[0].ending)
        ids = ", ".join(voice.episode_id for voice in self.against)
        return (
            f"{len(self.against)} attempts ended with {agreed}, the reference with {shown(self.reference)}, "
            f"{self.passed or 'none'} passed: {ids}"
        )


@task(name="settle disputes", task_run_name="settle disputes", tags=["stage:collect_episodes"])
async def settle_disputes(build: int) -> dict[str, int]:
    """Turn away the tasks of this build that attempts agree against; what was settled before stays so."""
    workshop = begin_task()
    if not workshop.config.collect.disputed_by:
        return {}
    specs = specs_of(workshop, _in_question(workshop, build))
    voices = voices_on(workshop, specs)
    independence = Independence(workshop)
    found = [(spec, await _dispute_of(workshop, spec, voices.get(spec.task_id, []), independence)) for spec in specs]
    disputed = [(spec, dispute) for spec, dispute in found if dispute is not None]
    rejections = [_reject(workshop, spec, dispute.detail, dispute.against) for spec, dispute in disputed]
    rejections += _turn_away_twins(workshop, disputed)
    if rejections:
        key = f"{SECOND_OPINION}/{build}/{digest(*(one.rejection_id for one in rejections))}"
        workshop.warehouse.land("rejections", rejections, key=key)
    return {DISPUTED: len(rejections)}


def _in_question(workshop: Workshop, build: int) -> list[str]:
    """Return the tasks that this build attempted, and of which nobody has said anything; what measures stays in."""
    rows = workshop.warehouse.query(
        "SELECT task_id FROM latest_episodes WHERE origin <> 'benchmark' AND solver.kind <> 'reference' "
        f"AND task_id NOT IN (SELECT split_part(source, '/', 1) FROM rejections WHERE stage IN {WORDS!r}) "
        "GROUP BY task_id HAVING bool_or(build = $1) AND count(*) FILTER (verdict = 'failed') >= $2 ORDER BY task_id",
        (build, workshop.config.collect.disputed_by),
    )
    return [row[0] for row in rows]


async def _dispute_of(
    workshop: Workshop, spec: TaskSpec, voices: Sequence[Voice], independence: Independence
) -> Dispute | None:
    """Return what speaks against a task: as many independent attempts as it takes, and no fewer than have passed.

    Where the reference does not run today nothing can be said.
    """
    failed = [voice for voice in voices if voice.speaks_against]
    passed = independence.count([voice for voice in voices if voice.has_passed])
    least = max(workshop.config.collect.disputed_by, passed)
    if independence.count(failed) < least:
        return None
    world = await workshop.open_world(spec.environment)
    try:
        found = await find_agreements(world, spec, [voice.ending for voice in failed])
    except EpisodeError:
        return None
    groups = [tuple(failed[position] for position in group) for group in found.groups]
    largest = max(groups, key=independence.count, default=())
    if independence.count(largest) < least:
        return None
    return Dispute(largest, passed, found.reference)


def _turn_away_twins(workshop: Workshop, disputed: Sequence[tuple[TaskSpec, Dispute]]) -> list[Rejection]:
    """Turn away tasks of the same words, set-up and reference: a question that is also replayed."""
    known = {spec.task_id for spec, _ in disputed}
    words = ([spec.instruction for spec, _ in disputed],)
    mine = "list_contains(?::VARCHAR[], instruction) AND origin <> 'benchmark' "
    mine += "AND task_id NOT IN (SELECT id FROM turned_away)"
    others: list[TaskSpec] = workshop.warehouse.read("task_specs", mine, words) if disputed else []
    twins: list[Rejection] = []
    for other in others:
        first = next((spec for spec, _ in disputed if _names(spec) == _names(other)), None)
        if first is not None and other.task_id not in known:
            detail = f"its reference is that of {first.task_id}, which is disputed"
            twins.append(_reject(workshop, other, detail, ()))
    return twins


def _names(spec: TaskSpec) -> tuple[object, ...]:
    return spec.environment, spec.instruction, spec.setup, spec.reference


def _reject(workshop: Workshop, spec: TaskSpec, detail: str, against: Sequence[Voice]) -> Rejection:
    return Rejection.make(
        stage=SECOND_OPINION,
        reason=DISPUTED,
        detail=detail,
        source=spec.task_id,
        environment=spec.environment,
        build=workshop.build,
        raw={"task_id": spec.task_id, "episodes": [voice.episode_id for voice in against]},
    )


def shown(ending: Ending) -> str:
    """Word an ending for people: its answer, else the state that it left."""
    if ending.answer:
        text = " ".join(ending.answer.split())
        return repr(text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}...")
    return f"state {ending.state[:16]}" if ending.state else "nothing"
