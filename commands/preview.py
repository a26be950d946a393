"""preview: one row of a release as a trainer will train it, with what carries loss marked and counted."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from rich.text import Text

from commands.export import release_folder
from commands.terminal import bold, is_terminal, say, say_json, say_notes
from formats.catalogue import find_exporters
from formats.chats.tool_calls import read_call
from formats.releases.messages import render_row
from formats.releases.release_folder import ReleaseFolder, ReleaseRow, read_release
from formats.templates.chat_jinja import Span
from formats.templates.mask import join_spans
from formats.templates.proof import Prover
from formats.templates.reading import Record
from formats.templates.template import load_template
from formats.templates.trainers import find_trainer
from formats.templates.words import estimate_tokens
from schemas.errors import ConfigError, ExpectationError
from schemas.message import Message

OPEN, CLOSE = "⟦", "⟧"
"""Around what carries loss, where there is no colour."""


class Preview(NamedTuple):
    """One record as it will be trained."""

    text: str
    trained: tuple[Span, ...]
    tokens: int
    trained_tokens: int
    is_estimated: bool


def run_preview(release: str, trainer: str, tokenizer: Path | None, number: int, json: bool) -> None:
    """Print the row of that number; what is wrong with its mask is said below it."""
    find_trainer(trainer)
    template = load_template(tokenizer) if tokenizer else None
    found = read_release(release_folder(release))
    row = next(itertools.islice(found.rows(), number, None), None)
    if row is None:
        raise ConfigError(f"{found.release_id} has no row {number}: it holds {found.promised}, and the first is 0")
    records, strategy = export_row(found, row, trainer, tokenizer)
    said = {"last_only": strategy == "fan-out", "replies_only": strategy == "cut"}
    prover = Prover(trainer, template, **said)
    shown = [_look(prover, row, record) for record in records]
    fault = _find_fault(prover, row, records)
    if json:
        facts = {"release": found.release_id, "row": number, "id": row.id, "trainer": trainer, "fault": fault}
        told = [{**one._asdict(), "trained": [list(span) for span in one.trained]} for one in shown]
        say_json({**facts, "records": told})
        return
    say(bold(f"row {number} of {found.release_id}"), f": {row.id}, for {trainer} ({prover.trainer.source})")
    for at, one in enumerate(shown, start=1):
        say("", bold(f"record {at} of {len(shown)}: "), _counts(one))
        say(_mark(one))
    say_notes([fault] if fault else [])


def export_row(
    release: ReleaseFolder, row: ReleaseRow, trainer: str, tokenizer: Path | None
) -> tuple[Sequence[Record], str | None]:
    """Return the records that the trainer's export makes of one row, and the strategy that it says it took.

    Without an export of the trainer's name it is given the row as the release holds it.

    Raises:
        ConfigError: the export leaves the row out.
    """
    exporter = find_exporters().get(trainer)
    if exporter is None or exporter.write is None:
        return [render_row(row)], None
    takes = {option.name for option in exporter.options}
    given = exporter.settle({"tokenizer": str(tokenizer)} if tokenizer and "tokenizer" in takes else {})
    with tempfile.TemporaryDirectory(prefix="trajmill-preview-") as folder:
        exported = exporter.write(_OneRow(release.folder, {**release.manifest, "row": row}), Path(folder), given)
        if exported.left_out:
            raise ConfigError(f"the export to {trainer} leaves row {row.id} out: {', '.join(exported.left_out)}")
        note: Mapping[str, Any] = exported._asdict().get("note") or {}
        return list(_read_records(Path(folder))), note.get("strategy")


class _OneRow(ReleaseFolder):
    """A release of one row, which stands in its manifest."""

    def rows(self, split: str = "train", form: str = "original") -> Iterator[ReleaseRow]:
        if split == "train":
            yield self.manifest["row"]


def _read_records(folder: Path) -> Iterator[Record]:
    for path in sorted(folder.iterdir()):
        if path.suffix == ".jsonl":
            yield from map(orjson.loads, path.read_bytes().splitlines())
        elif path.stem == "train" and path.suffix == ".json":
            yield from orjson.loads(path.read_bytes())
        elif path.suffix == ".parquet":
            import pyarrow.parquet as pq

            yield from pq.read_table(path).to_pylist()


def _look(prover: Prover, row: ReleaseRow, record: Record) -> Preview:
    if masked := prover.mask(row, record):
        return Preview(
            masked.placed.rendered.text, masked.spans, len(masked.tokens.ids), len(masked.trained), is_estimated=False
        )
    reading = prover.read(row, record)
    parts: list[str] = []
    spans: list[Span] = []
    for message, carries in reading.each():
        text = f"{message['role']}: {_spell(message)}\n"
        start = sum(map(len, parts))
        spans += [Span(start + len(message["role"]) + 2, start + len(text) - 1)] if carries else []
        parts.append(text)
    return Preview("".join(parts), join_spans(spans), *estimate_tokens(reading), is_estimated=True)


def _spell(message: Mapping[str, Any]) -> str:
    calls = tuple(read_call({"id": "", **call, "function": _with_text(call)}) for call in message.get("tool_calls", ()))
    held = Message(role="assistant", content=str(message.get("content") or ""), tool_calls=calls)
    return "\n\n".join(part for part in (message.get("reasoning_content"), held.spelled) if part)


def _with_text(call: Mapping[str, Any]) -> dict[str, Any]:
    given = call["function"]["arguments"]
    text = given if isinstance(given, str) else orjson.dumps(given).decode()
    return {**call["function"], "arguments": text}


def _find_fault(prover: Prover, row: ReleaseRow, records: Sequence[Record]) -> str | None:
    try:
        prover.prove_row(row, records)
    except ExpectationError as error:
        return str(error)
    return None


def _counts(one: Preview) -> str:
    about = " (estimated: UTF-8 bytes / 4; --tokenizer DIR counts them)" if one.is_estimated else ""
    return f"{one.trained_tokens:,} of {one.tokens:,} tokens carry loss{about}"


def _mark(one: Preview) -> Text:
    """Colour what carries loss, or put it between marks where there is no colour."""
    opened, closed = ("", "") if is_terminal() else (OPEN, CLOSE)
    made, at = Text(), 0
    for start, end in one.trained:
        made.append(one.text[at:start], style="dim")
        made.append(f"{opened}{one.text[start:end]}{closed}", style="bold green")
        at = end
    return made.append(one.text[at:], style="dim")
