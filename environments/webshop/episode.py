"""One visit to the shop: a page, a search or a click a turn, until something is bought.

Source: princeton-nlp/WebShop web_agent_site/envs/web_agent_text_env.py. What is no valid action leaves the page as it
is; a search is taken on any page, whether or not it has a search bar.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from environments.base import UNCHANGED, Action, Environment, Step, no_action
from environments.webshop.actions import asin_in, read_actions
from environments.webshop.catalogue import LARGE, Catalogue, Catalogues
from environments.webshop.goal import Problem
from environments.webshop.pages import BACK_TO_SEARCH, BUY, NEXT, PER_PAGE, PREVIOUS, SUB_PAGES, Page, Shown, show
from environments.webshop.product import Product
from environments.webshop.reward import Measure, reward_of, worded
from schemas.episode import Verdict
from schemas.errors import EnvironmentFault
from schemas.record import canonical_json
from schemas.recording import SUBMIT, RecordedTurn
from schemas.task_spec import TaskSpec


class WebShopEnvironment(Environment):
    """`reset`, `step` until something is bought, `verify`."""

    def __init__(self, spec: TaskSpec, problem: Problem, catalogues: Catalogues, measure: Measure) -> None:
        self.spec = spec
        self.page = Page()
        self.is_over = False
        """Whether something was bought: the page's product with its options."""
        self._problem, self._catalogues, self._measure = problem, catalogues, measure
        self._catalogue: Catalogue
        self._found: list[int] = []
        self._shown = Shown("", False, ())

    async def reset(self) -> Step:
        """Begin on the page with the search bar.

        Raises:
            EnvironmentFault: the task's catalogue is not in this home.
        """
        try:
            self._catalogue = await self._catalogues.opened(self._problem.catalogue)
        except KeyError as error:
            told = f"missing_catalogue: {self._problem.catalogue} is not in {self._catalogues.folder}"
            raise EnvironmentFault(told, transient=False) from error
        self.page, self.is_over, self._found = Page(), False, []
        return self._look()

    async def step(self, action: Action) -> Step:
        """Search or click.

        Raises:
            EnvironmentFault: the action is not one of this world's.
        """
        if action.kind not in ("search", "click"):
            raise no_action("webshop", action.kind, "search, click")
        text = action.text.lower()
        if self.is_over:
            return Step("", terminated=True)
        if action.kind == "search" and text:
            await self._list(text, 1)
        elif action.kind == "click" and text in self._shown.clickables and text != "search":
            await self._click(text)
        return Step("", terminated=True) if self.is_over else self._look()

    async def _click(self, text: str) -> None:
        """Follow a click; a button's name goes before an option's value of the same words, as in the original."""
        page = self.page
        if text == BUY.lower():
            self.is_over = True
        elif text == BACK_TO_SEARCH.lower():
            self.page = Page()
        elif text == NEXT.lower() and page.kind == "results":
            await self._list(page.keywords, page.number + 1)
        elif text == PREVIOUS.lower() and page.kind in ("results", "item"):
            await self._list(page.keywords, page.number - (page.kind == "results"))
        elif text == PREVIOUS.lower():
            self.page = replace(page, kind="item", sub="")
        elif page.kind == "results":
            self.page = replace(page, kind="item", product=self._catalogue.find(text))
        elif text in map(str.lower, SUB_PAGES):
            self.page = replace(page, kind="sub", sub=text)
        elif page.product is not None:
            names = [name for name, values in page.product.options.items() if text in values]
            self.page = page.choose(names[-1], text)

    async def _list(self, keywords: str, number: int) -> None:
        search = self._catalogue.search
        is_large = len(self._catalogue) > LARGE
        self._found = await asyncio.to_thread(search, keywords) if is_large else search(keywords)
        self.page = self.page.results(keywords, number)

    def _look(self) -> Step:
        first = (self.page.number - 1) * PER_PAGE
        on_page = self._found[first : first + PER_PAGE] if self.page.kind == "results" else []
        found: list[Product] = [self._catalogue.at(number) for number in on_page]
        self._shown = show(self.page, self.spec.instruction, found, len(self._found))
        return Step(self._shown.worded)

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Do what the reference says, a search or click a line."""
        if not self.spec.reference:
            raise EnvironmentFault("no_reference: the task has no reference that could be run", transient=False)
        actions = [action for script in self.spec.reference for action in read_actions(script.code)]
        return tuple([(action, await self.step(action)) for action in actions])

    def recall(self, turn: RecordedTurn) -> Action | None:
        """Return a recorded search or click; None for a click on a product that this catalogue does not have."""
        if turn.action_kind == SUBMIT:
            return Action("click", BUY.lower())
        if turn.action_kind not in ("search", "click") or not turn.action.strip():
            return None
        asin = asin_in(turn.action) if turn.action_kind == "click" else None
        is_strange = asin is not None and self._catalogue.find(asin) is None
        return None if is_strange else Action(turn.action_kind, turn.action)

    async def verify(self) -> Verdict:
        """Measure what was bought."""
        product = self.page.product
        if not self.is_over or product is None:
            return Verdict(name="failed", detail="nothing was bought")
        reward = await asyncio.to_thread(
            reward_of, product, self.page.options.values(), self._problem.wanted, self._measure
        )
        said = worded(reward, product, self.page.options, self._problem.wanted, self._measure.colours)
        return Verdict(
            name="passed" if reward.total >= 1 else "failed",
            reward=reward.total,
            parts=reward.parts,
            detail=f"{said} ({self._measure.name})",
        )

    async def fingerprint(self) -> str:
        """Say what was bought, and with which options."""
        if not self.is_over or self.page.product is None:
            return UNCHANGED
        return f"{self.page.product.asin} {canonical_json(dict(self.page.options)).decode()}"
