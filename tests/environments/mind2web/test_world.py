"""The built-in pages: gold passes on all of them, and admission lets them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from environments.admission import admit
from environments.base import Draw, judge_episode
from environments.mind2web.author import PageAuthor
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.sample import FlowStep, sites
from environments.mind2web.world import Mind2WebWorld
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec

SpecOf = Callable[[FlowStep], TaskSpec]


async def gold_reward(world: Mind2WebWorld, spec: TaskSpec) -> float:
    async with world.open(spec) as environment:
        await environment.reset()
        await environment.follow()
        verdict = await judge_episode(environment)
    assert verdict.name == "passed", verdict.detail
    return verdict.reward


def firsts(steps: tuple[FlowStep, ...]) -> list[FlowStep]:
    """One step of each flow and position: pages, elements and operations, whatever the words."""
    return list({(s.site.name, s.source.split("/")[2], len(s.previous)): s for s in steps}.values())


def test_there_are_at_least_twenty_pages_and_every_one_is_used(steps: tuple[FlowStep, ...]) -> None:
    pages = {(site.name, page.name) for site in sites() for page in site.pages.values()}
    assert len(pages) >= 20 and {(step.site.name, step.page.name) for step in steps} == pages
    assert Counter(step.gold.op for step in steps).keys() == {"CLICK", "TYPE", "SELECT"}
    assert len({step.source for step in steps}) == len(steps) > 1000


async def test_gold_reaches_reward_1_on_each_step_of_each_flow(
    world: Mind2WebWorld, steps: tuple[FlowStep, ...], spec_of: SpecOf
) -> None:
    assert {await gold_reward(world, spec_of(step)) for step in firsts(steps)} == {1.0}


@pytest.mark.slow
async def test_gold_reaches_reward_1_on_every_built_in_task(
    world: Mind2WebWorld, steps: tuple[FlowStep, ...], spec_of: SpecOf
) -> None:
    assert {await gold_reward(world, spec_of(step)) for step in steps} == {1.0}


async def test_admission_lets_built_in_tasks_in(
    world: Mind2WebWorld, steps: tuple[FlowStep, ...], spec_of: SpecOf
) -> None:
    for step in firsts(steps)[::4]:
        probes = await admit(world, spec_of(step))
        assert [probe for probe in probes if not probe.passed] == [], step.source
        assert {"options_are_there", "choice_stands_out", "constant_letter_fails"} <= {probe.name for probe in probes}


async def test_a_build_derives_each_step_one_way_and_the_next_build_takes_others() -> None:
    author = PageAuthor(Mind2WebConfig(derived=9), seed=3)
    made = [task async for task in author.derive(frozenset())]
    assert author.derivable(frozenset()) == 4 and len(made) == 8
    assert all(isinstance(task, TaskSpec) for task in made)
    specs = [task for task in made if isinstance(task, TaskSpec)]
    assert [spec.derivation for spec in specs] == ["replay", "interact"] * 4
    assert len({spec.task_id for spec in specs}) == len({spec.provenance.source for spec in specs}) == 8
    taken = frozenset(spec.provenance.source for spec in specs)
    later = [task async for task in author.derive(taken)]
    assert not taken & {task.provenance.source for task in later if isinstance(task, TaskSpec)}


async def test_the_same_seed_derives_the_same_and_another_one_others() -> None:
    async def ids(seed: int) -> list[str]:
        author = PageAuthor(Mind2WebConfig(derived=3), seed=seed)
        return [task.task_id async for task in author.derive(frozenset()) if isinstance(task, TaskSpec)]

    assert await ids(1) == await ids(1) != await ids(2)


async def test_requests_go_round_the_pages_and_ask_for_what_the_page_has() -> None:
    author, generate = PageAuthor(Mind2WebConfig(requests=72)), GenerateConfig(rounds=1)
    asks = await author.asks(Draw(generate, seed=0, build=1, index=0, machine_made=()))
    pages = {(ask.facts.site.name, ask.facts.page.name) for ask in asks}
    assert len(asks) == 24 and len(pages) == 24
    assert all("TYPE" not in {o.topic for o in a.facts.orders} or "(field)" in a.messages[0].content for a in asks)
