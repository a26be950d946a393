"""What a validation found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class FailedCheck:
    """One row that breaks one expectation; the caller turns it away."""

    table: str
    row_id: str
    """The row's id; of an episode `episode_id/try_number`."""
    expectation: str
    """A stable code: reward_in_range, turns_contiguous, ..."""
    value: str
    """What stood in the checked columns."""


@dataclass(frozen=True)
class StageReport:
    """Failing rows in a fixed order, and what was checked."""

    failures: tuple[FailedCheck, ...] = ()
    checked: dict[str, int] = field(default_factory=dict)
    """`table.expectation` -> rows that it was checked on."""

    @property
    def is_clean(self) -> bool:
        """Whether no row failed."""
        return not self.failures
