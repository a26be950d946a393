"""Reads a release folder, of this version or an earlier one: its manifest, and its rows as messages with train flags.

What an earlier version did not write takes its default, and columns that are unknown here are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from formats.chats.agentinstruct import read_messages
from formats.chats.tool_calls import read_call
from schemas.bounded_reading import NotJson, open_file, parse_json, read_file
from schemas.errors import ConfigError, InputError
from schemas.message import Message

_MESSAGES, _CONVERSATIONS = "messages", "conversations"
"""Folders of a release's rows, in data/; either holds all of them, the first more of each."""


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
    tools: str | None = None
    """JSON text of the tools that its calls may use; None = it has none."""

    @property
    def has_calls(self) -> bool:
        """Whether it says more than the role and content of messages."""
        return self.tools is not None or any(
            message.tool_calls or message.role == "tool" or message.reasoning_content for message in self.messages
        )


class ReleaseFolder(NamedTuple):
    """A release as it stands in its folder."""

    folder: Path
    manifest: Mapping[str, Any]
    """manifest.json, whole."""

    @property
    def release_id(self) -> str:
        return str(self.manifest.get("release_id", self.folder.name))

    @property
    def promised(self) -> int | None:
        """Rows that the manifest promises; None = it does not say."""
        return self.manifest.get("rows")

    def rows(self) -> Iterator[ReleaseRow]:
        """Yield every row in the release's order, one group of a file in memory.

        Raises:
            InputError: there are none, a file is damaged, or rows are missing.
        """
        found = [sorted((self.folder / "data" / name).glob("*.parquet")) for name in (_MESSAGES, _CONVERSATIONS)]
        files = found[0] or found[1]
        if not files:
            raise InputError(f"{self.folder} holds no rows: there is no Parquet file in data/{_MESSAGES}")
        count = 0
        for path in files:
            for row in _read_file(path):
                yield row
                count += 1
        if self.promised not in (None, count):
            raise InputError(f"{self.folder} should hold {self.promised} rows, but holds {count}; get it whole again")


def read_release(folder: Path) -> ReleaseFolder:
    """Open a release folder; its rows are read when they are asked for.

    Raises:
        ConfigError: it is none.
    """
    if not (folder / "manifest.json").exists():
        raise ConfigError(f"{folder} is no release folder: it holds no manifest.json.")
    try:
        manifest = parse_json(read_file(folder / "manifest.json"))
    except (InputError, NotJson) as error:
        raise ConfigError(f"{folder} is no release folder: its manifest.json cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise ConfigError(f"{folder} is no release folder: its manifest.json holds no object.")
    if not isinstance(manifest.get("rows"), int | None):
        raise ConfigError(f"{folder} is no release folder: its manifest.json does not say how many rows there are.")
    return ReleaseFolder(folder, manifest)


def _read_file(path: Path) -> Iterator[ReleaseRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(path) as file:
            for batch in pq.ParquetFile(file).iter_batches():
                yield from map(_read_row, batch.to_pylist())
    except (pa.ArrowException, OSError, MemoryError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read: {error}. Get it whole again.") from error
    except (LookupError, TypeError, AttributeError, ValidationError) as error:
        raise InputError(f"{path} holds a row that is none of a release: {error!r}. Get it whole again.") from error


def _read_row(row: Mapping[str, Any]) -> ReleaseRow:
    said = row.get(_MESSAGES)
    return ReleaseRow(
        id=str(row["id"]),
        source=row.get("source") or "unknown",
        environment=row.get("environment"),
        origin=row.get("origin"),
        license=row.get("license") or "unknown",
        messages=read_messages(row[_CONVERSATIONS]) if said is None else tuple(map(_read_message, said)),
        tools=row.get("tools"),
    )


def _read_message(value: Mapping[str, Any]) -> Message:
    """Read a message; one without a flag is trained on if it is a reply, as loaders of such rows do."""
    known = {key: given for key, given in value.items() if key in Message.model_fields and given is not None}
    if "tool_calls" in known:
        known["tool_calls"] = tuple(map(read_call, known["tool_calls"]))
    return Message.model_validate({"train": value["role"] == "assistant", "content": ""} | known)
