"""A build ends with what it began with; what somebody chose must be the same, and its pace may change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import prompts
from environments.os.config import OsConfig
from flows.beginnings import Beginning, continue_or_begin
from flows.configuration import Chosen, read_config
from schemas.errors import ConfigError
from schemas.record import FIRST_FORM
from schemas.run_config import CollectConfig, RunConfig
from warehouse.state import Build, State

MINE = 'name = "mine"\n[collect]\nattempts = 2\n[mixture.source_models]\n"gpt-4.1" = "gpt-4"\n'


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "home")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(MINE)
    return path


def begin(state: State, chosen: Chosen) -> Build:
    return Beginning.of_now(chosen).open_in(state, "build")


def go_on(state: State, chosen: Chosen) -> RunConfig:
    beginning, config = continue_or_begin(state, "build", chosen, fresh=False)
    assert beginning.open_in(state, "build").resumed
    return config


def at_first(**said: Any) -> str:
    """Return what 12dff63 kept of a build's configuration."""
    return orjson.dumps({**FIRST_FORM["run_config"], **said}).decode()


def test_a_changed_default_neither_stops_a_build_nor_changes_it(
    state: State, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(state, read_config(str(mine)))
    begun = read_config(str(mine)).config
    monkeypatch.setattr(CollectConfig.model_fields["max_tokens"], "default", 1024)
    monkeypatch.setattr(OsConfig.model_fields["requests"], "default", 5)
    for model in (OsConfig, CollectConfig, RunConfig):
        model.model_rebuild(force=True)
    try:
        now = read_config(str(mine), {"collect.max_turns": {}})
        assert (now.config.worlds["os"]["requests"], now.config.collect.max_tokens) == (5, 1024), (
            "defaults have changed"
        )
        assert go_on(state, now) == begun
    finally:
        monkeypatch.undo()
        for model in (OsConfig, CollectConfig, RunConfig):
            model.model_rebuild(force=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"collect.attempts": 3}, r"collect\.attempts was 2 and is 3 now"),
        ({"seed": 1}, r"seed was 0 and is 1 now"),
        ({"worlds.os.requests": 1}, r"worlds\.os\.requests was 96 and is 1 now"),
        ({"mixture.source_models.x": "gpt-4"}, r"mixture\.source_models\.x was not set and is \"gpt-4\" now"),
    ],
)
def test_what_was_chosen_must_be_the_same(state: State, mine: Path, change: dict[str, Any], said: str) -> None:
    begin(state, read_config(str(mine)))
    with pytest.raises(ConfigError, match=rf"build 1 is unfinished and began with another configuration: {said}"):
        continue_or_begin(state, "build", read_config(str(mine), change), fresh=False)


def test_what_is_chosen_no_longer_must_be_the_default(state: State, mine: Path) -> None:
    begin(state, read_config(str(mine), {"collect.goal": 3, "collect.max_tries": 3}))
    with pytest.raises(ConfigError, match=r"collect\.goal was 3 and is null now; run it again with that one, or"):
        continue_or_begin(state, "build", read_config(str(mine)), fresh=False)


@pytest.mark.parametrize(
    "change", [{"budget.usd": 3.0}, {"collect.concurrency": 9}, {"teacher.mode": "batch"}, {"verify.sample": 7}]
)
def test_the_pace_is_that_of_now(state: State, mine: Path, change: dict[str, Any]) -> None:
    begin(state, read_config(str(mine), {"collect.concurrency": 2}))
    now = read_config(str(mine), change)
    assert go_on(state, now) == now.config


def test_what_a_file_of_ours_says_may_change_like_a_default(state: State, tmp_path: Path) -> None:
    smoke = read_config("smoke")
    begin(state, smoke)
    mixture = smoke.config.mixture.model_copy(update={"source_models": {"offline-c": "gpt-4"}})
    changed = smoke.config.model_copy(update={"mixture": mixture})
    assert go_on(state, Chosen(changed, smoke.keys)) == smoke.config
    with pytest.raises(ConfigError, match=r'name was "smoke" and is "demo" now'):
        continue_or_begin(state, "build", read_config("demo"), fresh=False)


def test_a_stage_by_itself_gives_way_to_other_settings(state: State) -> None:
    Beginning.of_now(read_config("smoke")).open_in(state, "collect")
    beginning, config = continue_or_begin(state, "collect", read_config("smoke", {"seed": 1}), fresh=False)
    assert (beginning.open_in(state, "collect").number, config.seed) == (-2, 1)


@pytest.mark.parametrize("name", sorted(FIRST_FORM["configs"]))
def test_a_build_of_a_first_file_of_ours_goes_on_by_that_name(state: State, name: str) -> None:
    said, whole = read_config(name), orjson.loads(at_first())
    for section, values in FIRST_FORM["configs"][name].items():
        whole[section] = values if isinstance(values, str) else whole[section] | values
    for world, values in FIRST_FORM["configs"][name].get("generate", {}).items():
        if isinstance(values, dict):
            whole["generate"][world] = FIRST_FORM["run_config"]["generate"][world] | values
    state.open_build("build", "hash", orjson.dumps(whole).decode())
    assert Beginning.of(state.unfinished_build("build")).chosen.keys == frozenset()  # type: ignore[arg-type]
    assert go_on(state, said).name == name


def test_a_build_that_kept_its_configuration_alone_chose_what_was_no_default(state: State, mine: Path) -> None:
    collect = FIRST_FORM["run_config"]["collect"] | {"attempts": 2, "max_turns": {"os": 7}}
    mixture = FIRST_FORM["run_config"]["mixture"] | {"source_models": {"gpt-4.1": "gpt-4"}}
    state.open_build("build", "hash", at_first(name="mine", collect=collect, mixture=mixture))
    config = go_on(state, read_config(str(mine), {"collect.max_turns": {"os": 7}}))
    assert (config.collect.max_turns, config.worlds["db"]["questions"]) == ({"os": 7}, 60)
    with pytest.raises(ConfigError, match=r"collect\.max_turns\.os was 7 and is not set now"):
        continue_or_begin(state, "build", read_config(str(mine)), fresh=False)


def test_a_build_that_began_before_a_setting_was_there_goes_on_without_it(state: State) -> None:
    state.open_build("build", "h", at_first(name="demo"))
    assert go_on(state, read_config("demo")).generate.repairs == 0
    assert read_config("demo").config.generate.repairs == 1


def test_a_build_that_cannot_be_read_any_more_is_told(state: State) -> None:
    state.open_build("build", "hash", at_first(environments=["mars"]))
    with pytest.raises(ConfigError, match=r"build 1 is unfinished and was configured .*no world 'mars'.*--fresh"):
        continue_or_begin(state, "build", read_config("smoke"), fresh=False)


@pytest.fixture
def add_prompt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    def add(name: str, text: str) -> None:
        folder = tmp_path / "prompts" / name
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.iterdir())) + 1
        (folder / f"v{number}.md").write_text(f"---\npurpose: x\n---\n{text}\n")
        prompts._load.cache_clear()

    monkeypatch.setattr(prompts, "_ROOT", tmp_path / "prompts")
    yield add
    prompts._load.cache_clear()


def test_a_build_keeps_the_versions_of_its_prompts(state: State, add_prompt: Callable[[str, str], None]) -> None:
    add_prompt("solve_os", "Old.")
    begin(state, read_config("smoke"))
    add_prompt("solve_os", "New.")
    beginning, _ = continue_or_begin(state, "build", read_config("smoke"), fresh=False)
    assert prompts.load("solve_os").text == "New."
    with prompts.keeping(beginning.prompts):
        assert prompts.load("solve_os").text == "Old."
        assert prompts.load("solve_os", "v2").text == "New."


@pytest.mark.parametrize("before_it_was_kept", [True, False])
def test_the_next_build_has_new_prompts_but_for_the_one_that_would_buy_all_thoughts_anew(
    state: State, add_prompt: Callable[[str, str], None], before_it_was_kept: bool
) -> None:
    add_prompt("solve_os", "Old.")
    add_prompt("backfill", "Old.")
    if before_it_was_kept:
        state.open_build("build", "hash", at_first())
    else:
        begin(state, read_config("smoke"))
    state.finish_build(1)
    add_prompt("solve_os", "New.")
    add_prompt("backfill", "New.")
    following, _ = continue_or_begin(state, "build", read_config("smoke"), fresh=False)
    assert following.prompts == {"solve_os": "v2", "backfill": "v1"}
    again, _ = continue_or_begin(state, "build", read_config("smoke", {"collect.again": True}), fresh=False)
    assert again.prompts == {"solve_os": "v2", "backfill": "v2"}
