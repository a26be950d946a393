"""Rejection: anything turned away, at any stage. Nothing is dropped silently."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, NamedTuple

from schemas.record import VOLATILE, Record, canonical_json, digest

MAX_RAW_BYTES = 64 * 1024

INNER_STAGES = ("generate", "admit", "collect", "curate", "ingest", "import")
"""Stages whose rejections never became rows; those of any other (`review`, an expectation) name rows to leave out."""
REVIEW = "review"
"""Stage of a person's words."""
SECOND_OPINION = "second_opinion"
"""Stage of what independent attempts say against a task."""
WORDS = (REVIEW, SECOND_OPINION)
"""Stages whose words on a row may be taken back: the newest counts."""
DISPUTED = "disputed"
"""Reason: independent attempts agree with each other, and not with the reference."""
READING = "reading"
"""Stage of a newer reading of an imported file, about rows that an older one gave: the newest counts."""
TAKEN_BACK = "taken_back"
"""Reason of a person's word that takes back what was said before it."""


class Refusal(NamedTuple):
    """Why something is turned away."""

    reason: str
    """A stable code."""
    detail: str
    """What happened, with the value."""


class Rejection(Record):
    rejection_id: str
    """h(stage, reason, source, sha256 of the raw row, build, number where there is one)."""
    stage: str
    """generate, admit, collect, curate, ingest, publish, import, review, second_opinion (a task that came in, and that
    independent attempts speak against), reading (a row that a newer reading of its file does not give), teacher (an
    answer that was lost, or billed beyond its maximum), or the name of a stage's expectation."""
    reason: str
    """A stable code: not_novel, reference_fails, thought_leak, disputed, taken_back (which turns nothing away: a person
    takes back what was said before), ..."""
    detail: str
    """What happened, with the value."""
    source: str
    """File and line, or the id of the row."""
    environment: str | None = None
    """World that the row belonged to, where it had one."""
    build: int | None = None
    """Build that turned it away; None = an import or a person."""
    raw: str
    """The row, at most 64 KiB."""
    raw_sha256: str
    """Of the whole row."""
    number: int | None = None
    """Of the words of review and second opinion on one row, from 1 for the second, or of newer readings, from 1: the
    highest counts. None = the first, or of a stage whose rejections stand."""
    original: Annotated[str | None, VOLATILE] = None
    """Of a copy: the row that it is one of (an episode, a task, file and line). None = it is no copy, or nobody noted
    it. Not part of digests: it says more of what was turned away, and changes nothing."""

    @classmethod
    def make(
        cls,
        *,
        stage: str,
        reason: str,
        detail: str,
        source: str,
        raw: Any,
        environment: str | None = None,
        build: int | None = None,
        number: int | None = None,
        original: str | None = None,
    ) -> Rejection:
        """Turn a row away; `raw` is text, bytes or anything with a canonical JSON form."""
        data = raw.encode("utf-8", "replace") if isinstance(raw, str) else raw
        data = data if isinstance(data, bytes) else canonical_json(data)
        sha = hashlib.sha256(data).hexdigest()
        return cls(
            rejection_id=digest("rejection", stage, reason, source, sha, build, *(() if number is None else (number,))),
            stage=stage,
            reason=reason,
            detail=detail[:4000],
            source=source,
            environment=environment,
            build=build,
            raw=data[:MAX_RAW_BYTES].decode("utf-8", "replace"),
            raw_sha256=sha,
            number=number,
            original=original,
        )
