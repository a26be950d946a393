"""ATIF 1.8, Harbor's trajectory format (harbor 0.26.0, models/trajectories): a document a line.

An agent row is told from its native calls, so thought, call and result have their own places. What is context is a
copied step (`is_copied_context`), as trainers of ATIF leave it out. Ids of calls are numbered through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from formats.catalogue import Exported, Exporter, Given
from formats.releases.calls_in_order import NO_ROW_AS_CALLS, Exchange, read_as_calls, write_documents
from formats.releases.release_folder import ReleaseFolder, ReleaseRow
from formats.releases.spoken import BROKEN_ARGUMENTS, arguments_of, has_broken_calls, tools_of
from schemas.message import Message
from schemas.task_spec import SOFTWARE

VERSION = "ATIF-v1.8"
REASONS = {
    "no_calls": NO_ROW_AS_CALLS,
    BROKEN_ARGUMENTS: "has a call whose arguments are no JSON object",
    "stray_result": "has a result that answers no call before it",
}


def render_row(row: ReleaseRow) -> dict[str, Any] | str:
    """Render a row as a document, or say why it cannot be."""
    if has_broken_calls(row.messages):
        return BROKEN_ARGUMENTS
    told = list(read_as_calls(row.messages))
    if any(one.strays for one in told):
        return "stray_result"
    name, _, version = SOFTWARE.partition(" ")
    agent = {"name": name, "version": version, "model_name": row.model}
    agent |= {"tool_definitions": tools_of(row.tools).get("tools")}
    about = ("source", "environment", "origin", "license", "task_id", "family", "difficulty", "reward", "guessable")
    extra = {key: value for key in about if (value := getattr(row, key)) is not None}
    return {
        "schema_version": VERSION,
        "session_id": row.id,
        "trajectory_id": row.id,
        "agent": _given(agent),
        "steps": list(_steps(told)),
        "extra": extra,
    }


def _steps(told: Sequence[Exchange]) -> Iterator[dict[str, Any]]:
    for number, one in enumerate(told, start=1):
        said = one.message
        step: dict[str, Any] = {"step_id": number, "source": _source(said), "message": said.content}
        if said.role != "assistant":
            yield step
            continue
        step["reasoning_content"] = said.reasoning_content
        step["tool_calls"] = [
            {"tool_call_id": id_, "function_name": call.name, "arguments": arguments_of(call)}
            for id_, call in zip(one.ids, said.tool_calls, strict=True)
        ]
        results = [{"source_call_id": id_, "content": text} for id_, text in one.results]
        step["observation"] = {"results": results} if results else None
        step["is_copied_context"] = None if said.train else True
        yield _given(step)


def _source(message: Message) -> str:
    return {"assistant": "agent"}.get(message.role, message.role)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None and value != []}


def _write(release: ReleaseFolder, folder: Path, given: Given) -> Exported:
    return write_documents(release, folder, render_row)


EXPORTER = Exporter(
    name="atif",
    summary="ATIF 1.8 (Harbor): a trajectory a line, agent rows as native calls",
    write=_write,
    reasons=REASONS,
)
