"""The requests of one round of self-instruct, in every world that has an author, and how their replies are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import prompts
from environments.base import Ask, Author, Draw, Part, own_mistakes_told
from environments.self_instruct import read_own_tasks
from schemas.completion import Completion, CompletionRequest
from schemas.errors import EnvironmentFault
from schemas.message import Message
from schemas.record import digest
from schemas.rejection import Refusal
from schemas.task_spec import SOFTWARE, TaskSpec
from tasks.workshop import Workshop

REPAIR = "repair_task"
ROOM = 4096
"""Tokens up to which a reply of several tasks may be several times `teacher.max_output_tokens`: every endpoint takes
so many."""


class Draft(NamedTuple):
    """One request, and who reads its reply."""

    request: CompletionRequest
    environment: str
    ask: Ask
    author: Author
    before: tuple[Completion, ...] = ()
    """Replies that could not be read, where this asks for their repair."""

    numbers: Sequence[int] = (0,)
    """The tasks of the ask that are asked for, from 0: all, or those that a repair is about."""

    def read(self, completion: Completion) -> list[Part]:
        """Read a whole reply; a task names the prompt, the model and the receipts that made it."""
        try:
            with own_mistakes_told(self.environment):
                parts = self.author.read_all(completion, self.ask, self.numbers)
        except EnvironmentFault as error:
            return [Part(Refusal("not_a_task", str(error)), completion.reply) for _ in self.numbers]
        numbers = [*self.numbers, *range(self.ask.tasks, self.ask.tasks + len(parts))]  # what is too many comes last
        return [
            part._replace(told=self._told(part.told, completion, number))
            for part, number in zip(parts, numbers, strict=False)
        ]

    def _told(self, told: TaskSpec | Refusal, completion: Completion, number: int) -> TaskSpec | Refusal:
        if isinstance(told, Refusal):
            return told
        made = {
            "source": self.source(number),
            "prompt": self.ask.prompt.label,
            "model": completion.model,
            "completion_ids": tuple(one.completion_id for one in (*self.before, completion)),
            "software": SOFTWARE,
        }
        return told.model_copy(update={"provenance": told.provenance.model_copy(update=made)})

    def repair(self, completion: Completion, reasons: Mapping[int, str]) -> Draft:
        """Return the request that tells the model why tasks of its reply were none, and asks for these once more."""
        prompt, before = prompts.load(REPAIR), (*self.before, completion)
        unread = [{"number": number + 1, "reason": reason} for number, reason in reasons.items()]
        words = prompt.render(reason=next(iter(reasons.values())), unread=unread if self.ask.tasks > 1 else [])
        told = Message(role="user", content=words)
        update = {
            "messages": (*self.request.messages, Message(role="assistant", content=completion.reply), told),
            "prompt_sha": prompt.sha256,
            "key": f"{self.ask.key} repair {len(before)}",
            "parents": (completion.completion_id,),
        }
        return self._replace(request=self.request.model_copy(update=update), before=before, numbers=tuple(reasons))

    def source(self, number: int) -> str:
        """Name a task of the ask, for rejections."""
        return self.ask.key if self.ask.tasks == 1 else f"{self.ask.key} task {number + 1}"


async def draft_round(workshop: Workshop, index: int) -> list[Draft]:
    """Return the requests of round `index`, world by world."""
    return [draft for world in workshop.worlds for draft in await draft_world(workshop, world, index)]


async def draft_world(workshop: Workshop, world: str, index: int) -> list[Draft]:
    """Return one world's requests of round `index`."""
    author = workshop.worlds[world].author
    if author is None or not author.positions(workshop.config.generate, index):
        return []
    if author.looks:
        await workshop.open_world(world)
    asks = await author.asks(_draw(workshop, world, index))
    return [Draft(_request(workshop, ask), world, ask, author, numbers=range(ask.tasks)) for ask in asks]


def authors_of(workshop: Workshop) -> Iterator[tuple[str, Author]]:
    """Yield the worlds of this run that make up tasks, with who does."""
    for name, world in workshop.worlds.items():
        author = world.author
        if author is not None:
            yield name, author


def count_derivable(workshop: Workshop) -> int:
    """Count all that tasks can be derived from, taken before or not."""
    return sum(author.derivable(frozenset()) for _, author in authors_of(workshop))


def taken_sources(workshop: Workshop, world: str) -> frozenset[str]:
    """Return what earlier builds derived tasks from; an unfinished build's own are taken again."""
    query = (
        "SELECT provenance.source FROM task_specs WHERE origin = 'derived' AND environment = $1 "
        "UNION SELECT source FROM rejections WHERE environment = $1 AND build <> $2"
    )
    return frozenset(row[0] for row in workshop.warehouse.query(query, (world, workshop.build)))


def _draw(workshop: Workshop, world: str, index: int) -> Draw:
    where = "environment = ? AND origin = 'self_instruct' AND task_id NOT IN (SELECT id FROM turned_away)"
    machine_made: list[TaskSpec] = workshop.warehouse.read("task_specs", where, (world,))
    config, path = workshop.config, workshop.config.generate.seeds
    own = read_own_tasks(Path(path).expanduser()) if path != "built-in" else []
    seeds = tuple(task for task in own if task.environment == world)
    return Draw(config.generate, config.seed, workshop.build, index, tuple(machine_made), seeds)


def _request(workshop: Workshop, ask: Ask) -> CompletionRequest:
    """Word a generation request; its sampling seed comes from its key, and each task has room of its own."""
    teacher = workshop.config.teacher
    most = teacher.max_output_tokens
    asked = workshop.request(
        "generate_tasks",
        teacher.generator,
        ask.messages,
        ask.prompt,
        temperature=teacher.generator_temperature,
        seed=int(digest(ask.key)[:7], 16),
        key=ask.key,
    )
    room = max(most, min(most * ask.tasks, ROOM))
    return asked.model_copy(update={"sampling": asked.sampling.model_copy(update={"max_tokens": room})})
