"""Band: between which pass rates a task is taken, read from words: `0 < rate < 1`."""

from __future__ import annotations

import re
from typing import NamedTuple

_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_BAND = re.compile(rf"\s*(?:({_NUMBER})\s*(<=?)\s*)?rate\s*(?:(<=?)\s*({_NUMBER})\s*)?")
_SAY = 'say it as "0 < rate < 1", "0.25 <= rate", "rate < 1": bounds from 0 to 1, `<` leaves the bound itself out'


class Band(NamedTuple):
    """A range of pass rates."""

    low: float = 0.0
    takes_low: bool = True
    high: float = 1.0
    takes_high: bool = True

    @classmethod
    def read(cls, words: str) -> Band:
        """Read a band.

        Raises:
            ValueError: it is none, or nothing lies in it.
        """
        found = _BAND.fullmatch(words)
        if found is None or not (found[1] or found[4]):
            raise ValueError(f"{words!r} is no band of pass rates; {_SAY}")
        band = cls(float(found[1] or 0), found[2] != "<", float(found[4] or 1), found[3] != "<")
        if band.high > 1 or not any(rate in band for rate in (band.low, band.high, (band.low + band.high) / 2)):
            raise ValueError(f"no pass rate lies in {words!r}; {_SAY}")
        return band

    def __contains__(self, rate: object) -> bool:
        """Whether a rate lies in it."""
        if not isinstance(rate, int | float):
            return False
        is_above = rate > self.low or (self.takes_low and rate == self.low)
        return is_above and (rate < self.high or (self.takes_high and rate == self.high))

    @property
    def sql(self) -> str:
        """Return the condition over a column `pass_rate`."""
        low, high = (">=" if self.takes_low else ">"), ("<=" if self.takes_high else "<")
        return f"pass_rate {low} {self.low!r} AND pass_rate {high} {self.high!r}"
