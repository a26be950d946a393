"""The seam: a world in three small things, `World`, `Environment` and `Dialect`.

A world never calls a model: it builds requests and reads replies, `tasks/` calls. One folder per world; adding a world
adds a folder and one line in `environments/registry.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.completion import ChatMessage
from schemas.episode import Verdict
from schemas.recording import RecordedTurn
from schemas.task_spec import Probe, TaskSpec

UNCHANGED = "as set up"
"""Fingerprint of a state that nothing has changed."""


@dataclass(frozen=True)
class Action:
    """What the solver does in one turn."""

    kind: str
    """bash, sql, answer, finish, or what the world offers."""
    text: str = ""
    """The command, the statement, the answer."""
    arguments: Mapping[str, Any] | None = None
    """JSON arguments, for dialects with tool calls."""


@dataclass(frozen=True)
class Reading:
    """What a dialect understood of a reply."""

    thought: str | None
    action: Action | None
    """None = malformed."""
    problem: str = ""
    """Why it is malformed."""
    candidate: str = ""
    """Text that was meant to be the action: what is snapped to an admissible one."""


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
class Seen:
    """One past turn as a dialect needs it to render the conversation."""

    observation: str
    """What was seen before the action."""
    reply: str
    """The solver's words."""


@dataclass(frozen=True)
class World:
    """A world's frozen description. Everything here counts in `world_id`."""

    name: str
    contract: int
    """Raised by hand when the environment's behaviour changes."""
    max_turns: int
    prompt: str
    """Name of the solver's prompt in `prompts/`."""
    observation_chars: int = 800
    """AgentBench: observations are cut at 800 characters."""
    lists_admissible: bool = False
    """Malformed actions are snapped to the closest admissible one by BLEU."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Limits and digests of what it runs on."""


class Environment(Protocol):
    """One live episode; an async context manager whose exit closes it."""

    async def reset(self) -> Step:
        """Build the initial state and return the instruction as the first observation.

        Raises:
            EnvironmentFault: the set-up failed.
        """

    async def step(self, action: Action) -> Step:
        """Act once.

        Raises:
            EnvironmentFault, SandboxError: the world broke, not the solver.
        """

    async def verify(self) -> Verdict:
        """Judge the final state and answer by execution, in a fresh view, never in the agent's shell.

        Raises:
            CheckError: the check could not run.
        """

    async def fingerprint(self) -> str | None:
        """Digest the state as the agent left it, last of all; None = this world cannot tell.

        Raises:
            SandboxError: the world broke.
        """

    async def close(self) -> None: ...

    async def __aenter__(self) -> Environment: ...

    async def __aexit__(self, *exception: object) -> None: ...


class Dialect(Protocol):
    """How a conversation with the solver is written and read."""

    def context(self, spec: TaskSpec) -> tuple[ChatMessage, ...]:
        """Return what stands before the task: instructions, acknowledgement, one-shot example (never trained on)."""

    def observe(self, observation: str, index: int) -> str:
        """Word an observation as the user message of turn `index` (0: the task itself)."""

    def read(self, reply: str) -> Reading:
        """Read a reply."""

    def write(self, thought: str | None, action: Action) -> str:
        """Word a turn as the assistant message; inverse of `read`."""


class Home(Protocol):
    """Opens environments of one world: the part that owns sandboxes, engines and their pools.

    An async context manager. `world_id` is fixed once it is entered (image digests are known then).
    """

    @property
    def world(self) -> World: ...

    @property
    def dialect(self) -> Dialect: ...

    @property
    def world_id(self) -> str: ...

    async def world_id_of(self, spec: TaskSpec) -> str:
        """Return the id that episodes of `spec` carry: another than `world_id` where what it runs on is another.

        Raises:
            ConfigError: what it runs on is not here; the text says what brings it.
        """

    def describe(self, spec: TaskSpec | None = None) -> Mapping[str, str]:
        """Return provenance: image, sandbox; of what `spec` runs on, whose `world_id_of` was asked for before."""

    def open(self, spec: TaskSpec) -> Environment:
        """Return an environment for one episode of `spec`, not yet reset."""

    async def replay(
        self, environment: Environment, spec: TaskSpec
    ) -> tuple[Sequence[tuple[Action, Step]], str | None]:
        """Run the reference as the episode (after `reset`); return its turns and the answer that its output gives."""

    def read_recorded(self, environment: Environment, turn: RecordedTurn) -> Action | None:
        """Return what a recorded turn does in this world as it stands (`submit`: the answer that the last action gave).

        None: the world has no such action, or it says nothing.
        """

    async def admit(self, spec: TaskSpec) -> tuple[Probe, ...]:
        """Try a task in fresh environments: the reference passes twice, doing nothing fails, no answer passes."""

    async def __aenter__(self) -> Home: ...

    async def __aexit__(self, *exception: object) -> None: ...
