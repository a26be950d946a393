"""Prompts are versioned files: front matter complete, inputs as declared, a used version never edited."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
from jinja2 import meta

import prompts
from schemas.errors import ConfigError

FOLDER = Path(prompts.__file__).parent
VERSIONS = sorted(FOLDER.glob("*/v*.md"))
NAMES = sorted(path.name for path in FOLDER.iterdir() if list(path.glob("v*.md")))
USED = {
    "aggregate/v1": "8f4ea6e3682c10f0e4d2f17c34bbf248c49e85889b0d031a2518523dbb2bfd2e",
    "answer_schema/v1": "652a627f50971d2a164f36dfbb7a7e202dd006f54574ead72c5cf3af1cf9b7b5",
    "backfill/v1": "b412569a1f10fe1fc5b5980cc3cc4013e506fe2dc8ac5f1c7a74e7dac3b154c5",
    "backfill/v2": "810d5b01cd136d1c7a81c0e1add02bb0e2683cf9c59090c2fdd38039b605c50b",
    "generate_alfworld/v1": "e8be23537c7c57a1184864ab5471de5cdd6a544f2f6282ec71de63621b1ed8bf",
    "generate_db/v1": "dc1b6cdc53dc9f359e5a2a2adfb3728555575b7bada55b3afa863037418d4926",
    "generate_db/v2": "e8bde2507e4eda8ee6c1aa9118d4256b0dad1a0af66bd7c226776cb945414a42",
    "generate_kg/v1": "7d4f1378d904598b50c6db72a64503ce630a0406209cbea1742ca1faccacc2d6",
    "generate_mind2web/v1": "12a3e49de89ec237573c818cc96a021a068ef52f801d2ff4a415d8fe06679b94",
    "generate_os/v1": "a817c82cf69ce579fda559e5684f196903f5262597e09469b39197c33ade1d4b",
    "generate_os/v2": "3a33a36f32930e231bf2991a9e564b6b5159b9c6558b13a2771d4a382077c448",
    "generate_webshop/v1": "7dfa396fbeaa2bb3f9445927dc97be6ced29e2e89f21896a8496599f3fefe52a",
    "grow_db/v1": "9746faf903912350552a9f773236d17977e4df0fbfc87074e903ea46518d97af",
    "grow_os/v1": "3bdb2ea7aa020ab9ca695c015cb2743b213ef91dec4afaa3836bb1fd99e71717",
    "repair/v1": "5bdc67c0891ecbd101093be9788411f2298327835092292f17b9d5deede83aad",
    "repair_task/v1": "6a008906b94d46ac6ffd305fa72facf26adbdebeb16bf180e68a845d9369252f",
    "repair_task/v2": "3c76a738408642943aed52b96f0ecfe94f48acd75d59ec7431c44cf515256696",
    "solve_alfworld/v1": "1be5f42cc193b2debd0df23739c7a5b0e3d047c38544a7bb809fe3e56e03f91b",
    "solve_alfworld_tools/v1": "5840400a75fec8ba54b4cadb688cac1e0e86dfb511439bd4729b4aeb5d5d4e39",
    "solve_db/v1": "2fe392b9862a7a8136da9b2ab4044041cb3bb8cd6c3d8d928c96b6c9e97abc9b",
    "solve_db/v2": "a5b695d8ffb6a5ee34039f7d532a4248bcbb73c8ef6daf4de23d5e200763d52d",
    "solve_db/v3": "b1b046e8ee592953e097425219dc172f0cb5862960f0f8bb5a1cb0c4daf0f4fe",
    "solve_db_tools/v1": "4d431d32fcc2895560ec458c0fee6003442b89ad6ce65a0d7ae15e066beffbc2",
    "solve_db_tools/v2": "84c601e997cafbd3de09caf7cbac6af47a7884d6011157a1f4eab6a981d87bae",
    "solve_db_tools/v3": "4d8025a5d5a8f07a19f1c2ff8f82b1c4f12351f78f4d20b27f6b90a9d1aafd5a",
    "solve_kg/v1": "810c708e07b399407a3caa4ed87a42ba713355333bca68c68a496adfbbb81fe7",
    "solve_kg_tools/v1": "fbf113648781e704bdc0cfc3a1274e7752aa791bb315936c6973f7396f437885",
    "solve_mind2web/v1": "ed4eb94aa6fe4fe41950fc9652a5b62317c5e54ab359a9c1a22d90a1a4b029d4",
    "solve_os/v1": "ab2ec1782de8f802cf3d1b00812999be8e880af162bf005dcc494569dfda6165",
    "solve_os/v2": "39d611b1ecbe24444a0eabed52a1167038a3840e0d2021e68eff4d25c0b26c03",
    "solve_os/v3": "f4702ab37d9d7395f97637efbbf72c0f3d43efb5a26115255437a3ab7be232a0",
    "solve_os_tools/v1": "fc81cfe7007c51a51b9f026e30d21151b5d7107d43d963f9fa557ac5e224a283",
    "solve_os_tools/v2": "355842c7af76f406108054394287b8bf93a7d698adf98383d5045e86926577a7",
    "solve_os_tools/v3": "1e6a793169e080c3c2af66af843f77d606a9fd52e297cfa76cd7f6b58072b217",
    "solve_webshop/v1": "3cb1e852fb8fb4d33f746a3e76e2580f5180613137864e8d17aa11af1a984b7f",
    "solve_webshop_tools/v1": "04999ef0df1563dffa1d54c313d8d285572789a53387e7b44af0cf330355edf5",
}
"""sha256 of every version: it stands in people's provenance. A changed wording is a new version."""


@pytest.mark.parametrize("name", NAMES)
def test_the_front_matter_says_what_for_from_what_and_why(name: str) -> None:
    front = prompts.load(name).front
    assert {"purpose", "inputs", "source", "changed_because"} <= set(front)


def declared(prompt: prompts.Prompt) -> set[str]:
    """Return the names before the brackets that describe them."""
    names = re.sub(r"\([^()]*\)", "", prompt.front["inputs"])
    return {name.strip() for name in names.split(",")}


@pytest.mark.parametrize("name", NAMES)
def test_a_body_takes_exactly_the_inputs_that_it_declares(name: str) -> None:
    prompt = prompts.load(name)
    used = meta.find_undeclared_variables(jinja2.Environment().parse(prompt.text))
    assert used == declared(prompt)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_input_is_an_error_never_an_empty_string(name: str) -> None:
    with pytest.raises(jinja2.UndefinedError):
        prompts.load(name).render()


def test_a_version_that_has_been_used_is_never_edited() -> None:
    found = {f"{path.parent.name}/{path.stem}": prompts.load(path.parent.name, path.stem).sha256 for path in VERSIONS}
    assert found == USED


def test_the_newest_version_is_loaded_unless_one_is_named() -> None:
    for name in NAMES:
        newest = max(int(path.stem[1:]) for path in (FOLDER / name).glob("v*.md"))
        assert prompts.load(name).version == f"v{newest}"
        assert prompts.load(name, "v1").label.startswith(f"{name}/v1@")


@pytest.mark.parametrize(("name", "version"), [("nope", None), ("solve_os", "v99")])
def test_an_unknown_prompt_is_told_with_those_that_there_are(name: str, version: str | None) -> None:
    with pytest.raises(ConfigError, match=r"there are .*solve_os"):
        prompts.load(name, version)
