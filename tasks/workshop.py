"""The workshop: what a run has open, found by tasks without passing through Prefect.

Flows open it (`flows/open_workshop.py`); a task gets small references (build, part, index) and takes the rest here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import prompts
from environments.base import Home
from schemas.completion import ChatMessage, CompletionRequest, Purpose, Sampling
from schemas.episode import Solver
from schemas.errors import ConfigError
from schemas.record import digest
from schemas.run_config import RunConfig
from tasks.curate_episode import RENDERER
from tasks.progress import Progress
from tasks.roll_out import LOOP_CONTRACT, Rules
from teachers.base import Teacher
from teachers.ledger import Ledger
from teachers.mixture_of_agents import PROMPT as AGGREGATE
from warehouse.state import State
from warehouse.warehouse import Warehouse


@dataclass
class Workshop:
    """Everything that is open while a run lasts."""

    config: RunConfig
    config_name: str
    home: Path
    build: int
    resumed: bool
    warehouse: Warehouse
    state: State
    ledger: Ledger
    teacher: Teacher
    worlds: Mapping[str, Home]
    progress: Progress = field(default_factory=Progress)

    def world(self, name: str) -> Home:
        """Return a world that this run has open.

        Raises:
            ConfigError: the run was configured without it.
        """
        if name not in self.worlds:
            raise ConfigError(f"the world {name!r} is not open; add it to `environments` ({', '.join(self.worlds)})")
        return self.worlds[name]

    def request(
        self,
        purpose: Purpose,
        model: str,
        messages: tuple[ChatMessage, ...],
        prompt: str,
        *,
        temperature: float,
        attempt: int = 1,
        seed: int | None = None,
        key: str = "",
    ) -> CompletionRequest:
        """Word messages as a request of this run's teacher."""
        teacher = self.config.teacher
        sampling = Sampling(temperature=temperature, max_tokens=teacher.max_output_tokens, seed=seed)
        return CompletionRequest(
            purpose=purpose,
            teacher=teacher.name,
            model=model,
            messages=messages,
            sampling=sampling,
            prompt_sha=prompts.load(prompt).sha256,
            attempt=attempt,
            key=key,
        )

    def solver_rules(self, world: str, kind: str = "teacher") -> Rules:
        """Return what the loop asks and when it stops, for a solver on a world."""
        teacher, home = self.config.teacher, self.world(world)
        prompt = home.world.prompt

        def ask(messages: tuple[ChatMessage, ...], attempt: int) -> CompletionRequest:
            seed = self.config.seed * 1000 + attempt
            return self.request(
                "collect_episodes",
                teacher.solver,
                messages,
                prompt,
                temperature=teacher.solver_temperature,
                attempt=attempt,
                seed=seed,
            )

        return Rules(self._solver(kind, prompt), ask, home.world.max_turns, self.config.collect.max_tokens)

    def _solver(self, kind: str, prompt: str) -> Solver:
        teacher = self.config.teacher
        if kind == "reference":
            return Solver(kind="reference", solver_id=digest("solver", "reference", LOOP_CONTRACT))
        sampling = (teacher.solver_temperature, teacher.max_output_tokens, self.config.seed)
        named = (teacher.name, self._identity(teacher.solver), sampling, prompts.load(prompt).sha256, LOOP_CONTRACT)
        return Solver(kind="teacher", model=teacher.solver, solver_id=digest("solver", "teacher", *named))

    @property
    def curation_id(self) -> str:
        """h(renderer, backfill prompt sha, teacher, thresholds)."""
        teacher, curate = self.config.teacher, self.config.curate
        backfiller = self._identity(teacher.backfiller)
        return digest("curation", RENDERER, prompts.load("backfill").sha256, teacher.name, backfiller, curate)

    def _identity(self, model: str) -> Any:
        """Return what a model is in ids: its name, or for a mixture's name all that it is made of."""
        mixture = self.config.teacher.mixtures.get(model)
        return model if mixture is None else (model, mixture, prompts.load(AGGREGATE).sha256)


_current: ContextVar[Workshop | None] = ContextVar("workshop", default=None)


def current_workshop() -> Workshop:
    """Return the run's workshop.

    Raises:
        ConfigError: called outside a flow.
    """
    workshop = _current.get()
    if workshop is None:
        raise ConfigError("no workshop is open: tasks run inside a flow of flows/")
    return workshop


def begin_task() -> Workshop:
    """Return the run's workshop and count a Prefect task run: the first line of every task."""
    workshop = current_workshop()
    workshop.progress.task_runs += 1
    return workshop


def workshop_or_none() -> Workshop | None:
    """Return the workshop that is open, if one is."""
    return _current.get()


@contextmanager
def at_work(workshop: Workshop) -> Iterator[Workshop]:
    """Make a workshop the current one."""
    token = _current.set(workshop)
    try:
        yield workshop
    finally:
        _current.reset(token)
