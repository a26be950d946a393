"""The seam: a `World` opens live `Environment`s, words conversations in `Dialect`s and has an `Author` for new tasks.

A world never calls a model: it builds requests and reads replies, `tasks/` calls. It is a folder beside this file, or
an installed package (`environments/registry.py`); no line outside it names it. docs/architecture.md shows how.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import orjson

from environments.endings import Ending, is_alike
from prompts import Prompt
from rehearsals.base import Rehearsal
from schemas.completion import Completion
from schemas.episode import Turn, Verdict
from schemas.errors import CheckError, EnvironmentFault
from schemas.message import Message, Tool, ToolCall
from schemas.record import Record, canonical_json, digest
from schemas.recording import RecordedTurn
from schemas.rejection import Refusal, Rejection
from schemas.run_config import GenerateConfig, RunConfig
from schemas.task_spec import Probe, TaskSpec

OBSERVATION_CHARS = 800
"""AgentBench: observations are cut at 800 characters."""
TELLING = 3
"""Solvers' prompts from this contract on say the world's rules; observations keep head and tail, and count."""
UNCHANGED = "as set up"
"""Fingerprint of a state that nothing has changed."""


@dataclass(frozen=True)
class Action:
    """One thing that the solver does."""

    kind: str
    """bash, sql, answer, finish, or what the world offers."""
    text: str = ""
    """The command, the statement, the answer; of an action with several arguments their canonical JSON."""
    arguments: Mapping[str, Any] | None = None
    """JSON arguments, where the dialect has tool calls."""

    @classmethod
    def of(cls, kind: str, arguments: Mapping[str, Any]) -> Action:
        """Return an action that is its arguments."""
        return cls(kind, canonical_json(arguments).decode() if arguments else "", arguments)


@dataclass(frozen=True)
class Reading:
    """What a dialect understood of a completion."""

    thought: str | None
    actions: tuple[Action, ...]
    """In their order; none = malformed."""
    problem: str = ""
    """Why it is malformed."""
    candidate: str = ""
    """Text that was meant to be the action: what is snapped to an admissible one."""
    calls: tuple[ToolCall, ...] = ()
    """The calls that the actions were read from, one each; malformed ones, too."""


@dataclass(frozen=True)
class Step:
    """What the environment says after `reset` or an action."""

    observation: str
    """As the solver sees it, truncated."""
    terminated: bool = False
    """The episode is over: an answer was given or the work committed."""
    truncated: bool = False
    """The world's own limit ended it."""
    admissible: tuple[str, ...] = ()
    """Actions that the world accepts now; empty = any text."""


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


class Environment(ABC):
    """One live episode; an async context manager whose exit closes it."""

    spec: TaskSpec
    judge_seconds: float = 600.0
    """Wall time that `verify` may take: twenty programs of a check at their limit of 30 s each, so that only one that
    would not end by itself is ended."""

    @abstractmethod
    async def reset(self) -> Step:
        """Build the initial state and return the task as the first observation.

        Raises:
            EnvironmentFault: the set-up failed.
        """

    @abstractmethod
    async def step(self, action: Action) -> Step:
        """Act once.

        Raises:
            EnvironmentFault, SandboxError: the world broke, not the solver.
        """

    @abstractmethod
    async def verify(self) -> Verdict:
        """Judge the final state and answer by execution, in a fresh view, never in the agent's shell.

        Called by `judge_episode` alone. What computes for long does so in a thread or a process: on the event loop it
        would hold every other episode, and nothing could end it.

        Raises:
            CheckError: the check could not run.
        """

    @abstractmethod
    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Run the task's reference as the episode (after `reset`) and end it with what it gave; return its turns.

        Raises:
            EnvironmentFault: the task has none; an answer never comes from a label.
        """

    async def fingerprint(self) -> str | None:
        """Digest the state as the agent left it, last of all; None = this world cannot tell.

        Raises:
            SandboxError: the world broke.
        """
        return None

    async def work(self) -> str | None:
        """Digest what counts of that state as somebody's work, without what programs leave by themselves.

        None = all of it counts. Two attempts that left the same work agree (`World.same_outcome`).

        Raises:
            SandboxError: the world broke.
        """
        return None

    def recall(self, turn: RecordedTurn) -> Action | None:
        """Return what a recorded turn does in this world as it stands (`submit`: hand in what the last action gave).

        None: the world has no such action, or it says nothing.
        """
        return Action(turn.action_kind, turn.action) if turn.action.strip() else None

    async def close(self) -> None:  # noqa: B027
        """Let go of what the episode holds; idempotent."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()


class Dialect(Protocol):
    """How a conversation with the solver is written and read. Reading is tolerant, writing is canonical."""

    name: str
    """react, tools, rounds, or the world's own word; part of `solver_id`."""
    contract: int
    """Raised by hand when requests or readings change; the first adds nothing to `solver_id`."""
    prompt: Prompt
    """What its requests are worded by; its sha256 counts in `solver_id` and in each request."""
    stop: tuple[str, ...]
    """Where an endpoint is to end the reply."""

    def knowing(self, told: Mapping[str, Any]) -> Self:
        """Return the dialect that tells its solver this of the world (`World.told`)."""

    def tools(self) -> tuple[Tool, ...]:
        """Return the functions that a request declares; none = text."""

    def render(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word the whole request for the next turn, from the turns so far and what is seen now."""

    def read(self, completion: Completion) -> Reading:
        """Read a whole completion: text, calls and reasoning."""

    def write(self, turn: Turn) -> Message:
        """Word a turn as the assistant's message, canonically; `read` understands it as the same actions."""

    def visible(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word what the solver saw up to now, the turns canonically, without what stood before the task."""

    def conversations(self, spec: TaskSpec, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], ...]:
        """Word an episode for training: one conversation, or one a round where there is no memory.

        Messages to train on are marked; context (instructions, examples) is not.
        """

    def reads_back(self, turn: Turn) -> bool:
        """Whether the turn's canonical wording, thought included, reads as the action that it is."""


@dataclass(frozen=True)
class Draw:
    """What a round of self-instruct draws from."""

    generate: GenerateConfig
    seed: int
    build: int
    index: int
    """Round, from 0."""
    machine_made: tuple[TaskSpec, ...]
    """The world's admitted machine-made tasks: examples, and what may be grown."""
    seeds: tuple[TaskSpec, ...] = ()
    """The world's tasks in `generate.seeds`; none = its own."""


class Part(NamedTuple):
    """What a reply holds of one task that was asked for."""

    told: TaskSpec | Refusal
    raw: str
    """Its words."""


class Ask(NamedTuple):
    """One request for new tasks."""

    messages: tuple[Message, ...]
    prompt: Prompt
    key: str
    """Names it by all that makes two differ: seed, build, world, round, position."""
    parents: tuple[str, ...] = ()
    """Names of the examples, in their order."""
    facts: Any = None
    """What the author needs to read the reply: the topic, the database."""
    tasks: int = 1
    """Tasks that it asks for."""


class Author(ABC):
    """Makes up tasks: words the requests of a round, reads their replies, derives tasks from what the user has."""

    def __init__(self, requests: int) -> None:
        """`requests` are the tasks that a build asks for, cut into rounds."""
        self.requests = requests

    @property
    def looks(self) -> bool:
        """Whether it looks at the opened world to word a request."""
        return False

    def positions(self, generate: GenerateConfig, index: int) -> range:
        """Return the positions of the tasks that round `index` asks for, evenly and in order."""
        return range(self.requests * index // generate.rounds, self.requests * (index + 1) // generate.rounds)

    @abstractmethod
    async def asks(self, draw: Draw) -> list[Ask]:
        """Word the requests of a round."""

    @abstractmethod
    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        """Read a whole reply as one task; its provenance is the caller's to add."""

    def read_all(self, completion: Completion, ask: Ask, numbers: Sequence[int]) -> list[Part]:
        """Read a reply as the tasks of an ask that `numbers` name (from 0; a repair asks for some), in their order.

        What the reply holds beyond them comes behind them. Who asks for one task a request needs only `read`.
        """
        return [Part(self.read(completion, ask), completion.reply)]

    def derivable(self, taken: frozenset[str]) -> int:
        """Count what this build would derive from: each gives a task to solve and one whose reference is replayed."""
        return 0

    def derive(self, taken: frozenset[str]) -> AsyncIterator[TaskSpec | Rejection]:
        """Yield this build's tasks that need no model: from questions with their answers, from games.

        `taken` names the sources (`provenance.source`) that earlier builds took.
        """
        return _nothing()


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

    def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Try the world's own cheats and guesses, after what all worlds share."""
        return _nothing()

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


async def judge_episode(environment: Environment) -> Verdict:
    """Let an environment judge its episode within its `judge_seconds`.

    Raises:
        CheckError: the check could not run, or did not end in time.
        EnvironmentFault, SandboxError: the world broke.
    """
    try:
        async with asyncio.timeout(environment.judge_seconds):
            return await environment.verify()
    except TimeoutError as error:
        raise CheckError(
            f"the check did not end within {environment.judge_seconds:g} s ({error!r}), so nothing is known of the "
            f"episode; a check must end by itself: let it do less, or let {type(environment).__name__} have more "
            "`judge_seconds`"
        ) from error


@dataclass(frozen=True)
class Honest:
    """A run of the reference, judged: what probes compare with."""

    environment: Environment
    """Of the second run still open."""
    outcome: str
    """What came of it: the answer, or the state."""
    answer: str | None
    """The answer that its output gave; None = none."""


async def _nothing() -> AsyncIterator[Any]:
    return
    yield


def actions_of(turn: Turn) -> tuple[Action, ...]:
    """Return what a valid turn did: its calls, or its one action."""
    if not turn.calls:
        return (Action(turn.action_kind, turn.action),)
    return tuple(Action(call.action_kind, call.action, orjson.loads(call.arguments or "{}")) for call in turn.calls)


def answer_in(turns: Iterable[tuple[Action, Step]]) -> str | None:
    """Return the answer that a followed reference ended with; None = it ended without one."""
    answers = [action.text for action, _ in turns if action.kind == "answer"]
    return answers[-1] if answers else None


STRAY = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
"""What a world's own mistake raises: a row, a reply or an argument of a shape that it did not think of."""


@contextmanager
def own_mistakes_told(world: str) -> Iterator[None]:
    """Let a world's stray exception end on its row or episode, as the fault of a world that broke.

    Raises:
        EnvironmentFault: it strayed; trying again would not help.
    """
    try:
        yield
    except STRAY as error:
        told = f"the {world} world broke: {type(error).__name__}: {error}"
        raise EnvironmentFault(told, transient=False) from error


def no_action(world: str, kind: str, known: str) -> EnvironmentFault:
    """Return the fault of an action that a world does not have."""
    return EnvironmentFault(f"the {world} world has no action {kind!r}; it has {known}", transient=False)
