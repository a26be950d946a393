"""The novelty gate against rouge-score: the same decisions and neighbours, and what a pair takes.

Instructions are made up: 6 to 22 words, common ones often, a twentieth with words of other scripts, and one in four is
an earlier one with some words changed. rouge-score is given the gate's tokenizer.

    python -m benchmarks.novelty [--write docs/speed.md]
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

from rouge_score import rouge_scorer, tokenizers

from benchmarks.page import Marks, table_line
from tasks.generate.novelty import NoveltyGate, tokens_of

MARKS = Marks("<!-- table: python -m benchmarks.novelty --write docs/speed.md -->")
THRESHOLD = 0.7
_COMMON = """write explain list describe generate create find convert summarize translate classify a the of in to for
and with given sentence paragraph story poem about your number python function that returns email letter numbers is what
how best way recipe three five examples word text following based on information product company name customer review
city travel plan history math problem solve code sql query"""
_WORDS = _COMMON.split() + [f"w{number}" for number in range(3000)]
_WEIGHTS = list(itertools.accumulate(1 / (place + 3) for place in range(len(_WORDS))))
_OTHER = ("统计文件数量", "наибольший файл", "résumé", "ファイル名", "größte Datei")


class Compared(NamedTuple):
    """What rouge-score said of some texts against all before them, beside the gate."""

    pairs: int
    differences: int
    cpu: float
    """Seconds of rouge-score."""


class OurTokens(tokenizers.Tokenizer):  # type: ignore[misc]
    """The gate's tokenizer, as rouge-score takes one."""

    def tokenize(self, text: str) -> list[str]:
        """Return a text's tokens."""
        return tokens_of(text)


def main() -> int:
    """Measure, print the table and write it where asked; return 1 where a decision differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--whole", type=int, default=2_000, help="instructions of which every pair is compared")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--sample", type=int, default=50, help="of these, compared with all before them")
    parser.add_argument("--many", type=int, default=100_000)
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    whole = compare(make_instructions(asked.whole), range(asked.whole))
    rows = make_instructions(asked.rows)
    sample = compare(rows, sorted(random.Random(1).sample(range(asked.rows), asked.sample)))
    lines = [
        f"{date.today()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; CPU seconds of one process.",
        "",
        table_line(("instructions", "pairs", "CPU s", "µs a pair", "")),
        "| --- | ---: | ---: | ---: | --- |",
        _line(
            f"rouge-score, {asked.whole:,}, all with all", whole.pairs, whole.cpu, f"{whole.differences} differences"
        ),
        _line(
            f"rouge-score, {asked.sample} of {asked.rows:,}",
            sample.pairs,
            sample.cpu,
            f"{sample.differences} differences",
        ),
    ]
    for texts in (rows, make_instructions(asked.many)):
        pairs, admitted, cpu = admit(texts)
        faster = sample.cpu / sample.pairs / (cpu / pairs)
        told = f"{admitted:,} admitted; {faster:,.0f} times as fast (goal 1,000)"
        lines.append(_line(f"the gate, {len(texts):,}", pairs, cpu, told))
    print("\n".join(lines))
    if asked.write:
        asked.write.write_text(MARKS.put(asked.write.read_text("utf-8"), "\n".join(lines)), "utf-8")
    return int(bool(whole.differences or sample.differences))


def _line(what: str, pairs: int, cpu: float, told: str) -> str:
    return table_line((what, f"{pairs:,}", f"{cpu:.1f}", f"{cpu / pairs * 1e6:.3f}", told))


def make_instructions(count: int) -> list[str]:
    """Return so many; the same number gives the same."""
    rng, made = random.Random(5), list[list[str]]()
    for _ in range(count):
        if made and rng.random() < 0.25:
            words = list(rng.choice(made))
            for _ in range(rng.randint(0, max(1, len(words) // 4))):
                words[rng.randrange(len(words))] = rng.choice(_WORDS)
        else:
            words = rng.choices(_WORDS, cum_weights=_WEIGHTS, k=rng.randint(6, 22))
            words += rng.sample(_OTHER, 2) if rng.random() < 0.05 else []
        made.append(words)
    return [" ".join(words) for words in made]


def compare(texts: Sequence[str], places: Sequence[int]) -> Compared:
    """Ask the gate and rouge-score of some texts whether one before them is too close, and which is the closest."""
    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=OurTokens())
    gate, at, pairs, differences, cpu = NoveltyGate(threshold=THRESHOLD), 0, 0, 0, 0.0
    for place in places:
        for text in texts[at:place]:
            gate.admit(text)
        at = place
        began = time.process_time()
        scores = [scorer.score(other, texts[place])["rougeL"].fmeasure for other in texts[:place]]
        cpu += time.process_time() - began
        pairs += place
        best, found = max(scores, default=0.0), gate.too_close(texts[place])
        differences += (found.score if found else None) != (best if best >= THRESHOLD else None)
    return Compared(pairs, differences, cpu)


def admit(texts: Sequence[str]) -> tuple[int, int, float]:
    """Admit what is new, in order; return pairs (each with all admitted before it), how many came in, CPU seconds."""
    gate, pairs, admitted, began = NoveltyGate(threshold=THRESHOLD), 0, 0, time.process_time()
    for text in texts:
        pairs += admitted
        if gate.too_close(text) is None:
            gate.admit(text)
            admitted += 1
    return pairs, admitted, time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
