"""The configurations of docs/own-model.md: each loads, passes the checks before a build, and builds."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from commands.preflight import preflight
from environments.registry import rehearsals
from flows.configuration import load_config
from rehearsals.quirks import QuirkyServer
from rehearsals.server import OfflineServer
from warehouse.warehouse import Warehouse

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-model.md"
CONFIGS = {
    match[1]: match[0] for match in re.findall(r"^```toml\n(# (\w+\.toml)\n.*?)^```$", PAGE.read_text(), re.M | re.S)
}
SPEAKS = {
    "reasoning.toml": [["reasoning_content"], ["reasoning"], ["think_tags"]],
    "tools.toml": [[]],
    "local.toml": [["ignores_n", "only_max_tokens"]],
}
"""Of each configuration the ways in which its endpoint may speak."""
TRIED = [(name, quirks) for name, ways in SPEAKS.items() for quirks in ways]
IDS = [f"{name} {' '.join(quirks)}".strip() for name, quirks in TRIED]
SMALL = {
    "environments": '["os", "db"]',
    "worlds.os.requests": 5,
    "worlds.db.requests": 5,
    "worlds.db.questions": 4,
    "collect.tasks": 6,
    "generate.rounds": 1,
}


def test_the_page_has_the_three_files() -> None:
    assert CONFIGS.keys() == SPEAKS.keys()


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    """Write a configuration with models that the double knows in the place of the page's."""

    def write(name: str) -> Path:
        teacher = tomllib.loads(CONFIGS[name])["teacher"]
        text = CONFIGS[name]
        for model in sorted({teacher["generator"], teacher["solver"], teacher["backfiller"]}, key=len, reverse=True):
            text = text.replace(f'"{model}"', '"offline-a"')
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", SPEAKS)
def test_a_configuration_says_what_there_is(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(CONFIGS[name])
    config, said = load_config(str(tmp_path / name)), tomllib.loads(CONFIGS[name])
    assert config.name == said["name"] == name.removesuffix(".toml")
    assert config.teacher.solver == said["teacher"]["solver"]
    assert config.collect.max_tokens >= 2 * config.teacher.max_output_tokens, "there is room for more than one turn"


@pytest.mark.parametrize("name", SPEAKS)
async def test_it_passes_the_checks_before_a_build(
    name: str, written: Callable[[str], Path], serve: Callable[[OfflineServer], str]
) -> None:
    server = QuirkyServer(*SPEAKS[name][0], rehearsals=rehearsals())
    serve(server)
    await preflight(str(written(name)), {"environments": []})
    assert server.answered == 0, "nothing was spent"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "quirks"), TRIED, ids=IDS)
def test_it_builds_on_an_endpoint_that_speaks_so(
    name: str, quirks: list[str], written: Callable[[str], Path], trajmill: Any, tmp_path: Path
) -> None:
    server = QuirkyServer(*quirks, rehearsals=rehearsals())
    settings = {"OPENAI_BASE_URL": server.start(), "OPENAI_API_KEY": "none"}
    overrides = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]
    arguments = ("build", "--config", str(written(name)), *overrides, "--json")
    try:
        ran = trajmill(*arguments, home=tmp_path / "home", **settings)
    finally:
        server.stop()
    assert ran.code == 0, ran.err
    rows = Warehouse(tmp_path / "home").read("trajectories")
    assert rows and all(("tools" if name == "tools.toml" else "react") == row.dialect for row in rows)
    trained = [message for row in rows for message in row.messages if message.train]
    assert all(message.tool_calls for message in trained) is (name == "tools.toml")
    assert not [message for message in trained if "<think>" in message.content]
    if name == "reasoning.toml":
        assert not [row for row in rows if row.backfilled and row.model], "what was thought is not bought again"
