"""Requests of a round are named by seed, build, world, round and position; a reply is a task or says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.db.world import DbHome
from schemas.completion import Completion
from schemas.task_spec import TaskSpec
from tasks.authors import AUTHORS, Draft, Unusable, draft_db_tasks, draft_os_tasks, draw_specs, round_slice
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
    return open_shop(generate__os__requests=7, generate__rounds=3)


def answer(draft: Draft, reply: str) -> Completion:
    return receipt(draft.request, reply)


@given(st.integers(0, 500), st.integers(1, 9))
def test_rounds_take_every_position_once_and_evenly(total: int, rounds: int) -> None:
    slices = [round_slice(total, rounds, index) for index in range(rounds)]
    assert [position for part in slices for position in part] == list(range(total))
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


async def test_every_request_of_a_build_is_another_one(shop: Workshop) -> None:
    drafts = [draft for index in range(3) for draft in await draft_os_tasks(shop, index)]
    assert len(drafts) == 7
    assert len({draft.request.request_hash for draft in drafts}) == 7
    assert drafts[0].source == "seed 0 build 1 os round 0 request 0"


async def test_the_next_build_asks_nothing_that_was_asked_before(open_shop: Callable[..., Workshop]) -> None:
    first = {d.request.request_hash for d in await draft_os_tasks(open_shop(build=1), 0)}
    second = {d.request.request_hash for d in await draft_os_tasks(open_shop(build=2), 0)}
    assert first and not first & second


async def test_the_same_build_asks_the_same_again(open_shop: Callable[..., Workshop]) -> None:
    first, again = [[d.request for d in await draft_os_tasks(open_shop(), 0)] for _ in range(2)]
    assert first == again


async def test_prompts_hold_six_seeds_and_what_was_admitted_stands_beside_them(shop: Workshop) -> None:
    (draft, *_) = await draft_os_tasks(shop, 0)
    admitted = draft.read(answer(draft, GOOD))
    assert isinstance(admitted, TaskSpec) and len(admitted.parents) == 8
    shop.warehouse.land("task_specs", [admitted], key="one")
    (following, *_) = await draft_os_tasks(shop, 1)
    task = following.read(answer(following, GOOD.replace("files", "links")))
    assert isinstance(task, TaskSpec) and admitted.task_id in task.parents
    assert "How many files are in /srv?" in following.request.messages[-1].content


async def test_a_good_reply_becomes_a_task_that_names_its_request(shop: Workshop) -> None:
    (draft, *_) = await draft_os_tasks(shop, 0)
    completion = answer(draft, GOOD)
    task = draft.read(completion)
    assert isinstance(task, TaskSpec) and (task.environment, task.origin) == ("os", "self_instruct")
    assert task.provenance.completion_ids == (completion.completion_id,)
    assert task.provenance.prompt is not None and task.provenance.prompt.startswith("generate_os/v")


@pytest.mark.parametrize("reply", ["", "no", "{}", "### Problem\n" * 9, "\x00\ud7ff", "```" * 999])
async def test_garbage_is_unusable_with_a_reason(shop: Workshop, reply: str) -> None:
    (draft, *_) = await draft_os_tasks(shop, 0)
    read = draft.read(answer(draft, reply))
    assert isinstance(read, Unusable) and read.reason and read.detail


async def test_database_requests_take_operations_and_databases_in_turn(
    open_shop: Callable[..., Workshop], tmp_path: Path
) -> None:
    async with DbHome.on_sqlite(tmp_path / "home" / "databases") as db:
        drafts = await draft_db_tasks(open_shop(worlds={"db": db}), 0)
    texts = [draft.request.messages[-1].content for draft in drafts]
    assert len(drafts) == 6 and len(set(texts)) == 6
    for operation in ("INSERT", "UPDATE", "DELETE"):
        assert sum(f"one {operation}" in text or f"`{operation}`" in text or operation in text for text in texts) >= 2


def test_examples_are_drawn_the_same_whatever_their_order(make_specs: Callable[[int], list[TaskSpec]]) -> None:
    specs = make_specs(9)
    drawn = draw_specs(specs, "key", 2)
    assert drawn == draw_specs(specs[::-1], "key", 2) and len(drawn) == 2
    assert drawn != draw_specs(specs, "another key", 2)


def test_every_world_of_the_product_has_an_author() -> None:
    assert set(AUTHORS) == {"os", "db"}
