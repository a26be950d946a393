"""What is tried before a task comes in: the page tells what is right, and nobody wins without a look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from lxml import etree

from environments.base import Action, World, judge_episode
from environments.mind2web.cleaning import options_of
from environments.mind2web.dialect import CHOOSE
from environments.mind2web.page import nodes_by_id, read_page
from environments.mind2web.pruning import show
from environments.mind2web.reply import Chosen, write_choice
from environments.mind2web.state import PageStep, WantedStep, read_known
from environments.mind2web.tournament import LETTERS, NONE_OF_THEM
from schemas.task_spec import Probe, TaskSpec


def options_are_there(spec: TaskSpec) -> Probe:
    """Whether what is selected is an option of its list, where the page says its options."""
    missing = []
    for page, _, wanted in _steps(spec):
        nodes = nodes_by_id(page)
        lists = [nodes[name] for name in wanted.elements if name in nodes and nodes[name].tag == "select"]
        options = [option for one in lists for option in options_of(one)]
        if wanted.op == "SELECT" and options and wanted.value not in options:
            missing.append(wanted.value)
    detail = f"no list has the options {missing[:3]}" if missing else ""
    return Probe(name="options_are_there", passed=not missing, detail=detail)


def choice_stands_out(spec: TaskSpec) -> Probe:
    """Whether no candidate that is wrong looks, as a choice, like one that is right."""
    alike = []
    for page, step, wanted in _steps(spec):
        looks = {name: _look(page, name) for name in step.order}
        right = {looks[name] for name in wanted.elements if name in looks}
        alike += [look for name, look in looks.items() if name not in wanted.elements and look in right]
    detail = f"a wrong candidate looks like a right one: {alike[0][:200]}" if alike else ""
    return Probe(name="choice_stands_out", passed=not alike, detail=detail)


async def cheats_fail(world: World, spec: TaskSpec, letters: int) -> AsyncIterator[Probe]:
    """Try what needs no look at the page: none of them in every round, and each letter with a click."""
    won = [letter for letter in (NONE_OF_THEM, *LETTERS[:letters]) if await _wins(world, spec, letter)]
    detail = f"saying {', '.join(won)} in every round wins" if won else ""
    yield Probe(name="constant_letter_fails", passed=not won, detail=detail)


async def _wins(world: World, spec: TaskSpec, letter: str) -> bool:
    action = Action(CHOOSE, write_choice(Chosen(letter, "CLICK")))
    async with world.open(spec) as environment:
        step = await environment.reset()
        for _ in range(world.max_turns):
            if step.terminated:
                break
            step = await environment.step(action)
        return (await judge_episode(environment)).reward >= world.threshold


def _look(page: etree._Element, name: str) -> str:
    return next((choice.words for choice in show(page, [name]).choices), "")


def _steps(spec: TaskSpec) -> Iterator[tuple[etree._Element, PageStep, WantedStep]]:
    known = read_known(spec)
    for step, wanted in zip(known.state.steps, known.wanted.steps, strict=True):
        yield read_page(step.page), step, wanted
