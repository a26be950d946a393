"""Imported recordings land with their tasks: each once, numbered, and what cannot be used is rejected by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from schemas.record import digest
from schemas.recording import Recorded, Recording
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec
from warehouse.warehouse import Warehouse

Policy = tuple[str, str | None, str | None]


def land_recordings(warehouse: Warehouse, rows: Iterable[Recorded | Rejection]) -> Counter[str]:
    """Land recordings, their tasks and what was turned away; count `kept`, `imported_before` and each reason.

    The caller holds the home alone, so that a recording's number is given once.
    """
    batch = _Batch(warehouse)
    for row in rows:
        batch.add(row)
    batch.land(warehouse)
    return +batch.counts


class _Batch:
    def __init__(self, warehouse: Warehouse) -> None:
        self.counts: Counter[str] = Counter()
        self.recordings: dict[str, Recording] = {}
        self.specs: dict[str, TaskSpec] = {}
        self.rejections: dict[str, Rejection] = {}
        self._known = {*warehouse.column("recordings", "recording_id"), *warehouse.column("rejections", "rejection_id")}
        self._tasks: dict[str, str] = dict(warehouse.query("SELECT task_id, environment FROM task_specs"))
        past = warehouse.query("SELECT task_id, model, agent, max(number) FROM recordings GROUP BY ALL")
        self._numbers: Counter[Policy] = Counter({(task, model, agent): last for task, model, agent, last in past})

    def add(self, row: Recorded | Rejection) -> None:
        if isinstance(row, Rejection):
            self._reject(row)
        elif row.recording.recording_id in self._known:
            self.counts["imported_before"] += 1
        elif row.recording.recording_id in self.recordings:
            first = self.recordings[row.recording.recording_id]
            why = f"the same recording as {first.source}"
            self._reject(_rejection(row.recording, "duplicate", why, first.source))
        elif row.spec is None and row.recording.task_id not in self._tasks:
            known = f"no task {row.recording.task_id} was imported; give it inline, or import it first"
            self._reject(_rejection(row.recording, "unknown_task", known))
        else:
            self._keep(row)

    def _reject(self, rejection: Rejection) -> None:
        if rejection.rejection_id in self._known or rejection.rejection_id in self.rejections:
            self.counts["imported_before"] += 1
            return
        self.rejections[rejection.rejection_id] = rejection
        self.counts[rejection.reason] += 1

    def _keep(self, row: Recorded) -> None:
        recording, spec = row
        policy = (recording.task_id, recording.model, recording.agent)
        self._numbers[policy] += 1
        if spec is not None and spec.task_id not in self._tasks:
            self.specs[spec.task_id] = spec
            self._tasks[spec.task_id] = spec.environment
        placed = {"number": self._numbers[policy], "environment": self._tasks[recording.task_id]}
        self.recordings[recording.recording_id] = recording.model_copy(update=placed)
        self.counts["kept"] += 1

    def land(self, warehouse: Warehouse) -> None:
        """Land the recordings last: what they need stands by then."""
        key = f"import/{digest(sorted(self.recordings), sorted(self.specs), sorted(self.rejections))}"
        warehouse.land("rejections", list(self.rejections.values()), key=key)
        warehouse.land("task_specs", list(self.specs.values()), key=key)
        warehouse.land("recordings", list(self.recordings.values()), key=key)


def _rejection(recording: Recording, reason: str, detail: str, original: str | None = None) -> Rejection:
    return Rejection.make(
        stage="import",
        reason=reason,
        detail=detail,
        source=recording.source,
        raw=recording,
        environment=recording.environment,
        original=original,
    )
