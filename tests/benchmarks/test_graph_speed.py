"""The measurement of graph calls runs, and what it times is right: it compares each answer with the facts."""

from __future__ import annotations

from benchmarks.world_speed.kg import measure


def test_a_small_graph_is_measured() -> None:
    figures = measure(triples=100, questions=12)
    assert figures["triples"] == 5914
    assert {"tool call, median ms", "steps a second, whole episodes", "memory of an open episode, bytes"} <= set(
        figures
    )
    assert 500 < float(figures["memory of an open episode, bytes"]) < 50_000, "the graph is not part of it"
