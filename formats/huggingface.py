"""The Hugging Face dataset folder: Parquet shards in two configs, read with `datasets`, pushed with `huggingface_hub`.

Schemas are fixed, never inferred, so an empty or all-null column has the same type everywhere, and pyarrow writes the
same rows as the same bytes.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from formats.agentinstruct import write_messages
from schemas.errors import ConfigError, ExpectationError
from schemas.trajectory import Message

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


class ReleaseRow(NamedTuple):
    """One training row."""

    id: str
    source: str
    """agent, or the name of a general stratum."""
    environment: str | None
    """World; None = general chat."""
    origin: str | None
    """Where the task came from; None = general chat."""
    license: str
    messages: tuple[Message, ...]


def write_shard(path: Path, config: str, rows: Sequence[ReleaseRow]) -> None:
    """Write one Parquet file of a config."""
    records = [_record(config, row) for row in rows]
    table = pa.Table.from_pylist(records, schema=SCHEMAS[config])
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", row_group_size=ROWS_PER_GROUP)


def _record(config: str, row: ReleaseRow) -> dict[str, object]:
    if config == "conversations":
        return {"id": row.id, "conversations": write_messages(row.messages)}
    messages = [{"role": m.role, "content": m.content, "train": m.train} for m in row.messages]
    return {**row._asdict(), "messages": messages}


def verify_release(folder: Path) -> dict[str, int]:
    """Read every config with `datasets.load_dataset`, offline, and return its number of rows.

    Importing `datasets` costs about two CPU seconds, so it is done here and nowhere else.

    Raises:
        ExpectationError: a config has other rows than manifest.json says.
    """
    for name, value in _READ_OFFLINE.items():
        os.environ.setdefault(name, value)
    import datasets

    expected = orjson.loads((folder / "manifest.json").read_bytes())["rows"]
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
    if not (folder / "manifest.json").is_file():
        raise ConfigError(f"{folder} is no release folder: it holds no manifest.json.")
    import huggingface_hub
    from huggingface_hub.errors import HFValidationError, HTTPError, OfflineModeIsEnabled

    hub = huggingface_hub.HfApi(endpoint=endpoint, token=token)
    try:
        hub.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
        commit = hub.upload_folder(
            repo_id=repo_id, repo_type="dataset", folder_path=folder, commit_message=f"Release {folder.name}"
        )
    # HTTPError is the one of the client that huggingface_hub is built on; its transport errors derive from it.
    except (HTTPError, HFValidationError, OfflineModeIsEnabled, OSError) as error:
        raise ConfigError(f"The hub did not take {folder.name} as {repo_id}: {error}") from error
    return str(commit.commit_url)
