"""ATIF, ADP and Agent-FLAN: what is written is of the standard, by its schema and by the rules that no schema says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from formats.catalogue import find_exporters
from formats.releases import adp, agent_flan, atif
from formats.releases.huggingface import write_shard
from formats.releases.release_folder import ReleaseRow, read_release
from schemas.message import Message, ToolCall

SCHEMAS = Path(__file__).resolve().parents[2] / "fixtures" / "formats"
TOOLS = '[{"function":{"description":"","name":"bash","parameters":{}},"type":"function"}]'


def call(id_: str, arguments: str = '{"command":"ls"}') -> ToolCall:
    return ToolCall(call_id=id_, name="bash", arguments=arguments)


def said(*calls: ToolCall, content: str = "", train: bool = True, thought: str | None = "Look.") -> Message:
    return Message(role="assistant", content=content, train=train, tool_calls=calls, reasoning_content=thought)


def gave(id_: str | None, text: str = "a b") -> Message:
    return Message(role="tool", content=text, tool_call_id=id_)


SYSTEM, TASK = Message(role="system", content="Use tools."), Message(role="user", content="What is there?")
CALLED = (SYSTEM, TASK, said(call("c")), gave("c"), said(call("c"), call("d")), gave("d", "2"), gave("c", "1"))
AGENT = ReleaseRow(
    "r1", "agent", "os", "own", "MIT", (*CALLED, said(call("e"))), TOOLS, "task", "files", 2, "m", 1.0, guessable=False
)
CHAT = ReleaseRow("r2", "gpt-4", None, None, "MIT", (TASK, said(content="Nothing.", thought=None)), model="gpt-4")
BARE = AGENT._replace(messages=(TASK, said(call("e"), thought=None)), tools=None, model=None, family=None)
NO_ID = AGENT._replace(messages=(TASK, said(call("a")), gave(None), said(content="Done.")))


def require(name: str, made: Any) -> None:
    jsonschema.validate(made, json.loads((SCHEMAS / name).read_bytes()))


def require_links_of_atif(made: dict[str, Any]) -> None:
    assert [step["step_id"] for step in made["steps"]] == list(range(1, len(made["steps"]) + 1))
    for step in made["steps"]:
        only_agents = {"model_name", "reasoning_content", "tool_calls", "metrics"}
        assert step["source"] == "agent" or not only_agents & step.keys()
        own = {one["tool_call_id"] for one in step.get("tool_calls", [])}
        assert {one["source_call_id"] for one in step.get("observation", {"results": []})["results"]} <= own


def require_links_of_adp(made: dict[str, Any]) -> None:
    actions, results = [], []
    for part, after in zip(made["content"], [*made["content"][1:], None], strict=True):
        if part["class_"] == "api_action":
            assert "tool_call_id" in part or after is None or after["class_"] != "text_observation"
            actions += [part["tool_call_id"]] if "tool_call_id" in part else []
            assert part["function"] in made.get("available_custom_tools", [part["function"]])
        elif "tool_call_id" in part:
            assert part["tool_call_id"] in actions
            results.append(part["tool_call_id"])
    assert sorted(actions) == sorted(results) == sorted(set(actions))


@pytest.mark.parametrize("row", [AGENT, CHAT, NO_ID, BARE], ids=["calls", "chat", "no ids", "bare"])
def test_a_document_keeps_schema_and_links(row: ReleaseRow) -> None:
    document = atif.render_row(row)
    require("atif-1.8.schema.json", document)
    require_links_of_atif(document)  # type: ignore[arg-type]
    trajectory = adp.render_row(row)
    require("adp-1.2.schema.json", trajectory)
    require_links_of_adp(trajectory)  # type: ignore[arg-type]


def test_the_schemas_turn_away_what_is_none() -> None:
    made = atif.render_row(AGENT)
    assert isinstance(made, dict)
    for spoiled in (made | {"mood": "good"}, made | {"steps": []}, made | {"schema_version": "ATIF-v9"}):
        with pytest.raises(jsonschema.ValidationError):
            require("atif-1.8.schema.json", spoiled)
    with pytest.raises(jsonschema.ValidationError):
        require("adp-1.2.schema.json", {"id": "a", "content": [{"class_": "api_action", "function": "f"}]})


def test_thought_call_and_result_have_their_places() -> None:
    made = atif.render_row(AGENT)
    assert isinstance(made, dict)
    assert [step["source"] for step in made["steps"]] == ["system", "user", "agent", "agent", "agent"]
    second = made["steps"][3]
    assert [one["tool_call_id"] for one in second["tool_calls"]] == ["call_2", "call_3"], "models repeat theirs"
    given = {one["source_call_id"]: one["content"] for one in second["observation"]["results"]}
    assert given == {"call_2": "1", "call_3": "2"}
    assert (second["reasoning_content"], second["message"]) == ("Look.", "")
    assert second["tool_calls"][0]["arguments"] == {"command": "ls"}
    assert made["agent"] == {
        "name": "trajmill",
        "version": "0.1.0",
        "model_name": "m",
        "tool_definitions": json.loads(TOOLS),
    }
    assert made["extra"]["reward"] == 1.0 and made["extra"]["guessable"] is False
    parts = adp.render_row(AGENT)["content"]  # type: ignore[index]
    assert [part["class_"] for part in parts] == [
        *("text_observation", "api_action", "text_observation", "api_action", "api_action"),
        *("text_observation", "text_observation", "api_action"),
    ]
    assert "tool_call_id" not in parts[-1], "the call that ended the work gave nothing"
    assert adp.render_row(AGENT)["details"]["system"] == "Use tools."  # type: ignore[index]


def test_context_is_a_copied_step_in_atif_and_no_action_in_adp() -> None:
    row = CHAT._replace(messages=(TASK, said(content="Ok.", train=False, thought=None), *CHAT.messages))
    steps = atif.render_row(row)["steps"]  # type: ignore[index]
    assert [step.get("is_copied_context") for step in steps] == [None, True, None, None]
    made = adp.render_row(row)
    assert [part["class_"] for part in made["content"]] == ["text_observation", "message_action"]  # type: ignore[index]
    assert "> Ok." in made["details"]["system"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("render", "messages", "why"),
    [
        (atif.render_row, (TASK, said(call("a", "{"))), "broken_arguments"),
        (atif.render_row, (TASK, said(call("a")), gave("b")), "stray_result"),
        (atif.render_row, (gave("b"), said(call("a"))), "stray_result"),
        (adp.render_row, (TASK, said(call("a", "[]"))), "broken_arguments"),
        (adp.render_row, (TASK, said(call("a")), gave("a"), gave("a")), "stray_result"),
        (adp.render_row, (TASK, said(call("a")), TASK, said(content="So.")), "unanswered_call"),
        (adp.render_row, (TASK, said(call("a"), call("b")), gave("b")), "unanswered_call"),
        (agent_flan.render_row, CALLED, "tool_calls"),
        (agent_flan.render_row, (TASK, said(content="So.")), "reasoning"),
    ],
)
def test_what_a_standard_cannot_hold_is_left_out_for_a_reason_that_it_declares(
    render: Callable[[ReleaseRow], Any], messages: tuple[Message, ...], why: str
) -> None:
    assert render(AGENT._replace(messages=messages)) == why
    module = {atif.render_row: atif, adp.render_row: adp, agent_flan.render_row: agent_flan}[render]
    assert why in module.REASONS


def test_agent_flan_says_the_loss_of_replies_alone() -> None:
    row = CHAT._replace(messages=(SYSTEM, *CHAT.messages))
    assert agent_flan.render_row(row) == {
        "id": "r2",
        "conversation": [
            {"role": "system", "content": "Use tools.", "loss": None},
            {"role": "user", "content": "What is there?", "loss": None},
            {"role": "assistant", "content": "Nothing.", "loss": True},
        ],
    }


TEXT = AGENT._replace(id="r3", messages=(TASK, said(content="Act: finish", thought=None)), tools=None)


@pytest.mark.parametrize("name", ["atif", "adp"])
def test_of_a_release_agent_rows_come_as_calls_and_those_that_are_not_there_so_are_counted(
    tmp_path: Path, name: str
) -> None:
    def write(folder: Path, tables: dict[str, list[ReleaseRow]], **manifest: Any) -> Path:
        for table, rows in tables.items():
            write_shard(folder / f"data/{table}/train-00000-of-00001.parquet", table, rows, with_calls=True)
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    exporter = find_exporters(installed=False)[name]
    assert exporter.write is not None
    counts = {"splits": {"train": 3}, "configs": {"tool_calls": {"train": 2}}}
    originals = [AGENT._replace(messages=TEXT.messages, tools=None), CHAT, TEXT]
    new = write(tmp_path / "new", {"original": originals, "tool_calls": [AGENT, CHAT]}, **counts)
    old = write(tmp_path / "old", {"messages": [AGENT, CHAT, TEXT]})
    for folder in (new, old):
        out = tmp_path / f"{folder.name} out"
        out.mkdir()
        assert exporter.write(read_release(folder), out, {})[:2] == (2, {"no_calls": 1})
        lines = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
        assert [line.get("id", line.get("trajectory_id")) for line in lines] == ["r1", "r2"]
    if name == "adp":
        assert json.loads((out / "metadata.json").read_text())["custom_tools"] == json.loads(TOOLS)
