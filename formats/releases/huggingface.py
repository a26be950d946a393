"""The Hugging Face dataset folder: Parquet shards, read with `datasets`, pushed with `huggingface_hub`.

Schemas are fixed, never inferred, so an empty or all-null column has the same type everywhere, and pyarrow writes the
same rows as the same bytes. `messages` is folded: no assistant message in it is context. `original`, which is no config
and so nobody loads by accident, has the rows as they were rendered: exports read it. Where rows have calls, what these
gave, or reasoning, messages are wider.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from formats.catalogue import Exporter, Given, Option
from formats.chats.agentinstruct import write_messages
from formats.chats.tool_calls import write_call
from formats.releases.fold import fold_context
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

CONFIGS = ("messages", "tool_calls", "conversations")
"""What `datasets` loads, the default one first."""
TABLES = (*CONFIGS, "original")
"""Folders of rows in data/."""

_ABOUT = (
    pa.field("id", pa.string(), nullable=False),
    pa.field("source", pa.string(), nullable=False),
    pa.field("environment", pa.string()),
    pa.field("origin", pa.string()),
    pa.field("license", pa.string(), nullable=False),
)
_ABOUT_THE_TASK = (
    pa.field("task_id", pa.string()),
    pa.field("family", pa.string()),
    pa.field("difficulty", pa.int64()),
    pa.field("model", pa.string()),
    pa.field("reward", pa.float64()),
    pa.field("guessable", pa.bool_()),
    pa.field("tools", pa.string()),
)
"""Null for general chat, but for the model where somebody says it."""
_CALL = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
    ]
)
"""See `formats.chats.tool_calls`."""
_MESSAGE = (("role", pa.string()), ("content", pa.string()), ("train", pa.bool_()))
_MESSAGE_WITH_CALLS = (
    *_MESSAGE,
    ("tool_calls", pa.list_(_CALL)),
    ("tool_call_id", pa.string()),
    ("reasoning_content", pa.string()),
)
_TURNS = (("from", pa.string()), ("value", pa.string()), ("loss", pa.bool_()))


def schema_of(table: str, *, with_calls: bool) -> pa.Schema:
    """Return a table's columns. A list of structs, not a struct of lists: trainers read it as a list of dicts."""
    if table == "conversations":
        turns = pa.field("conversations", pa.list_(pa.struct(_TURNS)), nullable=False)
        return pa.schema([_ABOUT[0], turns])
    message = pa.struct(_MESSAGE_WITH_CALLS if with_calls or table == "tool_calls" else _MESSAGE)
    return pa.schema([*_ABOUT, pa.field("messages", pa.list_(message), nullable=False), *_ABOUT_THE_TASK])


def write_shard(path: Path, table: str, rows: Sequence[ReleaseRow], *, with_calls: bool = False) -> None:
    """Write one Parquet file of a table; `with_calls` is the whole release's, the same for all its files.

    Raises:
        ValueError: a row has calls, and the release was to have none.
    """
    made = columns_of(table, rows, with_calls=with_calls)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(made, path, compression="zstd", row_group_size=ROWS_PER_GROUP)


def columns_of(table: str, rows: Sequence[ReleaseRow], *, with_calls: bool = False) -> pa.Table:
    """Lay rows out as the columns of a table.

    Raises:
        ValueError: a row has calls, and the release was to have none.
    """
    wide = with_calls or table == "tool_calls"
    if not wide and (calling := next((row.id for row in rows if row.has_calls), None)):
        raise ValueError(f"row {calling} has calls, tools or reasoning, and the release was to have none")
    records = [_record(table, row, wide) for row in rows]
    return pa.Table.from_pylist(records, schema=schema_of(table, with_calls=with_calls))


def lay_out_plain(
    table: str, chats: pa.Table, ids: Sequence[str], sources: Sequence[str], *, with_calls: bool = False
) -> pa.Table:
    """Lay general chats out as the columns of a table, as `columns_of` does with rows that say no more than this.

    Args:
        chats: `license`, `model` and `messages` (role, content, train).
        ids: what they are called in the release.
        sources: their strata.
    """
    schema = schema_of(table, with_calls=with_calls)
    given = {"id": pa.array(ids, pa.string()), "source": pa.array(sources, pa.string())}
    messages = chats["messages"].combine_chunks()
    given |= {"license": chats["license"], "model": chats["model"]}
    if table == "conversations":
        given["conversations"] = _as_turns(messages)
    else:
        given["messages"] = _widen(messages) if table == "tool_calls" or with_calls else messages
    nothing = {field.name: pa.nulls(len(ids), field.type) for field in schema if field.name not in given}
    return pa.table([(given | nothing)[name] for name in schema.names], names=schema.names).cast(schema)


def _widen(messages: pa.Array) -> pa.Array:
    """Return messages with columns for calls, all of them null."""
    said = messages.values
    nulls = [pa.nulls(len(said), kind) for _, kind in _MESSAGE_WITH_CALLS[len(_MESSAGE) :]]
    return _structs(messages.offsets, [said.field(name) for name, _ in _MESSAGE] + nulls, _MESSAGE_WITH_CALLS)


def _as_turns(messages: pa.Array) -> pa.Array:
    """Return messages in AgentInstruct's form, as `write_messages` does."""
    role, content, train = (messages.values.field(name) for name, _ in _MESSAGE)
    is_reply = pc.equal(role, "assistant")
    speaker = pc.if_else(is_reply, "gpt", pc.if_else(pc.equal(role, "user"), "human", role))
    return _structs(messages.offsets, [speaker, content, pc.if_else(is_reply, train, None)], _TURNS)


def _structs(offsets: pa.Array, columns: Sequence[pa.Array], named: Sequence[tuple[str, pa.DataType]]) -> pa.Array:
    """Return lists of structs, whose fields are these."""
    cast = [values.cast(kind) for values, (_, kind) in zip(columns, named, strict=True)]
    fields = [pa.field(name, kind) for name, kind in named]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(cast, fields=fields))


def narrow_messages(table: str, rows: pa.Table) -> pa.Table:
    """Return rows whose messages have no columns for calls, for a release without any; `tool_calls` always has them."""
    wanted = schema_of(table, with_calls=False)
    if rows.schema.equals(wanted):
        return rows
    messages = rows["messages"].combine_chunks()
    struct = messages.values
    fields = [pa.field(name, kind) for name, kind in _MESSAGE]
    kept = pa.StructArray.from_arrays([struct.field(field.name) for field in fields], fields=fields)
    narrow = pa.ListArray.from_arrays(messages.offsets, kept)
    at = rows.schema.get_field_index("messages")
    return rows.set_column(at, wanted.field("messages"), narrow)


def _record(table: str, row: ReleaseRow, wide: bool) -> dict[str, object]:
    if table == "conversations":
        return {"id": row.id, "conversations": write_messages(row.messages)}
    messages = row.messages if table == "original" else fold_context(row.messages)
    return {**row._asdict(), "messages": [_spell(message, wide) for message in messages]}


def _spell(message: Message, wide: bool) -> dict[str, Any]:
    said = {"role": message.role, "content": message.content, "train": message.train}
    if not wide:
        return said
    return said | {
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

    release = read_release(folder)
    before = {name: {"train": release.promised} for name in ("messages", "conversations")}
    expected = release.manifest.get("configs", before)
    with tempfile.TemporaryDirectory(prefix="trajmill-verify-") as cache:
        read = {name: datasets.load_dataset(str(folder), name, cache_dir=cache) for name in expected}
        found = {name: {split: rows.num_rows for split, rows in splits.items()} for name, splits in read.items()}
    if wrong := {name: rows for name, rows in found.items() if rows != expected[name]}:
        promised = {name: expected[name] for name in wrong}
        raise ExpectationError(f"{folder} should hold {promised} rows, but datasets reads {wrong}.")
    return {name: sum(rows.values()) for name, rows in found.items()}


def push_to_hub(
    folder: Path, repo_id: str, token: str | None, *, private: bool = True, endpoint: str | None = None
) -> str:
    """Upload a release folder as a dataset repository, creating it where it is missing; return the commit's address.

    Raises:
        ConfigError: no token, no such release, a name the hub does not allow, or the hub refused or was not reached.
    """
    if not token:
        raise ConfigError("Pushing to the hub needs a token: set HF_TOKEN (https://huggingface.co/settings/tokens).")
    read_release(folder).check_files()
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
