"""The teacher, measured against a mock endpoint, beside the bare clients and its peers: the table of docs/teacher.md.

Every number is made in a fresh process on this machine, ratios within one run. Exit code 1 if ours misses a goal.

    python benchmarks/teacher.py                                        about 20 minutes on two idle cores
    python benchmarks/teacher.py --quick                                without the 100,000 requests
    python benchmarks/teacher.py --cells clean,err --clients ours
    python benchmarks/teacher.py --peers --runs 2 --write docs/teacher.md   with the peers: about half an hour

A peer is measured once in each cell (ours and the bare clients: medians), and is taken for not finishing after --limit.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from benchmarks.cells import CELLS, Cell, Taken, Verdict
from benchmarks.clients import OURS, PEERS, RAW, Client, Run, Stand, installed
from benchmarks.mock_endpoint import started
from benchmarks.page import Marks
from schemas.settings import Settings

TABLE = Marks("<!-- table: python benchmarks/teacher.py --peers --write docs/teacher.md -->")
QUICK_LEAVES_OUT = {"memory"}

Table = dict[str, dict[str, Verdict]]
"""Verdicts by cell and client."""


def main() -> int:
    """Measure, print, write; return 1 if ours misses a goal."""
    chosen = read_arguments()
    cells, clients, missing = chosen_cells(chosen), *chosen_clients(chosen)
    load = os.getloadavg()[0]
    with started() as mock, tempfile.TemporaryDirectory() as folder:
        stand = Stand(mock, chosen.rows, chosen.in_flight, chosen.latency, chosen.limit, chosen.rest, chosen.kills)
        rounds = {"once": 1, "runs": chosen.runs, "seeds": chosen.seeds}
        taken = measure(stand, cells, clients, rounds, Path(folder))
    table = judge(stand, cells, clients, taken)
    page = render(table, cells, clients, missing, costs(clients, taken), conditions(chosen, stand, load))
    print(page)
    if chosen.json:
        verdicts = {name: {client: vars(verdict) for client, verdict in row.items()} for name, row in table.items()}
        chosen.json.write_text(json.dumps(verdicts, indent=1), encoding="utf-8")
    if chosen.write:
        chosen.write.write_text(TABLE.put(read_page(chosen.write), page), encoding="utf-8")
    missed = [cell.name for cell in cells if OURS.name in table[cell.name] and table[cell.name][OURS.name].met is False]
    print(f"goals missed: {', '.join(missed)}" if missed else "every goal is met", file=sys.stderr)
    return 1 if missed else 0


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [cell.name for cell in CELLS]
    parser.add_argument("--cells", default=",".join(names), help=f"of {', '.join(names)}")
    parser.add_argument("--clients", default="all", help="all, or `ours`: without the bare clients")
    parser.add_argument(
        "--peers", action="store_true", help="with the peers; needs an index of packages the first time"
    )
    parser.add_argument("--peers-dir", type=Path, help="where their environments stand; default: the cache of Trajmill")
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--write", type=Path, help="page to put the table into")
    parser.add_argument("--json", type=Path, help="file for the verdicts")
    parser.add_argument("--runs", type=int, default=3, help="rounds of the cells clean, cap and cpu")
    parser.add_argument("--seeds", type=int, default=5, help="rounds of the cell err")
    parser.add_argument("--kills", type=int, default=10, help="in a row")
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    parser.add_argument(
        "--limit", type=float, default=100, help="seconds after which a client is taken for not finishing"
    )
    parser.add_argument("--rest", type=float, default=1.0, help="seconds between two runs")
    return parser.parse_args()


def chosen_cells(chosen: argparse.Namespace) -> list[Cell]:
    """Return the cells that were asked for, in the order of the table; exit 2 on an unknown one."""
    names = chosen.cells.split(",")
    unknown = sorted(set(names) - {cell.name for cell in CELLS})
    if unknown:
        sys.exit(f"no cell {', '.join(unknown)}; allowed are {', '.join(cell.name for cell in CELLS)}")
    return [cell for cell in CELLS if cell.name in names and not (chosen.quick and cell.name in QUICK_LEAVES_OUT)]


def chosen_clients(chosen: argparse.Namespace) -> tuple[list[Client], dict[str, str]]:
    """Return who is measured, and by name why others are not."""
    clients, missing = [OURS, *(RAW if chosen.clients == "all" else ())], {}
    folder = chosen.peers_dir or Settings().cache / "peers"
    for peer in PEERS if chosen.peers else ():
        client, reason = installed(peer, folder)
        if reason:
            missing[peer.name] = reason
        else:
            clients.append(client)
    return clients, missing


def measure(
    stand: Stand, cells: Sequence[Cell], clients: Sequence[Client], rounds: dict[str, int], folder: Path
) -> dict[str, Taken]:
    """Measure cell by cell, round by round, so that all clients of a round meet the same machine."""
    taken: dict[str, Taken] = {}
    for cell in cells:
        if (cell.of or cell.name) in taken:
            continue
        mine = taken[cell.of or cell.name] = {}
        for number, client in order(cell, clients, rounds[cell.rounds]):
            found = cell.take(stand, client, folder / cell.name / client.driver / f"{client.name} {number}", number)
            mine.setdefault(client.name, []).append(found)
            progress = cell.judge(stand, client, mine).text
            print(f"{cell.name} {number + 1}, {client.name}: {progress}", file=sys.stderr, flush=True)
    return taken


def order(cell: Cell, clients: Sequence[Client], rounds: int) -> Iterator[tuple[int, Client]]:
    """Yield who is measured when; every other round goes backwards, and peers come once."""
    asked = [client for client in clients if cell.for_all or client == OURS]
    for number in range(rounds):
        yield from ((number, client) for client in asked[:: -1 if number % 2 else 1] if not (client.pins and number))


def judge(stand: Stand, cells: Sequence[Cell], clients: Sequence[Client], taken: dict[str, Taken]) -> Table:
    """Judge everything that was measured."""
    return {
        cell.name: {
            client.name: cell.judge(stand, client, taken[cell.of or cell.name])
            for client in clients
            if client.name in taken[cell.of or cell.name]
        }
        for cell in cells
    }


def conditions(chosen: argparse.Namespace, stand: Stand, load_before: float) -> list[str]:
    """Say with what and under which load it was measured."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("openai", "aiohttp"))
    return [
        f"`python {' '.join(['benchmarks/teacher.py', *sys.argv[1:]])}` on {date.today().isoformat()}: Python "
        f"{platform.python_version()}, {versions}, {os.cpu_count()} cores; load average {load_before:.1f} before, "
        f"{min(stand.loads):.1f} to {max(stand.loads):.1f} during (the benchmark's own included).",
        "",
        f"{stand.rows:,} requests, {stand.in_flight} in flight, {1000 * stand.latency:.0f} ms latency: ideal "
        f"{stand.ideal:.2f} s. Medians of {chosen.runs} runs (clean, cap, cpu) and of {chosen.seeds} seeds (err), in "
        "brackets the range; peers once. A client has "
        f"{stand.limit_seconds:.0f} s.",
    ]


def costs(clients: Sequence[Client], taken: dict[str, Taken]) -> list[str]:
    """Render what the middle clean run of each client took."""
    if "clean" not in taken:
        return []
    lines = [
        "| clean run | wall s | CPU s, start-up included | peak RSS MB | requests sent |",
        "|---|---:|---:|---:|---:|",
    ]
    for client in clients:
        runs: list[Run] = sorted(taken["clean"][client.name], key=lambda run: run.wall)
        run = runs[len(runs) // 2]
        requests = run.stats["requests"] + run.stats["probes"]
        lines.append(f"| {client.name} | {run.wall:.1f} | {run.cpu:.1f} | {run.peak_rss_mb:.0f} | {requests:,} |")
    return [*lines, ""]


def render(
    table: Table,
    cells: Sequence[Cell],
    clients: Sequence[Client],
    missing: dict[str, str],
    costs: list[str],
    conditions: list[str],
) -> str:
    """Render the table: a row a cell, a column a client."""
    names = [client.name for client in clients]
    lines = [*conditions, "", f"| goal | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for cell in cells:
        fields = [_field(table[cell.name].get(name), name == OURS.name) for name in names]
        lines.append(f"| {cell.goal} | {' | '.join(fields)} |")
    lines += ["", *costs, *(f"- {name} is left out: {reason}" for name, reason in missing.items())]
    return "\n".join(lines).rstrip()


def _field(verdict: Verdict | None, is_ours: bool) -> str:
    if verdict is None:
        return "-"
    if is_ours and verdict.met is not None:
        return f"{verdict.text}: **{'met' if verdict.met else 'missed'}**"
    return verdict.text


def read_page(path: Path) -> str:
    """Return a page as it stands, with a section for the table where it has none."""
    page = path.read_text(encoding="utf-8") if path.exists() else "# The teacher\n"
    return page if TABLE.start in page else f"{page.rstrip()}\n\n## Measured\n\n{TABLE}"


if __name__ == "__main__":
    sys.exit(main())
