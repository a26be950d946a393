"""The audit of a set: every check over every row, in one pass and little memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from reports.audit.acting import texts
from reports.audit.claim_checks import check_claims
from reports.audit.defects import OF_THE_SET, AuditedRow, DefectFound
from reports.audit.set_checks import SetChecks
from reports.audit.thought_check import ThoughtCheck
from reports.audit.turn_checks import check_turns
from schemas.rejection import Rejection
from tasks.privacy.placeholders import find_secrets


class Audit(NamedTuple):
    """What was found."""

    rows: int
    findings: tuple[DefectFound, ...]
    unread: tuple[Rejection, ...]
    """Rows that are no trajectories of their format."""
    losses: Counter[str]
    """What readers could not represent: rows by what."""

    @property
    def faulty(self) -> int:
        """Rows with a finding of their own, each counted once."""
        return len({finding.place for finding in self.findings if finding.defect not in OF_THE_SET})

    def by_defect(self) -> Counter[str]:
        """Return rows by defect."""
        return Counter(defect for defect, _ in {(one.defect, one.place) for one in self.findings})


def audit_rows(rows: Iterable[AuditedRow | Rejection]) -> Audit:
    """Audit rows in their order."""
    read, unread, losses = 0, list[Rejection](), Counter[str]()
    findings: list[DefectFound] = []
    across, thoughts = SetChecks(), ThoughtCheck()
    for row in rows:
        if isinstance(row, Rejection):
            unread.append(row)
            continue
        read += 1
        losses.update(set(row.losses))
        findings += _of_a_row(row)
        findings += across.look_at(row)
        thoughts.look_at(row)
    findings += [*across.findings(), *thoughts.findings()]
    return Audit(read, tuple(findings), tuple(unread), losses)


def _of_a_row(row: AuditedRow) -> Iterator[DefectFound]:
    """Yield what is wrong with a row by itself, a defect once with the first place of it."""
    told: set[str] = set()
    for defect, detail in (*check_turns(row), *check_claims(row), *_secrets(row)):
        if defect not in told:
            told.add(defect)
            yield DefectFound(defect, row.place, detail)


def _secrets(row: AuditedRow) -> Iterator[tuple[str, str]]:
    """Yield the kinds of secrets, as a build finds them in its own rows; what they are stays where it is."""
    for text in texts(row.messages):
        for span in find_secrets(text):
            yield "secret", f"{span.kind}, {span.end - span.start} characters"
