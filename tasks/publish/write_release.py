"""Writes a release: a Hugging Face dataset folder with its card and manifest, byte for byte the same for the same rows.

It is written beside its place and renamed into it, so a folder under its own name is always whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from environments.sections import config_in_ids, without
from formats.releases.dataset_card import LicenseCount, ReleaseFacts, render_card
from formats.releases.huggingface import SCHEMAS, write_shard
from formats.releases.release_folder import ReleaseRow
from schemas.errors import ExpectationError
from schemas.record import digest
from schemas.release import FileHash, SourceDigest
from schemas.run_config import RunConfig
from schemas.trajectory import Conversation, Trajectory
from tasks.publish.mix_samples import AGENT

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


def make_release_id(sources: Sequence[SourceDigest], config: RunConfig, lock_sha256: str) -> str:
    """Return the id of a release: h(source digests, configuration without pace, lock file)."""
    return digest("release", sorted((s.table, s.digest) for s in sources), _content_of(config), lock_sha256)


def make_agent_row(trajectory: Trajectory) -> ReleaseRow:
    """Return the training row of a trajectory."""
    t = trajectory
    return ReleaseRow(t.trajectory_id, AGENT, t.environment, t.origin, t.license, t.messages, t.tools)


def make_general_row(conversation: Conversation, stratum: str) -> ReleaseRow:
    """Return the training row of a general chat."""
    c = conversation
    return ReleaseRow(c.conversation_id, stratum, None, None, c.license, c.messages)


def write_release(folder: Path, rows: Iterable[ReleaseRow], *, count: int, facts: ReleaseFacts) -> tuple[FileHash, ...]:
    """Write a release folder and return its files; one that stands there already is replaced.

    Args:
        rows: in the mixture's order; held one shard at a time.
        count: how many rows there are, since shards are named `00000-of-0000N` from the start.

    Raises:
        ExpectationError: there are no rows, and `datasets` cannot read a release without any.
        ValueError: `rows` are not `count`, or one has calls and `facts` say that none has.
    """
    if not count:
        raise ExpectationError("The mixture is empty, so no release is written: no trajectory is eligible for it.")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shards, licenses = _write_shards(partial, rows, count, facts)
    (partial / "README.md").write_text(render_card(facts, licenses), encoding="utf-8", newline="\n")
    files = [*shards, _hash_file(partial, "README.md")]
    (partial / "manifest.json").write_bytes(_render_manifest(facts, count, licenses, files))
    files.append(_hash_file(partial, "manifest.json"))
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    return tuple(sorted(files, key=lambda file: file.path))


def _write_shards(
    folder: Path, rows: Iterable[ReleaseRow], count: int, facts: ReleaseFacts
) -> tuple[list[FileHash], list[LicenseCount]]:
    rows_per_shard = facts.config.mixture.rows_per_shard
    total = -(-count // rows_per_shard)
    licenses: Counter[tuple[str, str]] = Counter()
    files: list[FileHash] = []
    for index, shard in enumerate(_cut(rows, rows_per_shard)):
        licenses.update((row.source, row.license) for row in shard)
        for config in SCHEMAS:
            path = f"data/{config}/train-{index:05}-of-{total:05}.parquet"
            write_shard(folder / path, config, shard, with_calls=facts.has_calls)
            files.append(_hash_file(folder, path, rows=len(shard)))
    if licenses.total() != count:
        raise ValueError(f"{licenses.total()} rows were given to write, {count} announced")
    return files, [LicenseCount(*key, rows=number) for key, number in sorted(licenses.items())]


def _cut(rows: Iterable[ReleaseRow], size: int) -> Iterator[list[ReleaseRow]]:
    iterator = iter(rows)
    while shard := list(islice(iterator, size)):
        yield shard


def _hash_file(folder: Path, path: str, rows: int | None = None) -> FileHash:
    data = (folder / path).read_bytes()
    return FileHash(path=path, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=rows)


def _render_manifest(
    facts: ReleaseFacts, count: int, licenses: Sequence[LicenseCount], files: Sequence[FileHash]
) -> bytes:
    """Render manifest.json; Delta versions stay out, since equal tables may have different ones."""
    manifest = {
        "release_id": facts.release_id,
        "rows": count,
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
