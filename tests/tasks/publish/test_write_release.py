"""A release is a dataset folder, read offline by `datasets`, byte for byte the same for the same rows."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from formats.releases.dataset_card import CardTable, ReleaseFacts
from formats.releases.huggingface import verify_release
from formats.releases.release_folder import ReleaseRow, read_release
from schemas.errors import ExpectationError
from schemas.message import Message, ToolCall
from schemas.mixture_config import MixtureConfig
from schemas.release import GuessableShare, Share, SourceDigest
from schemas.run_config import BudgetConfig, CollectConfig, RunConfig, TeacherConfig
from schemas.trajectory import Trajectory
from tasks.publish.render_rows import BothWordings, render_chunk
from tasks.publish.write_release import ReleaseDraft, make_agent_row, make_release_id, write_release

CONFIG = RunConfig(mixture=MixtureConfig(rows_per_shard=20))
SOURCES = (
    SourceDigest(table="trajectories", digest="aa", version=3),
    SourceDigest(table="conversations", digest="bb", version=5),
)
TABLE = CardTable("Acceptance", ("world", "family", "attempted", "accepted"), (("os", "files | dirs", 1200, None),))


def make_row(index: int) -> ReleaseRow:
    is_agent = index % 5 == 0
    messages = (
        Message(role="user", content=f"Question {index}"),
        Message(role="assistant", content="Ok."),
        Message(role="user", content="Go on."),
        Message(role="assistant", content=f"Änswer {index} 🙂", train=True),
    )
    source, license = ("agent", "Apache-2.0") if is_agent else ("gpt-4", "unknown")
    return ReleaseRow(
        f"row{index:03}", source, "os" if is_agent else None, "own" if is_agent else None, license, messages
    )


ABOUT = ["task_id", "family", "difficulty", "model", "reward", "guessable", "tools"]
ROWS = [make_row(index) for index in range(50)]


def both(rows: Iterable[ReleaseRow]) -> list[BothWordings]:
    """Give rows to write: agent rows as calls, too, general ones as they are."""
    return [BothWordings(row, row if row.source != "agent" else as_calls(row)) for row in rows]


def as_calls(row: ReleaseRow) -> ReleaseRow:
    return row._replace(messages=CALLING, tools=TOOLS)


def make_facts(config: RunConfig = CONFIG, sources: tuple[SourceDigest, ...] = SOURCES, **fields: Any) -> ReleaseFacts:
    shares = tuple(
        Share(stratum=n, asked=a, achieved_rows=a, achieved_turns=a, achieved_tokens=a, rows=r, available=r)
        for n, a, r in (("agent", 0.2, 10), ("gpt-4", 0.8, 40))
    )
    release_id = make_release_id(sources, config, "lock")
    guessable = GuessableShare(asked=0.1, achieved=0.1, rows=1, left_out=1234)
    return ReleaseFacts(release_id, config, "curation", sources, shares, guessable, tables=(TABLE,), **fields)


CALL = ToolCall(call_id="c1", name="bash", arguments='{"command": "ls"}')
TOOLS = '[{"function":{"name":"bash"},"type":"function"}]'
CALLING = (
    Message(role="system", content="Use the tools."),
    Message(role="user", content="What is in /srv?"),
    Message(role="assistant", content="I look.", train=True, tool_calls=(CALL, CALL), reasoning_content="Where?"),
    Message(role="tool", content="a b", tool_call_id="c1"),
    Message(role="tool", content="c", tool_call_id="c1"),
    Message(role="assistant", content="", train=True, tool_calls=(CALL,)),
)
MORE = [
    *ROWS[:49],
    ReleaseRow("row049", "gpt-4", None, None, "unknown", CALLING, TOOLS),
]
"""The last row alone has calls, in the last shard."""


def read_folder(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("releases") / "r1"
    write_release(path, iter(both(ROWS)), count=len(ROWS), facts=make_facts(notes=("gpt-4 ran short.",)))
    return path


def test_datasets_reads_both_configs_from_the_folder_alone(folder: Path, tmp_path: Path) -> None:
    assert verify_release(folder) == {"messages": 50, "tool_calls": 50, "conversations": 50}
    import datasets

    default = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path))
    assert default.column_names == ["id", "source", "environment", "origin", "license", "messages", *ABOUT]
    assert default["id"] == [row.id for row in ROWS]
    assert default[5]["messages"] == [
        {"role": "system", "content": "Question 5\n\nThe assistant replied:\n> Ok.", "train": False},
        {"role": "user", "content": "Go on.", "train": False},
        {"role": "assistant", "content": "Änswer 5 🙂", "train": True},
    ]
    assert (default[5]["environment"], default[6]["environment"]) == ("os", None)
    conversations = datasets.load_dataset(str(folder), "conversations", split="train", cache_dir=str(tmp_path))
    assert conversations[0]["conversations"] == [
        {"from": "human", "value": "Question 0", "loss": None},
        {"from": "gpt", "value": "Ok.", "loss": False},
        {"from": "human", "value": "Go on.", "loss": None},
        {"from": "gpt", "value": "Änswer 0 🙂", "loss": True},
    ]


def test_verification_notices_rows_that_are_missing(tmp_path: Path) -> None:
    write_release(tmp_path / "r", both(ROWS), count=50, facts=make_facts())
    (tmp_path / "r/data/conversations/train-00002-of-00003.parquet").unlink()
    with pytest.raises(ExpectationError, match=r"should hold .*50.* rows, but datasets reads .*40"):
        verify_release(tmp_path / "r")


def test_the_same_rows_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "r1"
    write_release(again, both(ROWS), count=50, facts=make_facts(notes=("gpt-4 ran short.",)))
    assert read_folder(again) == read_folder(folder)


def test_pace_price_and_table_versions_change_no_byte(folder: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(
        update={
            "name": "other",
            "budget": BudgetConfig(usd=5),
            "teacher": TeacherConfig(concurrency=3, timeout_seconds=9),
            "collect": CollectConfig(concurrency=9, shard_size=5),
        }
    )
    sources = tuple(source.model_copy(update={"version": source.version + 1}) for source in SOURCES)
    facts = make_facts(config, sources, notes=("gpt-4 ran short.",))
    write_release(tmp_path / "r1", both(ROWS), count=50, facts=facts)
    assert read_folder(tmp_path / "r1") == read_folder(folder)


def test_other_sources_recipes_and_lock_files_have_other_ids() -> None:
    changed = (SOURCES[0].model_copy(update={"digest": "cc"}), SOURCES[1])
    ids = {
        make_release_id(SOURCES, CONFIG, "lock"),
        make_release_id(changed, CONFIG, "lock"),
        make_release_id(SOURCES, CONFIG, "other lock"),
        make_release_id(SOURCES, CONFIG.model_copy(update={"mixture": MixtureConfig(seed=1)}), "lock"),
    }
    assert len(ids) == 4
    assert make_release_id(tuple(reversed(SOURCES)), CONFIG, "lock") in ids


def test_a_release_in_which_one_row_has_calls_gets_their_fields_in_every_shard(tmp_path: Path) -> None:
    folder = tmp_path / "r1"
    write_release(folder, iter(both(MORE)), count=50, facts=make_facts(has_calls=True))
    assert verify_release(folder) == {"messages": 50, "tool_calls": 50, "conversations": 50}
    import datasets

    rows = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names[5:] == ["messages", *ABOUT]
    assert (rows[0]["tools"], rows[49]["tools"]) == (None, TOOLS)
    plain = rows[0]["messages"][0]
    assert (plain["tool_calls"], plain["tool_call_id"], plain["reasoning_content"]) == (None, None, None)
    said, gave = rows[49]["messages"][2:4]
    call = {"id": "c1", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    assert (said["content"], said["tool_calls"], said["reasoning_content"]) == ("I look.", [call, call], "Where?")
    assert (gave["role"], gave["content"], gave["tool_call_id"], gave["train"]) == ("tool", "a b", "c1", False)
    assert list(read_release(folder).rows()) == MORE


def test_in_agentinstruct_s_form_calls_are_text_and_what_they_gave_is_one_human_turn(tmp_path: Path) -> None:
    folder = tmp_path / "r1"
    write_release(folder, both(MORE), count=50, facts=make_facts(has_calls=True))
    import datasets

    rows = datasets.load_dataset(str(folder), "conversations", split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["id", "conversations"]
    spelled = 'bash({"command": "ls"})'
    assert rows[49]["conversations"] == [
        {"from": "system", "value": "Use the tools.", "loss": None},
        {"from": "human", "value": "What is in /srv?", "loss": None},
        {"from": "gpt", "value": f"I look.\n\n{spelled}\n{spelled}", "loss": True},
        {"from": "human", "value": "a b\n\nc", "loss": None},
        {"from": "gpt", "value": spelled, "loss": True},
    ]


def test_a_release_with_calls_is_the_same_bytes_twice_and_its_card_says_what_they_are(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_release(tmp_path / name / "r1", both(MORE), count=50, facts=make_facts(has_calls=True))
    assert read_folder(tmp_path / "one") == read_folder(tmp_path / "two")
    shards = sorted((tmp_path / "one/r1/data/messages").iterdir())
    assert len({str(pq.read_schema(shard)) for shard in shards}) == 1
    card = (tmp_path / "one/r1/README.md").read_text(encoding="utf-8")
    assert "A message may also have `tool_calls`" in card and "Calls are spelled there as `name(arguments)`" in card


def test_a_release_without_calls_has_the_columns_that_it_always_had_beside_the_later_ones(folder: Path) -> None:
    said = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_())]))
    names = ("id", "source", "environment", "origin", "license")
    optional = ("environment", "origin")
    fields = [pa.field(name, pa.string(), nullable=name in optional) for name in names]
    schema = pa.schema([*fields, pa.field("messages", said, nullable=False)])
    for table in ("messages", "original"):
        found = pq.read_schema(folder / f"data/{table}/train-00000-of-00003.parquet")
        assert pa.schema(list(found)[:6]) == schema
        assert found.names[6:] == ABOUT


def test_a_row_with_calls_is_never_written_without_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="row row049 has calls, tools or reasoning"):
        write_release(tmp_path / "r1", both(MORE), count=50, facts=make_facts())
    assert not (tmp_path / "r1").exists()


def test_the_row_of_a_trajectory_names_its_tools() -> None:
    trajectory = Trajectory(
        trajectory_id="t",
        episode_id="e",
        task_id="k",
        environment="os",
        origin="own",
        family="files",
        difficulty=2,
        guessable=True,
        messages=CALLING,
        n_trained=2,
        trained_tokens=1,
        tokens=2,
        backfilled=False,
        model="m",
        reward=1.0,
        license="MIT",
        content_sha256="s",
        curation_id="c",
        dialect="tools",
        tools=TOOLS,
    )
    assert make_agent_row(trajectory) == ReleaseRow(
        "t", "agent", "os", "own", "MIT", CALLING, TOOLS, "k", "files", 2, "m", 1.0, guessable=True
    )


def test_no_file_names_a_place_or_a_host(folder: Path) -> None:
    everything = b"".join(read_folder(folder).values())
    for word in (str(folder.parent), platform.node(), str(Path.home())):
        assert len(word) < 4 or word.encode() not in everything


def test_the_manifest_names_every_file_with_its_hash(folder: Path) -> None:
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    files = read_folder(folder)
    assert {file["path"] for file in manifest["files"]} == files.keys() - {"manifest.json"}
    for file in manifest["files"]:
        assert file["sha256"] == hashlib.sha256(files[file["path"]]).hexdigest()
        assert file["bytes"] == len(files[file["path"]])
    assert manifest["rows"] == 50
    assert manifest["rows_by_source"] == {"agent": 10, "gpt-4": 40}
    assert manifest["sources"] == [
        {"table": "trajectories", "digest": "aa"},
        {"table": "conversations", "digest": "bb"},
    ]
    assert manifest["recipe"]["eta"] == 0.2


def test_rows_are_cut_into_shards_whose_schema_is_the_same(folder: Path) -> None:
    shards = sorted((folder / "data/messages").iterdir())
    assert [p.name for p in shards] == [f"train-0000{i}-of-00003.parquet" for i in range(3)]
    assert [pq.read_metadata(p).num_rows for p in shards] == [20, 20, 10]
    assert len({str(pq.read_schema(p)) for p in shards}) == 1


def test_a_column_of_nothing_keeps_its_type(tmp_path: Path) -> None:
    general = [row for row in ROWS if row.source != "agent"]
    write_release(tmp_path / "r", both(general), count=len(general), facts=make_facts())
    schema = pq.read_schema(tmp_path / "r/data/messages/train-00000-of-00002.parquet")
    assert str(schema.field("environment").type) == "string"


def test_the_card_tells_datasets_where_the_rows_are_and_people_what_they_are(folder: Path) -> None:
    card = (folder / "README.md").read_text(encoding="utf-8")
    _, head, body = card.split("---\n", 2)
    configs = yaml.safe_load(head)["configs"]
    assert [(c["config_name"], c.get("default", False)) for c in configs] == [
        ("messages", True),
        ("tool_calls", False),
        ("conversations", False),
    ]
    assert yaml.safe_load(head)["license"] == "other"
    for line in (
        "| agent | 0.200 | 0.200 | 0.200 | 0.200 | 0.000 | 10 | 0 | 10 |",
        "| os | files \\| dirs | 1,200 | – |",
        "| agent | Apache-2.0 | 10 |",
        "| gpt-4 | unknown | 40 |",
        "- gpt-4 ran short.",
        "| trajectories | aa |",
    ):
        assert line in body.split("\n")
    assert "Of the agent rows 1 (10.0%) answer a task whose answer a guess may hit" in body
    assert "takes at most 10% of these; 1,234 were left out." in body


def test_every_table_on_the_card_stands_between_blank_lines(folder: Path) -> None:
    lines = (folder / "README.md").read_text(encoding="utf-8").split("\n")
    starts = [i for i, line in enumerate(lines) if line.startswith("|") and not lines[i - 1].startswith("|")]
    assert len(starts) == 5
    assert all(lines[i - 1] == "" for i in starts)
    assert all(set(lines[i + 1]) <= set("| -:") for i in starts)


def test_a_folder_that_stands_there_and_what_a_killed_run_left_are_replaced(tmp_path: Path) -> None:
    target = tmp_path / "r"
    for leftover in (target, tmp_path / ".r.partial"):
        leftover.mkdir()
        (leftover / "stale").write_text("x")
    files = write_release(target, both(ROWS), count=50, facts=make_facts())
    assert [file.path for file in files] == sorted(read_folder(target))
    assert [p.name for p in tmp_path.iterdir()] == ["r"]


def test_an_empty_mixture_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match="mixture is empty"):
        write_release(tmp_path / "r", [], count=0, facts=make_facts())
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("count", [49, 51, 40])
def test_a_wrong_count_leaves_no_release(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match=f"50 rows were given to write, {count} announced"):
        write_release(tmp_path / "r", both(ROWS), count=count, facts=make_facts())
    assert not (tmp_path / "r").exists()


def test_both_splits_lie_in_their_own_files_and_card_and_manifest_count_them(tmp_path: Path) -> None:
    rows = [*both(ROWS[:42]), *both(row._replace(split="validation") for row in ROWS[42:])]
    folder = tmp_path / "r"
    write_release(folder, rows, count=50, facts=make_facts())
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    assert (manifest["rows"], manifest["splits"]) == (50, {"train": 42, "validation": 8})
    assert manifest["configs"] == dict.fromkeys(("messages", "tool_calls", "conversations"), manifest["splits"])
    assert manifest["rows_by_split"]["validation"] == {"agent": 1, "gpt-4": 7}
    assert verify_release(folder) == {"messages": 50, "tool_calls": 50, "conversations": 50}
    release = read_release(folder)
    assert [row.id for row in release.rows()] == [row.id for row in ROWS[:42]]
    assert list(release.rows("validation")) == [written.row for written in rows[42:]]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "- split: validation\n    path: data/messages/validation-*.parquet" in card
    assert "| gpt-4 | 33 | 7 |" in card


def test_a_row_that_cannot_be_worded_as_calls_is_left_out_there_alone_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    rows = [BothWordings(w.row, "no_tools" if w.row.source == "agent" else w.calls) for w in both(ROWS)]
    write_release(folder, rows, count=50, facts=make_facts(reasons={"no_tools": "their world has none"}))
    manifest = orjson.loads((folder / "manifest.json").read_bytes())
    assert manifest["left_out"] == {"tool_calls": {"no_tools": 10}}
    assert manifest["configs"]["tool_calls"] == {"train": 40}
    assert "10 agent rows of `messages` left out: their world has none." in (folder / "README.md").read_text()
    assert verify_release(folder)["tool_calls"] == 40
    alone = [written for written in rows if isinstance(written.calls, str)]
    write_release(folder, alone, count=10, facts=make_facts(reasons={"no_tools": "their world has none"}))
    assert verify_release(folder) == {"messages": 10, "conversations": 10}, "a config without rows is none"
    assert "config_name: tool_calls" not in (folder / "README.md").read_text()


def test_exports_read_what_was_rendered_and_the_calls_that_were_made_of_it(tmp_path: Path) -> None:
    write_release(tmp_path / "r", both(ROWS), count=50, facts=make_facts())
    release = read_release(tmp_path / "r")
    assert list(release.rows()) == ROWS, "context and its flags, whatever `messages` holds"
    calls = {row.id: row for row in release.rows(form="tool_calls")}
    assert list(calls) == [row.id for row in ROWS]
    assert [calls[row.id] for row in ROWS if row.source == "agent"] == [w.calls for w in both(ROWS[::5])]


def test_rows_that_were_rendered_for_several_releases_are_written_as_for_this_one_alone(tmp_path: Path) -> None:
    alone, together = tmp_path / "alone" / "r", tmp_path / "together" / "r"
    write_release(alone, both(ROWS), count=50, facts=make_facts())
    draft = ReleaseDraft(together, make_facts(), {row.id: "train" for row in ROWS}, 50)
    rows = both([*ROWS, *(row._replace(id=f"other{row.id}") for row in MORE)])
    for start in range(0, len(rows), 7):
        draft.add(render_chunk(rows[start : start + 7], with_calls=True))
    draft.finish()
    assert read_folder(together) == read_folder(alone), "rows of others stay out, and so do columns for calls"


def test_an_episode_stands_once_among_the_calls_in_the_first_row_that_a_release_has_of_it(tmp_path: Path) -> None:
    rounds = [
        BothWordings(row._replace(source="agent"), as_calls(row), f"episode{number // 2}")
        for number, row in enumerate(ROWS[:6])
    ]
    for name, taken in {"all": range(6), "later": (1, 2, 3)}.items():
        splits = {ROWS[number].id: "train" for number in taken}
        draft = ReleaseDraft(tmp_path / name, make_facts(reasons={"round": "why"}), splits, len(splits))
        draft.add(render_chunk(rounds, with_calls=True))
        draft.finish()
        calls = [row.id for row in read_release(tmp_path / name).rows("train", "tool_calls")]
        assert calls == [f"row{number:03}" for number in ({"all": (0, 2, 4), "later": (1, 2)}[name])]
        left_out = read_release(tmp_path / name).manifest["left_out"]["tool_calls"]
        assert left_out == {"round": len(splits) - len(calls)}
