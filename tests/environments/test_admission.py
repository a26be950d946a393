"""What every world's tasks are tried for: the reference passes twice alike, nothing passes, nor an unearned answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import pytest

from environments.admission import admit
from environments.base import UNCHANGED, Action, Card, Environment, Honest, Step, World
from schemas.episode import Verdict
from schemas.errors import CheckError, EnvironmentFault, SandboxError
from schemas.rejection import Refusal
from schemas.task_spec import Check, Probe, Provenance, Script, Setup, TaskSpec

SHARED = ["has_reference", "reference_passes_1", "reference_repeats", "reference_passes_2", "nothing_fails"]


class Counter(Environment):
    """A counter that starts at 0: `add` raises it, `answer` ends the episode, as `finish` does."""

    def __init__(self, spec: TaskSpec, world: Counters) -> None:
        self.spec, self._world = spec, world
        self.judge_seconds = 0.1 if world.check_hangs_below else self.judge_seconds
        self.value, self.answer, self.actions = 0, "", 0

    async def reset(self) -> Step:
        self._world.opened += 1
        if self.spec.setup.image == "broken":
            raise EnvironmentFault("the counter is stuck")
        return Step(self.spec.instruction)

    async def step(self, action: Action) -> Step:
        if action.kind in ("answer", "finish"):
            self.answer = action.text
            return Step("", terminated=True)
        self.actions += 1
        self.value += int(action.text)
        return Step(str(self.value))

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        turns = []
        for script in self.spec.reference:
            amount = str(next(self._world.chance)) if script.code == "chance" else script.code
            action = Action("add", amount)
            turns.append((action, await self.step(action)))
        asks = self.spec.check.kind == "match"
        end = Action("answer", str(self.value)) if asks else Action("finish")
        return (*turns, (end, await self.step(end)))

    async def verify(self) -> Verdict:
        check = self.spec.check
        if self.actions < self._world.check_hangs_below:
            await asyncio.Event().wait()
        if check.answer == "broken" and self.actions < self._world.check_breaks_below:
            raise CheckError("the check is broken")
        wanted = check.answer or check.regex
        said = self.answer if check.kind == "match" else str(self.value)
        is_right = wanted in ("broken", "anything") or said == wanted
        if self.spec.check.kind == "match" and not self.actions and not self._world.takes_unearned:
            is_right = False
        return Verdict(name="passed" if is_right else "failed", reward=float(is_right), detail="" if is_right else "no")

    async def fingerprint(self) -> str:
        return f"at {self.value}" if self.value else UNCHANGED

    async def close(self) -> None:
        self._world.closed += 1


class Counters(World):
    """Counters in memory."""

    name = "counters"
    max_turns = 3
    dialects: Mapping[str, Any] = {}

    def __init__(
        self,
        *,
        takes_unearned: bool = False,
        check_breaks_below: int = 0,
        check_hangs_below: int = 0,
        limit: int = 99,
    ) -> None:
        super().__init__()
        self.check_hangs_below = check_hangs_below
        self.takes_unearned, self.check_breaks_below, self.limit = takes_unearned, check_breaks_below, limit
        self.opened = self.closed = 0
        self.chance: Iterator[int] = itertools.count(1)

    @property
    def card(self) -> Card:
        return Card(self.name, 1, self.max_turns, "none")

    def open(self, spec: TaskSpec) -> Counter:
        return Counter(spec, self)

    def problem_of(self, spec: TaskSpec) -> Refusal | None:
        return None if spec.check.kind in ("match", "state") else Refusal("unknown_check", "counters know match, state")

    def claim(self, spec: TaskSpec) -> Action:
        return Action("finish")

    def unfit(self, environment: Environment, turns: Sequence[tuple[Action, Step]]) -> str:
        return f"{len(turns)} turns" if len(turns) > self.limit else ""


def task(*reference: str, wants: str = "7", kind: str = "match", image: str | None = None) -> TaskSpec:
    check = Check(kind="match", answer=wants) if kind == "match" else Check(kind=kind, regex=wants)
    return TaskSpec.make(
        environment="counters",
        instruction="Bring the counter to 7.",
        setup=Setup(image=image),
        reference=tuple(Script(code=code) for code in reference),
        check=check,
        origin="own",
        provenance=Provenance(source="test"),
    )


async def last(world: World, spec: TaskSpec) -> tuple[str, str]:
    """Return name and detail of the probe that fails."""
    *before, probe = await admit(world, spec)
    assert all(one.passed for one in before) and not probe.passed
    return probe.name, probe.detail


async def test_an_honest_question_passes_every_shared_probe() -> None:
    world = Counters()
    probes = await admit(world, task("3", "4"))
    assert [probe.name for probe in probes] == [*SHARED, "unearned_answer_fails"]
    assert all(probe.passed for probe in probes)
    assert (world.opened, world.closed) == (4, 4)


async def test_where_the_reference_answers_nothing_no_answer_is_tried() -> None:
    assert [probe.name for probe in await admit(Counters(), task("7", kind="state"))] == SHARED


async def test_a_task_without_a_reference_is_told_before_anything_is_opened() -> None:
    world = Counters()
    assert (await last(world, task()))[0] == "has_reference"
    assert world.opened == 0


async def test_what_the_world_reads_of_a_task_is_told_first_under_its_own_name() -> None:
    world = Counters()
    assert await last(world, task(kind="rows")) == ("unknown_check", "counters know match, state")
    assert world.opened == 0


@pytest.mark.parametrize(
    ("world", "spec", "detail"),
    [
        (Counters(), task("3"), "no"),
        (Counters(), task("7", image="broken"), "the counter is stuck"),
        (Counters(check_breaks_below=9), task("7", wants="broken"), "the check is broken"),
        (Counters(limit=1), task("7"), "2 turns"),
    ],
    ids=["fails", "set-up breaks", "check breaks", "unfit"],
)
async def test_a_reference_that_does_not_pass_ends_the_trials_at_once(
    world: Counters, spec: TaskSpec, detail: str
) -> None:
    assert await last(world, spec) == ("reference_passes_1", detail)
    assert world.opened == 1


async def test_a_reference_that_answers_otherwise_the_second_time_does_not_repeat() -> None:
    name, detail = await last(Counters(takes_unearned=False), task("chance", wants="anything"))
    assert (name, detail) == ("reference_repeats", "two runs gave '1' and '2'")


async def test_a_reference_that_leaves_another_state_the_second_time_does_not_repeat() -> None:
    name, detail = await last(Counters(), task("chance", wants="anything", kind="state"))
    assert (name, detail) == ("reference_repeats", "two runs gave 'at 1' and 'at 2'")


async def test_that_the_runs_differ_is_told_before_that_the_second_one_fails() -> None:
    assert (await last(Counters(), task("chance", wants="1")))[0] == "reference_repeats"


async def test_a_second_run_that_fails_alone_is_told() -> None:
    class Once(Counters):
        async def judge_reference(self, environment: Environment, number: int) -> Verdict:
            return Verdict(name="passed" if number == 1 else "failed", detail=f"run {number}")

    assert await last(Once(), task("7")) == ("reference_passes_2", "run 2")


async def test_a_second_run_that_breaks_is_told_and_compared_with_nothing() -> None:
    class Breaks(Counters):
        async def again(self, spec: TaskSpec) -> TaskSpec:
            return spec.model_copy(update={"setup": Setup(image="broken")})

    world = Breaks()
    assert await last(world, task("7")) == ("reference_passes_2", "the counter is stuck")
    assert world.closed == 2


async def test_a_task_that_asks_for_nothing_passes_by_a_claim() -> None:
    name, detail = await last(Counters(), task("1", "-1", wants="0", kind="state"))
    assert (name, detail) == ("nothing_fails", "finish on the untouched state: passed")


async def test_a_right_answer_that_nobody_worked_for_must_fail() -> None:
    name, detail = await last(Counters(takes_unearned=True), task("7"))
    assert (name, detail) == ("unearned_answer_fails", "answer '7' on the untouched state: passed")


async def test_a_check_that_breaks_where_nothing_was_done_lets_nothing_in() -> None:
    name, detail = await last(Counters(check_breaks_below=1), task("7", wants="broken"))
    assert (name, detail) == ("nothing_fails", "the check broke: the check is broken")


@pytest.mark.parametrize(("below", "probe"), [(9, "reference_passes_1"), (1, "nothing_fails")])
async def test_a_check_that_does_not_end_is_ended_and_lets_nothing_in(below: int, probe: str) -> None:
    world = Counters(check_hangs_below=below)
    name, detail = await last(world, task("7"))
    assert name == probe and "the check did not end within 0.1 s" in detail
    assert world.closed == world.opened


async def test_a_check_that_times_out_by_itself_is_told_as_well() -> None:
    class Impatient(Counter):
        async def verify(self) -> Verdict:
            raise TimeoutError("no answer from the scales")

    class Scales(Counters):
        def open(self, spec: TaskSpec) -> Counter:
            return Impatient(spec, self)

    name, detail = await last(Scales(), task("7"))
    assert name == "reference_passes_1" and "no answer from the scales" in detail


async def test_a_worlds_own_probes_come_before_the_reference_and_after_all_that_is_shared() -> None:
    class Particular(Counters):
        async def static_probes(self, spec: TaskSpec) -> list[Probe]:
            return [Probe(name="reads_well", passed=True)]

        async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
            assert (honest.answer, honest.outcome) == ("7", "7")
            yield Probe(name="first_cheat_fails", passed=False, detail="it passes")
            raise AssertionError("what follows a failed probe would only cost")

    names = [probe.name for probe in await admit(Particular(), task("7"))]
    shared = [*SHARED[:1], "reads_well", *SHARED[1:], "unearned_answer_fails"]
    assert names == [*shared, "first_cheat_fails"]


async def test_broken_walls_say_nothing_about_the_task() -> None:
    class Walls(Counters):
        async def judge_reference(self, environment: Environment, number: int) -> Verdict:
            raise SandboxError("the walls broke")

    world = Walls()
    with pytest.raises(SandboxError, match="the walls broke"):
        await admit(world, task("7"))
    assert world.closed == 1


async def test_a_world_that_breaks_over_a_task_turns_that_task_away_and_no_other() -> None:
    class Clumsy(Counters):
        def unfit(self, environment: Environment, turns: Sequence[tuple[Action, Step]]) -> str:
            return {"a": ""}["b"]

    with pytest.raises(EnvironmentFault, match=r"world broke: KeyError: 'b'") as caught:
        await admit(Clumsy(), task("7"))
    assert not caught.value.transient
