"""The teacher's table is made end to end, with so little to ask that its times say nothing: what must hold, holds."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cells import CELLS, Killed, Verdict, judge_clean, judge_cpu, judge_err, judge_kill, perfect_span
from benchmarks.clients import BARE, OURS, PEERS, RAW, Run, Stand, installed, last_json
from benchmarks.mock_endpoint import Mock, draw
from benchmarks.teacher import TABLE, order, read_page

REPO = Path(__file__).resolve().parents[2]
LITTLE = (
    "--rows=96",
    "--in-flight=8",
    "--latency=0.02",
    "--runs=1",
    "--seeds=1",
    "--kills=3",
    "--rest=0",
    "--limit=60",
)
HOLDS = {"kill", "kills", "hang", "budget_tokens", "budget_usd"}
"""Cells whose goals do not hang on how fast or busy the machine is."""


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "benchmarks/teacher.py", *LITTLE, *options]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)


def run(seconds: float = 1.0, rows: int = 100, code: int = 0, requests: int = 100, **said: Any) -> Run:
    stats = {"span": seconds, "requests": requests, "refused": 0, "prompts_begun": rows, "habits": {"seed": 1}}
    cpu = said.pop("cpu", 0.5)
    return Run(stats, {"rows": rows} | said if code == 0 else {}, 2.0, cpu, 90.0, code, "", 0.1)


@pytest.fixture
def stand() -> Stand:
    return Stand(Mock("http://127.0.0.1:9"), rows=100, in_flight=10, latency=0.1)


@pytest.mark.slow
def test_every_cell_of_ours_is_measured_and_what_does_not_hang_on_speed_holds(tmp_path):
    done = bench("--clients", "ours", "--json", str(tmp_path / "found.json"), "--write", str(tmp_path / "page.md"))
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found) == {cell.name for cell in CELLS}, done.stderr
    assert all(re.search(r"\d", row[OURS.name]["text"]) for row in found.values())
    assert {name: found[name][OURS.name] for name in HOLDS if not found[name][OURS.name]["met"]} == {}
    assert done.returncode == any(row[OURS.name]["met"] is False for row in found.values())
    assert done.stdout.strip() in (tmp_path / "page.md").read_text()


@pytest.mark.slow
def test_the_bare_clients_stand_beside_ours_in_one_table(tmp_path):
    bench("--cells", "clean,cpu,kill", "--json", str(tmp_path / "found.json"))
    found = json.loads((tmp_path / "found.json").read_text())
    names = {OURS.name, *(client.name for client in RAW)}
    assert [set(found[name]) for name in ("clean", "cpu", "kill")] == [names] * 3
    assert "above bare openai" in found["cpu"][OURS.name]["text"]
    assert found["kill"]["raw aiohttp"]["met"]


def test_the_median_of_the_seeds_is_judged_and_the_range_shown(stand):
    taken = {RAW[0].name: [run(seconds) for seconds in (1.1, 9.0, 1.2, 1.0, 1.3)]}
    assert judge_err(stand, RAW[0], taken) == Verdict("1.20 (1.00 to 9.00)", True)
    assert judge_clean(stand, RAW[0], taken).met is False


@pytest.mark.parametrize(("in_flight", "rows"), [(1, 30), (10, 100), (64, 2000)])
def test_a_perfect_client_takes_the_ideal_for_all_attempts_and_the_waits_at_the_end(stand, in_flight, rows):
    wide = stand.with_(in_flight=in_flight, rows=rows)
    attempts = 0
    for row in range(rows):
        attempts += 1 + next(a for a in itertools.count() if draw(3, str(row).encode(), a + 1) >= 0.1)
    assert attempts * wide.latency / in_flight <= perfect_span(wide, 3) + 1e-9
    assert perfect_span(wide, 3) <= attempts * wide.latency / in_flight + 5 * (1 + 2 * wide.latency)


@pytest.mark.parametrize(
    ("found", "text"),
    [(run(code=-9, rows=70), "not done in 100 s (70 of 100 answered)"), (run(rows=99, errors={"x": 1}), "99 of 100")],
)
def test_a_client_that_leaves_rows_out_has_no_ratio(stand, found, text):
    verdict = judge_clean(stand, OURS, {OURS.name: [run(), found]})
    assert text in verdict.text
    assert verdict.met is False


def test_cpu_is_judged_above_the_bare_client_with_and_without_start_up(stand):
    def taken(cpu: float, sending: float) -> dict[str, list[Run]]:
        return {
            OURS.name: [run(cpu=cpu, sending_cpu_seconds=sending)],
            BARE.name: [run(cpu=0.3, sending_cpu_seconds=0.2)],
        }

    assert judge_cpu(stand, OURS, taken(0.39, 0.29)).met
    assert not judge_cpu(stand, OURS, taken(0.45, 0.29)).met
    assert not judge_cpu(stand, OURS, taken(0.39, 0.35)).met


@pytest.mark.parametrize(
    ("requests", "durable", "in_all", "met"),
    [
        ((50,), (42,), 108, True),
        ((50,), (42,), 110, False),  # two that were stored are sent again
        ((50,), (40,), 110, True),
        ((50,), (38,), 112, False),  # two more than were in flight
        ((50, 75), (42, 60), 115, True),
    ],
)
def test_a_kill_may_cost_what_was_in_flight_and_nothing_more(stand, requests, durable, in_all, met):
    killed = Killed(requests, durable, run(requests=in_all))
    assert judge_kill(stand, OURS, {OURS.name: [killed]}).met is met


def test_every_other_round_goes_backwards_and_peers_come_once():
    clients = [OURS, RAW[0], PEERS[0]]
    turns = [(number, client.name) for number, client in order(CELLS[0], clients, 3)]
    ours, raw, peer = (client.name for client in clients)
    assert turns == [(0, ours), (0, raw), (0, peer), (1, raw), (1, ours), (2, ours), (2, raw)]


@pytest.mark.slow
def test_a_peer_that_cannot_be_installed_is_left_out_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    _, reason = installed(PEERS[0], tmp_path)
    assert reason is not None
    assert "cannot be installed" in reason
    assert PEERS[0].pins[0] in reason


def test_the_table_is_put_between_its_marks_and_the_rest_of_the_page_stays(tmp_path):
    page = tmp_path / "teacher.md"
    page.write_text("# T\n\nBefore.\n")
    once = TABLE.put(read_page(page), "| one |")
    page.write_text(once + "\nAfter.\n")
    twice = TABLE.put(read_page(page), "| two |")
    assert "Before." in twice and "After." in twice and "one" not in twice
    assert twice.count(TABLE.start) == twice.count(TABLE.end) == 1


def test_a_drivers_word_is_its_last_line_of_json():
    assert last_json('{"a": 1}\nnoise\n{"b": 2}\n[INFO] done\n') == {"b": 2}
    assert last_json("noise\n[1]\n") == {}
