"""Writes a release: a Hugging Face dataset folder with its card and manifest, byte for byte the same for the same rows.

Every row stands in each table (`formats.releases.huggingface`), but in `tool_calls` where it cannot be worded so. The
folder is written beside its place and renamed into it, so one under its own name is always whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from environments.sections import config_in_ids, without
from formats.releases.dataset_card import CardTable, LicenseCount, ReleaseFacts, render_card
from formats.releases.huggingface import CONFIGS
from formats.releases.release_folder import TRAIN, ReleaseRow
from schemas.errors import ExpectationError
from schemas.record import digest
from schemas.release import FileHash, SourceDigest
from schemas.run_config import RunConfig
from schemas.trajectory import Conversation, Trajectory
from tasks.privacy.placeholders import hide_text
from tasks.publish.pools import AGENT
from tasks.publish.release_writer import ReleaseWriter
from tasks.publish.render_rows import BothWordings, Chunk, render_chunk

_PACE: Mapping[str, Collection[str] | None] = {
    "name": None,
    "budget": None,
    "publish": None,
    "verify": None,
    "teacher": {
        *("concurrency", "timeout_seconds", "max_retries", "prices"),
        *("requests_per_minute", "tokens_per_minute", "limits"),
        *("mode", "batch_wait_seconds", "batch_max_requests", "batch_max_bytes", "batch_poll_seconds"),
        *("max_reply_bytes", "batch_max_reply_bytes"),
    },
    "collect": {"concurrency", "shard_size", "repairs"},
}
"""How fast and dear a build is and how it is watched, not what it makes: in no file of a release. What repairs made
stands in the episodes."""


FORM = 2
"""Raised by hand when the same rows are written otherwise: 2 = folded `messages`, `tool_calls`, columns, splits."""


Audit = Callable[[Sequence[Path]], tuple[CardTable, ...]]


def make_release_id(
    sources: Sequence[SourceDigest], config: RunConfig, lock_sha256: str, form: Sequence[object] = ()
) -> str:
    """Return the id of a release: h(source digests, configuration without pace, lock file, form).

    `form` is what words rows besides: the prompts by which calls are worded.
    """
    tables = sorted((s.table, s.digest) for s in sources)
    return digest("release", tables, _content_of(config), lock_sha256, FORM, *form)


def make_agent_row(trajectory: Trajectory, split: str = TRAIN) -> ReleaseRow:
    """Return the training row of a trajectory."""
    t = trajectory
    return ReleaseRow(
        id=t.trajectory_id,
        source=AGENT,
        environment=t.environment,
        origin=t.origin,
        license=t.license,
        messages=t.messages,
        tools=t.tools,
        task_id=t.task_id,
        family=t.family,
        difficulty=t.difficulty,
        model=t.model,
        reward=t.reward,
        guessable=t.guessable,
        split=split,
    )


def make_general_row(conversation: Conversation, stratum: str, split: str = TRAIN) -> ReleaseRow:
    """Return the training row of a general chat."""
    c = conversation
    row = ReleaseRow(c.conversation_id, stratum, None, None, c.license, c.messages)
    return row._replace(model=c.source_model, split=split, tools=c.tools)


def write_release(
    folder: Path, rows: Iterable[BothWordings], *, count: int, facts: ReleaseFacts
) -> tuple[FileHash, ...]:
    """Write a release folder and return its files; one that stands there already is replaced.

    Args:
        rows: in the mixture's order; held one chunk at a time.
        count: how many rows there are.

    Raises:
        ExpectationError: there are no rows, and `datasets` cannot read a release without any.
        ValueError: `rows` are not `count`, or one has calls and `facts` say that none has.
    """
    splits: dict[str, str] = {}
    draft = ReleaseDraft(folder, facts, splits, count)
    for some in _cut(rows, facts.config.mixture.rows_per_shard):
        splits.update({written.row.id: written.row.split for written in some})
        draft.add(render_chunk(some, with_calls=facts.has_calls))
    return draft.finish()


class ReleaseDraft:
    """A release's folder beside its place, renamed into it when it is whole."""

    def __init__(self, folder: Path, facts: ReleaseFacts, splits: Mapping[str, str], count: int) -> None:
        """Begin it; `splits` names each of its `count` rows, and may grow as they are added.

        Raises:
            ExpectationError: there are no rows.
        """
        if not count:
            raise ExpectationError("The mixture is empty, so no release is written: no trajectory is eligible for it.")
        self.folder, self.facts, self._count = folder, facts, count
        self._partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        size = facts.config.mixture.rows_per_shard
        self._writer = ReleaseWriter(self._partial, splits, size, with_calls=facts.has_calls)

    def add(self, chunk: Chunk) -> None:
        """Take what is this release's of a chunk of rows, which come in the mixture's order."""
        self._writer.add(chunk)

    def finish(self, audit: Audit | None = None) -> tuple[FileHash, ...]:
        """Write card and manifest, put the folder in its place and return its files.

        `audit` gives the tables that the card shows of the rows, from the files that hold them as they were rendered.

        Raises:
            ValueError: it was given other rows than announced.
        """
        partial, written = self._partial, self._writer
        named = written.finish()
        shards = [_hash_file(partial, str(path.relative_to(partial)), rows=rows) for path, rows in named]
        if written.licenses.total() != self._count:
            raise ValueError(f"{written.licenses.total()} rows were given to write, {self._count} announced")
        licenses = [LicenseCount(*key, rows=number) for key, number in sorted(written.licenses.items())]
        configs = {name: written.tables[name] for name in CONFIGS if written.tables[name]}
        if audit is not None:
            original = [path for path, _ in named if path.parent.name == "original"]
            self.facts = self.facts._replace(tables=(*audit(original), *self.facts.tables))
        card = render_card(self.facts, licenses, configs, written.sources, written.left_out)
        (partial / "README.md").write_text(hide_text(card), encoding="utf-8", newline="\n")
        files = [*shards, _hash_file(partial, "README.md")]
        (partial / "manifest.json").write_bytes(_render_manifest(self.facts, written, licenses, files))
        files.append(_hash_file(partial, "manifest.json"))
        if self.folder.exists():
            shutil.rmtree(self.folder)
        partial.rename(self.folder)
        return tuple(sorted(files, key=lambda file: file.path))


def _cut(rows: Iterable[BothWordings], size: int) -> Iterator[list[BothWordings]]:
    iterator = iter(rows)
    while some := list(islice(iterator, size)):
        yield some


def _hash_file(folder: Path, path: str, rows: int | None = None) -> FileHash:
    with (folder / path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FileHash(path=path, sha256=sha256, bytes=(folder / path).stat().st_size, rows=rows)


def _render_manifest(
    facts: ReleaseFacts, counts: ReleaseWriter, licenses: Sequence[LicenseCount], files: Sequence[FileHash]
) -> bytes:
    """Render manifest.json; Delta versions stay out, since equal tables may have different ones."""
    manifest = {
        "release_id": facts.release_id,
        "rows": counts.licenses.total(),
        "splits": counts.tables["original"],
        "configs": {name: counts.tables[name] for name in CONFIGS if counts.tables[name]},
        "rows_by_split": {
            split: {source: n for (source, of), n in sorted(counts.sources.items()) if of == split}
            for split in counts.tables["original"]
        },
        "left_out": {"tool_calls": counts.left_out},
        "rows_by_source": {share.stratum: share.rows for share in facts.shares},
        "shares": [share.model_dump(mode="json") for share in facts.shares],
        "guessable": facts.guessable.model_dump(mode="json"),
        "notes": facts.notes,
        "licenses": [counted._asdict() for counted in licenses],
        "recipe": facts.config.mixture.model_dump(mode="json"),
        "config": _content_of(facts.config),
        "curation_id": facts.curation_id,
        "sources": [{"table": source.table, "digest": source.digest} for source in facts.sources],
        "files": [file.model_dump(mode="json") for file in sorted(files, key=lambda file: file.path)],
    }
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _content_of(config: RunConfig) -> dict[str, Any]:
    return without(config_in_ids(config), _PACE)
