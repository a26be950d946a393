"""What an agent sees is cut, and says that it was."""

from __future__ import annotations

from environments.db.engine import Result
from environments.db.episode import observation_of, shown_schema


def test_a_long_observation_is_cut_at_800_characters() -> None:
    shown = observation_of(Result(rows=tuple((i,) for i in range(1000))), 800)
    assert len(shown) == 811 and shown.endswith("[TRUNCATED]")
    assert observation_of(Result(rows=((1,),), truncated=True), 800) == "[(1,)][TRUNCATED]"


def test_a_long_schema_is_cut_at_a_line_and_says_so() -> None:
    shown = shown_schema("CREATE TABLE t (a);\n" * 1000)
    assert len(shown) < 8200 and "more tables follow" in shown
