"""The offline teacher's Batch API: files and batches in memory, answered by the same replies as its chat endpoint.

A batch takes one step each time it is looked at: validating, in progress, finalizing, completed. Its lines come back
in an order of their own, as OpenAI's do, and a line that cannot be answered stands in the error file.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable
from typing import Any

import orjson

from rehearsals.refusal import BadRequest

STEPS = {"validating": "in_progress", "in_progress": "finalizing", "finalizing": "completed"}
MAX_LINES = 50_000
CHAT = "/v1/chat/completions"

Answer = Callable[[bytes], dict[str, Any]]
"""Answers the body of one chat request, or raises BadRequest."""


class OfflineBatches:
    """`/v1/files` and `/v1/batches`; what it holds is gone with the process."""

    def __init__(self, answer: Answer) -> None:
        self.batches: dict[str, dict[str, Any]] = {}
        """By id, the oldest first."""
        self.files: dict[str, bytes] = {}
        self._answer = answer

    def upload(self, name: str, purpose: str, content: bytes) -> dict[str, Any]:
        """Keep a file.

        Raises:
            BadRequest: not for a batch.
        """
        if purpose != "batch":
            raise BadRequest(f"Invalid purpose: {purpose!r}. Supported here: 'batch'.", param="purpose")
        return self._file(self._keep(content), name)

    def content(self, file_id: str) -> bytes:
        """Return a file.

        Raises:
            BadRequest: there is none.
        """
        if file_id not in self.files:
            raise BadRequest(f"No such File object: {file_id}", status=404, param="id")
        return self.files[file_id]

    def delete(self, file_id: str) -> dict[str, Any]:
        """Forget a file."""
        self.content(file_id)
        del self.files[file_id]
        return {"id": file_id, "object": "file", "deleted": True}

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take a batch in; what is wrong with its file shows when it is looked at.

        Raises:
            BadRequest: as OpenAI words it.
        """
        if body.get("endpoint") != CHAT:
            raise BadRequest(f"Invalid value: {body.get('endpoint')!r}. Supported here: {CHAT!r}.", param="endpoint")
        if body.get("completion_window") != "24h":
            raise BadRequest("Invalid completion_window: only '24h' is supported.", param="completion_window")
        if body.get("input_file_id") not in self.files:
            raise BadRequest(f"Cannot find file {body.get('input_file_id')}.", param="file_id")
        batch = {
            "id": f"batch_{uuid.uuid4().hex}",
            "object": "batch",
            "endpoint": CHAT,
            "completion_window": "24h",
            "input_file_id": body["input_file_id"],
            "status": "validating",
            "created_at": int(time.time()),
            "metadata": body.get("metadata"),
            "output_file_id": None,
            "error_file_id": None,
            "errors": None,
        }
        self.batches[batch["id"]] = batch
        return batch

    def look(self, batch_id: str) -> dict[str, Any]:
        """Return a batch as it stands, and let it take a step.

        Raises:
            BadRequest: there is none.
        """
        if batch_id not in self.batches:
            raise BadRequest(f"No batch found with id '{batch_id}'.", status=404)
        batch = self.batches[batch_id]
        shown = dict(batch)
        self.step(batch)
        return shown

    def step(self, batch: dict[str, Any]) -> None:
        """Bring a batch forward by one status."""
        if batch["status"] == "validating" and (problem := _problem(self._lines(batch))):
            batch |= {"status": "failed", "errors": {"object": "list", "data": [problem]}}
        elif batch["status"] in STEPS:
            batch["status"] = STEPS[batch["status"]]
            if batch["status"] == "finalizing":
                self.finish(batch, self._lines(batch))

    def finish(self, batch: dict[str, Any], lines: list[dict[str, Any]]) -> None:
        """Write the output and error file of some lines."""
        written = sorted((self._reply(line) for line in lines), key=lambda line: _shuffled(line["custom_id"]))
        good = [line for line in written if line["error"] is None and line["response"]["status_code"] == 200]
        bad = [line for line in written if line not in good]
        batch["output_file_id"] = self._keep(_jsonl(good)) if good else None
        batch["error_file_id"] = self._keep(_jsonl(bad)) if bad else None

    def listed(self, after: str | None, limit: int) -> dict[str, Any]:
        """Return a page of batches, the newest first."""
        newest = list(reversed(self.batches.values()))
        start = 1 + next((i for i, batch in enumerate(newest) if batch["id"] == after), -1)
        page = newest[start : start + limit]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return {"object": "list", "data": page, "has_more": start + limit < len(newest), **ends}

    def _lines(self, batch: dict[str, Any]) -> list[dict[str, Any]]:
        return [orjson.loads(line) for line in self.files[batch["input_file_id"]].splitlines() if line.strip()]

    def _reply(self, line: dict[str, Any]) -> dict[str, Any]:
        try:
            body, status = self._answer(orjson.dumps(line["body"])), 200
        except BadRequest as refusal:
            body, status = {"error": refusal.error}, refusal.status
        response = {"status_code": status, "request_id": "", "body": body}
        return {
            "id": f"batch_req_{uuid.uuid4().hex}",
            "custom_id": line["custom_id"],
            "response": response,
            "error": None,
        }

    def _keep(self, content: bytes) -> str:
        file_id = f"file-{uuid.uuid4().hex}"
        self.files[file_id] = content
        return file_id

    def _file(self, file_id: str, name: str) -> dict[str, Any]:
        size = len(self.files[file_id])
        return {"id": file_id, "object": "file", "bytes": size, "created_at": 0, "filename": name, "purpose": "batch"}


def _problem(lines: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Say what is wrong with a batch's file as a whole, in OpenAI's codes."""
    names = [line["custom_id"] for line in lines]
    models = {line["body"].get("model") for line in lines}
    if not lines or len(lines) > MAX_LINES:
        return {"code": "invalid_request", "message": f"The file has {len(lines)} lines; allowed: 1 to {MAX_LINES}."}
    if len(set(names)) < len(names):
        return {"code": "duplicate_custom_id", "message": "The custom_id of a line stands in another one too."}
    if len(models) > 1:
        return {"code": "mismatched_model", "message": "All lines of a batch must ask the same model."}
    return None


def _shuffled(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _jsonl(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)
