"""How far a run is: a live table on a terminal, a line whenever a stage ends on anything else, a table at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from reports.funnel import TableOf
from tasks.progress import StageProgress
from tasks.workshop import Workshop
from teachers.ledger.ledger import Totals
from teachers.limits.lanes import slowed_lanes

REFRESHES_PER_SECOND = 4
NAMED_REASONS = 4
COLUMNS = ("stage", "done", "kept", "rejected", "tokens", "cost", "time", "left")


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
    workshop.progress.when_ended = lambda name: console.print(f"{name}: {summarise(workshop, name)}")
    yield
    if not quiet:
        console.print(render(workshop, console.width))


def render(workshop: Workshop, width: int) -> Table:
    """Draw the stages and what they sum up to; closer together where there are fewer columns than 100."""
    paid, progress = _paid(workshop), workshop.progress
    drawn = Table(box=None, pad_edge=False, collapse_padding=width < 100, header_style="dim", show_footer=True)
    seconds = sum(stage.seconds for stage in progress.stages.values())
    totals = ("in all", "", "", "", f"{paid.tokens:,}", _dollars(paid), _time(seconds), "")
    for name, total in zip(COLUMNS, totals, strict=True):
        total = f"[bold]{total}[/bold]"
        drawn.add_column(name, total, justify="left" if name == "stage" else "right", no_wrap=True)
    for (name, stage), row in zip(progress.stages.items(), stage_table(workshop).rows, strict=True):
        style = None if stage.started else "dim"
        drawn.add_row(f"{_mark(stage)} {name}", *row[1:], style=style)
    drawn.caption = _slowed()
    return drawn


def stage_table(workshop: Workshop) -> TableOf:
    """Say in numbers how far each stage is; tokens and cost are this build's, whichever run paid them."""
    paid = _paid(workshop).by_purpose
    rows = [_row(name, stage, paid.get(name, Totals())) for name, stage in workshop.progress.stages.items()]
    return TableOf(COLUMNS, rows)


def summarise(workshop: Workshop, name: str) -> str:
    """Say in one line what a stage did."""
    stage, paid = workshop.progress.stages[name], _paid(workshop).by_purpose.get(name)
    reasons = [f"{reason} {count:,}" for reason, count in stage.reasons.most_common(NAMED_REASONS)]
    if len(stage.reasons) > NAMED_REASONS:
        reasons.append(f"and {len(stage.reasons) - NAMED_REASONS} reasons more")
    parts = [f"{stage.done:,} done", f"{stage.kept:,} kept"]
    parts.append(f"{stage.rejected:,} rejected" + (f" ({', '.join(reasons)})" if reasons else ""))
    if paid:
        parts.append(f"{paid.tokens:,} tokens, {_dollars(paid)}")
    return ", ".join([*parts, _time(stage.seconds)])


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
        return "[green]✓[/green]"
    return "[yellow]●[/yellow]" if stage.started else "·"
