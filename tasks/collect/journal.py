"""What an episode that was interrupted saw: its actions are run again, and must show the same."""

from __future__ import annotations

from typing import Protocol

from warehouse.state import State


class Journal(Protocol):
    """What an earlier, interrupted run of this episode saw."""

    def observed(self, index: int) -> str | None:
        """Return the observation that the journalled action `index` gave, or None."""

    def append(self, index: int, action: str, observation: str) -> None: ...


class NoJournal:
    """For episodes whose repetition costs nothing."""

    def observed(self, index: int) -> str | None:
        return None

    def append(self, index: int, action: str, observation: str) -> None:
        return None


class StoredJournal(NoJournal):
    """A rollout's journal in the home's state."""

    def __init__(self, state: State, episode_id: str, try_number: int) -> None:
        self._state, self._id, self._try = state, episode_id, try_number
        self._seen = {entry.index: entry.observation for entry in state.journal(episode_id, try_number)}

    def observed(self, index: int) -> str | None:
        return self._seen.get(index)

    def append(self, index: int, action: str, observation: str) -> None:
        self._state.append(self._id, self._try, index, action, observation)
