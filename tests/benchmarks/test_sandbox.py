"""The sandbox's table is made end to end, with so little to do that its times say nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.sandbox import TABLE, Row, compare, render_row
from benchmarks.sandbox_contenders import BareBash, Ours
from sandboxes.images import host_image
from schemas.settings import default_cache

REPO = Path(__file__).resolve().parents[2]


def bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.sandbox", *options]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)


def test_the_table_is_written_where_its_place_is(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Before\n\n{TABLE.start}\nan older table\n{TABLE.end}\n\nAfter\n")
    done = bench("--only", "memory,growth", "--idle", "2", "--many", "10", "--write", str(page))
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    text = page.read_text()
    assert text.startswith("# Before\n") and text.endswith("After\n") and "an older table" not in text
    assert "| memory of an idle sandbox | " in text and "| an episode's cost after 10" in text


def test_an_unknown_part_is_told() -> None:
    done = bench("--only", "memory,nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no part nothing; allowed are speed, overhead, memory, growth, databases" in done.stderr


def test_a_missed_goal_and_a_part_left_out_are_told_apart() -> None:
    row = compare(1, 10, [(30.0, 1.0), (18.0, 2.0), (11.0, 1.0)])
    assert row.met and "18.0 and 1.00 a second: 11.0 times (9.0 to 30.0)" in row.found
    assert render_row(Row("a", "b", "c", False)).endswith("**missed** |")
    assert render_row(Row("a", "left out: no daemon", "c", None)).endswith("|  |")


def test_a_page_without_a_table_gets_one() -> None:
    assert TABLE.put("# Page\n", "rows") == f"# Page\n\n{TABLE.start}\n\nrows\n\n{TABLE.end}\n"


async def test_ours_and_the_bare_bash_do_the_same() -> None:
    image = host_image(default_cache())
    async with Ours(image) as ours, BareBash(image) as bash:
        for contender in (ours, bash):
            times = await contender.episode()
            assert len(times.commands) == 20
            assert sum(times.commands) < times.whole
