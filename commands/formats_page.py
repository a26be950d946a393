"""docs/formats.md: formats, options and reasons, as they are declared; `make check` fails when it differs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

from environments.registry import importers
from formats.catalogue import Format, Importer, Kind, find_exporters
from schemas.generated import fill_or_check
from tasks.ingest.admit import ADMISSION

AFTER_READING: Mapping[Kind, Mapping[str, str]] = {
    "logs": {
        "unknown_task": "names a task that was not imported before",
        "unknown_action": "does what no world has an action for",
        "duplicate": "is the same recording as one before it",
    },
    "chats": ADMISSION,
    "sets": {"duplicate": "has the id, messages and tools of one before it"},
}
"""Reasons that hold for every format of a kind."""
TRIED = "every probe"
"""Stands for the names of the probes that a tried task can fail."""


def render_formats() -> str:
    """Render the tables of what this repository declares."""
    read, written = importers(installed=False), find_exporters(installed=False)
    lines = ["## Formats that are read", "", "| format | kind | what it reads | options |", "|---|---|---|---|"]
    lines += [f"| `{one.name}` | {one.kind} | {_link(one)} | {_options(one)} |" for one in read.values()]
    lines += ["", "## Why a row is turned away", "", "| format | reason | the row |", "|---|---|---|"]
    for one in read.values():
        lines += _reasons(one)
    lines += ["", "## Formats that are written", "", "| format | what it writes | options |", "|---|---|---|"]
    lines += [f"| `{one.name}` | {_link(one)} | {_options(one)} |" for one in written.values()]
    lines += ["", "| format | a row is left out | that |", "|---|---|---|"]
    for each in written.values():
        lines += _table(each.name, each.reasons)
    return "\n".join(lines) + "\n"


def _reasons(one: Importer) -> Iterable[str]:
    yield from _table(one.name, {**one.reasons, **AFTER_READING.get(one.kind, {})})
    if one.tried or one.kind == "questions":
        yield f"| `{one.name}` | {TRIED} | fails it when it is tried on its world ([trust.md](trust.md)) |"


def _table(name: str, reasons: Mapping[str, str]) -> Iterable[str]:
    return (f"| `{name}` | `{reason}` | {says} |" for reason, says in reasons.items())


def _options(one: Format) -> str:
    return ", ".join(f"`--{o.name}`{' (needed)' if o.required else ''}" for o in one.options) or "–"


def _link(one: Format) -> str:
    return one.summary + (f" ([{one.page}]({one.page}))" if one.page else "")


def main(arguments: list[str]) -> int:
    """Write or check the page; the exit code says whether it stands."""
    return fill_or_check("commands.formats_page", arguments, render_formats())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
