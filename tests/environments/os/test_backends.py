"""The OS world on an engine's containers, as a configuration names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from environments.base import answer_in
from environments.os.world import OsWorld
from environments.registry import open_worlds, probe_worlds
from schemas.errors import ConfigError
from schemas.run_config import CollectConfig, RunConfig, SandboxConfig
from schemas.settings import default_cache
from schemas.task_spec import TaskSpec


def _config(backend: str) -> RunConfig:
    sandbox = SandboxConfig.model_validate({"backend": backend})
    return RunConfig(environments=("os",), collect=CollectConfig(sandbox=sandbox))


@pytest.mark.engines
@pytest.mark.parametrize("backend", ["docker", "podman"])
async def test_a_task_is_played_and_judged_in_a_container(
    backend: str, make_task: Callable[..., TaskSpec], tmp_path: Path
) -> None:
    config, spec = _config(backend), make_task()
    try:
        await probe_worlds(config, tmp_path, default_cache())
    except ConfigError as refused:
        pytest.skip(str(refused))
    async with open_worlds(config, tmp_path, default_cache()) as worlds:
        world = await worlds.enter("os")
        assert isinstance(world, OsWorld)
        assert world.describe()["sandbox"].startswith(f"{backend}/")
        async with world.open(spec) as episode:
            await episode.reset()
            answer = answer_in(await episode.follow())
            assert (answer, (await episode.verify()).name) == ("1174", "passed")


async def test_a_configured_engine_that_is_absent_stops_before_anything_is_spent(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match=r"no sandbox on this machine \(docker\): no program docker .* apt install"):
        await probe_worlds(_config("docker"), tmp_path, default_cache())
