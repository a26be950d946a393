"""What was asked in vain is found afterwards: by which error, how often, and what to do."""

from __future__ import annotations

import asyncio

import pytest

from schemas.errors import BudgetError, ContextOverflow, TeacherError
from teachers.ledger.failure_notes import FailureNotes
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered
from teachers.scripted import Scripted


class Broken(Scripted):
    """Raises what it is told to."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__([])
        self._errors = list(errors)

    def _next_reply(self, request) -> str:
        error = self._errors.pop(0) if self._errors else None
        if error:
            raise error
        return "well"


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


async def test_a_failure_is_noted_with_its_name_and_what_to_do_and_counted_when_it_comes_again(ledger, ask):
    notes = FailureNotes(ledger.engine, "1")
    errors = (TeacherError("down. Check the server"), ContextOverflow("too long. Lower collect.max_tokens"))
    teacher = Ledgered(Broken(*errors), ledger, notes)
    for _ in errors:
        with pytest.raises(TeacherError):
            await teacher.complete(ask())
    (failure,) = notes.rows()
    assert (failure.error, failure.detail) == ("ContextOverflow", "too long. Lower collect.max_tokens")
    assert (failure.times, failure.purpose, failure.model) == (2, "collect_episodes", "m")
    assert failure.request_hash == ask().request_hash
    assert FailureNotes(ledger.engine, "2").rows() == [], "another build's"
    assert (await teacher.complete(ask())).reply == "well", "it is asked again"


async def test_requests_that_share_a_failure_note_it_once_and_siblings_note_their_own(ledger, ask):
    notes = FailureNotes(ledger.engine, "1")
    teacher = Ledgered(Broken(*(TeacherError(f"down {i}") for i in range(4))), ledger, notes)
    asked = [teacher.complete(ask(str(i))) for i in range(3)] + [teacher.complete(ask("0"))]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(outcome, TeacherError) for outcome in outcomes)
    assert [failure.times for failure in notes.rows()] == [1, 1, 1]


async def test_a_used_up_budget_is_no_failure(ledger, ask):
    notes = FailureNotes(ledger.engine, "1")
    with pytest.raises(BudgetError):
        await Ledgered(Broken(BudgetError("used up")), ledger, notes).complete(ask())
    assert notes.rows() == []
