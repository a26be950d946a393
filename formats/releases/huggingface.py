"""The Hugging Face dataset folder: Parquet shards in two configs, read with `datasets`, pushed with `huggingface_hub`.

Schemas are fixed, never inferred, so an empty or all-null column has the same type everywhere, and pyarrow writes the
same rows as the same bytes. A release whose rows have calls, what these gave, or reasoning has a wider `messages`; one
without is what it always was.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from formats.catalogue import Exporter, Given, Option
from formats.chats.agentinstruct import write_messages
from formats.chats.tool_calls import write_call
from formats.releases.release_folder import ReleaseFolder, ReleaseRow, read_release
from schemas.errors import ConfigError, ExpectationError
from schemas.message import Message
from schemas.redaction import hide, learn_secret, scrub
from schemas.settings import Settings

ROWS_PER_GROUP = 1000
_READ_OFFLINE = {
    "HF_DATASETS_OFFLINE": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
"""Not HF_HUB_OFFLINE: it would forbid a push by the same process."""

SCHEMAS: dict[str, pa.Schema] = {
    "messages": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("environment", pa.string()),
            pa.field("origin", pa.string()),
            pa.field("license", pa.string(), nullable=False),
            pa.field(
                "messages",
                pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_())])),
                nullable=False,
            ),
        ]
    ),
    "conversations": pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field(
                "conversations",
                pa.list_(pa.struct([("from", pa.string()), ("value", pa.string()), ("loss", pa.bool_())])),
                nullable=False,
            ),
        ]
    ),
}
"""Config name -> schema. A list of structs, not a struct of lists: every trainer reads it as a list of dicts."""

_CALL = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
    ]
)
"""See `formats.chats.tool_calls`."""
_MESSAGE_WITH_CALLS = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        ("train", pa.bool_()),
        ("tool_calls", pa.list_(_CALL)),
        ("tool_call_id", pa.string()),
        ("reasoning_content", pa.string()),
    ]
)
SCHEMAS_WITH_CALLS: dict[str, pa.Schema] = {
    "messages": pa.schema(
        [
            *list(SCHEMAS["messages"])[:-1],
            pa.field("messages", pa.list_(_MESSAGE_WITH_CALLS), nullable=False),
            pa.field("tools", pa.string()),
        ]
    ),
    "conversations": SCHEMAS["conversations"],
}
"""Likewise, of a release in which any row says more than role and content; `tools` is null where a row has none."""


def write_shard(path: Path, config: str, rows: Sequence[ReleaseRow], *, with_calls: bool = False) -> None:
    """Write one Parquet file of a config; `with_calls` is the whole release's, the same for all its files.

    Raises:
        ValueError: a row has calls, and the release was to have none.
    """
    if not with_calls and (calling := next((row.id for row in rows if row.has_calls), None)):
        raise ValueError(f"row {calling} has calls, tools or reasoning, and the release was to have none")
    records = [_record(config, row, with_calls) for row in rows]
    table = pa.Table.from_pylist(records, schema=(SCHEMAS_WITH_CALLS if with_calls else SCHEMAS)[config])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", row_group_size=ROWS_PER_GROUP)


def _record(config: str, row: ReleaseRow, with_calls: bool) -> dict[str, object]:
    if config == "conversations":
        return {"id": row.id, "conversations": write_messages(row.messages)}
    messages = [{"role": m.role, "content": m.content, "train": m.train} for m in row.messages]
    if with_calls:
        messages = [said | _spell_calls(message) for said, message in zip(messages, row.messages, strict=True)]
    return {**row._asdict(), "messages": messages}


def _spell_calls(message: Message) -> dict[str, Any]:
    return {
        "tool_calls": [write_call(call) for call in message.tool_calls] or None,
        "tool_call_id": message.tool_call_id,
        "reasoning_content": message.reasoning_content,
    }


def verify_release(folder: Path) -> dict[str, int]:
    """Read every config with `datasets.load_dataset`, offline, and return its number of rows.

    Importing `datasets` costs about two CPU seconds, so it is done here and nowhere else.

    Raises:
        ConfigError: it is no release folder.
        ExpectationError: a config has other rows than manifest.json says.
    """
    for name, value in _READ_OFFLINE.items():
        os.environ.setdefault(name, value)
    import datasets

    expected = read_release(folder).promised
    with tempfile.TemporaryDirectory(prefix="trajmill-verify-") as cache:
        found = {
            name: datasets.load_dataset(str(folder), name, split="train", cache_dir=cache).num_rows for name in SCHEMAS
        }
    if wrong := {name: rows for name, rows in found.items() if rows != expected}:
        raise ExpectationError(f"{folder} should hold {expected} rows a config, but datasets reads {wrong}.")
    return found


def push_to_hub(
    folder: Path, repo_id: str, token: str | None, *, private: bool = True, endpoint: str | None = None
) -> str:
    """Upload a release folder as a dataset repository, creating it where it is missing; return the commit's address.

    Raises:
        ConfigError: no token, no such release, a name the hub does not allow, or the hub refused or was not reached.
    """
    if not token:
        raise ConfigError("Pushing to the hub needs a token: set HF_TOKEN (https://huggingface.co/settings/tokens).")
    read_release(folder)
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, HTTPError, OfflineModeIsEnabled

    learn_secret(token)
    hub = huggingface_hub.HfApi(endpoint=endpoint, token=token)
    try:
        hub.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo_id, repo_type="dataset", folder_path=folder, commit_message=f"Release {folder.name}"
        )
    # HTTPError is the one of the client that huggingface_hub is built on; its transport errors derive from it.
    except (HTTPError, HFValidationError, OfflineModeIsEnabled, OSError) as error:
        scrub(error)
        raise ConfigError(f"The hub did not take {folder.name} as {repo_id}: {hide(str(error))}") from error
    return str(commit.commit_url)


def _push(release: ReleaseFolder, given: Given, settings: Settings) -> str:
    token = settings.hf_token
    return push_to_hub(release.folder, given["repo"], token.get_secret_value() if token else None)


EXPORTER = Exporter(
    name="hub",
    summary="the folder as it is, pushed to the Hugging Face hub as a private dataset; HF_TOKEN is the key",
    options=(Option("repo", "owner/name of the dataset", metavar="OWNER/NAME", required=True),),
    push=_push,
)
