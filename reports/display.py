"""How far a run is: a live table on a terminal, a line whenever a stage ends on anything else, a table at the end."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from reports.funnel import TableOf
from tasks.progress import StageProgress
from tasks.workshop import Workshop
from teachers.ledger.ledger import Totals
from teachers.limits.lanes import slowed_lanes

REFRESHES_PER_SECOND = 4
NAMED_REASONS = 4
COLUMNS = ("stage", "done", "passed", "rejected", "tokens", "cost", "time", "left")
LESS = ("left", "tokens", "cost", "time")
"""Columns that a narrow window does without, in this order: rather none than half a number."""
BEAT_SECONDS = 20.0
"""Off a terminal a long stage says so often how far it is."""
WORDS = {"collect_episodes": ("passed", "failed")}
"""What a stage's items are called that are not kept or rejected: nothing is kept yet of what has only passed."""

_WIDE = Console(width=1000)
"""What a table is measured on."""


@contextmanager
def starting(quiet: bool) -> Iterator[Callable[[], None]]:
    """Say on a terminal that something goes on before there is progress to show; yield what ends it."""
    console = Console(file=sys.stderr, quiet=quiet or not sys.stderr.isatty())
    status = console.status("Starting Prefect's server ...")
    status.start()
    try:
        yield status.stop
    finally:
        status.stop()


@contextmanager
def shown(workshop: Workshop, quiet: bool = False) -> Iterator[None]:
    """Show a run's progress on stderr while it lasts; quietly, only what stages did."""
    console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    if console.is_terminal and not quiet:
        screen = Console(file=sys.stderr, highlight=False)
        with Live(
            get_renderable=lambda: render(workshop, screen.width),
            console=screen,
            refresh_per_second=REFRESHES_PER_SECOND,
        ):
            yield
        return
    workshop.progress.when_ended = lambda name: console.print(Text(f"{name}: {summarise(workshop, name)}"))
    with _beating(workshop, console):
        yield
    if not quiet:
        console.print(render(workshop, console.width))


@contextmanager
def _beating(workshop: Workshop, console: Console) -> Iterator[None]:
    """Say now and then how far the stage under way is."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            for name, stage in workshop.progress.stages.items():
                if stage.started and not stage.finished:
                    console.print(Text(f"{name}: {_far(stage)} so far, {_time(stage.seconds)}"))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def render(workshop: Workshop, width: int) -> Table:
    """Draw the stages and what they sum up to; closer together, and with fewer columns, where the window is narrow."""
    table, paid = stage_table(workshop), _paid(workshop)
    seconds = sum(stage.seconds for stage in workshop.progress.stages.values())
    totals = {"stage": "in all", "tokens": f"{paid.tokens:,}", "cost": _dollars(paid), "time": _time(seconds)}
    for number in range(len(LESS) + 1):
        shown = [name for name in table.columns if name not in LESS[:number]]
        drawn = _draw(workshop, table, shown, totals, width)
        if Measurement.get(_WIDE, _WIDE.options, drawn).maximum <= width:
            break
    return drawn


def _draw(workshop: Workshop, table: TableOf, shown: Sequence[str], totals: Mapping[str, str], width: int) -> Table:
    drawn = Table(box=None, pad_edge=False, collapse_padding=width < 100, header_style="dim", show_footer=True)
    for name in shown:
        total = Text(totals.get(name, ""), style="bold")
        drawn.add_column(name, total, justify="left" if name == "stage" else "right", no_wrap=True)
    for stage, row in zip(workshop.progress.stages.values(), table.records(), strict=True):
        first, *rest = (row[name] for name in shown)
        drawn.add_row(f"{_mark(stage)} {first}", *rest, style=None if stage.started else "dim")
    slowed = _slowed()
    drawn.caption = escape(slowed) if slowed else None
    return drawn


def stage_table(workshop: Workshop) -> TableOf:
    """Say in numbers how far each stage is; tokens and cost are this build's, whichever run paid them."""
    paid = _paid(workshop).by_purpose
    stages = workshop.progress.stages
    rows = [_row(name, stage, paid.get(name, Totals())) for name, stage in stages.items()]
    if not any(stage.unknown for stage in stages.values()):
        return TableOf(COLUMNS, rows)
    unknown = [f"{stage.unknown.total():,}" if stage.unknown else "" for stage in stages.values()]
    columns = (*COLUMNS[:4], "no outcome", *COLUMNS[4:])
    return TableOf(columns, [(*row[:4], one, *row[4:]) for row, one in zip(rows, unknown, strict=True)])


def summarise(workshop: Workshop, name: str) -> str:
    """Say in one line what a stage did."""
    stage, paid = workshop.progress.stages[name], _paid(workshop).by_purpose.get(name)
    good, bad = WORDS.get(name, ("kept", "rejected"))
    parts = [f"{stage.done:,} done", f"{stage.kept:,} {good}", f"{stage.rejected:,} {bad}{_most(stage.reasons)}"]
    if stage.unknown:
        parts.append(f"{stage.unknown.total():,} without an outcome{_most(stage.unknown)}")
    if paid:
        parts.append(f"{paid.tokens:,} tokens, {_dollars(paid)}")
    return ", ".join([*parts, _time(stage.seconds), *(["cut short"] if stage.is_cut else [])])


def _most(reasons: Counter[str]) -> str:
    told = [f"{reason} {count:,}" for reason, count in reasons.most_common(NAMED_REASONS)]
    if len(reasons) == NAMED_REASONS + 1:  # nothing is shorter than its name
        told = [f"{reason} {count:,}" for reason, count in reasons.most_common()]
    elif len(reasons) > NAMED_REASONS:
        told.append(f"and {len(reasons) - NAMED_REASONS} reasons more")
    return f" ({', '.join(told)})" if told else ""


def _far(stage: StageProgress) -> str:
    return f"{stage.done:,}/{stage.total:,} done" if stage.total else f"{stage.done:,} done"


def _slowed() -> str | None:
    """Say which models refuse with load, and how fast they are asked."""
    lines = (
        f"{name}: " + (f"slowed to {rate:,.0f} requests a minute" if rate else "no room, tried singly")
        for name, rate in slowed_lanes().items()
    )
    return "\n".join(lines) or None


def _paid(workshop: Workshop) -> Totals:
    return workshop.ledger.totals(after=workshop.ledger.begin(str(workshop.build)))


def _row(name: str, stage: StageProgress, paid: Totals) -> tuple[str, ...]:
    if stage.started is None:
        return (name, *("" for _ in COLUMNS[1:]))
    left = stage.seconds_left
    return (
        name,
        f"{stage.done:,}/{stage.total:,}" if stage.total else f"{stage.done:,}",
        f"{stage.kept:,}",
        f"{stage.rejected:,}",
        f"{paid.tokens:,}" if paid.requests else "",
        _dollars(paid) if paid.requests else "",
        _time(stage.seconds),
        "" if left is None else _time(round(left)),
    )


def _dollars(paid: Totals) -> str:
    return f"${paid.cost_usd:.4f}" if 0 < paid.cost_usd < 1 else f"${paid.cost_usd:,.2f}"


def _time(seconds: float) -> str:
    """Write a duration; from 100 seconds on as h:mm:ss or m:ss."""
    if seconds < 100:
        return f"{seconds} s" if isinstance(seconds, int) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _mark(stage: StageProgress) -> str:
    if stage.finished:
        return "[red]✗[/red]" if stage.is_cut else "[green]✓[/green]"
    return "[yellow]●[/yellow]" if stage.started else "·"
