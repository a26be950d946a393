"""A band of pass rates says which of its bounds lie in it, and is refused where nothing does."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.band import Band
from schemas.mixture_config import MixtureConfig
from schemas.run_config import CollectConfig
from warehouse.warehouse import Warehouse

RATES = (0.0, 0.25, 0.5, 1.0)


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        ("0 < rate < 1", (0.25, 0.5)),
        ("0 <= rate < 1", (0.0, 0.25, 0.5)),
        ("0<rate<=1", (0.25, 0.5, 1.0)),
        ("rate <= .5", (0.0, 0.25, 0.5)),
        ("rate < 0.5", (0.0, 0.25)),
        ("0.5 <= rate", (0.5, 1.0)),
        ("0.25 <= rate <= 0.25", (0.25,)),
        (" 0.3 < rate ", (0.5, 1.0)),
    ],
)
def test_a_band_takes_what_it_says_here_and_in_sql(words: str, taken: tuple[float, ...], tmp_path: Path) -> None:
    band = Band.read(words)
    assert tuple(rate for rate in RATES if rate in band) == taken
    assert MixtureConfig(pass_rate=words).pass_rate == words
    values = ", ".join(f"({rate}::DOUBLE)" for rate in RATES)
    with Warehouse(tmp_path / "home").connect() as connection:
        rows = connection.execute(f"SELECT * FROM (VALUES {values}) AS t(pass_rate) WHERE {band.sql} ORDER BY 1")
        assert tuple(row[0] for row in rows.fetchall()) == taken


NO_BANDS = (
    *("", "rate", "0..1", "[0, 1]", "0 < rate > 1", "1 < rate", "rate < 0", "0.5 < rate < 0.5", "0.6 <= rate <= 0.4"),
    *("-1 < rate", "rate <= 2", "0 < pass_rate < 1", "0 < rate < 1; DROP TABLE x", "0 < rate 1"),
)


@pytest.mark.parametrize("words", NO_BANDS)
def test_what_is_no_band_is_refused_with_how_to_say_it(words: str) -> None:
    with pytest.raises(ValueError, match="say it as"):
        MixtureConfig(pass_rate=words)


def test_one_attempt_disputes_nothing() -> None:
    assert [CollectConfig(disputed_by=n).disputed_by for n in (0, 2, 5)] == [0, 2, 5]
    with pytest.raises(ValueError, match="one attempt agrees with nobody"):
        CollectConfig(disputed_by=1)
