"""The seam: a `World` opens live `Environment`s, words conversations in `Dialect`s and has an `Author` for new tasks.

A world never calls a model: it builds requests and reads replies, `tasks/` calls. It is a folder beside this file, or
an installed package (`environments/registry.py`); no line outside it names it. docs/architecture.md shows how.
All that a world is made of can be imported from here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from environments.actions import Action, Reading, Step, actions_of, answer_in
from environments.author import Ask, Author, Draw, Part
from environments.dialects.base import TELLING, Dialect
from environments.endings import Ending, is_alike
from environments.environment import UNCHANGED, Environment, judge_episode, no_action, own_mistakes_told
from rehearsals.base import Rehearsal
from schemas.episode import Verdict
from schemas.record import Record, digest
from schemas.rejection import Refusal
from schemas.run_config import RunConfig
from schemas.task_spec import Probe, TaskSpec

__all__ = [
    "OBSERVATION_CHARS",
    "TELLING",
    "UNCHANGED",
    "Action",
    "Ask",
    "Author",
    "Card",
    "Dialect",
    "Draw",
    "Environment",
    "Honest",
    "Part",
    "Place",
    "Reading",
    "Step",
    "World",
    "actions_of",
    "answer_in",
    "judge_episode",
    "no_action",
    "own_mistakes_told",
]

OBSERVATION_CHARS = 800
"""AgentBench: observations are cut at 800 characters."""


@dataclass(frozen=True)
class Card:
    """A world's frozen description. Everything here counts in `world_id`."""

    name: str
    contract: int
    """Raised by hand when the environment's behaviour changes."""
    max_turns: int
    prompt: str
    """Name of the prompt that words its observations."""
    observation_chars: int = OBSERVATION_CHARS
    lists_admissible: bool = False
    """Malformed actions are snapped to the closest admissible one by BLEU."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Limits and digests of what it runs on."""


@dataclass(frozen=True)
class Place:
    """Where and how a world is opened."""

    config: RunConfig
    home: Path
    cache: Path
    """Base images."""
    servers: Mapping[str, str] = field(default_factory=dict)
    """URLs of database servers by SQL dialect."""


class World(ABC):
    """Opens environments of one world: the part that owns sandboxes, engines and their pools.

    Made without opening anything: dialects and validation need nothing more. An async context manager; `card` and
    `world_id` are fixed once it is entered, when image digests are known.
    """

    name: ClassVar[str]
    contract: ClassVar[int] = 1
    """Raised by hand when episodes would come out otherwise."""
    check_contract: ClassVar[int] = 1
    """Raised by hand when its checks refuse what they let pass before; in no id: an episode keeps its own."""
    Config: ClassVar[type[Record]] = Record
    """Its section `[worlds.<name>]`, where unknown keys are errors."""
    typical: ClassVar[tuple[float, int, int]] = (4.0, 60, 60)
    """Turns of an episode, tokens of a reply and of an observation: for estimates where there was no build yet."""
    threshold: ClassVar[float] = 1.0
    """Reward from which on an episode is kept, unless `curate.thresholds` says otherwise (AgentTuning: 1)."""
    dialects: Mapping[str, Dialect]
    """By name, the default one first."""
    max_turns: int
    """Turns that an episode may have."""

    def __init__(self, config: Any = None) -> None:
        self.config = config

    @classmethod
    def at(cls, place: Place, config: Any) -> Self:
        """Return the world of a run, not yet entered; `config` is its section."""
        return cls(config)

    @property
    def card(self) -> Card:
        """Describe the world; known once it is entered."""
        return Card(self.name, self.contract, self.max_turns, next(iter(self.dialects.values())).prompt.name)

    @classmethod
    def rehearsal(cls) -> Rehearsal | None:
        """Return its part of the offline teacher; None = that one cannot play here."""
        return None

    @property
    def author(self) -> Author | None:
        """Return who makes up its tasks; None = they are only imported."""
        return None

    async def probe(self) -> None:  # noqa: B027
        """Try what it needs on this machine.

        Raises:
            ConfigError: it does not work here; the text says what to do.
        """

    @property
    def world_id(self) -> str:
        """h(world, contract, limits, what it runs on)."""
        return digest("world", self.card)

    async def world_id_of(self, spec: TaskSpec) -> str:
        """Return the id that episodes of `spec` carry: another than `world_id` where what it runs on is another.

        Raises:
            ConfigError: what it runs on is not here; the text says what brings it.
        """
        return self.world_id

    @property
    def told(self) -> Mapping[str, Any]:
        """What its solvers are told of it, as JSON: limits, what is there to use. Whole once it is entered.

        The solver's prompt has it as `world`, and each episode keeps it.
        """
        return {}

    def as_told(self, told: str | None) -> Self:
        """Return the world as an episode saw it that was told this: None = made before solvers were told anything."""
        return self

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        """Return provenance: image, sandbox; of what `spec` runs on, whose `world_id_of` was asked for before."""
        return {}

    @abstractmethod
    def open(self, spec: TaskSpec) -> Environment:
        """Return an environment for one episode of `spec`, not yet reset."""

    def problem_of(self, spec: TaskSpec) -> Refusal | None:
        """Return what is wrong with a task's set-up, reference or check, as far as reading it tells.

        Asked before a task is tried or imported; what it does not see and breaks the world turns the task away then.
        """
        return None

    # What admission (environments/admission.py) asks of a world; each has an answer that most worlds keep.

    async def static_probes(self, spec: TaskSpec) -> list[Probe]:
        """Try what can be tried before the reference runs."""
        return []

    async def again(self, spec: TaskSpec) -> TaskSpec:
        """Return the task for the second run of its reference: under another seed and clock, where a world has them."""
        return spec

    def unfit(self, environment: Environment, turns: Sequence[tuple[Action, Step]]) -> str:
        """Say why no agent could have done what the reference did (it took too long, ...); empty = one could."""
        return ""

    async def judge_reference(self, environment: Environment, number: int) -> Verdict:
        """Judge run `number` of the reference as an agent's episode."""
        return await judge_episode(environment)

    async def honest(self, environment: Environment, answer: str | None) -> Honest:
        """Say what came of the reference's run, after it was judged."""
        return Honest(environment, answer or await environment.fingerprint() or "", answer)

    async def repeats(self, first: Honest, second: Honest) -> Probe:
        """Compare what came of the two runs."""
        same = first.outcome == second.outcome
        detail = "" if same else f"two runs gave {first.outcome!r} and {second.outcome!r}"[:400]
        return Probe(name="reference_repeats", passed=same, detail=detail)

    def claim(self, spec: TaskSpec) -> Action:
        """Return the action that claims success when nothing was done."""
        return Action("answer", "done")

    async def judge_unearned(self, spec: TaskSpec, action: Action, honest: Honest) -> Verdict:
        """Judge an action that ends an episode in which nothing was done."""
        async with self.open(spec) as environment:
            await environment.reset()
            await environment.step(action)
            return await judge_episode(environment)

    async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Try the world's own cheats and guesses, after what all worlds share."""
        return
        yield

    async def same_outcome(self, spec: TaskSpec, one: Ending, other: Ending) -> bool:
        """Whether two attempts ended alike, by the world's own judge of values: a second opinion.

        What does not count (the state of a question, the closing words of a change) is None in both; that both have
        substance is the caller's to see to.
        """
        return is_alike(one, other)

    async def opening(self) -> str:
        """Return what a typical task's first observation says beside the instruction: for estimates."""
        return ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        return None


@dataclass(frozen=True)
class Honest:
    """A run of the reference, judged: what probes compare with."""

    environment: Environment
    """Of the second run still open."""
    outcome: str
    """What came of it: the answer, or the state."""
    answer: str | None
    """The answer that its output gave; None = none."""
