"""The author of tasks on pages: asks for tasks on the built-in pages, and derives steps of the built-in flows."""

from __future__ import annotations

import tomllib
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import prompts
from environments.base import Ask, Author, Draw, Part
from environments.deals import Order, read_skills
from environments.mind2web.cleaning import controls
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.drafts import SECTIONS, Draft, gold_of, list_controls, read_draft, suits
from environments.mind2web.making import Shot, make_task
from environments.mind2web.page import ID
from environments.mind2web.ranking import best, rank_by_words
from environments.mind2web.sample import FlowStep, Site, SitePage, flow_steps, sites
from environments.mind2web.state import OPERATIONS, GoldStep, Operation, WantedStep
from environments.self_instruct import Example, draw_examples, request_key
from environments.several import in_requests, read_parts, taken_problems
from schemas.completion import Completion
from schemas.message import Message
from schemas.record import digest
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import Provenance, TaskSpec

PROMPT = "generate_mind2web"
RANKED = "ranked:words"
WAYS: tuple[Literal["replay", "interact"], ...] = ("replay", "interact")
_FOLDER = Path(__file__).parent
SKILLS = read_skills(_FOLDER / "skills.toml")


class Facts(NamedTuple):
    """What was asked for."""

    site: Site
    page: SitePage
    orders: tuple[Order, ...]
    seed: str


class PageAuthor(Author):
    """Asks for tasks page by page, operation by operation."""

    def __init__(self, config: Mind2WebConfig, seed: int = 0) -> None:
        super().__init__(config.requests)
        self._config, self._seed = config, seed

    async def asks(self, draw: Draw) -> list[Ask]:
        """Word a round's requests."""
        seeds = tuple(example_of(spec) for spec in draw.seeds) or _seeds()
        return [
            self._ask(draw, some, seeds)
            for some in in_requests(self.positions(draw.generate, draw.index), draw.generate)
        ]

    def _ask(self, draw: Draw, positions: range, seeds: Sequence[Example[Draft]]) -> Ask:
        key, pages = request_key(draw, "mind2web", positions[0]), _pages()
        number = ((draw.build - 1) * self.requests + positions[0]) // max(1, len(positions))
        site, page = sorted(pages, key=lambda one: digest(draw.seed, one[0].name, one[1].name))[number % len(pages)]
        turn, can = number // len(pages), _operations(page)
        orders = [self._deal(draw, position, can[(position + turn) % len(can)]) for position in positions]
        examples = draw_examples(draw, key, seeds, example_of, orders[0].topic)
        prompt = prompts.load(PROMPT)
        text = prompt.render(
            site=site.name,
            title=page.title,
            controls=list_controls(page.cleaned),
            examples=[example.task._asdict() for example in examples],
            taken=taken_problems(draw, orders),
            orders=[order._asdict() for order in orders],
        )
        names = tuple(example.name for example in examples)
        facts = Facts(site, page, tuple(orders), key)
        return Ask((Message(role="user", content=text),), prompt, key, names, facts, len(orders))

    def _deal(self, draw: Draw, position: int, op: Operation) -> Order:
        number = ((draw.build - 1) * self.requests + position) // len(OPERATIONS)
        return SKILLS.deal(op, draw.seed, number)

    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        """Read a reply as the first task that was asked for."""
        return self.read_all(completion, ask, range(ask.tasks))[0].told

    def read_all(self, completion: Completion, ask: Ask, numbers: Sequence[int]) -> list[Part]:
        """Read a reply as the tasks that `numbers` name; each action is looked for on the page."""
        facts: Facts = ask.facts

        def read(text: str, number: int) -> TaskSpec | Refusal:
            order, draft = facts.orders[number], read_draft(text)
            if isinstance(draft, Refusal):
                return draft
            gold = gold_of(draft, facts.page.cleaned, _operation(order.topic))
            return gold if isinstance(gold, Refusal) else self._made(draft, gold, ask, order)

        return read_parts(completion.reply, SECTIONS, ask.tasks, numbers, read)

    def _made(self, draft: Draft, gold: GoldStep, ask: Ask, order: Order) -> TaskSpec:
        facts: Facts = ask.facts
        shot = self._shot(facts.page, draft.problem, gold, ())
        return make_task(
            draft.problem, facts.site.name, facts.site.domain, [shot], str(self._seed),
            origin="self_instruct", explanation=draft.explanation or None, parents=ask.parents, family=gold.op.lower(),
            labels=(RANKED,), provenance=Provenance(source=ask.key), **order.on_task,
        )  # fmt: skip

    def _shot(self, page: SitePage, task: str, gold: GoldStep, previous: tuple[str, ...]) -> Shot:
        names = [str(node.get(ID)) for node in controls(page.cleaned.page)]
        candidates = best(rank_by_words(page.cleaned.page, names, task), [gold.element], self._config.top)
        wanted = WantedStep(elements=(gold.element,), op=gold.op, value=gold.value)
        return Shot(page.cleaned.page, tuple(candidates), previous, wanted)

    def derivable(self, taken: frozenset[str]) -> int:
        """Count the pairs of steps that this build takes: one to replay, one to solve.

        Not the same one both ways: good solvers choose just this element, and the second row would repeat the first.
        """
        return len(self._chosen(taken)) // len(WAYS)

    def _chosen(self, taken: frozenset[str]) -> list[FlowStep]:
        left = (step for step in _in_order(self._seed) if step.source not in taken)
        return list(islice(left, self._config.derived - self._config.derived % len(WAYS)))

    async def derive(self, taken: frozenset[str]) -> AsyncIterator[TaskSpec | Rejection]:
        """Yield this build's steps of the built-in flows, to replay and to solve in turn."""
        for number, step in enumerate(self._chosen(taken)):
            yield self.derived(step, WAYS[number % len(WAYS)])

    def derived(self, step: FlowStep, way: Literal["replay", "interact"]) -> TaskSpec:
        """Return a step of a flow as a task."""
        return make_task(
            step.task, step.site.name, step.site.domain,
            [self._shot(step.page, step.task, step.gold, step.previous)], str(self._seed),
            origin="derived", derivation=way, parents=(step.source,), family=step.gold.op.lower(), labels=(RANKED,),
            provenance=Provenance(source=step.source),
        )  # fmt: skip


@cache
def _pages() -> tuple[tuple[Site, SitePage], ...]:
    return tuple((site, page) for site in sites() for page in site.pages.values())


@cache
def _in_order(seed: int) -> tuple[FlowStep, ...]:
    """Return all steps of all flows, shuffled by the seed."""
    return tuple(sorted(flow_steps(), key=lambda step: digest("flow step", seed, step.source)))


def _operations(page: SitePage) -> list[Operation]:
    there = controls(page.cleaned.page)
    return [op for op in OPERATIONS if any(suits(node, op) for node in there)]


def _operation(topic: str) -> Operation:
    return next(one for one in OPERATIONS if one == topic)


def example_of(spec: TaskSpec) -> Example[Draft]:
    """Return an admitted task as an example for the next requests."""
    gold = GoldStep.model_validate_json(spec.reference[0].code)
    lines = [f"Element: {gold.element}", f"Action: {gold.op}", *([f"Value: {gold.value}"] if gold.value else [])]
    return Example(spec.task_id, Draft(spec.instruction, spec.explanation or "", "\n".join(lines)), gold.op)


@cache
def _seeds() -> tuple[Example[Draft], ...]:
    return tuple(_read_seeds(tomllib.loads((_FOLDER / "seeds.toml").read_text(encoding="utf-8"))["seed"]))


def _read_seeds(rows: Sequence[dict[str, Any]]) -> Iterator[Example[Draft]]:
    for row in rows:
        yield Example(row["name"], Draft(row["problem"], row["explanation"], row["reference"]), row["operation"])
