"""Every part is measured and told; what it takes is the benchmark's to judge."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.parts import PARTS, measure, render


def test_every_part_has_a_line() -> None:
    few = tuple(replace(part, times=2) for part in PARTS)
    table = render(measure(few, rounds=1)).splitlines()
    assert [line.split(" | ")[0].removeprefix("| ") for line in table[2:]] == [part.name for part in PARTS]
