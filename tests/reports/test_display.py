"""The display: everything in 80 columns, a live table on a terminal, a line a stage everywhere else."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from rich.console import Console

from reports.display import render, shown, stage_table, summarise
from schemas.completion import CompletionRequest
from schemas.message import Message
from schemas.run_config import ModelLimits, RunConfig
from tasks.workshop import Workshop
from teachers.ledger.ledger import Ledger
from teachers.limits.lanes import lane_of
from teachers.scripted import Scripted, receipt
from warehouse.state import State
from warehouse.warehouse import Warehouse


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield Workshop(
        config=RunConfig(),
        config_name="demo",
        home=tmp_path,
        build=2,
        resumed=False,
        warehouse=Warehouse(tmp_path),
        state=State(tmp_path),
        ledger=ledger,
        teacher=Scripted([]),
        worlds={},
    )
    ledger.close()


def pay(ledger: Ledger, number: int, tokens: int, dollars: float) -> None:
    """Store one answer of collect_episodes and wait until it is durable."""
    request = CompletionRequest(
        purpose="collect_episodes",
        teacher="t",
        model="m",
        messages=(Message(role="user", content=str(number)),),
    )
    before = ledger.totals().requests
    ledger.join(request.request_hash)
    paid = {"prompt_tokens": tokens, "completion_tokens": 0, "cost_usd": dollars}
    ledger.record(request, receipt(request, "yes").model_copy(update=paid))
    while ledger.totals().requests == before:
        time.sleep(0.01)


def drawn(workshop: Workshop, width: int) -> list[str]:
    console = Console(file=(out := io.StringIO()), width=width, force_terminal=False)
    console.print(render(workshop, width))
    return out.getvalue().splitlines()


def read_all(terminal: int, into: bytearray) -> None:
    """Read what a terminal shows until its other end is closed, which the kernel tells as an error."""
    with suppress(OSError):
        while data := os.read(terminal, 4096):
            into.extend(data)
    os.close(terminal)


def test_a_run_of_a_million_fits_in_100_columns(workshop: Workshop) -> None:
    for name in workshop.progress.stages:
        workshop.progress.begin(name)
        workshop.progress.expect(name, 1_000_000)
        workshop.progress.keep(name, 612_345)
        workshop.progress.reject(name, "failed", 123_456)
    workshop.ledger.begin("2")
    pay(workshop.ledger, 1, 1_234_567_890, 12_345.67)
    lines = drawn(workshop, 100)
    assert not any("…" in line for line in lines)
    assert any("735,801/1,000,000" in line and "612,345" in line and "123,456" in line for line in lines)
    assert "1,234,567,890" in lines[-1]
    assert "$12,345.67" in lines[-1]


def test_a_default_build_fits_in_80_columns(workshop: Workshop) -> None:
    for name in workshop.progress.stages:
        workshop.progress.begin(name).started = time.monotonic() - 4_000
        workshop.progress.expect(name, 1_935)
        workshop.progress.keep(name, 1_900)
    workshop.ledger.begin("2")
    pay(workshop.ledger, 1, 655_618, 0.5)
    lines = drawn(workshop, 80)
    assert not any("…" in line for line in lines), lines
    assert len(lines) == len(workshop.progress.stages) + 2, "no line is folded"
    assert "1:06:4" in lines[1]
    assert lines[1].rstrip().endswith("74 s"), "the time left"


def test_tokens_and_cost_are_those_of_this_build(workshop: Workshop) -> None:
    pay(workshop.ledger, 1, 500, 1.0)
    workshop.ledger.begin("2")
    pay(workshop.ledger, 2, 300, 0.25)
    workshop.progress.begin("collect_episodes")
    row = stage_table(workshop).records()[1]
    assert (row["stage"], row["tokens"], row["cost"]) == ("collect_episodes", "300", "$0.2500")


def test_what_is_left_is_told_by_the_pace_so_far(workshop: Workshop) -> None:
    stage = workshop.progress.begin("collect_episodes")
    stage.started = time.monotonic() - 10
    workshop.progress.expect("collect_episodes", 40)
    assert stage_table(workshop).records()[1]["left"] == "", "nothing to go by"
    workshop.progress.keep("collect_episodes", 10)
    assert stage_table(workshop).records()[1]["left"] == "30 s"


def test_a_stage_is_summarised_with_its_most_frequent_reasons(workshop: Workshop) -> None:
    workshop.progress.begin("ingest_conversations")
    workshop.progress.keep("ingest_conversations", 1_000)
    for count, reason in enumerate(("language", "duplicate", "too_short", "not_json", "no_messages", "cut_off"), 1):
        workshop.progress.reject("ingest_conversations", reason, count)
    told = summarise(workshop, "ingest_conversations")
    most = "cut_off 6, no_messages 5, not_json 4, too_short 3"
    assert told.startswith(f"1,021 done, 1,000 kept, 21 rejected ({most}, and 2 reasons more), ")


def test_a_collection_tells_what_passed_and_an_outage_turns_nothing_away(workshop: Workshop) -> None:
    stage = workshop.progress.begin("collect_episodes")
    workshop.progress.keep("collect_episodes", 6)
    workshop.progress.reject("collect_episodes", "failed", 2)
    for _ in range(17):
        workshop.progress.leave_open("collect_episodes", "teacher_error")
    told = summarise(workshop, "collect_episodes")
    assert told.startswith("25 done, 6 passed, 2 failed (failed 2), 17 without an outcome (teacher_error 17), ")
    assert stage.done == 25 and stage_table(workshop).records()[1]["no outcome"] == "17"
    assert "no outcome" in drawn(workshop, 80)[0]


def test_a_stage_that_was_cut_short_shows_no_tick(workshop: Workshop) -> None:
    for name, is_cut in (("generate_tasks", False), ("collect_episodes", True)):
        workshop.progress.begin(name)
        workshop.progress.end(name, is_cut=is_cut)
    assert [line[0] for line in drawn(workshop, 100)[1:4]] == ["✓", "✗", "·"]
    assert summarise(workshop, "collect_episodes").endswith(", cut short")


@pytest.mark.parametrize("width", range(52, 100, 8))
def test_a_narrow_window_shows_fewer_columns_and_no_half_number(width: int, workshop: Workshop) -> None:
    for name in workshop.progress.stages:
        workshop.progress.begin(name)
        workshop.progress.expect(name, 1_935)
        workshop.progress.keep(name, 1_900)
    pay(workshop.ledger, 1, 655_618, 0.5)
    lines = drawn(workshop, width)
    assert not any("…" in line for line in lines) and max(map(len, lines)) <= width
    assert len(lines) == len(workshop.progress.stages) + 2 and "1,900/1,935" in lines[1]


def test_off_a_terminal_a_long_stage_says_how_far_it_is(
    workshop: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reports.display.BEAT_SECONDS", 0.01)
    with shown(workshop):
        workshop.progress.begin("generate_tasks")
        workshop.progress.expect("generate_tasks", 40)
        told = ""
        while "so far" not in told:
            told += capsys.readouterr().err
    assert told.startswith("generate_tasks: 0/40 done so far, ")


def test_off_a_terminal_a_line_is_printed_when_a_stage_ends_and_the_table_at_the_end(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    with shown(workshop):
        workshop.progress.begin("generate_tasks")
        workshop.progress.keep("generate_tasks", 3)
        assert capsys.readouterr().err == ""
        workshop.progress.end("generate_tasks")
        assert capsys.readouterr().err.startswith("generate_tasks: 3 done, 3 kept, 0 rejected, 0.0 s")
    assert "in all" in capsys.readouterr().err


def test_quietly_stages_are_told_without_a_table(workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    with shown(workshop, quiet=True):
        workshop.progress.begin("generate_tasks")
        workshop.progress.end("generate_tasks")
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 1)


def test_on_a_terminal_the_table_is_drawn_again_while_work_goes_on(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    ours, theirs = os.openpty()
    seen = bytearray()
    reader = threading.Thread(target=read_all, args=(ours, seen))
    reader.start()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with shown(workshop):
            workshop.progress.begin("generate_tasks")
            workshop.progress.keep("generate_tasks", 41)
            time.sleep(0.6)
            workshop.progress.keep("generate_tasks", 1)
            workshop.progress.end("generate_tasks")
    reader.join()
    first, last = seen.decode().rsplit("41", 1)
    assert "✓" not in first
    assert "✓" in last


async def test_a_model_that_refuses_with_load_is_named_below_the_table(workshop):
    assert render(workshop, 100).caption is None
    lane = lane_of("http://sim/v1", None, "m", ModelLimits(concurrency=1))
    for _ in range(12):
        ticket = await lane.enter()
        lane.leave(ticket)
        lane.refuse(ticket)
    assert render(workshop, 100).caption == "m at http://sim/v1: no room, tried singly"
    ticket = await lane.enter()
    lane.accept(ticket)
    assert str(render(workshop, 100).caption).startswith("m at http://sim/v1: slowed to ")
