"""What a step of each world takes, and what an open episode holds: a table of docs/speed.md.

A world is measured by its module in `benchmarks/world_speed/`, whose `measure()` returns figures by what they are of,
in the order in which they are shown. Each is a process of its own, so that none pays for another's imports or memory.

    python -m benchmarks.worlds                     about two minutes on two idle cores
    python -m benchmarks.worlds --write docs/speed.md
    python -m benchmarks.worlds NAME                one world, as JSON
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.page import Marks, table_line

TABLE = Marks("<!-- table: python -m benchmarks.worlds --write docs/speed.md -->")
HERE = Path(__file__).with_name("world_speed")
SECONDS = 900
"""Of one world: the slowest plays the original engine beside ours."""


def measured_worlds() -> list[str]:
    """Return the names of the worlds that are measured."""
    return sorted(path.stem for path in HERE.glob("*.py") if hasattr(_module(path.stem), "measure"))


def _module(name: str) -> object:
    return importlib.import_module(f"benchmarks.world_speed.{name}")


def measure_apart(name: str) -> dict[str, float | str]:
    """Measure a world in a process of its own.

    Raises:
        SystemExit: it fails; its own words stand on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.worlds", name]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=SECONDS)
    if done.returncode:
        raise SystemExit(f"{name} could not be measured")
    found: dict[str, float | str] = json.loads(done.stdout)
    return found


def lines(found: dict[str, dict[str, float | str]]) -> Iterator[str]:
    """Word the table."""
    yield "| world | what | measured |"
    yield "|---|---|---|"
    for world, figures in found.items():
        for what, figure in figures.items():
            yield table_line((world, what, f"{figure:,.4g}" if isinstance(figure, float) else str(figure)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", nargs="?", choices=measured_worlds())
    parser.add_argument("--write", type=Path)
    asked = parser.parse_args()
    if asked.world:
        print(json.dumps(_module(asked.world).measure()))  # type: ignore[attr-defined]
        return
    table = "\n".join(lines({name: measure_apart(name) for name in measured_worlds()}))
    print(table)
    if asked.write:
        asked.write.write_text(TABLE.put(asked.write.read_text(encoding="utf-8"), table), encoding="utf-8")


if __name__ == "__main__":
    main()
