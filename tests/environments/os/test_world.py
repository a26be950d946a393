"""The OS world: its id, its provenance, its references followed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from environments.base import Action, answer_in
from environments.os.world import OsWorld
from sandboxes.base import Capabilities, Limits
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.container.backend import Container
from sandboxes.container.engine import Engine
from schemas.errors import ConfigError, EnvironmentFault
from schemas.task_spec import Check, Script, TaskSpec

MakeTask = Callable[..., TaskSpec]


def test_the_world_id_names_what_makes_episodes_differ(sandbox: Bubblewrap) -> None:
    world_id = OsWorld(sandbox, "a").world_id
    smaller = Bubblewrap(sandbox.image, replace(Limits(), processes=8))
    others = {
        OsWorld(sandbox, "b").world_id,
        OsWorld(sandbox, "a", command_timeout=3.0).world_id,
        OsWorld(sandbox, "a", max_turns=4).world_id,
        OsWorld(smaller, "a").world_id,
    }
    assert OsWorld(sandbox, "a").world_id == world_id
    assert len(others | {world_id}) == 5


def test_another_backend_is_another_world(sandbox: Bubblewrap) -> None:
    backends = [Container(Engine(name), sandbox.image) for name in ("docker", "podman")]
    assert len({OsWorld(backend, "a").world_id for backend in (sandbox, *backends)}) == 3


async def test_a_task_that_asks_for_another_image_is_turned_down(sandbox: Bubblewrap, make_task: MakeTask) -> None:
    spec = make_task()
    asks = {name: spec.model_copy(update={"setup": spec.setup.model_copy(update={"image": name})}) for name in "ab"}
    world = OsWorld(sandbox, "digest", image_names=("a",))
    async with world.open(asks["a"]) as episode:
        await episode.reset()
    async with world.open(asks["b"]) as episode:
        with pytest.raises(EnvironmentFault, match="asks for the image 'b', and this world's stands for a") as caught:
            await episode.reset()
    assert not caught.value.transient


def test_a_changed_contract_is_a_changed_id(sandbox: Bubblewrap) -> None:
    fixed = Bubblewrap(sandbox.image, Limits(64, 256, 512, 64, 64, 60, 16384))
    assert OsWorld(fixed, "image").world_id == "c2fe5d5bf4c9a6bb69951cebf2c13961"


async def test_provenance_names_image_and_sandbox(world: OsWorld, sandbox: Bubblewrap) -> None:
    async with world:
        assert world.describe()["image"] == sandbox.image.digest
        assert world.describe()["sandbox"].startswith("bubblewrap/")


async def test_a_machine_without_a_sandbox_is_told_before_anything_is_spent(sandbox: Bubblewrap) -> None:
    class Refused(Bubblewrap):
        async def probe(self) -> Capabilities:
            return Capabilities(False, "bubblewrap", "none", False, reason="no namespaces", fix="Allow them.")

    with pytest.raises(ConfigError, match=r"no namespaces\. Allow them\."):
        await OsWorld(Refused(sandbox.image), "a").__aenter__()


async def test_a_replay_runs_the_reference_and_answers_with_what_it_printed(
    world: OsWorld, make_task: MakeTask
) -> None:
    spec = make_task()
    async with world.open(spec) as episode:
        await episode.reset()
        turns = await episode.follow()
        assert [action for action, _ in turns] == [Action("bash", "cat /root/n"), Action("answer", "1174")]
        assert turns[0][1].observation == "1174"
        assert answer_in(turns) == "1174"
        assert (await episode.verify()).name == "passed"


async def test_a_replay_of_a_change_finishes(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(reference="rm /root/n", evaluation="[ ! -e /root/n ]")
    async with world.open(spec) as episode:
        await episode.reset()
        turns = await episode.follow()
        assert ([action.kind for action, _ in turns], answer_in(turns)) == (["bash", "finish"], None)
        assert (await episode.verify()).name == "passed"


async def test_where_the_reference_is_compared_an_empty_output_is_an_answer(
    world: OsWorld, make_task: MakeTask
) -> None:
    check = Check(kind="chain", reference_on="final", scripts=(None, Script(code='[ -z "$1" ]')))
    spec = make_task(reference="echo", check=check, origin="benchmark")
    async with world.open(spec) as episode:
        await episode.reset()
        turns = await episode.follow()
        assert (turns[-1][0], answer_in(turns)) == (Action("answer", ""), "")
        assert (await episode.verify()).name == "passed"


async def test_a_python_reference_is_run_from_the_shell(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(reference="", check=make_task().check)
    spec = spec.model_copy(update={"reference": (Script(code="print('it''s', 1174)", language="python"),)})
    async with world.open(spec) as episode:
        await episode.reset()
        answer = answer_in(await episode.follow())
    assert answer == "its 1174"


async def test_without_a_reference_nothing_is_replayed(world: OsWorld, make_task: MakeTask) -> None:
    spec = make_task(reference="")
    async with world.open(spec) as episode:
        await episode.reset()
        with pytest.raises(EnvironmentFault, match="no_reference"):
            await episode.follow()
