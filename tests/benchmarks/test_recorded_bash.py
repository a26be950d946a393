"""InterCode's bash episodes beside ours: how observations are compared, and all of them run again in the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.recorded.bash import agrees, measure

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "intercode"


@pytest.mark.parametrize(
    ("theirs", "ours", "same"),
    [
        ("a\nb\n", "b\na", True),
        ("a\n", "b", False),
        ("/bin/bash: line 1: x: command not found\n", "bash: line 1: x: command not found", True),
        ("find: 'x': No\n", "find: \u2018x\u2019: No", True),
        ("x" * 900, "x" * 780 + "\n[truncated because the output is too long]", True),
        ("Error executing query: Your last `execute` action did not contain bash code", "", True),
    ],
)
def test_observations_agree_but_for_order_quotes_and_cuts(theirs: str, ours: str, same: bool) -> None:
    assert agrees(theirs, ours) is same


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/intercode is absent")
def test_what_disagrees_is_explained_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path))
    section, wrong = measure(DATA, tmp_path)
    assert wrong == []
    assert "The import took 173 episodes and told of the rest: 53 no_file_system." in section
