"""Ledgered: a teacher whose answers are never paid twice. Replays come from the ledger and cost nothing."""

from __future__ import annotations

import asyncio

from schemas.completion import Completion, CompletionRequest
from schemas.errors import TeacherError, TrajmillError
from teachers.base import Teacher
from teachers.ledger.durability import kept_with
from teachers.ledger.failure_notes import FailureNotes
from teachers.ledger.ledger import Answer, Ledger


class Ledgered:
    """Wraps a teacher, its limits and its budget: a replay neither waits for the ones nor touches the other."""

    def __init__(self, teacher: Teacher, ledger: Ledger, notes: FailureNotes | None = None) -> None:
        """Wrap a teacher; with `notes`, what it fails to answer is noted beside the answers."""
        self.teacher = teacher
        self.ledger = ledger
        self._notes = notes

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer from the ledger, from an equal request in flight, or by asking; what is returned is durable.

        A request that another process has in flight is waited for.

        Raises:
            TeacherError, BudgetError: the teacher's own.
            WarehouseError: the answer could not be stored.
        """
        key = request.request_hash
        while True:
            answer, ours = self.ledger.join(key)
            if ours:
                await self._ask(key, request, answer)
            completion = await asyncio.wrap_future(answer)
            if completion is not None:
                return completion

    async def _ask(self, key: str, request: CompletionRequest, answer: Answer) -> None:
        """Bring about the outcome of a request that is ours."""
        outcome: Completion | TrajmillError | None = None
        recorded = False
        try:
            outcome = await self.ledger.obtain(key)
            if outcome is None:
                self.ledger.counts.add(sent=1)
                with kept_with(answer):
                    completion = await self.teacher.complete(request)
                self.ledger.record(request, completion)
                recorded = True
            else:
                self.ledger.counts.add(hits=1)
        except TrajmillError as error:
            outcome = error
            if self._notes and isinstance(error, TeacherError):
                await asyncio.to_thread(self._notes.note, request, error)
        finally:
            if not recorded:
                self.ledger.settle(key, outcome)

    async def close(self) -> None:
        """Close the teacher; the ledger stays open, it is its owner's."""
        await self.teacher.close()
