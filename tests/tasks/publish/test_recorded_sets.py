"""Foreign sets in a mixture: only the named ones, within eta, counted as unproven; a set that is not here is told."""

from __future__ import annotations

import pytest

from schemas.errors import ConfigError
from schemas.run_config import MixtureConfig
from tasks.publish.mix_samples import Eligible, mix_samples


def rows(prefix: str, count: int, model: str | None = None) -> list[Eligible]:
    return [Eligible(f"{prefix}{number}", 2, 100, model) for number in range(count)]


def test_named_sets_are_a_stratum_of_their_own_within_eta() -> None:
    recipe = MixtureConfig(eta=0.5, strata={"g": 1.0}, source_models={"m": "g"}, recorded=("theirs",))
    mixed = mix_samples(rows("a", 6), rows("c", 40, "m"), recipe, rows("f", 2))
    shares = {share.stratum: share for share in mixed.shares}
    assert {name: share.rows for name, share in shares.items()} == {"agent": 6, "recorded": 2, "g": 8}
    assert (shares["agent"].asked, shares["recorded"].asked, shares["g"].asked) == (0.375, 0.125, 0.5)


def test_a_recipe_that_names_none_is_as_it_was() -> None:
    recipe = MixtureConfig(eta=0.5, strata={"g": 1.0}, source_models={"m": "g"})
    mixed = mix_samples(rows("a", 6), rows("c", 40, "m"), recipe)
    assert [share.stratum for share in mixed.shares] == ["agent", "g"] and mixed.shares[0].asked == 0.5
    assert mix_samples(rows("a", 6), rows("c", 40, "m"), recipe, rows("f", 9)) == mixed


def test_a_stratum_cannot_take_the_name_of_the_sets() -> None:
    with pytest.raises(ConfigError, match="called 'recorded'; that is the foreign sets"):
        mix_samples([], [], MixtureConfig(strata={"recorded": 1.0}))
