"""The author of wishes: goals that the catalogue has, and made-up wishes for products that the prompt shows.

What a model writes is measured before it is tried: the product must have what is wished for, and the wish must say it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import prompts
from environments.base import Ask, Author, Draw, Part
from environments.deals import Order, read_skills
from environments.self_instruct import draw_examples, request_key
from environments.several import in_requests, read_parts, taken_problems
from environments.webshop import sample
from environments.webshop.actions import write_actions
from environments.webshop.catalogue import Catalogue, Catalogues, keep_catalogue
from environments.webshop.config import WebShopConfig
from environments.webshop.drafts import SECTIONS, draft_of, example_of, load_seeds, read_draft
from environments.webshop.goal import Goal, check_of, state_of
from environments.webshop.goals import Wish
from environments.webshop.loading import files_in, read_object, read_products, read_wishes
from environments.webshop.product import Product
from environments.webshop.reward import Measure
from environments.webshop.solver import solve
from schemas.completion import Completion
from schemas.message import Message
from schemas.record import digest
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import Provenance, Script, TaskSpec

PROMPT = "generate_webshop"
SKILLS = read_skills(Path(__file__).with_name("skills.toml"))
TOPIC = "wish"
BUILT_IN_LICENSE = "Apache-2.0"
DATA_LICENSE = "unknown"
"""Of WebShop's products: the repository is for academic and research use, the texts are the sellers'."""


class Stock(NamedTuple):
    """What an author has to work with."""

    catalogue: Catalogue
    wishes: Sequence[Wish]
    turned_away: Sequence[Rejection]
    """Rows of the products' file."""
    license: str


class Facts(NamedTuple):
    """What was asked for: a product and an order a task."""

    products: tuple[Product, ...]
    orders: tuple[Order, ...]


class WebShopAuthor(Author):
    """Asks for wishes and draws goals."""

    looks = True

    def __init__(self, config: WebShopConfig, catalogues: Catalogues, measure: Measure, turns: int) -> None:
        super().__init__(config.requests)
        self._config, self._catalogues, self._measure, self._turns = config, catalogues, measure, turns

    @cached_property
    def _stock(self) -> Stock:
        config, catalogues = self._config, self._catalogues
        if config.data == "built-in":
            wishes = [Wish(goal, f"built-in:{goal.wanted.asin}", None) for goal in sample.goals(config.seed)]
            return Stock(catalogues.open(catalogues.built_in), wishes, [], BUILT_IN_LICENSE)
        files = files_in(Path(config.data).expanduser())
        said, turned_away = read_object(files.said), list[Rejection]()

        def sound() -> Iterator[Product]:
            for row in read_products(files.products, said, config.seed):
                if isinstance(row, Product):
                    yield row
                else:
                    turned_away.append(row)

        catalogue = catalogues.open(keep_catalogue(sound(), catalogues.folder))
        wishes = read_wishes(files, iter(catalogue), said, config.seed, config.held_out)
        return Stock(catalogue, wishes, turned_away, DATA_LICENSE)

    async def asks(self, draw: Draw) -> list[Ask]:
        """Word a round's requests, each for several wishes."""
        await asyncio.to_thread(lambda: self._stock)
        positions = self.positions(draw.generate, draw.index)
        return [self._ask(draw, some) for some in in_requests(positions, draw.generate)]

    def _ask(self, draw: Draw, positions: range) -> Ask:
        key, catalogue = request_key(draw, "webshop", positions[0]), self._stock.catalogue
        numbers = [int(digest(key, "product", position)[:12], 16) % len(catalogue) for position in positions]
        products = tuple(catalogue.at(number) for number in numbers)
        orders = tuple(SKILLS.deal(TOPIC, draw.seed, (draw.build - 1) * self.requests + p) for p in positions)
        own = [example_of(spec) for spec in draw.seeds]
        shown = draw_examples(draw, key, tuple(own) or load_seeds(), example_of)
        prompt = prompts.load(PROMPT)
        text = prompt.render(
            turns=self._turns,
            examples=[asdict(example.task) for example in shown],
            taken=taken_problems(draw, orders),
            products=[one._asdict() for one in products],
            orders=[order._asdict() for order in orders],
        )
        names = tuple(example.name for example in shown)
        return Ask((Message(role="user", content=text),), prompt, key, names, Facts(products, orders), len(orders))

    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        """Read a reply as the first wish that was asked for."""
        return self.read_all(completion, ask, range(ask.tasks))[0].told

    def read_all(self, completion: Completion, ask: Ask, numbers: Sequence[int]) -> list[Part]:
        """Read a reply as the wishes that `numbers` name."""

        def read(text: str, number: int) -> TaskSpec | Refusal:
            draft = read_draft(text)
            if isinstance(draft, Refusal):
                return draft
            goal = draft_of(draft, ask.facts.products)
            return goal if isinstance(goal, Refusal) else self._made_up(goal, ask, number, draft.explanation)

        return read_parts(completion.reply, SECTIONS, ask.tasks, numbers, read)

    def _made_up(self, goal: Goal, ask: Ask, number: int, explanation: str) -> TaskSpec | Refusal:
        way = solve(goal, self._stock.catalogue, self._measure, self._turns)
        if way is None:
            return Refusal("goal_unreachable", "no search of its words leads to a purchase that is worth 1")
        return TaskSpec.make(
            environment="webshop",
            instruction=goal.instruction,
            setup=state_of(self._stock.catalogue.catalogue_id),
            reference=(Script(code=write_actions(way.actions)),),
            check=check_of(goal.wanted),
            origin="self_instruct",
            explanation=explanation or None,
            parents=ask.parents,
            family=way.product.category,
            license=self._stock.license,
            provenance=Provenance(source=ask.key),
            **ask.facts.orders[number].on_task,
        )

    def derivable(self, taken: frozenset[str]) -> int:
        """Count the goals that this build takes, and the rows that can be none."""
        return len(self._chosen(taken)) + len(self._fresh(taken))

    def _chosen(self, taken: frozenset[str]) -> list[Wish]:
        fresh = (wish for wish in self._stock.wishes if self._source(wish) not in taken)
        return list(islice(fresh, self._config.goals))

    def _fresh(self, taken: frozenset[str]) -> list[Rejection]:
        return [row for row in self._stock.turned_away if row.source not in taken] if self._config.goals else []

    def _source(self, wish: Wish) -> str:
        """Name a goal by its place and what it is drawn from."""
        asked = (wish.goal.instruction, wish.goal.wanted) if isinstance(wish.goal, Goal) else (wish.goal.reason,)
        return f"{wish.place}#{digest(self._stock.catalogue.catalogue_id, *asked)[:12]}"

    async def derive(self, taken: frozenset[str]) -> AsyncIterator[TaskSpec | Rejection]:
        """Yield two tasks a goal (one to replay, one to solve), for the first goals that nobody took."""
        stock = await asyncio.to_thread(lambda: self._stock)
        for row in self._fresh(taken):
            yield row
        for wish in self._chosen(taken):
            for made in await asyncio.to_thread(self._derived, wish, stock):
                yield made

    def _derived(self, wish: Wish, stock: Stock) -> list[TaskSpec | Rejection]:
        goal, source = wish.goal, self._source(wish)
        if isinstance(goal, Goal):
            way = solve(goal, stock.catalogue, self._measure, self._turns)
            if way is not None:
                reference = Script(code=write_actions(way.actions))
                return [self._task(goal, reference, source, kind, stock) for kind in ("replay", "interact")]
            goal = Refusal("goal_unreachable", "no search of its words leads to a purchase that is worth 1")
        return [
            Rejection.make(
                stage="generate",
                reason=goal.reason,
                detail=goal.detail,
                source=source,
                raw=wish.raw if wish.raw is not None else str(wish.goal),
                environment="webshop",
            )
        ]

    def _task(self, goal: Goal, reference: Script, source: str, derivation: str, stock: Stock) -> TaskSpec:
        product = stock.catalogue.find(goal.wanted.asin)
        return TaskSpec.make(
            environment="webshop",
            instruction=goal.instruction,
            setup=state_of(stock.catalogue.catalogue_id),
            reference=(reference,),
            check=check_of(goal.wanted),
            origin="derived",
            derivation=derivation,
            parents=(goal.wanted.asin,),
            family=product.category if product else None,
            license=stock.license,
            provenance=Provenance(source=source),
        )
