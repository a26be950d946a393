"""Malformed actions snap to the closest admissible one by BLEU."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.snapping import THRESHOLD, resemblance, snap

ADMISSIBLE = ("go to desk 1", "go to bed 1", "take mug 1 from desk 1", "inventory", "look")


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("go to desk 1", "go to desk 1"),
        ("  Go To Desk 1  ", "go to desk 1"),
        ("go to the desk 1", "go to desk 1"),
        ("pick up mug 1 from desk 1", "take mug 1 from desk 1"),
        ("look\ngo to bed 1", "look"),
        ("look around", "look"),
    ],
)
def test_an_action_snaps_to_the_closest_admissible_one(text: str, action: str) -> None:
    assert snap(text, ADMISSIBLE) == action


@pytest.mark.parametrize("text", ["", "  \n", "xyzzy", "fly away quickly"])
def test_what_resembles_nothing_stays_malformed(text: str) -> None:
    assert snap(text, ADMISSIBLE) is None


def test_nothing_snaps_where_nothing_is_admissible() -> None:
    assert snap("look", ()) is None


def test_scores_are_those_of_nltks_fourth_smoothing_method() -> None:
    # 4 of 5 unigrams, 2 of 4 bigrams; no trigram, no 4-gram: 1 / (2^k * 5 / ln 5) counts of 3 and of 2; not too short
    precisions = (4 / 5, 2 / 4, math.log(5) / (2 * 5) / 3, math.log(5) / (4 * 5) / 2)
    assert resemblance("go to teh desk 1", "go to desk 1") == pytest.approx(math.prod(precisions) ** 0.25)
    assert THRESHOLD == 0.01


@given(st.lists(st.sampled_from(ADMISSIBLE), min_size=1), st.text())
def test_a_snapped_action_is_always_an_admissible_one(admissible: list[str], text: str) -> None:
    snapped = snap(text, admissible)
    assert snapped is None or snapped in admissible
