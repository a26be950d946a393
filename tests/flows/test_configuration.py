"""Where a config comes from, what --set may say, and what is told where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.configuration import CONFIGS, config_origins, load_config, parse_overrides
from schemas.errors import ConfigError
from schemas.run_config import RunConfig


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIGS.glob("*.toml")))
def test_every_shipped_config_is_valid_and_named_after_its_file(name: str) -> None:
    assert load_config(name).name == name


def test_a_config_is_found_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[mixture]\neta = 0.4\n')
    assert load_config(str(path)).mixture.eta == 0.4


@pytest.mark.parametrize(
    ("pair", "key", "value"),
    [
        ("mixture.eta=0.3", "mixture.eta", 0.3),
        ("teacher.generator=gpt-4.1", "teacher.generator", "gpt-4.1"),
        ("environments=['os']", "environments", ["os"]),
        ("collect.goal = 5", "collect.goal", 5),
        ('name="x = y"', "name", "x = y"),
        ("collect.max_turns={os=3}", "collect.max_turns", {"os": 3}),
    ],
)
def test_a_value_of_set_is_toml_where_it_parses_else_text(pair: str, key: str, value: object) -> None:
    assert parse_overrides([pair]) == {key: value}


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="=")))
def test_set_without_a_key_and_a_value_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=r"key\.path=value, such as"):
        parse_overrides([text])


def test_an_override_wins_over_the_file_and_the_file_over_the_default() -> None:
    origins = {key: (value, origin) for key, value, origin in config_origins("openai", {"teacher.solver": "mine"})}
    assert origins["teacher.solver"] == ("mine", "--set teacher.solver")
    assert origins["teacher.generator"] == ("gpt-4.1", "openai.toml")
    assert origins["mixture.eta"] == (0.2, "default")


def test_values_of_named_sections_have_their_own_origin(tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[teacher.mixtures.panel]\nproposers = ["a"]\naggregator = "b"\n', encoding="utf-8")
    origins = {key: (value, origin) for key, value, origin in config_origins(str(config), {})}
    assert origins["teacher.mixtures.panel.aggregator"] == ("b", "mine.toml")
    assert origins["teacher.mixtures.panel.samples"] == (1, "default")


def test_every_value_has_an_origin() -> None:
    keys = {key for key, _, _ in config_origins("demo", {})}
    sections = {name for name, field in RunConfig.model_fields.items() if hasattr(field.annotation, "model_fields")}
    assert {key.split(".")[0] for key in keys} == set(RunConfig.model_fields)
    assert all(any(key.startswith(f"{section}.") for key in keys) for section in sections)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"mixture.eta": 7}, r"--set mixture\.eta = 7: Input should be less than or equal to 1"),
        ({"mixture.etta": 7}, r"--set mixture\.etta: there is no such key; allowed are curation_id, eta, "),
        ({"mixtur": 7}, r"--set mixtur: there is no such key; allowed are .*mixture"),
        ({"mixture": 7}, r"--set mixture = 7: this is a section, its keys are curation_id, eta"),
        ({"mixture.eta.x": 7}, r"mixture\.eta = \{'x': 7\}"),
        ({"environments": ["mars"]}, r"environments\.0 = 'mars': Input should be 'os' or 'db'"),
        ({"environments": "os"}, r"environments = 'os'"),
        ({"budget.usd": -1}, r"budget\.usd = -1: Input should be greater than 0"),
        ({"collect.goal": "many"}, r"collect\.goal = 'many': Input should be a valid integer"),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_what_is_allowed(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config("demo", overrides)


def test_a_wrong_key_in_a_file_is_told_with_the_file_and_without_set(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[generate]\nround = 3\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: generate\.round: there is no such key; allowed are .*rounds"):
        load_config(str(path))


@pytest.mark.parametrize("text", ["name = ", "[[[", "name = 'a'\nname = 'b'", "\udcff"])
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=r"mine\.toml is not readable TOML: "):
        load_config(str(path))


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no config 'nope': neither a file nor one of demo, openai, smoke"):
        load_config("nope")
