"""The rows of the teacher's table: what each measures, for whom, and when its goal is met."""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.clients import BARE, OURS, Client, Run, Stand
from benchmarks.mock_endpoint import RETRY_AFTER_SECONDS, Habits, draw
from benchmarks.peers.ours import LEDGER, PRICE
from teachers.ledger.ledger import Ledger

SLACK_SECONDS = 0.5
"""How much later than its time-out a request may be given up."""
MAX_TOKENS = 50
"""Of every request; `ours` has the same default."""


@dataclass(frozen=True)
class Verdict:
    """One field of the table."""

    text: str
    met: bool | None = None
    """None where no goal is set for the client."""


Taken = dict[str, list[Any]]
"""What was measured of one cell, by client, in the order of the rounds."""


@dataclass(frozen=True)
class Cell:
    """One row of the table."""

    name: str
    goal: str
    take: Callable[[Stand, Client, Path, int], Any]
    """Measure a client once: stand, client, empty folder, number of the round."""
    judge: Callable[[Stand, Client, Taken], Verdict]
    rounds: str = "once"
    """once, runs or seeds: how often it is measured; peers are measured once."""
    for_all: bool = True
    """Whether others than ours are measured."""
    of: str = ""
    """The cell whose measurements it reads, where it takes none of its own."""


# speed


def take_clean(stand: Stand, client: Client, folder: Path, number: int) -> Run:
    """Ask an endpoint that does nothing odd."""
    stand.mock.reset(mode="clean", latency=stand.latency)
    return stand.run(client, folder)


def take_err(stand: Stand, client: Client, folder: Path, number: int) -> Run:
    """Ask one that refuses and fails at random, each round with another seed."""
    stand.mock.reset(mode="err", latency=stand.latency, seed=number + 1)
    return stand.run(client, folder)


def take_cap(stand: Stand, client: Client, folder: Path, number: int) -> Run:
    """Ask one that refuses above its rate and does not say so."""
    stand.mock.reset(mode="cap", latency=stand.latency, per_second=cap_per_second(stand))
    return stand.run(client, folder)


def cap_per_second(stand: Stand) -> int:
    """Return 150 for 64 in flight at 200 ms: less than half of what these could send."""
    return max(1, round(150 * stand.in_flight / 64 * 0.2 / stand.latency))


def judge_clean(stand: Stand, client: Client, taken: Taken) -> Verdict:
    """Judge the span from the first request to the last answer."""
    return _ratio(stand, taken[client.name], stand.ideal, 1.10)


def judge_err(stand: Stand, client: Client, taken: Taken) -> Verdict:
    """Judge the median of the seeds."""
    runs = taken[client.name]
    floor = median(perfect_span(stand, run.stats["habits"]["seed"]) / stand.ideal for run in runs)
    verdict = _ratio(stand, runs, stand.ideal, 1.35)
    return Verdict(f"{verdict.text}, where {floor:.2f} is the least", verdict.met) if client == OURS else verdict


def perfect_span(stand: Stand, seed: int) -> float:
    """Return the seconds of a client that takes no time, waits as long as it is told, and asks again before anew."""
    habits = Habits(mode="err", seed=seed)
    slots, again, new = [0.0] * stand.in_flight, list[tuple[float, int, int]](), deque(range(stand.rows))
    end = 0.0
    while new or again:
        start = heapq.heappop(slots)
        if again and (again[0][0] <= start or not new):
            ready, row, attempt = heapq.heappop(again)
        else:
            ready, row, attempt = start, new.popleft(), 1
        end_of_this = max(start, ready) + stand.latency
        luck = draw(seed, str(row).encode(), attempt)
        if luck < habits.refused + habits.failed:
            wait = RETRY_AFTER_SECONDS if luck < habits.refused else 0.0
            heapq.heappush(again, (end_of_this + wait, row, attempt + 1))
        heapq.heappush(slots, end_of_this)
        end = max(end, end_of_this)
    return end


def judge_cap(stand: Stand, client: Client, taken: Taken) -> Verdict:
    """Judge span and share of refusals; a client that stays below the limit by being slow has neither."""
    runs = taken[client.name]
    verdict = _ratio(stand, runs, stand.rows / cap_per_second(stand), 1.15)
    refused = median(run.stats["refused"] / max(1, run.stats["requests"]) for run in runs)
    return Verdict(f"{verdict.text}; {refused:.1%} refused", verdict.met and refused < 0.05)


def judge_cpu(stand: Stand, client: Client, taken: Taken) -> Verdict:
    """Judge what a request costs above the bare client, sending alone and with start-up: both, as medians of rounds."""
    runs = taken[client.name]
    whole = [1000 * run.cpu / stand.rows for run in runs]
    text = f"{median(whole):.1f} ms with start-up"
    sending = [1000 * run.said["sending_cpu_seconds"] / stand.rows for run in runs if "sending_cpu_seconds" in run.said]
    if sending:
        text = f"{median(sending):.2f} ms sending, {text}"
    if client == BARE or BARE.name not in taken:
        return Verdict(text, None if BARE.name in taken else False)
    bare = taken[BARE.name]
    above = median(ours - 1000 * run.cpu / stand.rows for ours, run in zip(whole, bare, strict=False))
    text = f"{text} ({above:+.2f} above bare openai"
    if not sending:
        return Verdict(f"{text})", above <= 1.0)
    pairs = zip(sending, bare, strict=False)
    more = median(ours - 1000 * run.said.get("sending_cpu_seconds", 0) / stand.rows for ours, run in pairs)
    return Verdict(f"{text}, {more:+.2f} sending)", above <= 1.0 and more <= 1.0)


# memory


def take_memory(stand: Stand, client: Client, folder: Path, number: int) -> Run:
    """Ask fifty times as much, forty times as fast."""
    big = stand.with_(rows=stand.rows * 50, latency=stand.latency / 40, limit_seconds=stand.limit_seconds * 10)
    big.mock.reset(mode="clean", latency=big.latency)
    return big.run(client, folder, "--sample-every", str(max(1, big.rows // 10)))


def judge_memory(stand: Stand, client: Client, taken: Taken) -> Verdict:
    """Judge the peak, and that the last eight tenths of the run add next to nothing."""
    (run,) = taken[client.name]
    if not run.is_done:
        return Verdict(_undone(stand, run), False)
    samples = run.said["rss_mb"]
    flat = samples[-1] <= samples[1] * 1.1 + 5
    text = f"peak {run.peak_rss_mb:.0f} MB; {samples[1]:.0f} MB after a fifth, {samples[-1]:.0f} MB at the end; "
    text += f"{1000 * run.cpu / run.stats['prompts']:.2f} ms CPU a request, {run.stats['span']:.0f} s"
    return Verdict(text, flat and run.peak_rss_mb <= 250 and run.said["rows"] == stand.rows * 50)


# kills


@dataclass(frozen=True)
class Killed:
    """What a client sent, kept and lost when it was killed, and the rerun that went on."""

    requests: tuple[int, ...]
    """Sent in all, at each kill."""
    durable: tuple[int, ...]
    """Answers in the ledger, at each kill; empty for clients whose stores we do not read."""
    rerun: Run

    @property
    def lost(self) -> list[int]:
        """Requests that each kill left without a stored answer."""
        gone = [sent - kept for sent, kept in zip(self.requests, self.durable, strict=True)]
        return [now - before for before, now in zip([0, *gone], gone, strict=False)]


def take_kill(stand: Stand, client: Client, folder: Path, number: int, kills: int = 1) -> Killed | None:
    """Kill a client when a part of its answers were given, and run it again in the same folder."""
    if not client.keeps:
        return None
    stand.mock.reset(mode="clean", latency=stand.latency)
    requests, durable = [], []
    for kill in range(kills):
        run = stand.run(client, folder, kill_after=stand.rows * (kill + 1) // (kills + 1))
        requests.append(run.stats["requests"])
        if client == OURS:
            durable.append(in_ledger(folder).requests)
    return Killed(tuple(requests), tuple(durable), stand.run(client, folder))


def take_kills(stand: Stand, client: Client, folder: Path, number: int) -> Killed | None:
    """Kill it several times in a row."""
    return take_kill(stand, client, folder, number, stand.kills)


def judge_kill(stand: Stand, client: Client, taken: Taken) -> Verdict:
    """Judge that exactly what had no stored answer was sent again, and that this was in flight."""
    (killed,) = taken[client.name]
    if killed is None:
        return Verdict("keeps nothing")
    run, again = killed.rerun, killed.rerun.stats["requests"] - stand.rows
    if not run.is_done:
        return Verdict(f"killed after {killed.requests[0]}; rerun {_undone(stand, run)}", False)
    text = f"{again} sent again, {run.said['rows']} rows of {stand.rows}"
    if client != OURS:
        return Verdict(text, again <= len(killed.requests) * stand.in_flight and run.said["rows"] == stand.rows)
    text += f"; at each kill {', '.join(map(str, killed.lost))} without a stored answer"
    in_flight = all(0 <= lost <= stand.in_flight for lost in killed.lost)
    return Verdict(text, again == sum(killed.lost) and in_flight and run.said["rows"] == stand.rows)


# sockets that never answer


def take_hang(stand: Stand, client: Client, folder: Path, number: int) -> Run:
    """Ask an endpoint of which one socket in ten never answers, with a time-out of ten latencies."""
    stand.mock.reset(mode="hang", latency=stand.latency)
    return stand.run(client, folder, "--timeout", str(hang_timeout(stand)))


def hang_timeout(stand: Stand) -> float:
    """Return the time-out of a request, seconds."""
    return 10 * stand.latency


def judge_hang(stand: Stand, client: Client, taken: Taken) -> Verdict:
    """Judge that all rows are answered and that no socket was waited for longer than the time-out."""
    (run,) = taken[client.name]
    if not run.is_done:
        return Verdict(_undone(stand, run), False)
    longest, limit = run.stats["longest_hang"], hang_timeout(stand)
    text = f"{run.said['rows']} rows of {stand.rows} in {run.stats['span']:.1f} s, {run.stats['hung']} sockets hung, "
    text += f"longest wait {longest:.2f} s of {limit:g}"
    return Verdict(text, run.said["rows"] == stand.rows and longest <= limit + SLACK_SECONDS)


# budget


@dataclass(frozen=True)
class Spent:
    """What the endpoint billed up to a cap, and after the cap was raised."""

    cap: float
    billed: float
    """When the run ended at the cap."""
    kept: float
    """What the ledger says was paid by then."""
    first: Run
    raised: Run


def take_tokens(stand: Stand, client: Client, folder: Path, number: int) -> Spent:
    """Give half the tokens that the rows take, then plenty."""
    return _spend(stand, client, folder, "tokens", _dearest_tokens(stand) * stand.rows // 2)


def take_usd(stand: Stand, client: Client, folder: Path, number: int) -> Spent:
    """Give half the dollars that the rows take, then plenty."""
    dearest = (_dearest_tokens(stand) - MAX_TOKENS) * PRICE.prompt + MAX_TOKENS * PRICE.completion
    return _spend(stand, client, folder, "usd", dearest / 1e6 * stand.rows / 2)


def judge_budget(stand: Stand, client: Client, taken: Taken) -> Verdict:
    """Judge that the cap was not passed, that the message says how to go on, and that going on pays nothing twice."""
    (spent,) = taken[client.name]
    undone = next((run for run in (spent.first, spent.raised) if not run.is_done), None)
    if undone:
        return Verdict(_undone(stand, undone), False)
    is_kept = math.isclose(spent.billed, spent.kept)
    is_told = "Raise" in (spent.first.said["stopped"] or "")
    rows, requests = spent.raised.said["rows"], spent.raised.stats["requests"]
    text = f"{spent.billed / spent.cap:.1%} of the cap billed, "
    text += "all of it kept" if is_kept else f"{spent.kept / spent.cap:.1%} kept"
    text += f"{'' if is_told else ', no word how to go on'}; raised: {rows} rows from {requests} requests"
    return Verdict(text, spent.billed <= spent.cap and is_kept and is_told and rows == stand.rows == requests)


def _spend(stand: Stand, client: Client, folder: Path, unit: str, cap: float) -> Spent:
    quick = stand.with_(latency=stand.latency / 4)
    quick.mock.reset(mode="usage", latency=quick.latency)
    first = quick.run(client, folder, f"--{unit}", str(cap))
    billed = _billed(first, unit)
    totals = in_ledger(folder)
    kept = totals.tokens if unit == "tokens" else totals.cost_usd
    return Spent(cap, billed, kept, first, quick.run(client, folder, f"--{unit}", str(cap * 10)))


def _billed(run: Run, unit: str) -> float:
    prompt, completion = run.stats["billed_prompt_tokens"], run.stats["billed_completion_tokens"]
    return float(
        prompt + completion if unit == "tokens" else (prompt * PRICE.prompt + completion * PRICE.completion) / 1e6
    )


def _dearest_tokens(stand: Stand) -> int:
    return len(f"row {stand.rows}") + 4 + MAX_TOKENS


def in_ledger(folder: Path) -> Any:
    """Return the totals of what is stored."""
    ledger = Ledger(folder / LEDGER)
    try:
        return ledger.totals()
    finally:
        ledger.close()


def _ratio(stand: Stand, runs: Sequence[Run], ideal: float, goal: float) -> Verdict:
    undone = next((run for run in runs if not run.is_done or run.said["rows"] < stand.rows), None)
    if undone:
        return Verdict(_undone(stand, undone), False)
    ratios = sorted(run.stats["span"] / ideal for run in runs)
    spread = f" ({ratios[0]:.2f} to {ratios[-1]:.2f})" if len(ratios) > 1 else ""
    return Verdict(f"{median(ratios):.2f}{spread}", median(ratios) <= goal)


def _undone(stand: Stand, run: Run) -> str:
    if run.code == -9:
        return f"not done in {stand.limit_seconds:.0f} s ({run.stats['prompts_begun']} of {stand.rows} answered)"
    if run.code:
        return f"failed: {run.error[:120]}"
    return f"{run.said.get('rows')} of {stand.rows} rows: {str(run.said.get('errors', ''))[:120]}"


CELLS = (
    Cell("clean", "span / ideal <= 1.10", take_clean, judge_clean, "runs"),
    Cell("err", "5 % 429 + 5 % 500: span / ideal <= 1.35", take_err, judge_err, "seeds"),
    Cell("cap", "a hidden limit below the load: span / ideal <= 1.15, under 5 % refused", take_cap, judge_cap, "runs"),
    Cell("cpu", "CPU a request <= 1.0 ms above bare openai on aiohttp", take_clean, judge_cpu, "runs", of="clean"),
    Cell("memory", "50 times the rows: memory flat, <= 250 MB", take_memory, judge_memory, for_all=False),
    Cell("kill", "kill -9, rerun: only what was in flight is sent again", take_kill, judge_kill),
    Cell("kills", "ten kills in a row likewise", take_kills, judge_kill, for_all=False),
    Cell(
        "hang",
        "10 % of sockets never answer: finishes, no wait beyond the time-out",
        take_hang,
        judge_hang,
        for_all=False,
    ),
    Cell(
        "budget_tokens", "a cap in tokens is never passed; raised, it goes on", take_tokens, judge_budget, for_all=False
    ),
    Cell("budget_usd", "a cap in dollars is never passed; raised, it goes on", take_usd, judge_budget, for_all=False),
)
