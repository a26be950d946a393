"""Reads a release folder, of this version or an earlier one: its manifest, and its rows as messages with train flags.

Rows are read as they were rendered, context included (`data/original`, which earlier versions had as `messages`), and
where they are asked for as native calls. What an earlier version did not write takes its default, and columns that are
unknown here are left alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from formats.chats.agentinstruct import read_messages
from formats.chats.tool_calls import read_call
from schemas.bounded_reading import NotJson, open_file, parse_json, read_file
from schemas.errors import ConfigError, InputError
from schemas.invalid_values import explain
from schemas.message import Message

_MESSAGES, _CONVERSATIONS = "messages", "conversations"
_AGAIN = "publish it again, or get it whole again"
TRAIN, VALIDATION = "train", "validation"
SPLITS = (TRAIN, VALIDATION)
FORMS: Mapping[str, tuple[str, ...]] = {
    "original": ("original", _MESSAGES, _CONVERSATIONS),
    "tool_calls": ("tool_calls",),
}
"""Form of rows -> folders in data/ that hold it: the first, or of a release of before, which had neither splits nor
`original` and did not fold `messages`, the first that is there."""


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
    task_id: str | None = None
    """The task that an agent row solves; rows of one task are never in two splits."""
    family: str | None = None
    """Kind of task, the author's word."""
    difficulty: int | None = None
    """1 easy to 3 hard, the author's word."""
    model: str | None = None
    """Who wrote the actions or replies; None = no model (a replayed reference), or nobody says."""
    reward: float | None = None
    """What the task's check gave; None = general chat: nothing was executed."""
    guessable: bool | None = None
    """Whether a guess may hit the task's answer; None = general chat, or a release that does not say."""
    split: str = TRAIN
    """train or validation: in which files it lies."""

    @property
    def is_chat(self) -> bool:
        """Whether it is general chat: no agent acts in it."""
        return self.environment is None and self.origin is None

    @property
    def is_unproven(self) -> bool:
        """Whether it is of a foreign set: an agent's, which nothing here has judged."""
        return self.origin is not None and self.source != "agent"

    @property
    def has_calls(self) -> bool:
        """Whether it says more than the role and content of messages."""
        return self.tools is not None or any(
            message.tool_calls or message.role == "tool" or message.reasoning_content for message in self.messages
        )


ABOUT = ("tools", "task_id", "family", "difficulty", "model", "reward", "guessable")
"""Columns that not every release has; null where a row has none."""


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
        """Rows that the manifest promises, of both splits; None = it does not say."""
        return self.manifest.get("rows")

    @property
    def splits(self) -> Mapping[str, int | None]:
        """Rows by split, `train` first; a release without a validation split has no such key."""
        told = self.manifest.get("splits")
        return {TRAIN: self.promised} if not isinstance(told, dict) else {n: told[n] for n in SPLITS if told.get(n)}

    def rows(self, split: str = TRAIN, form: Literal["original", "tool_calls"] = "original") -> Iterator[ReleaseRow]:
        """Yield the rows of a split in the release's order, one group of a file in memory.

        Args:
            form: original = as rendered, with context and `train` flags; tool_calls = agent rows as native calls,
                without those that cannot be (`manifest["left_out"]` counts them); a release of before has none.

        Raises:
            InputError: there are none, a file is damaged, or rows are missing.
        """
        files = self.files(split, form)
        promised = self.splits.get(split, 0) if form == "original" else self._calls_promised(split)
        if not files and promised != 0:
            raise InputError(f"{self.folder} holds no rows: there is no Parquet file in data/{FORMS[form][0]}")
        count = 0
        for path in files:
            for row in _read_file(path):
                yield row._replace(split=split)
                count += 1
        if promised not in (None, count):
            raise InputError(f"{self.folder} should hold {promised} rows, but holds {count}; get it whole again")

    def files(self, split: str = TRAIN, form: Literal["original", "tool_calls"] = "original") -> list[Path]:
        """Return the Parquet files that hold a split in a form, in their order."""
        names = FORMS[form][:1] if "splits" in self.manifest else FORMS[form]
        found = [self._files(name, split) for name in names]
        return next((files for files in found if files), [])

    def check_files(self) -> None:
        """Compare every file with the manifest.

        Raises:
            InputError: one is missing, has changed, or was added; the text names it.
        """
        files = self.manifest.get("files")
        listed = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
        told = {str(file.get("path")): file.get("sha256") for file in listed}
        for name, sha256 in told.items():
            path = self.folder / name
            if not path.is_file():
                raise InputError(f"{path} is missing, and {self.folder.name} is a release of it too; {_AGAIN}")
            if _hash(path) != sha256:
                raise InputError(f"{path} is not what was published: its sha256 is not that of manifest.json; {_AGAIN}")
        lying = {str(path.relative_to(self.folder)) for path in self.folder.glob("data/**/*.parquet")}
        if told and (more := sorted(lying - told.keys())):
            raise InputError(f"{self.folder / more[0]} is no file of the release: manifest.json has none; take it out")

    def _files(self, name: str, split: str) -> list[Path]:
        """Return a folder's files of a split; those that name none are for training."""
        files = sorted((self.folder / "data" / name).glob("*.parquet"))
        return [path for path in files if path.name.startswith(f"{VALIDATION}-") == (split == VALIDATION)]

    def _calls_promised(self, split: str) -> int | None:
        configs = self.manifest.get("configs")
        return 0 if not isinstance(configs, dict) else configs.get("tool_calls", {}).get(split, 0)


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


def _hash(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_file(path: Path) -> Iterator[ReleaseRow]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(path) as file:
            for batch in pq.ParquetFile(file).iter_batches():
                yield from map(_read_row, batch.to_pylist())
    except (pa.ArrowException, OSError, MemoryError, UnicodeError) as error:
        raise InputError(f"{path} cannot be read: {error}. Get it whole again.") from error
    except ValidationError as error:
        raise InputError(
            f"{path} holds a row that is none of a release: {explain(error)}. Get it whole again."
        ) from error
    except (LookupError, TypeError, AttributeError) as error:
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
        task_id=row.get("task_id"),
        family=row.get("family"),
        difficulty=row.get("difficulty"),
        model=row.get("model"),
        reward=row.get("reward"),
        guessable=row.get("guessable"),
    )


def _read_message(value: Mapping[str, Any]) -> Message:
    """Read a message; one without a flag is trained on if it is a reply, as loaders of such rows do."""
    known = {key: given for key, given in value.items() if key in Message.model_fields and given is not None}
    if "tool_calls" in known:
        known["tool_calls"] = tuple(map(read_call, known["tool_calls"]))
    return Message.model_validate({"train": value["role"] == "assistant", "content": ""} | known)
