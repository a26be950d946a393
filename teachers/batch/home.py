"""The way home: a batch is found, looked at until it has ended, and its answers are made durable, whoever asked."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TypeVar

from schemas.completion import Completion, CompletionRequest
from schemas.redaction import hide_known
from schemas.run_config import TeacherConfig
from teachers.batch.api import BatchApi, is_unknown
from teachers.batch.book import BatchBook, BookedBatch
from teachers.batch.protocol import ENDED, Batch, explain_missing, read_line
from teachers.endpoint.failures import EndpointError
from teachers.ledger.ledger import Ledger

_LONGEST_POLL = 30
"""Times `batch_poll_seconds` to which the time between two looks grows."""
_GROWTH = 1.5
_PATIENCE_SECONDS = 26 * 3600.0
"""After 24 hours the endpoint has to end a batch; two more are granted before those who wait are let go."""
_LINES = 500
"""Lines stored in one go."""

_log = logging.getLogger(__name__)
T = TypeVar("T")

Receipt = Callable[[CompletionRequest, object, float], Completion]
"""Makes the receipt of a request from its chat completion and the seconds that it took; raises EndpointError."""


@dataclass
class Returned:
    """What a batch did not answer."""

    rest: EndpointError | None
    """What the requests without a line of their own died of; None = the batch never went out."""
    lines: dict[str, EndpointError] = field(default_factory=dict)
    """By request hash, what its line says."""


class BatchHome:
    """Brings batches home that stand in the book, of this run and of earlier ones."""

    def __init__(
        self, api: BatchApi, book: BatchBook, ledger: Ledger, config: TeacherConfig, lease_seconds: float
    ) -> None:
        self._api = api
        self._book = book
        self._ledger = ledger
        self._config = config
        self._lease_seconds = lease_seconds

    async def find(self, batch_key: str) -> BookedBatch | None:
        """Return a batch that is out, once its id is known; None = it is home already, or never went out.

        Raises:
            EndpointError: the endpoint's list cannot be read.
        """
        entry = await asyncio.to_thread(self._book.entry, batch_key)
        while entry is not None and entry.batch_id is None:
            dead = time.time() > entry.touched_at + self._lease_seconds
            found = await self._insist(partial(self._api.find, batch_key, entry.created_at), entry)
            if found is not None:
                await asyncio.to_thread(self._book.note, batch_key, found.id)
            elif dead and await asyncio.to_thread(self._book.abandon, entry):
                return None
            else:
                await asyncio.sleep(min(self._config.batch_poll_seconds, self._lease_seconds / 4))
            entry = await asyncio.to_thread(self._book.entry, batch_key)
        return entry

    async def bring(self, entry: BookedBatch, receipt: Receipt, deliver: Callable[[Completion], None]) -> Returned:
        """Wait for a batch to end, store its answers and `deliver` each once it is durable.

        Raises:
            EndpointError: it cannot be read, or has not ended long after it had to; it stays in the book.
        """
        assert entry.batch_id is not None
        try:
            batch = await self._wait(entry.batch_id, entry)
            errors = await self._read_files(batch, entry, receipt, deliver)
        except EndpointError as error:
            if is_unknown(error) and time.time() > entry.created_at + _PATIENCE_SECONDS:
                await asyncio.to_thread(self._book.finish, entry.batch_key, "lost")
            raise
        await asyncio.to_thread(self._book.finish, entry.batch_key, batch.status)
        await self._tidy(entry)
        return Returned(explain_missing(batch, self._api.url), errors)

    async def _wait(self, batch_id: str, entry: BookedBatch) -> Batch:
        """Look at a batch until it has ended, ever more rarely."""
        wait = self._config.batch_poll_seconds
        while True:
            batch = await self._insist(partial(self._api.look, batch_id), entry)
            if batch.status in ENDED:
                return batch
            if time.time() > entry.created_at + _PATIENCE_SECONDS:
                raise EndpointError(
                    f"{self._api.url} has not ended batch {batch_id} ({batch.status}) after 24 hours. It stays noted: "
                    "run again later to have its answers, or cancel it there to ask anew",
                    transient=False,
                )
            await asyncio.sleep(wait)
            wait = self._longer(wait)

    async def _insist(self, call: Callable[[], Awaitable[T]], entry: BookedBatch) -> T:
        """Make a call that changes nothing, again and again while what is wrong may pass and the batch is young."""
        wait = self._config.batch_poll_seconds
        while True:
            try:
                return await call()
            except EndpointError as error:
                if not error.transient or time.time() > entry.created_at + _PATIENCE_SECONDS:
                    raise
                _log.warning("batch %s: %s", entry.batch_id or entry.batch_key, error)
            await asyncio.sleep(wait)
            wait = self._longer(wait)

    def _longer(self, wait: float) -> float:
        return min(wait * _GROWTH, self._config.batch_poll_seconds * _LONGEST_POLL)

    async def _read_files(
        self, batch: Batch, entry: BookedBatch, receipt: Receipt, deliver: Callable[[Completion], None]
    ) -> dict[str, EndpointError]:
        """Store all answers of a batch that has ended; return the errors of its lines."""
        errors: dict[str, EndpointError] = {}
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
            with await self._insist(partial(self._api.fetch, file_id), entry) as content:
                while lines := self._next_lines(content):
                    answers, bad = await asyncio.to_thread(self._take, entry, lines, receipt)
                    errors |= bad
                    for completion in answers:
                        deliver(completion)
        return errors

    def _next_lines(self, content: IO[bytes]) -> list[bytes]:
        """Return the next lines of a file; of one that is longer than a reply may be, its beginning, which is no JSON.

        What a line says of a request that nobody can name is as if it were not there: the request goes out again.
        """
        lines: list[bytes] = []
        most, size = self._config.max_reply_bytes, 0
        while len(lines) < _LINES and size <= most and (line := content.readline(most)):
            lines.append(hide_known(line))
            size += len(line)
            while not line.endswith(b"\n") and len(line) == most:
                _log.warning("%s: a line of a batch is longer than teacher.max_reply_bytes allows", self._api.url)
                line = content.readline(most)
        return lines

    def _take(
        self, entry: BookedBatch, lines: list[bytes], receipt: Receipt
    ) -> tuple[list[Completion], dict[str, EndpointError]]:
        """Make the answers of some lines durable; what left the book with an earlier reading is passed over."""
        outcomes = [outcome for line in lines if (outcome := read_line(line, self._api.url))]
        requests = self._book.requests(entry.batch_key, [outcome.request_hash for outcome in outcomes])
        answers: dict[str, tuple[CompletionRequest, Completion]] = {}
        errors: dict[str, EndpointError] = {}
        for outcome in (outcome for outcome in outcomes if outcome.request_hash in requests):
            name, request = outcome.request_hash, requests[outcome.request_hash]
            try:
                if outcome.error is not None:
                    raise outcome.error
                answers[name] = (request, receipt(request, outcome.payload, time.time() - entry.created_at))
            except EndpointError as error:
                errors[name] = error
        self._ledger.store(list(answers.values()))
        self._book.release(entry.batch_key, answers)
        return [completion for _, completion in answers.values()], errors

    async def _tidy(self, entry: BookedBatch) -> None:
        """Remove the file that was sent; that it stays is no reason to fail."""
        if entry.file_id is not None:
            try:
                await self._api.delete(entry.file_id)
            except EndpointError as error:
                _log.info("%s stays at the endpoint: %s", entry.file_id, error)
