"""The ranks in `scores_all_data.pkl`: `ranks["<annotation_id>_<action_uid>"][backend_node_id]`, from 0."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from environments.mind2web.importers.pickled_data import read_pickled
from schemas.errors import InputError

MOST_RANKED = 50
"""Candidates of a step that are kept; the authors' recall is told up to 50."""
Ranks = Mapping[str, Mapping[str, int]]


def read_ranks(path: Path) -> Ranks:
    """Return the best candidates of every step with their ranks.

    Raises:
        InputError: the file is no pickle of data, or holds no ranks.
    """
    found = read_pickled(path, lambda value: type(value) is int and 0 <= value < MOST_RANKED)
    ranks = found.get("ranks") if isinstance(found, dict) else None
    if not isinstance(ranks, dict) or not all(isinstance(one, dict) for one in ranks.values()):
        raise InputError(f"{path} holds no `ranks` by step and candidate: Mind2Web's scores_all_data.pkl does")
    return {
        str(step): {str(name): rank for name, rank in one.items() if isinstance(rank, int)}
        for step, one in ranks.items()
    }
