"""Every command as a user calls it: one JSON object on stdout, messages on stderr, exit codes 0, 1 and 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import orjson
import pytest
import typer

from commands.cli import app, run
from environments.registry import default_worlds

Call = Callable[..., "Said"]


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call a command that starts no Prefect, in this process."""

    def in_process(*arguments: str, home: Path | None = None, **environment: str) -> Said:
        for name, value in (environment | {"TRAJMILL_HOME": str(home or "/nonexistent")}).items():
            monkeypatch.setenv(name, value)
        for secret in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HF_TOKEN"):
            monkeypatch.delenv(secret, raising=False)
        code = run(list(arguments))
        return Said(code, *capsys.readouterr())

    return in_process


@pytest.fixture(scope="session")
def worn(smoke: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the smoke home that tests of this file may add to."""
    copied: Path = smoke.copy(tmp_path_factory.mktemp("worn") / "home")
    return copied


def first(call: Call, home: Path, query: str) -> str:
    return str(call("sql", query, "--json", home=home).json["rows"][0][0])


def test_build_says_what_it_made_in_one_object(smoke: Any) -> None:
    made = smoke.ran.json
    assert {"build", "resumed", "release_id", "path", "rows", "funnel", "seconds", "requests_sent"} <= set(made)
    assert (made["build"], made["resumed"]) == (1, False) and Path(made["path"]).is_dir()
    assert {row["world"] for row in made["funnel"]} == {"os", "db"}


def test_sql_gives_columns_and_rows(call: Call, smoke: Any) -> None:
    query = "SELECT environment, count(*) AS n, NULL AS nothing FROM task_specs GROUP BY 1 ORDER BY 1"
    assert call("sql", query, "--json", home=smoke.home).json == {
        "columns": ["environment", "n", "nothing"],
        "rows": [["db", 18, None], ["os", smoke.ran.json["funnel"][1]["admitted"], None]],
    }


def test_sql_gives_numbers_as_numbers_and_all_else_as_text(call: Call, smoke: Any) -> None:
    query = "SELECT 1.5 AS d, 2::DOUBLE AS f, DATE '2026-01-02' AS t, [1, 2] AS l, {'a': 1} AS s, 'nan'::FLOAT AS n"
    assert call("sql", query, "--json", home=smoke.home).json["rows"] == [
        [1.5, 2.0, "2026-01-02", [1, 2], {"a": 1}, None]
    ]


def test_sql_for_people_is_a_table_with_its_number_of_rows(call: Call, smoke: Any) -> None:
    said = call("sql", "SELECT DISTINCT environment AS world FROM episodes ORDER BY 1", home=smoke.home)
    assert said.out.split() == ["2", "rows", "world", "db", "os"] and said.err == ""


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("DROP TABLE episodes", "Only one SELECT"),
        ("SELECT 1; SELECT 2", "Only one SELECT"),
        ("", "Only one SELECT"),
        ("SELECT nope FROM episodes", "The views are: task_specs"),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("COPY (SELECT 1) TO '/tmp/trajmill-must-not-be'", "Only one SELECT"),
    ],
)
def test_sql_that_is_wrong_or_does_more_than_read_is_told(call: Call, smoke: Any, query: str, told: str) -> None:
    said = call("sql", query, "--json", home=smoke.home)
    assert (said.code, said.out) == (2, "") and told in said.err


def test_status_shows_the_funnel_costs_reasons_and_releases(call: Call, smoke: Any) -> None:
    shown = call("status", "--json", home=smoke.home).json
    tables = {"funnel", "costs", "trajectory_costs", "losses", "reasons", "outages", "difficulty", "releases"}
    assert set(shown) == {"builds", "unfinished", "warm_servers"} | tables and shown["warm_servers"] == 0
    assert shown["builds"] == [1] and shown["funnel"] == smoke.ran.json["funnel"]
    assert [row["release"] for row in shown["releases"]] == [smoke.ran.json["release_id"]]
    for_people = call("status", home=smoke.home).out
    for title in ("What became of the tasks of build 1", "What was paid", "What was turned away, and why", "Releases"):
        assert f"\n{title}" in for_people
    assert smoke.ran.json["path"] in for_people  # whole, for the mouse


def test_config_show_prints_every_value_and_where_it_comes_from(call: Call) -> None:
    shown = call("config", "show", "--config", "smoke", "--set", "mixture.eta=0.3", "--json").json
    assert shown["mixture.eta"] == {"value": 0.3, "from": "--set mixture.eta"}
    assert shown["generate.rounds"] == {"value": 1, "from": "smoke.toml"}
    assert shown["budget.usd"] == {"value": None, "from": "default"}
    lines = call("config", "show").out.splitlines()
    assert any(line.split() == ["budget.usd", "not", "set", "default"] for line in lines)
    worlds = orjson.dumps(default_worlds()).decode()
    assert any(line.split() == ["environments", worlds, "default"] for line in lines)


def test_an_episode_is_shown_turn_by_turn(call: Call, smoke: Any) -> None:
    query = "SELECT episode_id FROM episodes WHERE environment = 'os' AND verdict = 'passed' ORDER BY n_turns DESC"
    episode = first(call, smoke.home, query)
    shown = call("show", episode[:12], home=smoke.home).out
    turns = call(
        "sql", f"SELECT action FROM turns WHERE episode_id = '{episode}' ORDER BY index", "--json", home=smoke.home
    )
    for index, (action,) in enumerate(turns.json["rows"]):
        part = shown.split(f"── turn {index} ──")[1]
        assert "observation" in part and action.split("\n")[0][:60] in part
    assert call("show", episode, "--json", home=smoke.home).json["row"]["episode_id"] == episode


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("trajectories", "trajectory_id"),
        ("task_specs", "task_id"),
        ("conversations", "conversation_id"),
        ("rejections", "rejection_id"),
        ("completions", "completion_id"),
        ("releases", "release_id"),
    ],
)
def test_any_row_is_shown_by_its_id(call: Call, smoke: Any, table: str, key: str) -> None:
    id_ = first(call, smoke.home, f"SELECT {key} FROM {table} ORDER BY 1")
    shown = call("show", id_, "--json", home=smoke.home).json
    assert shown["table"] == table and shown["row"][key] == id_
    for_people = call("show", id_, home=smoke.home)
    assert for_people.code == 0 and for_people.out.startswith(f"{table}\n") and id_ in for_people.out


def test_a_trajectory_marks_what_is_trained_on(call: Call, smoke: Any) -> None:
    shown = call("show", first(call, smoke.home, "SELECT trajectory_id FROM trajectories"), home=smoke.home).out
    assert "assistant · trained" in shown and "─ user ─" in shown


def test_an_id_that_is_none_or_several_is_told(call: Call, smoke: Any) -> None:
    none = call("show", "zzz", home=smoke.home)
    assert (none.code, none.out) == (2, "") and "no id begins with 'zzz'" in none.err
    many = call("show", "", home=smoke.home)
    assert many.code == 2 and "give more of the one you mean" in many.err


def test_gc_prints_what_it_freed(call: Call, worn: Path) -> None:
    assert call("gc", home=worn).out.startswith("Tidied: ")
    again = call("gc", "--json", home=worn).json
    assert again["files"] > 0 and again["freed_files"] >= 0


def test_doctor_says_what_works_here(call: Call, tmp_path: Path) -> None:
    said = call("doctor", "--json", home=tmp_path / "home")
    found = {finding["what"]: finding for finding in said.json["findings"]}
    engines = {"sandbox in docker", "sandbox in podman"}
    assert {"Python", "disk", "sandbox", "world os", "Prefect", "ledger", "teacher"} | engines <= set(found)
    assert {name for name, finding in found.items() if not finding["needed"]} == engines
    assert said.code == (0 if all(found[name]["works"] for name in found.keys() - engines) else 1)
    assert all(finding["fix"] for finding in found.values() if not finding["works"])
    assert "offline" in found["teacher"]["found"]


def test_doctor_tries_the_ledger_and_tells_no_password(call: Call, tmp_path: Path) -> None:
    said = call(
        "doctor",
        "--json",
        home=tmp_path / "home",
        TRAJMILL_LEDGER_URL="postgresql://who:geheim@127.0.0.1:9/d?password=geheim",
    )
    (found,) = [finding for finding in said.json["findings"] if finding["what"] == "ledger"]
    assert said.code == 1 and not found["works"] and "geheim" not in said.out + said.err
    assert "postgresql://who:***@127.0.0.1:9/d cannot be opened" in found["found"]


def test_export_to_the_hub_without_a_token_says_where_to_get_one(call: Call, smoke: Any) -> None:
    said = call("export", "hub", "--repo", "me/data", home=smoke.home)
    assert (said.code, said.out) == (2, "") and "HF_TOKEN" in said.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("export", "nope"), "unknown format 'nope'; a release can be exported to: adp, agent-flan, atif"),
        (("export", "hub"), "needs --repo OWNER/NAME"),
        (("export", "hub", "--repo", "a/b", "--release", "zzz"), "no single release 'zzz'; there are: "),
        (("import", "nope", "x"), "unknown format 'nope'; there are: tasks, "),
        (("import", "tasks", "/nonexistent/x"), "no such file: /nonexistent/x"),
        (("reject", "zzz", "--reason", "no"), "no id begins with 'zzz'"),
        (("collect", "--solver", "magic"), "--solver is teacher, reference, recorded, not 'magic'"),
        (("build", "--config", "nope"), "neither a file nor one of agentinstruct, demo, openai, smoke"),
        (("build", "--set", "mixture.eta=7"), "--set mixture.eta = 7: it must be at most 1"),
        (("build", "--set", "eta"), "--set takes key.path=value"),
        (("build", "--set", "teacher.solver=gpt-9"), "the offline teacher has no model gpt-9; allowed are offline-a"),
        (("publish", "--set", "mixture.nope=1"), "there is no such key; allowed are attempts, caps"),
        (("nonsense",), "No such command 'nonsense'. See trajmill --help"),
        (("build", "--nope"), "No such option: --nope"),
        (("import",), "Missing argument 'FORMAT'"),
        (("reject", "x"), "Missing option '--reason'"),
        (("config",), "Missing command"),
        (("audit", "--nope", "x"), "See trajmill audit --help"),
        (("config", "show", "x"), "See trajmill config show --help"),
    ],
)
def test_a_wrong_call_says_what_is_allowed_and_does_nothing(
    call: Call, smoke: Any, arguments: tuple[str, ...], told: str
) -> None:
    said = call(*arguments, home=smoke.home)
    assert (said.code, said.out) == (2, "") and said.err.startswith("trajmill: ") and told in said.err


@pytest.mark.parametrize("command", [("status",), ("sql", "SELECT 1"), ("show", "x"), ("gc",)])
def test_a_folder_that_is_no_home_is_told_and_not_made(call: Call, tmp_path: Path, command: tuple[str, ...]) -> None:
    said = call(*command, home=tmp_path / "none")
    assert (said.code, said.out) == (2, "") and "is no home of Trajmill yet; run `trajmill build`" in said.err
    assert not (tmp_path / "none").exists()


def test_without_a_command_the_help_is_shown(call: Call) -> None:
    said = call()
    assert said.code == 0 and said.out.startswith("Usage: trajmill") and "Bring in data from outside" in said.out


def test_every_command_takes_home_and_json_and_says_what_it_does() -> None:
    group = typer.main.get_command(app)
    commands = {**group.commands, "config show": group.commands["config"].commands["show"]}  # type: ignore[attr-defined]
    for name, command in commands.items():
        options = {option for parameter in command.params for option in parameter.opts}
        assert command.help, name
        if name != "config":
            assert "--home" in options, name
        if name not in ("config", "up"):  # `up` serves until it is stopped; it has nothing to say at its end
            assert "--json" in options, name


def test_a_person_s_verdict_leaves_a_row_out_of_the_next_release(call: Call, worn: Path, trajmill: Any) -> None:
    chosen = first(call, worn, "SELECT trajectory_id FROM trajectories ORDER BY 1")
    said = call("reject", chosen[:16], "--reason", "reads badly", "--json", home=worn)
    assert said.json == {"rejected": [chosen]}
    assert call("reject", chosen, "--reason", "reads badly", home=worn).code == 0  # twice is once
    where = f"source = '{chosen}' AND stage = 'review' AND detail = 'reads badly'"
    assert first(call, worn, f"SELECT count(*) FROM rejections WHERE {where}") == "1"
    published = trajmill("publish", "--config", "smoke", "--json", home=worn)
    assert published.code == 0, published.err
    folder = published.json["path"]
    ids = duckdb.sql(f"SELECT id FROM read_parquet('{folder}/data/messages/*.parquet')").fetchall()
    assert set(published.json) == {"release_id", "path", "notes"} and (chosen,) not in ids
    kept = int(first(call, worn, "SELECT count(*) FROM trajectories"))
    assert sum(len(str(id_)) == 32 for (id_,) in ids) == len(ids) > kept - 1
