"""ADP 1.2.0, the Agent Data Protocol (neulab/agent-data-protocol@0dc0875 schema/): a standardised trajectory a line.

Calls are `api_action`s; results carry the call's id; a call that ended the work gave nothing and has no id. Thoughts
are `reasoning_content`. The form has no system message and no flag: instructions and folded context stand in `details`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from formats.catalogue import Exported, Exporter, Given
from formats.releases.calls_in_order import NO_ROW_AS_CALLS, Exchange, read_as_calls, write_documents
from formats.releases.fold import fold_context
from formats.releases.release_folder import ReleaseFolder, ReleaseRow
from formats.releases.spoken import BROKEN_ARGUMENTS, arguments_of, has_broken_calls, tools_of

VERSION = "1.2.0"
METADATA = "metadata.json"
"""The tools of all rows, in the form of ADP's metadata of a dataset."""
REASONS = {
    "no_calls": NO_ROW_AS_CALLS,
    BROKEN_ARGUMENTS: "has a call whose arguments are no JSON object",
    "stray_result": "has a result that answers no call before it",
    "unanswered_call": "has a call in mid-row that gave nothing: the form wants a result of each",
}


def render_row(row: ReleaseRow) -> dict[str, Any] | str:
    """Render a row as a trajectory, or say why it cannot be."""
    if has_broken_calls(row.messages):
        return BROKEN_ARGUMENTS
    told = list(read_as_calls(fold_context(row.messages)))
    if any(one.strays for one in told):
        return "stray_result"
    if any(len(one.results) < len(one.ids) for one in told[:-1]) or _is_half_answered(told[-1]):
        return "unanswered_call"
    about = ("source", "environment", "origin", "license", "task_id", "family", "difficulty", "model", "reward")
    details = {key: value for key in about if (value := getattr(row, key)) is not None}
    if told[0].message.role == "system":
        details["system"] = told.pop(0).message.content
    made = {"schema_version": VERSION, "id": row.id, "content": [part for one in told for part in _parts(one)]}
    names = sorted(tool["function"]["name"] for tool in orjson.loads(row.tools)) if row.tools else []
    return made | ({"available_custom_tools": names} if names else {}) | {"details": details}


def _is_half_answered(last: Exchange) -> bool:
    return 0 < len(last.results) < len(last.ids)


def _parts(one: Exchange) -> Iterator[dict[str, Any]]:
    said = one.message
    thought = {"reasoning_content": said.reasoning_content} if said.reasoning_content else {}
    if said.role != "assistant":
        yield {"class_": "text_observation", "content": said.content, "source": "user"}
        return
    if not said.tool_calls:
        yield {"class_": "message_action", "content": said.content, **thought}
        return
    for number, (id_, call) in enumerate(zip(one.ids, said.tool_calls, strict=True)):
        first = {"description": said.content or None, **thought} if number == 0 else {"description": None}
        linked = {"tool_call_id": id_} if one.results else {}
        arguments = arguments_of(call)
        yield {"class_": "api_action", "function": call.name, "kwargs": arguments, **first, **linked}
    for id_, text in one.results:
        yield {"class_": "text_observation", "content": text, "source": "environment", "tool_call_id": id_}


def _write(release: ReleaseFolder, folder: Path, given: Given) -> Exported:
    tools: dict[str, Any] = {}

    def render(row: ReleaseRow) -> dict[str, Any] | str:
        for tool in tools_of(row.tools).get("tools", ()):
            tools.setdefault(tool["function"]["name"], tool)
        return render_row(row)

    exported = write_documents(release, folder, render)
    metadata = {"custom_tools": [tools[name] for name in sorted(tools)], "code_enabled": [], "browser_enabled": False}
    (folder / METADATA).write_bytes(orjson.dumps(metadata, option=orjson.OPT_INDENT_2) + b"\n")
    return exported


EXPORTER = Exporter(
    name="adp",
    summary="ADP 1.2 (Agent Data Protocol): a standardised trajectory a line, agent rows as native calls",
    write=_write,
    reasons=REASONS,
)
