"""What a build collects: the attempts that tasks are open to, by what became of earlier ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple, get_args

from schemas.episode import NOT_FINAL, SolverKind
from schemas.record import digest
from schemas.task_spec import Origin
from tasks.workshop import Workshop


class Past(NamedTuple):
    """What became of one attempt so far."""

    tries: int
    is_final: bool
    has_passed: bool


class Chance(NamedTuple):
    """One planned attempt, as it stands in a stored plan."""

    task_id: str
    solver: SolverKind
    """teacher or reference."""
    attempt: int
    try_number: int

    @classmethod
    def parse(cls, text: str) -> Chance:
        """Read what `str` wrote."""
        task_id, solver, attempt, try_number = text.split(":")
        return cls(task_id, "reference" if solver == "reference" else "teacher", int(attempt), int(try_number))

    def __str__(self) -> str:
        return f"{self.task_id}:{self.solver}:{self.attempt}:{self.try_number}"


def plan_wave(workshop: Workshop, world: str, wave: int, solver: str, origins: Sequence[str]) -> list[str]:
    """List one world's attempts of a wave, ordered: attempt `wave` of each task, and what an outage cut short."""
    found = _open_chances(workshop, world, [wave], solver, origins)
    ordered = sorted(map(str, found), key=lambda chance: digest("plan", workshop.build, wave, chance))
    return ordered[: workshop.config.collect.tasks]


def plan_again(workshop: Workshop, world: str, wave: int, solver: str, planned: Collection[str]) -> list[str]:
    """List what a continued build has open in a wave beside what is `planned` for it already, ordered.

    That is what an outage has cut short, and attempts that waited for how it would end; of this build's tasks alone.
    """
    mine, origins = {Chance.parse(one).task_id for one in planned}, get_args(Origin)
    found = (c for c in _open_chances(workshop, world, [wave], solver, origins) if c.task_id in mine)
    again = (c for c in found if str(c) not in planned)
    return [str(c) for c in sorted(again, key=lambda c: digest("plan", workshop.build, wave, str(c)))]


def count_open(workshop: Workshop, world: str) -> tuple[int, int]:
    """Count the tasks that wait for an attempt: of the teacher, and for a replay of their reference."""
    waves = range(1, workshop.config.collect.attempts + 1)
    found = {
        (c.task_id, c.solver) for c in _open_chances(workshop, world, waves, "teacher", workshop.config.collect.origins)
    }
    replays = sum(kind == "reference" for _, kind in found)
    return len(found) - replays, replays


def _open_chances(
    workshop: Workshop, world: str, waves: Iterable[int], solver: str, origins: Sequence[str]
) -> Iterator[Chance]:
    solvers = SolverIds(workshop)
    past, again = _past_tries(workshop, world), workshop.config.collect.again
    for number, task in enumerate(_open_tasks(workshop, world, solver, origins)):
        kind: SolverKind = "reference" if task.is_replay or solver == "reference" else "teacher"
        by_solver = past.get((task.task_id, kind), {})
        # of the first in any case: a dialect that the world does not have is told before anything runs
        done = _done(by_solver, solvers.of(task, kind), again) if by_solver or not number else {}
        if done is not None:
            yield from (chance for wave in waves for chance in _chances(workshop, task.task_id, kind, done, wave))


class OpenTask(NamedTuple):
    """What planning needs to know of a task: of a hundred thousand, whole ones would be a gigabyte."""

    task_id: str
    environment: str
    is_replay: bool


class SolverIds:
    """Ids of the solvers of a run: one for each kind and dialect, computed once."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._known: dict[tuple[SolverKind, str], str] = {}

    def of(self, task: OpenTask, kind: SolverKind) -> str:
        """Return the id of who would attempt a task."""
        key = kind, self._workshop.dialect_of(task).name
        if key not in self._known:
            self._known[key] = self._workshop.solver_rules(task, kind).solver.solver_id
        return self._known[key]


def _open_tasks(workshop: Workshop, world: str, solver: str, origins: Sequence[str]) -> Iterable[OpenTask]:
    where = "environment = ? AND list_contains(?::VARCHAR[], origin) AND task_id NOT IN (SELECT id FROM turned_away)"
    if solver == "reference":
        where += " AND len(reference) > 0"
    rows = workshop.warehouse.query(
        f"SELECT task_id, coalesce(derivation = 'replay', false) FROM task_specs WHERE {where}", (world, list(origins))
    )
    return (OpenTask(task_id, world, is_replay) for task_id, is_replay in rows)


def _past_tries(workshop: Workshop, world: str) -> dict[tuple[str, str], dict[str, dict[int, Past]]]:
    """Return, by task and kind of solver, what became of each solver's attempts in a world."""
    rows = workshop.warehouse.query(
        "SELECT task_id, solver.kind, solver.solver_id, attempt, max(try_number), "
        f"bool_or(outcome NOT IN {NOT_FINAL!r} AND verdict <> 'unknown'), bool_or(verdict = 'passed') "
        "FROM episodes WHERE environment = ? GROUP BY ALL",
        (world,),
    )
    past: dict[tuple[str, str], dict[str, dict[int, Past]]] = {}
    for task_id, kind, solver_id, attempt, *became in rows:
        past.setdefault((task_id, kind), {}).setdefault(solver_id, {})[attempt] = Past(*became)
    return past


def _done(by_solver: dict[str, dict[int, Past]], solver_id: str, again: bool) -> dict[int, Past] | None:
    """Return what became of a task's attempts, as far as they count for a solver; None = the task is not open to it.

    One that another solver of the kind has attempted to an end is open `again` alone, and then from the first attempt.
    What an outage cut short counts whoever the solver was: a task costs no more tries because the solver has changed.
    """
    mine = by_solver.get(solver_id, {})
    if again:
        return mine
    others = [attempts for other, attempts in by_solver.items() if other != solver_id]
    if any(past.is_final for attempts in others for past in attempts.values()):
        return None
    done = dict(mine)
    for attempts in others:
        for attempt, past in attempts.items():
            known = done.get(attempt, past)
            done[attempt] = known._replace(tries=max(known.tries, past.tries))
    return done


def _chances(workshop: Workshop, task_id: str, kind: SolverKind, done: dict[int, Past], wave: int) -> Iterable[Chance]:
    attempts = 1 if kind == "reference" else workshop.config.collect.attempts
    if not done:  # nearly every task of a large home
        if wave <= attempts:
            yield Chance(task_id, kind, wave, 1)
        return
    if workshop.config.collect.until_passed and any(past.has_passed for past in done.values()):
        return
    for attempt, past in sorted(done.items()):
        if wave == 1 and _is_due_again(workshop, past):
            yield Chance(task_id, kind, attempt, past.tries + 1)
    if wave <= attempts and wave not in done and not _waits(workshop, done):
        yield Chance(task_id, kind, wave, 1)


def _is_due_again(workshop: Workshop, past: Past) -> bool:
    return not past.is_final and past.tries < workshop.config.collect.max_tries


def _waits(workshop: Workshop, done: dict[int, Past]) -> bool:
    """Whether an attempt that an outage cut short may still pass: until then nobody knows that another is needed."""
    return workshop.config.collect.until_passed and any(_is_due_again(workshop, past) for past in done.values())
