"""Where a config comes from, what --set may say, and what is told where it is wrong."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.configuration import CONFIGS, config_origins, load_config, parse_overrides, read_config
from reports.comparison import read_published
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


@pytest.mark.parametrize("table", ["generate.os", "worlds.os"])
@pytest.mark.parametrize("key", ["generate.os.requests", "worlds.os.requests"])
def test_a_world_s_section_has_an_older_name_in_files_and_overrides(tmp_path: Path, table: str, key: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"[{table}]\nrequests = 3\nseeds = 'mine'\n")
    assert load_config(str(path)).worlds["os"] == {"requests": 3, "seeds": "mine"}
    assert load_config(str(path), {key: 4}).worlds["os"] == {"requests": 4, "seeds": "mine"}
    assert load_config(str(path), {key.removesuffix(".requests"): {"requests": 5}}).worlds["os"]["seeds"] == "built-in"


def test_a_world_s_section_under_both_names_is_told_with_both(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[generate.os]\nrequests = 3\n[worlds.os]\nrequests = 3\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: \[generate\.os\] is the older name of \[worlds\.os\]"):
        load_config(str(path))


def test_a_configuration_says_all_that_can_be_said_to_its_worlds() -> None:
    config = load_config("smoke")
    assert config.environments == ("os", "db") == tuple(config.worlds)
    assert {name: config.worlds[name] for name in ("os", "db")} == {
        "os": {"requests": 6, "seeds": "built-in"},
        "db": {"requests": 6, "seeds": "built-in", "bird": "built-in", "questions": 6},
    }
    assert set(load_config("openai", {"environments": ["db"]}).worlds) == {"db"}


def test_sections_of_worlds_have_their_origins(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[generate.db]\nrequests = 3\n")
    origins = {key: (value, origin) for key, value, origin in config_origins(str(path), {"generate.os.seeds": "s"})}
    assert origins["worlds.db.requests"] == (3, "mine.toml")
    assert origins["worlds.db.questions"] == (60, "default")
    assert origins["worlds.os.seeds"] == ("s", "--set worlds.os.seeds")


def test_of_a_file_of_ours_the_name_is_chosen_and_of_one_s_own_all_that_it_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[generate.os]\nrequests = 3\n[mixture.source_models]\n"gpt-4.1" = "gpt-4"\n')
    own = {("worlds", "os", "requests"), ("mixture", "source_models", "gpt-4.1")}
    assert read_config("smoke", {"collect.goal": 3}).keys == {("name",), ("collect", "goal")}
    assert read_config(str(path), {"collect": {"goal": 3}}).keys == own | {("collect", "goal")}


def test_every_value_has_an_origin() -> None:
    keys = {key for key, _, _ in config_origins("demo", {})}
    sections = {name for name, field in RunConfig.model_fields.items() if hasattr(field.annotation, "model_fields")}
    assert {key.split(".")[0] for key in keys} == set(RunConfig.model_fields)
    assert all(any(key.startswith(f"{section}.") for key in keys) for section in sections)


def test_a_table_of_a_file_has_that_file_as_its_origin() -> None:
    origins = {key: origin for key, _, origin in config_origins("agentinstruct", {"teacher.solvers": {"os": "x"}})}
    assert origins["collect.goals"] == "agentinstruct.toml" and origins["teacher.solvers"] == "--set teacher.solvers"


def test_agentinstruct_asks_for_what_the_papers_table_has() -> None:
    config, paper = load_config("agentinstruct"), read_published("agentinstruct")
    kept: Counter[str] = Counter()
    for row in paper.rows:
        kept[row.world] += row.kept
    assert config.collect.goals == kept and set(config.environments or ()) == set(kept)
    for row in paper.rows:
        assert row.tasks in config.worlds[row.world].values(), row.world


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"mixture.eta": 7}, r"--set mixture\.eta = 7: it must be at most 1"),
        ({"mixture.etta": 7}, r"--set mixture\.etta: there is no such key; allowed are attempts, caps, curation_id, "),
        ({"mixtur": 7}, r"--set mixtur: there is no such key; allowed are .*mixture"),
        ({"mixture": 7}, r"--set mixture = 7: this is a section, its keys are attempts, caps, curation_id"),
        ({"mixture.eta.x": 7}, r"mixture\.eta = \{'x': 7\}"),
        ({"environments": ["mars"]}, r"there is no world 'mars'; there are .*db.*os"),
        ({"teacher.solvers": {"mars": "x"}}, r"there is no world 'mars'; there are .*os"),
        ({"collect.goals": {"mars": 1}}, r"collect\.goals\.mars: there is no world"),
        ({"collect.max_turns": {"mars": 1}}, r"collect\.max_turns\.mars: there is no world"),
        ({"curate.thresholds": {"mars": 1}}, r"curate\.thresholds\.mars: there is no world"),
        ({"worlds.mars.requests": 1}, r"there is no world 'mars'; there are .*db.*os"),
        ({"teacher.solvers.mars": "gpt-4"}, r"there is no world 'mars'; there are .*db.*os"),
        ({"worlds.os.request": 1}, r"--set worlds\.os\.request: there is no such key; allowed are requests, seeds"),
        ({"worlds.os.requests": -1}, r"--set worlds\.os\.requests = -1: it must be at least 0"),
        ({"generate.os.requests": -1}, r"worlds\.os\.requests = -1: it must be at least 0"),
        ({"generate.os": 1}, r"--set generate\.os: there is no such key; allowed are grow, machine_examples"),
        ({"worlds": 1}, r"--set worlds = 1: it must be a section"),
        ({"worlds.os": 1}, r"--set worlds\.os = 1: it must be a section"),
        ({"generate.os.requests": 1, "worlds.os.requests": 1}, r"--set generate\.os\.requests is the older name of"),
        ({"environments": "os"}, r"environments = 'os'"),
        ({"budget.usd": -1}, r"budget\.usd = -1: it must be above 0"),
        ({"collect.goal": "many"}, r"collect\.goal = 'many': it must be a whole number"),
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
    with pytest.raises(ConfigError, match=r"mine\.toml is (not readable TOML: |no UTF-8 text: )"):
        load_config(str(path))


def test_an_unknown_name_is_told_with_those_that_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"no config 'nope': neither a file nor one of agentinstruct, demo, openai, smoke"
    ):
        load_config("nope")


DOTS = ".".join("a" * 900)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"seed = " + b"[" * 5000, "more than 100 levels"),
        (b"seed = " + b"{a=" * 5000, "more than 100 levels"),
        (b"seed = " + b"[" * 101 + b"]" * 101, "more than 100 levels"),
        (f"{DOTS} = 1".encode(), "more than 100 levels"),
        (f"[{DOTS}]".encode(), "more than 100 levels"),
        (f"{DOTS}.{DOTS} = 1".encode(), "line 1 has more than 1,000 dots"),
        (b"seed = " + b"9" * 5000, "a number has more than 4300 digits"),
        (b"seed = 9223372036854775808", "seed = 9223372036854775808: an integer has 64 bits"),
        (b"budget.usd = inf", "budget.usd = inf: a number is finite"),
        (b"budget.usd = 1e999", "budget.usd = inf: a number is finite"),
        (b"seed = 1\nseed = 2", "is not readable TOML: A key stands twice"),
        (b"[mixture]\neta = 1\n[mixture]\neta = 1", "is not readable TOML: Cannot declare"),
        (b'name = "a\x00"', "is not readable TOML: line 1 holds a NUL byte"),
        ("seed = 1".encode("utf-16-le"), "holds a NUL byte: it is damaged, or UTF-16. Save it as UTF-8"),
        (b'[mixture]\nname = "cut', "is not readable TOML: Unterminated string"),
        (b"[mixture", "is not readable TOML: Expected ']'"),
        (b"[mixture]\neta", "is not readable TOML: Expected '='"),
        (b"mixture.eta = 2020-01-01", "mixture.eta = 2020-01-01: it must be a number"),
        (b"mixture.eta = true", "mixture.eta = true: it must be a number"),
        (b'name = "\\ud800"', "is not readable TOML"),
        (b"\xff", "is no UTF-8 text"),
        ("seed = 1".encode("utf-16"), "is no UTF-8 text"),
        (b"#" * 300_000, "has more than 262,144 bytes"),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_a_spoiled_file_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=re.escape(told)) as error:
        load_config(str(path))
    assert str(error.value).count(str(path)) == 1 and "\n" not in str(error.value)


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "a folder": (Path.mkdir, "it is a folder. Give a file."),
    "a pipe": (os.mkfifo, "it is a pipe or a device. Give a file."),
    "a link to itself": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    "a link to nothing": (lambda path: path.symlink_to("nothing"), "No such file or directory"),
    "nothing": (lambda path: None, "neither a file nor one of agentinstruct, demo"),
}


@pytest.mark.parametrize("what", ODD)
def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path, what: str) -> None:
    make, told = ODD[what]
    make(tmp_path / "mine.toml")
    with pytest.raises(ConfigError, match=re.escape(told)):
        load_config(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize("name", ["n" * 300, "a\0b", ""])
def test_a_name_that_no_file_can_have_is_told(name: str) -> None:
    with pytest.raises(ConfigError, match="neither a file nor one of agentinstruct, demo"):
        load_config(name)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbfseed = 3", b"seed = 3\r\n"], ids=["empty", "BOM", "CRLF"])
def test_how_a_file_is_dressed_costs_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    assert load_config(str(path)).seed == (3 if content else 0)


@pytest.mark.parametrize(
    "pair",
    ["seed=" + "[" * 5000, "seed." + DOTS + "." + DOTS + "=1", "worlds.os." + DOTS + "=1", f"seed={'9' * 20}"],
    ids=["brackets", "a key's levels", "a world's", "a number"],
)
def test_a_spoiled_override_is_told(pair: str) -> None:
    with pytest.raises(ConfigError):
        load_config("demo", parse_overrides([pair]))
