"""What a build does thousands of times, each against hashing a long request in the same process, in turns.

A ratio says the same on a fast machine and on a slow one; where one is above what is allowed, it ends with code 1.

    python -m benchmarks.parts [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import prompts
from benchmarks.page import table_line
from environments.db.sample import build_sample
from environments.os.author import TOPICS, OsDraft, read_task
from environments.os.families.catalogue import recognise
from environments.os.rehearsal import OsRehearsal
from rehearsals.chats import write_chats
from schemas.completion import Completion, CompletionRequest
from schemas.message import Message
from schemas.run_config import BudgetConfig, Price, StageBudget, StageBudgets
from teachers.budget.budgeted import Budgeted
from teachers.budget.caps import BudgetCaps
from teachers.endpoint.receipts import make_receipt
from teachers.endpoint.replies import read_reply
from teachers.scripted import Scripted, receipt
from warehouse.state import State

Work = Callable[[int], None]
"""Does a part so many times."""

PRICES = {"m": Price(prompt=1, completion=3)}
URL = "http://localhost:8000/v1"
ANSWER = {
    "choices": [{"message": {"content": "word " * 400, "reasoning": "so " * 100}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
}


@dataclass(frozen=True)
class Part:
    """One thing that a build does again and again."""

    name: str
    make: Callable[[Path], Work]
    """Prepare it in a folder of its own."""
    times: int
    """How often it is done in a row."""
    at_most: float
    """Times what hashing the request takes."""


def main() -> int:
    """Measure; return 1 where a part takes more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    found = measure(PARTS, parser.parse_args().rounds)
    print(render(found))
    return int(any(ratio > part.at_most for part, _, ratio in found))


def measure(parts: tuple[Part, ...], rounds: int) -> list[tuple[Part, float, float]]:
    """Return CPU microseconds of each part and its ratio to a hash, the best of some rounds."""
    request = long_request()
    found = []
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            work = part.make(Path(folder))
            work(part.times)  # compiles and caches what is so on first use
            pairs = [(cpu_seconds(work, part.times), cpu_seconds(hashing(request), 1_000)) for _ in range(rounds)]
        found.append((part, min(mine for mine, _ in pairs) * 1e6, min(mine / theirs for mine, theirs in pairs)))
    return found


def cpu_seconds(work: Work, times: int) -> float:
    """Return the CPU seconds of this process for each time."""
    started = time.process_time()
    work(times)
    return (time.process_time() - started) / times


def render(found: list[tuple[Part, float, float]]) -> str:
    """Return a table for people."""
    lines = [table_line(("part", "CPU µs", "hashes of a long request", "at most")), "|---|---:|---:|---:|"]
    for part, micros, ratio in found:
        lines.append(table_line((part.name, f"{micros:,.0f}", f"{ratio:.2f}", f"{part.at_most:g}")))
    return "\n".join(lines)


def long_request() -> CompletionRequest:
    """Return the request of a rollout's twelfth message."""
    long = tuple(Message(role="user", content="an observation " * 50) for _ in range(12))
    return CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=long)


def hashing(request: CompletionRequest) -> Work:
    """Return what the ledger does with every request."""

    def work(times: int) -> None:
        for _ in range(times):
            _ = request.request_hash

    return work


def budgeting(_: Path) -> Work:
    """Set aside and settle under a budget for the run and one for the stage."""
    request = long_request()
    answer = receipt(request, "ok")

    class Instant(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            return answer

    stages = StageBudgets(collect_episodes=StageBudget(usd=1e6))
    teacher = Budgeted(Instant([]), BudgetCaps(BudgetConfig(usd=1e6, tokens=10**12, stages=stages)), PRICES)

    async def ask(times: int) -> None:
        for _ in range(times):
            await teacher.complete(request)

    return lambda times: asyncio.run(ask(times))


def receipting(_: Path) -> Work:
    """Read a reply and make its receipt."""
    request = long_request()

    def work(times: int) -> None:
        for _ in range(times):
            make_receipt(request, [read_reply(ANSWER, URL)], 0.1)

    return work


def journalling(folder: Path) -> Work:
    """Journal a turn with an observation of 800 characters."""

    def work(times: int) -> None:
        with closing(State(folder)) as state:
            episode = str(random.random())
            for index in range(times):
                state.append(episode, 1, index, "ls", "x" * 800)

    return work


def drafting(_: Path) -> Work:
    """Make up a task of the shell's world, as the offline teacher does."""
    rehearsal, template = OsRehearsal(), prompts.load("generate_os", "v1")
    asked = [template.render(examples=[], topic=topic) for topic in TOPICS]

    def work(times: int) -> None:
        for number in range(times):
            rehearsal.draft(asked[number % len(asked)], random.Random(number), None)

    return work


def solving(_: Path) -> Work:
    """Read a problem back and say the first turn."""
    rehearsal, template = OsRehearsal(), prompts.load("generate_os", "v1")
    asked = [template.render(examples=[], topic=topic) for topic in TOPICS]
    drafts = [read_task(rehearsal.draft(asked[n % len(asked)], random.Random(n), None)) for n in range(700)]
    solve = prompts.load("solve_os")
    problems = [solve.sections(problem=draft.problem) for draft in drafts if isinstance(draft, OsDraft)]
    talks = [
        [Message(role=("user", "assistant")[n % 2], content=text) for n, text in enumerate(texts)] for texts in problems
    ]

    def work(times: int) -> None:
        recognise.cache_clear()
        for number in range(times):
            rehearsal.solve(talks[number % len(talks)], None)

    return work


def chatting(folder: Path) -> Work:
    """Write so many chats of the built-in set."""

    def work(times: int) -> None:
        write_chats(folder, count=times, build=2, seed=0)

    return work


def sampling(folder: Path) -> Work:
    """Write the built-in databases, each time anew."""

    def work(times: int) -> None:
        for _ in range(times):
            build_sample(Path(tempfile.mkdtemp(dir=folder)))

    return work


PARTS = (
    Part("reserve and settle under a budget", budgeting, 1_000, 1),
    Part("read a reply and make its receipt", receipting, 1_000, 5),
    Part("journal a turn", journalling, 300, 10),
    Part("draft an OS task offline", drafting, 700, 25),
    Part("solve a turn offline", solving, 700, 20),
    Part("write a chat", chatting, 1_200, 10),
    Part("build the sample databases", sampling, 3, 1_000),
)


if __name__ == "__main__":
    sys.exit(main())
