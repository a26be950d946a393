"""Recorded episodes run again, measured: our verdict and observations beside the recorder's.

Exit code 1 where a goal is missed, or where a disagreement is explained by no group.

    python -m benchmarks.recorded --data DIR                                    prints the sections
    python -m benchmarks.recorded --data DIR --write docs/recorded-episodes.md  and puts them into the page
    python -m benchmarks.recorded --data DIR --only sql                         one source of recordings
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.page import Marks
from benchmarks.recorded import bash, sql

SOURCES = {sql.NAME: sql.measure, bash.NAME: bash.measure}
"""Each makes its section of the page from a folder of data, in a home of its own."""


def main(arguments: list[str]) -> int:
    """Measure, print, write; return 1 where something is missed."""
    chosen = read_arguments(arguments)
    said: list[str] = []
    for name in chosen.only or list(SOURCES):
        with tempfile.TemporaryDirectory(prefix="trajmill-recorded-") as home:
            os.environ["TRAJMILL_HOME"] = home
            section, wrong = SOURCES[name](chosen.data, Path(home))
        print("\n".join(section))
        said += [f"{name}: {text}" for text in wrong]
        if chosen.write:
            page = replace_section(chosen.write.read_text(encoding="utf-8"), name, section)
            chosen.write.write_text(page, encoding="utf-8")
    sys.stderr.write("".join(f"{text}\n" for text in said))
    return 1 if said else 0


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recorded", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with InterCode's files")
    parser.add_argument("--only", action="append", choices=sorted(SOURCES), help="source; default: all")
    parser.add_argument("--write", type=Path, help="page whose sections are replaced")
    return parser.parse_args(arguments)


def marks(name: str) -> Marks:
    """Return what a section of the page stands between."""
    return Marks(f"<!-- {name}: python -m benchmarks.recorded --data DIR --write -->", f"<!-- end of {name} -->")


def replace_section(page: str, name: str, section: list[str]) -> str:
    """Put a section into the page, in the place of the one that it holds.

    Raises:
        SystemExit: the page has no place for it.
    """
    place = marks(name)
    if place.start not in page or place.end not in page:
        raise SystemExit(f"the page has no section {name}: it stands between {place.start} and {place.end}")
    return place.put(page, "\n".join(section))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
