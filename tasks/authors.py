"""Authors: for each world, the requests of one round of self-instruct and how to read their replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import prompts
from environments.db import generation as db_generation
from environments.os import generation as os_generation
from schemas.completion import ChatMessage, Completion, CompletionRequest
from schemas.record import digest
from schemas.task_spec import SOFTWARE, Provenance, TaskSpec
from tasks.derive_tasks import database_home, stored_databases
from tasks.workshop import Workshop


class Unusable(NamedTuple):
    """Why a reply is no task."""

    reason: str
    detail: str


class Draft(NamedTuple):
    """One request, and how to read its reply."""

    request: CompletionRequest
    environment: str
    source: str
    """What the row is named by: build, round, request."""
    read: Callable[[Completion], TaskSpec | Unusable]


Author = Callable[[Workshop, int], Awaitable[list[Draft]]]


async def draft_os_tasks(workshop: Workshop, index: int) -> list[Draft]:
    """Return the OS requests of round `index`."""
    config = workshop.config.generate
    seeds = os_generation.load_seeds(config.os.seeds)
    examples = machine_made(workshop, "os")
    return [
        _draft_os(workshop, index, position, seeds, examples)
        for position in round_slice(config.os.requests, config.rounds, index)
    ]


def _draft_os(
    workshop: Workshop,
    index: int,
    position: int,
    seeds: Sequence[os_generation.Example],
    examples: Sequence[TaskSpec],
) -> Draft:
    config, key = workshop.config.generate, request_key(workshop, "os", index, position)
    topic = os_generation.TOPICS[(workshop.build + position) % len(os_generation.TOPICS)]
    asked = os_generation.build_request(
        seeds,
        [os_generation.example_of(spec) for spec in draw_specs(examples, key, config.machine_examples)],
        topic=topic,
        key=key,
        seed_examples=config.seed_examples,
        machine_examples=config.machine_examples,
    )
    request = generation_request(workshop, asked.messages, asked.prompt, key)

    def read(completion: Completion) -> TaskSpec | Unusable:
        draft = os_generation.read_task(completion.reply)
        if isinstance(draft, os_generation.Problem):
            return Unusable(draft.reason, draft.detail)
        made = provenance(completion, asked.prompt, key)
        return os_generation.make_spec(draft, topic=topic, parents=asked.parents, provenance=made)

    return Draft(request, "os", key, read)


async def draft_db_tasks(workshop: Workshop, index: int) -> list[Draft]:
    """Return the database requests of round `index`: operations and databases in turn."""
    config, home = workshop.config.generate, database_home(workshop)
    seeds, examples = db_generation.load_seeds(), machine_made(workshop, "db")
    cards = [
        await db_generation.describe_database(home.engine, sha256, name) for name, sha256 in stored_databases(workshop)
    ]
    return [
        _draft_db(workshop, index, position, seeds, examples, cards)
        for position in round_slice(config.db.requests, config.rounds, index)
    ]


def _draft_db(
    workshop: Workshop,
    index: int,
    position: int,
    seeds: Sequence[db_generation.Example],
    examples: Sequence[TaskSpec],
    cards: Sequence[db_generation.DatabaseCard],
) -> Draft:
    config, key = workshop.config.generate, request_key(workshop, "db", index, position)
    operation = db_generation.OPERATIONS[position % len(db_generation.OPERATIONS)]
    card = cards[(workshop.build + position // len(db_generation.OPERATIONS)) % len(cards)]
    asked = db_generation.build_request(
        seeds,
        [db_generation.example_of(spec) for spec in draw_specs(examples, key, config.machine_examples)],
        card,
        operation=operation,
        key=key,
        seed_examples=config.seed_examples,
        machine_examples=config.machine_examples,
    )
    request = generation_request(workshop, asked.messages, asked.prompt, key)

    def read(completion: Completion) -> TaskSpec | Unusable:
        draft = db_generation.read_task(completion.reply, operation)
        if isinstance(draft, db_generation.Problem):
            return Unusable(draft.reason, draft.detail)
        made = provenance(completion, asked.prompt, key)
        return db_generation.make_spec(
            draft, database=card, operation=operation, parents=asked.parents, provenance=made
        )

    return Draft(request, "db", key, read)


def request_key(workshop: Workshop, world: str, index: int, position: int) -> str:
    """Name a request by all that makes two differ: seed, build, world, round, position."""
    return f"seed {workshop.config.seed} build {workshop.build} {world} round {index} request {position}"


def generation_request(
    workshop: Workshop, messages: tuple[ChatMessage, ...], prompt: str, key: str
) -> CompletionRequest:
    """Word a generation request; its sampling seed comes from its key."""
    teacher = workshop.config.teacher
    return workshop.request(
        "generate_tasks",
        teacher.generator,
        messages,
        prompt,
        temperature=teacher.generator_temperature,
        seed=int(digest(key)[:7], 16),
        key=key,
    )


def provenance(completion: Completion, prompt: str, key: str) -> Provenance:
    """Say who made a task: prompt, model and receipt."""
    return Provenance(
        source=key,
        prompt=prompts.load(prompt).label,
        model=completion.model,
        completion_ids=(completion.completion_id,),
        software=SOFTWARE,
    )


def machine_made(workshop: Workshop, world: str) -> list[TaskSpec]:
    """Return a world's admitted machine-made tasks: examples for the next round."""
    where = "environment = ? AND origin = 'self_instruct'"
    specs: list[TaskSpec] = workshop.warehouse.read("task_specs", where, (world,))
    return specs


def draw_specs(specs: Sequence[TaskSpec], key: str, count: int) -> list[TaskSpec]:
    """Draw tasks by sha256, the same whatever their order."""
    return sorted(specs, key=lambda spec: digest(key, spec.task_id))[:count]


def round_slice(total: int, rounds: int, index: int) -> range:
    """Return the positions that round `index` of `rounds` takes of `total` requests, evenly and in order."""
    return range(total * index // rounds, total * (index + 1) // rounds)


AUTHORS: dict[str, Author] = {"os": draft_os_tasks, "db": draft_db_tasks}
