"""Second opinions before a task comes in: what two drawn attempts agree against stays out, and is paid apart."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from environments.db.world import DbWorld
from schemas.completion import Completion, CompletionRequest
from schemas.errors import OutageError, TeacherError
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec
from tasks.generate.admit import Candidate
from tasks.generate.opinions import ask_opinions
from tasks.land_completions import land_completions
from tasks.workshop import Workshop
from tests.tasks.pets import say, task

Shop = Callable[..., Workshop]
WRONG, RIGHT, HARD = task("How many cats are there?"), task("How many dogs are there?"), task("Who is it?")
TWIN = task(WRONG.instruction, derivation="replay")
PLANS = {
    WRONG.instruction: ['["2"]', "2", '["1"]'],
    RIGHT.instruction: ['["1"]', '["2"]', '["2"]'],
    HARD.instruction: ['["Rex"]', '["Kit"]', "I cannot tell."],
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path / "databases", workers=1) as opened:
        yield opened


def candidates(*specs: TaskSpec) -> list[Candidate]:
    return [Candidate(spec, f"request {number}") for number, spec in enumerate(specs)]


async def test_what_drawn_attempts_agree_against_stays_out_its_replay_too(open_shop: Shop, world: DbWorld) -> None:
    solver = say(PLANS)
    workshop = open_shop(teacher=solver, worlds={"db": world}, environments=["db"], generate__second_opinions=2)
    standing, refused = await ask_opinions(workshop, candidates(WRONG, TWIN, RIGHT, HARD))
    assert [one.spec.task_id for one in standing] == [RIGHT.task_id, HARD.task_id]
    assert [(one.source, one.stage, one.reason) for one in refused] == [
        ("request 0", "admit", "disputed"),
        ("request 1", "admit", "disputed"),
    ]
    assert refused[0].detail == "2 of 2 attempts ended with '[\"2\"]', the reference with '[1]'"
    asked = len(solver.requests)
    assert asked == 3 * 2 * 2, "two attempts of two turns at three questions"
    assert {(r.purpose, r.sampling.temperature) for r in solver.requests} == {("second_opinions", 0.7)}
    land_completions(workshop)
    assert workshop.warehouse.count("completions", "purpose = 'second_opinions'") == asked
    assert workshop.warehouse.count("episodes") == 0, "they are no attempts of a collection"
    await ask_opinions(workshop, candidates(WRONG, TWIN, RIGHT, HARD))
    assert len(solver.requests) == asked, "what was paid comes from the ledger"


async def test_one_that_more_attempts_pass_or_as_many_stands_or_falls_as_in_a_collection(
    open_shop: Shop, world: DbWorld
) -> None:
    workshop = open_shop(teacher=say(PLANS), worlds={"db": world}, environments=["db"], generate__second_opinions=3)
    standing, refused = await ask_opinions(workshop, candidates(WRONG, RIGHT, HARD))
    assert [one.spec.task_id for one in standing] == [HARD.task_id]
    assert [one.reason for one in refused] == ["disputed"] * 2


async def test_none_is_asked_unless_the_configuration_says_so(open_shop: Shop, world: DbWorld) -> None:
    solver = say(PLANS)
    workshop = open_shop(teacher=solver, worlds={"db": world}, environments=["db"])
    standing, refused = await ask_opinions(workshop, candidates(WRONG, RIGHT))
    assert (len(standing), refused, solver.requests) == (2, [], [])
    with pytest.raises(ValueError, match="one opinion agrees with nobody"):
        GenerateConfig(second_opinions=1)


class Away:
    """A teacher that nobody reaches."""

    async def complete(self, request: CompletionRequest) -> Completion:
        raise TeacherError("nobody is there")

    async def close(self) -> None: ...


async def test_an_outage_lets_no_task_in_unasked(open_shop: Shop, world: DbWorld) -> None:
    workshop = open_shop(teacher=Away(), worlds={"db": world}, environments=["db"], generate__second_opinions=2)
    with pytest.raises(OutageError, match="4 of 4 second opinions came to no end"):
        await ask_opinions(workshop, candidates(WRONG, RIGHT))
