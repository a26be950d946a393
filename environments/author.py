"""The seam of new tasks: an `Author` words requests for them, reads the replies, and derives others without a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from prompts import Prompt
from schemas.completion import Completion
from schemas.message import Message
from schemas.rejection import Refusal, Rejection
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec


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

    async def derive(self, taken: frozenset[str]) -> AsyncIterator[TaskSpec | Rejection]:
        """Yield this build's tasks that need no model: from questions with their answers, from games.

        `taken` names the sources (`provenance.source`) that earlier builds took.
        """
        return
        yield
