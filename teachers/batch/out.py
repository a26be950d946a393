"""The way out: a group is written into the book, uploaded and made a batch, so that a kill at any moment is mended."""

from __future__ import annotations

import asyncio
import logging

from schemas.run_config import TeacherConfig
from teachers.batch.api import BatchApi, is_file_late, may_be_there
from teachers.batch.book import BatchBook
from teachers.endpoint.failures import EndpointError

_FILE_WAITS = (1, 2, 4)
"""Times `batch_poll_seconds` to wait for an uploaded file to be known (bespokelabsai/curator#116)."""

_log = logging.getLogger(__name__)


class NotSubmitted(EndpointError):
    """The batch of a request never went out and nothing was paid, so the request goes into another."""


def not_submitted(url: str) -> NotSubmitted:
    """Name a request whose batch never went out."""
    return NotSubmitted(f"{url}: the batch of this request was never submitted", transient=False)


class BatchOut:
    """Puts batches out that stand in the book."""

    def __init__(self, api: BatchApi, book: BatchBook, config: TeacherConfig, lease_seconds: float) -> None:
        self._api = api
        self._book = book
        self._config = config
        self._lease_seconds = lease_seconds

    async def put_out(self, batch_key: str, content: bytes) -> None:
        """Upload and make a batch and note its id; where nobody knows whether it was made it is left to be looked for.

        Raises:
            EndpointError: it was not made, and stands in the book no more.
        """
        try:
            batch_id = await self._create(batch_key, await self._upload(batch_key, content))
        except EndpointError:
            entry = await asyncio.to_thread(self._book.entry, batch_key)
            if entry is not None:
                await asyncio.to_thread(self._book.abandon, entry)
            raise
        if batch_id is not None and not await asyncio.to_thread(self._book.note, batch_key, batch_id):
            _log.error("batch %s was given up as never made before it was; its answers stay at the endpoint", batch_id)

    async def _upload(self, batch_key: str, content: bytes) -> str:
        """Upload a batch's file, showing all the while that we live."""
        upload = asyncio.ensure_future(self._api.upload(f"trajmill-{batch_key}.jsonl", content))
        try:
            while not (await asyncio.wait((upload,), timeout=self._lease_seconds / 10))[0]:
                await asyncio.to_thread(self._book.touch, batch_key)
            return upload.result()
        finally:
            upload.cancel()

    async def _create(self, batch_key: str, file_id: str) -> str | None:
        """Make the batch and return its id; None = nobody knows whether it was made.

        Raises:
            EndpointError: it was not made.
        """
        for wait in (*_FILE_WAITS, None):
            if not await asyncio.to_thread(self._book.touch, batch_key, file_id):
                raise not_submitted(self._api.url)  # given up as dead: its requests may be out with another batch
            try:
                return (await self._api.create(file_id, batch_key)).id
            except EndpointError as error:
                if may_be_there(error):
                    return None
                if wait is None or not is_file_late(error):
                    raise
                await asyncio.sleep(wait * self._config.batch_poll_seconds)
        raise AssertionError("the last attempt returns or raises")
