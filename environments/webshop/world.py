"""The shop: `WebShopWorld` owns the catalogues and opens visits in them.

Source: princeton-nlp/WebShop, as AgentBench plays it: ten rounds, the simple text of its pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import prompts
from environments.base import Action, Author, Card, Dialect, Environment, Honest, Place, World
from environments.dialects.tool_calls import ToolCalls
from environments.webshop.actions import read_actions
from environments.webshop.author import WebShopAuthor
from environments.webshop.catalogue import Catalogues, catalogues_of
from environments.webshop.colours import COLOURS, read_colours
from environments.webshop.config import WebShopConfig
from environments.webshop.dialect import AgentBenchShop, ShopReAct
from environments.webshop.episode import WebShopEnvironment
from environments.webshop.goal import problem_in
from environments.webshop.pages import PAGE_CHARS
from environments.webshop.reward import Measure
from environments.webshop.sample import keep_built_in
from environments.webshop.search import SEARCH_CONTRACT
from environments.webshop.tagger import Tagger
from environments.webshop.trials import cheats_fail, names_no_asin
from rehearsals.base import Rehearsal
from schemas.errors import ConfigError, EnvironmentFault
from schemas.record import digest
from schemas.rejection import Refusal
from schemas.task_spec import Probe, TaskSpec

PROMPT, TOOLS_PROMPT = "solve_webshop", "solve_webshop_tools"
MAX_TURNS = 10
"""AgentBench: webshop max_round 10."""


class WebShopWorld(World):
    """Opens visits, each in the catalogue of its task."""

    name = "webshop"
    check_contract = 2  # 2: colours by words of our own; a shade of another colour is not what was wished for
    Config: ClassVar[type[WebShopConfig]] = WebShopConfig
    typical = (3.6, 27, 180)  # a build of its own, measured with the built-in stand-in

    def __init__(self, home: Path, config: WebShopConfig | None = None, *, max_turns: int = MAX_TURNS) -> None:
        super().__init__(config or WebShopConfig())
        self.max_turns = max_turns
        self.catalogues = Catalogues(catalogues_of(home), keep_built_in)
        self.tagger = Tagger(self.config.tagger)
        colours = read_colours(self.config.colours)
        self._others = {"colours": digest(colours)[:12]} if colours != COLOURS else {}
        said = ", ".join([f"nouns by {self.tagger.name}", *(f"colours by {one}" for one in self._others.values())])
        self.measure = Measure(self.tagger.nouns, colours, said)
        self._author = WebShopAuthor(self.config, self.catalogues, self.measure, max_turns)
        prompt = prompts.load(PROMPT)
        self.dialects: Mapping[str, Dialect] = {
            "react": ShopReAct(prompt),
            "tools": ToolCalls(prompts.load(TOOLS_PROMPT)),
            "agentbench": AgentBenchShop(prompt),
        }

    @classmethod
    def at(cls, place: Place, config: WebShopConfig) -> WebShopWorld:
        """Return the world of a run."""
        return cls(place.home, config, max_turns=place.config.collect.max_turns.get(cls.name, MAX_TURNS))

    @property
    def card(self) -> Card:
        """Describe the world: its search, its tagger and colours that are not ours decide what comes out."""
        extra = {"search": SEARCH_CONTRACT, "bm25s": version("bm25s"), "tagger": self.tagger.name, **self._others}
        return Card(self.name, self.contract, self.max_turns, PROMPT, observation_chars=PAGE_CHARS, extra=extra)

    @property
    def told(self) -> Mapping[str, Any]:
        """Its limit."""
        return {"turns": self.max_turns}

    @classmethod
    def rehearsal(cls) -> Rehearsal:
        """Return what it knows to play in the shop."""
        from environments.webshop.rehearsal import WebShopRehearsal

        return WebShopRehearsal()

    @property
    def author(self) -> Author:
        """Return who words wishes and draws goals."""
        return self._author

    async def world_id_of(self, spec: TaskSpec) -> str:
        """Return the id of the world; the catalogue's stands in the task.

        Raises:
            ConfigError: the catalogue is not in this home.
        """
        problem = problem_in(spec)
        if not isinstance(problem, Refusal) and not self.catalogues.has(problem.catalogue):
            raise ConfigError(
                f"the catalogue {problem.catalogue} of the task {spec.task_id} is not in {self.catalogues.folder}; "
                "import it once more with `trajmill import webshop FOLDER` (docs/worlds/webshop.md)"
            )
        return self.world_id

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        """Return provenance: what searches, and what measures."""
        return {"image": f"bm25s {version('bm25s')}, {self.measure.name}"}

    def open(self, spec: TaskSpec) -> Environment:
        """Return a visit, not yet begun.

        Raises:
            EnvironmentFault: the task is none of the shop's.
        """
        problem = problem_in(spec)
        if isinstance(problem, Refusal):
            raise EnvironmentFault(f"{problem.reason}: {problem.detail}", transient=False)
        return WebShopEnvironment(spec, problem, self.catalogues, self.measure)

    def problem_of(self, spec: TaskSpec) -> Refusal | None:
        """Refuse what is no goal of the shop, or has a reference that is no list of actions."""
        problem = problem_in(spec)
        if isinstance(problem, Refusal):
            return problem
        try:
            for script in spec.reference:
                read_actions(script.code)
        except ValueError as error:
            return Refusal("not_actions", str(error))
        return None

    def claim(self, spec: TaskSpec) -> Action:
        """Buy where nothing was looked for."""
        return Action("click", "buy now")

    def unfit(self, environment: Environment, turns: Any) -> str:
        """Refuse a reference that takes more rounds than there are."""
        return f"the reference takes {len(turns)} of {self.max_turns} rounds" if len(turns) > self.max_turns else ""

    async def static_probes(self, spec: TaskSpec) -> list[Probe]:
        """Refuse a wish that gives the product away."""
        return [names_no_asin(spec)]

    async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Try to buy without having read the wish."""
        problem = problem_in(spec)
        assert not isinstance(problem, Refusal)  # else it was turned away before
        catalogue = await self.catalogues.opened(problem.catalogue)
        cheats = cheats_fail(spec, problem.wanted, catalogue, self.measure)
        for probe in await asyncio.to_thread(list, cheats):
            yield probe

    async def opening(self) -> str:
        """Return what the first page says beside the wish."""
        return "WebShop [SEP] Instruction: [SEP] [SEP] Search\n\nAvailable Actions:\n{'has_search_bar': True, ...}"

    async def __aexit__(self, *exception: object) -> None:
        self.catalogues.close()


WORLD = WebShopWorld
