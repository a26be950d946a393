"""Requests of a round are named by seed, build, world, round and position; a reply is a task or says why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import prompts
from environments.base import Ask, Draw, Part, Place
from environments.db.config import DbConfig
from environments.db.world import DbWorld
from environments.os.author import OsAuthor, example_of
from environments.os.config import OsConfig
from environments.os.world import OsWorld
from environments.registry import default_worlds, make_world
from environments.self_instruct import draw_examples
from schemas.completion import Completion, CompletionRequest
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig, RunConfig
from schemas.task_spec import TaskSpec
from tasks.generate.authors import Draft, authors_of, draft_round, draft_world
from tasks.workshop import Workshop
from teachers.scripted import receipt

GOOD = """### Problem
How many files are in /srv?
### Explanation
Count them.
### Initialisation
```bash
touch /srv/a
```
### Reference
```bash
ls /srv | wc -l
```
### Evaluation
```bash
[ "$1" = "$2" ]
```"""


@pytest.fixture
def shop(open_shop: Callable[..., Workshop]) -> Workshop:
    return open_shop(worlds={"os": shell(7)}, generate__rounds=3, generate__tasks_per_request=1)


def shell(requests: int) -> OsWorld:
    return OsWorld(None, config=OsConfig(requests=requests))


def answer(draft: Draft, reply: str) -> Completion:
    return receipt(draft.request, reply)


def told(draft: Draft, reply: str) -> TaskSpec | Refusal:
    (part,) = draft.read(answer(draft, reply))
    return part.told


@given(st.integers(0, 500), st.integers(1, 9))
def test_rounds_take_every_position_once_and_evenly(total: int, rounds: int) -> None:
    author, generate = OsAuthor(OsConfig(requests=total)), GenerateConfig(rounds=rounds)
    slices = [author.positions(generate, index) for index in range(rounds)]
    assert [position for part in slices for position in part] == list(range(total))
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


async def test_every_request_of_a_build_is_another_one(shop: Workshop) -> None:
    drafts = [draft for index in range(3) for draft in await draft_world(shop, "os", index)]
    assert len(drafts) == sum(draft.ask.tasks for draft in drafts) == 7
    assert len({draft.request.request_hash for draft in drafts}) == 7
    assert drafts[0].ask.key == "seed 0 build 1 os round 0 request 0"


async def test_the_next_build_asks_nothing_that_was_asked_before(open_shop: Callable[..., Workshop]) -> None:
    first = {d.request.request_hash for d in await draft_world(open_shop(build=1, worlds={"os": shell(7)}), "os", 0)}
    second = {d.request.request_hash for d in await draft_world(open_shop(build=2, worlds={"os": shell(7)}), "os", 0)}
    assert first and not first & second


async def test_the_same_build_asks_the_same_again(open_shop: Callable[..., Workshop]) -> None:
    shops = [open_shop(worlds={"os": shell(7)}) for _ in range(2)]
    first, again = [[draft.request for draft in await draft_world(shop, "os", 0)] for shop in shops]
    assert first == again


async def test_several_tasks_share_a_request(open_shop: Callable[..., Workshop]) -> None:
    shop = open_shop(worlds={"os": shell(7)}, generate__rounds=2, generate__tasks_per_request=2)
    drafts = [draft for index in range(2) for draft in await draft_world(shop, "os", index)]
    assert [draft.ask.tasks for draft in drafts] == [2, 1, 2, 2]
    assert [draft.ask.key.rpartition(" ")[2] for draft in drafts] == ["0", "2", "3", "5"]
    assert (
        drafts[0].source(1) == "seed 0 build 1 os round 0 request 0 task 2" and drafts[1].source(0) == drafts[1].ask.key
    )


async def test_seeds_are_shown_and_what_was_admitted_stands_beside_them(shop: Workshop) -> None:
    (draft, *_) = await draft_world(shop, "os", 0)
    admitted = told(draft, GOOD)
    assert isinstance(admitted, TaskSpec) and len(admitted.parents) == 2
    shop.warehouse.land("task_specs", [admitted], key="one")
    (following, *_) = await draft_world(shop, "os", 1)
    task = told(following, GOOD.replace("files", "links"))
    assert isinstance(task, TaskSpec) and admitted.task_id in task.parents
    assert "How many files are in /srv?" in following.request.messages[-1].content


async def test_a_good_reply_becomes_a_task_that_names_its_request(shop: Workshop) -> None:
    (draft, *_) = await draft_world(shop, "os", 0)
    completion = answer(draft, GOOD)
    task = draft.read(completion)[0].told
    assert isinstance(task, TaskSpec) and (task.environment, task.origin) == ("os", "self_instruct")
    assert task.provenance.completion_ids == (completion.completion_id,)
    assert task.provenance.prompt is not None and task.provenance.prompt.startswith("generate_os/v")


@pytest.mark.parametrize("reply", ["", "no", "{}", "### Problem\n" * 9, "\x00\ud7ff", "```" * 999])
async def test_garbage_is_unusable_with_a_reason(shop: Workshop, reply: str) -> None:
    (draft, *_) = await draft_world(shop, "os", 0)
    read = told(draft, reply)
    assert isinstance(read, Refusal) and read.reason and read.detail


async def test_database_requests_take_operations_and_databases_in_turn(
    open_shop: Callable[..., Workshop], tmp_path: Path
) -> None:
    place = Place(RunConfig(), tmp_path / "home", tmp_path / "cache")
    async with DbWorld.at(place, DbConfig(requests=6)) as db:
        drafts = await draft_world(open_shop(worlds={"db": db}, generate__rounds=1), "db", 0)
    texts = [draft.request.messages[-1].content for draft in drafts]
    assert len(drafts) == 2 and len(set(texts)) == 2
    for operation in ("INSERT", "UPDATE", "DELETE"):
        assert all(f" ({operation}): " in text for text in texts)


def test_examples_are_drawn_the_same_whatever_their_order(make_specs: Callable[[int], list[TaskSpec]]) -> None:
    def drawn(specs: list[TaskSpec], key: str) -> list[str]:
        draw = Draw(GenerateConfig(machine_examples=2), 0, 1, 0, tuple(specs))
        return [example.name for example in draw_examples(draw, key, (), example_of)]

    specs = make_specs(9)
    assert drawn(specs, "key") == drawn(specs[::-1], "key") and len(drawn(specs, "key")) == 2
    assert drawn(specs, "key") != drawn(specs, "another key")


def test_every_world_of_every_build_has_an_author(open_shop: Callable[..., Workshop], tmp_path: Path) -> None:
    place = Place(RunConfig(), tmp_path / "home", tmp_path / "cache")
    shop = open_shop(worlds={name: make_world(name, place) for name in default_worlds()})
    assert [name for name, _ in authors_of(shop)] == list(default_worlds())


async def test_a_world_that_makes_up_nothing_is_not_opened_and_asks_nothing(
    open_shop: Callable[..., Workshop], tmp_path: Path
) -> None:
    broken = DbWorld.at(Place(RunConfig(), tmp_path / "home", tmp_path / "cache"), DbConfig(requests=0))
    bare = DbWorld.on_sqlite(tmp_path / "databases")  # of no run: it has no author
    for world in (broken, bare):
        assert await draft_round(open_shop(worlds={"db": world}), 0) == []


def test_an_author_that_breaks_over_a_reply_turns_that_reply_away() -> None:
    class Clumsy(OsAuthor):
        def read_all(self, completion: Completion, ask: Ask, numbers: Sequence[int]) -> list[Part]:
            return {"a": [Part(Refusal("", ""), "")]}["b"]

    ask = Ask((Message(role="user", content="?"),), prompts.load("generate_os"), "key")
    request = CompletionRequest(purpose="generate_tasks", teacher="t", model="m", messages=ask.messages)
    (read,) = Draft(request, "os", ask, Clumsy(OsConfig())).read(receipt(request, "x"))
    assert read.told == Refusal("not_a_task", "the os world broke: KeyError: 'b'")
