"""Writes a release: a Hugging Face dataset folder with its card and manifest, byte for byte the same for the same rows.

Every row stands in each table (`formats.releases.huggingface`), but in `tool_calls` where it cannot be worded so. The
folder is written beside its place and renamed into it, so one under its own name is always whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from environments.sections import config_in_ids, without
from formats.releases.dataset_card import LicenseCount, ReleaseFacts, render_card
from formats.releases.huggingface import CONFIGS, TABLES, write_shard
from formats.releases.release_folder import TRAIN, ReleaseRow
from schemas.errors import ExpectationError
from schemas.record import digest
from schemas.release import FileHash, SourceDigest
from schemas.run_config import RunConfig
from schemas.trajectory import Conversation, Trajectory
from tasks.privacy.placeholders import hide_text
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


FORM = 2
"""Raised by hand when the same rows are written otherwise: 2 = folded `messages`, `tool_calls`, columns, splits."""


class BothWordings(NamedTuple):
    """One row of a release in both wordings."""

    row: ReleaseRow
    """As it was rendered."""
    calls: ReleaseRow | str
    """As native calls, or why it cannot be."""


class _Counts(NamedTuple):
    """What was written."""

    tables: dict[str, Counter[str]]
    """Rows by table and split."""
    licenses: Counter[tuple[str, str]]
    left_out: Counter[str]
    """Of `tool_calls`, by reason."""
    sources: Counter[tuple[str, str]]
    """By source and split."""


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
        rows: in the mixture's order, those for training first; held one shard at a time.
        count: how many rows there are.

    Raises:
        ExpectationError: there are no rows, and `datasets` cannot read a release without any.
        ValueError: `rows` are not `count`, or one has calls and `facts` say that none has.
    """
    if not count:
        raise ExpectationError("The mixture is empty, so no release is written: no trajectory is eligible for it.")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shards, counts = _write_shards(partial, rows, facts)
    if counts.licenses.total() != count:
        raise ValueError(f"{counts.licenses.total()} rows were given to write, {count} announced")
    licenses = [LicenseCount(*key, rows=number) for key, number in sorted(counts.licenses.items())]
    configs = {name: counts.tables[name] for name in CONFIGS if counts.tables[name]}
    card = render_card(facts, licenses, configs, counts.sources, counts.left_out)
    (partial / "README.md").write_text(hide_text(card), encoding="utf-8", newline="\n")
    files = [*shards, _hash_file(partial, "README.md")]
    (partial / "manifest.json").write_bytes(_render_manifest(facts, counts, licenses, files))
    files.append(_hash_file(partial, "manifest.json"))
    if folder.exists():
        shutil.rmtree(folder)
    partial.rename(folder)
    return tuple(sorted(files, key=lambda file: file.path))


def _write_shards(folder: Path, rows: Iterable[BothWordings], facts: ReleaseFacts) -> tuple[list[FileHash], _Counts]:
    counts = _Counts({name: Counter() for name in TABLES}, Counter(), Counter(), Counter())
    parts: dict[tuple[str, str], list[tuple[Path, int]]] = {}
    for split, of_split in groupby(rows, lambda written: written.row.split):
        for shard in _cut(of_split, facts.config.mixture.rows_per_shard):
            _count(counts, shard)
            for table in TABLES:
                told = [w.calls for w in shard if not isinstance(w.calls, str)] if table == "tool_calls" else None
                if mine := [w.row for w in shard] if told is None else told:
                    written = parts.setdefault((table, split), [])
                    path = folder / "data" / table / f"{split}-{len(written):05}"
                    write_shard(path, table, mine, with_calls=facts.has_calls)
                    written.append((path, len(mine)))
                    counts.tables[table][split] += len(mine)
    return [_name(folder, path, len(them), rows) for them in parts.values() for path, rows in them], counts


def _name(folder: Path, path: Path, total: int, rows: int) -> FileHash:
    """Give a shard its name, which says how many there are."""
    named = path.rename(path.with_name(f"{path.name}-of-{total:05}.parquet"))
    return _hash_file(folder, str(named.relative_to(folder)), rows=rows)


def _count(counts: _Counts, shard: Sequence[BothWordings]) -> None:
    counts.licenses.update((written.row.source, written.row.license) for written in shard)
    counts.sources.update((written.row.source, written.row.split) for written in shard)
    counts.left_out.update(written.calls for written in shard if isinstance(written.calls, str))


def _cut(rows: Iterable[BothWordings], size: int) -> Iterator[list[BothWordings]]:
    iterator = iter(rows)
    while shard := list(islice(iterator, size)):
        yield shard


def _hash_file(folder: Path, path: str, rows: int | None = None) -> FileHash:
    data = (folder / path).read_bytes()
    return FileHash(path=path, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=rows)


def _render_manifest(
    facts: ReleaseFacts, counts: _Counts, licenses: Sequence[LicenseCount], files: Sequence[FileHash]
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
