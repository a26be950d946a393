"""Our teacher, asked as a build asks: `open_teacher` with a real ledger. Prints what it took as one line of JSON.

Everything is asked again on every run, as after a crash: what stands in the ledger is not sent.

    OPENAI_BASE_URL=http://127.0.0.1:8901/v1 python -P benchmarks/peers/ours.py URL ROWS IN_FLIGHT FOLDER [options]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.measured import cpu_seconds, peak_rss_mb, rss_mb
from schemas.completion import CompletionRequest, Sampling
from schemas.errors import BudgetError, TrajmillError
from schemas.message import Message
from schemas.run_config import BudgetConfig, Price, RunConfig, TeacherConfig
from schemas.settings import Settings
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.open import open_teacher

OPEN_CALLS = 2
"""Calls that the caller keeps open for each that may be in flight, so that a retry that waits keeps no slot empty."""
PRICE = Price(prompt=2.0, completion=8.0)
LEDGER = "ledger.sqlite"


@dataclass
class Answers:
    """What came back."""

    row_seen: bytearray
    answered: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    longest_wait_seconds: float = 0.0
    stopped: str | None = None
    """What the budget said."""
    rss_mb: list[float] = field(default_factory=list)


def main() -> None:
    """Ask every row once and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("url")
    parser.add_argument("rows", type=int)
    parser.add_argument("in_flight", type=int)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--max-tokens", type=int, default=50)
    parser.add_argument("--tokens", type=int, help="budget")
    parser.add_argument("--usd", type=float, help="budget")
    parser.add_argument("--sample-every", type=int, default=10_000, help="answers between two looks at the memory")
    chosen = parser.parse_args()
    os.environ |= {"OPENAI_BASE_URL": chosen.url, "OPENAI_API_KEY": "none"}
    print(json.dumps(asyncio.run(run(chosen))))


async def run(chosen: argparse.Namespace) -> dict[str, object]:
    """Ask through the product's own composition."""
    config = RunConfig(
        teacher=TeacherConfig(
            kind="openai",
            name="bench",
            generator="m",
            solver="m",
            backfiller="m",
            concurrency=chosen.in_flight,
            timeout_seconds=chosen.timeout,
            prices={"m": PRICE},
        ),
        budget=BudgetConfig(usd=chosen.usd, tokens=chosen.tokens),
    )
    ledger = Ledger(chosen.folder / LEDGER)
    answers = Answers(bytearray(chosen.rows))
    async with open_teacher(config, Settings(), ledger, build="1") as teacher:
        cpu, began = cpu_seconds(), time.monotonic()
        rows = iter(range(chosen.rows))
        callers = (ask_all(teacher, rows, answers, chosen) for _ in range(OPEN_CALLS * chosen.in_flight))
        await asyncio.gather(*callers)
        seconds, cpu = time.monotonic() - began, cpu_seconds() - cpu
    ledger.close()
    rows_seen = sum(vars(answers).pop("row_seen"))
    took = {"seconds": seconds, "sending_cpu_seconds": cpu, "peak_rss_mb": peak_rss_mb()}
    return vars(answers) | took | {"rows": rows_seen}


async def ask_all(teacher: Ledgered, rows: Iterator[int], answers: Answers, chosen: argparse.Namespace) -> None:
    """Ask row after row until there is none left or the budget is used up."""
    for row in rows:
        began = time.monotonic()
        try:
            await teacher.complete(request_for(row, chosen.max_tokens))
            answers.answered += 1
            answers.row_seen[row] = 1
            if answers.answered % chosen.sample_every == 0:
                answers.rss_mb.append(rss_mb())
        except BudgetError as error:
            answers.stopped = str(error)
            return
        except TrajmillError as error:
            answers.errors[str(error)] += 1
        answers.longest_wait_seconds = max(answers.longest_wait_seconds, time.monotonic() - began)


def request_for(row: int, max_tokens: int) -> CompletionRequest:
    """Word one row."""
    return CompletionRequest(
        purpose="collect_episodes",
        teacher="bench",
        model="m",
        messages=(Message(role="user", content=f"row {row}"),),
        sampling=Sampling(max_tokens=max_tokens),
    )


if __name__ == "__main__":
    main()
