"""Requests for made-up tasks stand: what was asked and paid once is found again in the ledger.

The hashes were computed by the code of 12dff63. A changed one means that every stored answer is lost: change the code
back, or bring out a new version of the prompt and compute them anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import prompts
from environments.base import Ask, Draw, Place, World
from environments.registry import make_world
from schemas.completion import CompletionRequest, Sampling
from schemas.record import digest
from schemas.run_config import GenerateConfig, RunConfig
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

FIRST = {"tasks_per_request": 1, "grow": 0.0}
FEW = GenerateConfig(rounds=3, seed_examples=6, machine_examples=2, **FIRST)
OTHER = GenerateConfig(rounds=2, seed_examples=3, machine_examples=4, **FIRST)
PROMPTS = {"generate_os": "v1", "generate_db": "v1"}
"""What builds of 12dff63 began with, and go on with."""
STOOD = {
    ("os", 1, 0, 0, FEW): "e5e682ddb52a333b4c082ce5afb06ca5",
    ("os", 1, 0, 1, FEW): "98e9758fc4775e62be8a7c033ce0f766",
    ("os", 2, 0, 5, FEW): "196bd0f43c142510874f2c9f27ce7797",
    ("os", 3, 7, 2, OTHER): "e5a4998c801a41ebd968776455588831",
    ("os", 12, 1, 40, OTHER): "8d6856f58dfe6e89b7a2ff91d0406fed",
    ("db", 1, 0, 0, FEW): "097bb186678feb38251b471bc228918d",
    ("db", 1, 0, 1, FEW): "da11b4be6e302507f61c2dcbe7e8e30b",
    ("db", 2, 0, 5, FEW): "fb95096b9b96293dbaf86490f4179810",
    ("db", 3, 7, 2, OTHER): "3fc8cfab0b654e346ce38032275682f9",
    ("db", 12, 1, 40, OTHER): "05ad4932d54fe9c7ff32b49f464efd66",
}
"""By world, build, seed, number of machine-made examples and configuration."""


def machine_made(world: str, count: int) -> tuple[TaskSpec, ...]:
    return tuple(_shell_task(number) if world == "os" else _change(number) for number in range(count))


def _shell_task(number: int) -> TaskSpec:
    return TaskSpec.make(
        environment="os",
        instruction=f"How many of the {number} files in /srv/d{number} are empty?",
        setup=Setup(init=(Script(code=f"mkdir -p /srv/d{number}"),) if number % 2 else ()),
        reference=(Script(code=f"find /srv/d{number} -empty | wc -l"),),
        check=Check(kind="script", reference_on="initial", scripts=(Script(code='[ "$1" = "$2" ]'),)),
        origin="self_instruct",
        explanation="Count them." if number % 3 else None,
        family="files",
        provenance=Provenance(source="test"),
    )


def _change(number: int) -> TaskSpec:
    operation = ("INSERT", "UPDATE", "DELETE")[number % 3]
    return TaskSpec.make(
        environment="db",
        instruction=f"{operation} row {number} of pets.",
        setup=Setup(database="a" * 64, database_name="shelter"),
        reference=(Script(code=f"{operation} {number}"),),
        check=Check(kind="state"),
        origin="self_instruct",
        explanation="One row." if number % 2 else None,
        family=operation.lower(),
        provenance=Provenance(source="test"),
    )


def request_hash(ask: Ask) -> str:
    """Hash a request as a run words it."""
    sampling = Sampling(temperature=1.0, max_tokens=2048, seed=int(digest(ask.key)[:7], 16))
    return CompletionRequest(
        purpose="generate_tasks",
        teacher="offline",
        model="offline-b",
        messages=ask.messages,
        sampling=sampling,
        prompt_sha=ask.prompt.sha256,
        key=ask.key,
    ).request_hash


@pytest.fixture(scope="module")
async def worlds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, World]]:
    """Open what the authors look at: the built-in databases; nobody looks into the shell."""
    home = tmp_path_factory.mktemp("requests")
    config = RunConfig(worlds={"os": {"requests": 15}, "db": {"requests": 14}})
    os_world, db_world = (make_world(name, Place(config, home, Path("nowhere"))) for name in ("os", "db"))
    async with db_world:
        yield {"os": os_world, "db": db_world}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("world", "build", "seed", "count", "generate"), STOOD)
async def test_requests_are_byte_for_byte_what_they_were(
    worlds: dict[str, World], world: str, build: int, seed: int, count: int, generate: GenerateConfig
) -> None:
    author = worlds[world].author
    assert author is not None
    examples = machine_made(world, count)
    draws = [Draw(generate, seed, build, index, examples) for index in range(generate.rounds)]
    with prompts.keeping(PROMPTS):
        assert not (world == "os" and author.looks), "a build that began so does not ask the image"
        asks = [ask for drawn in draws for ask in await author.asks(drawn)]
    assert len(asks) == author.requests
    asked = [(request_hash(ask), ask.key, ask.parents) for ask in asks]
    assert digest(asked) == STOOD[world, build, seed, count, generate]
