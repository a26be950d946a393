"""An endpoint's Batch API through the openai client: files up, a batch made, looked at, files down.

Every call is made once; who calls knows which may be made again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

import aiohttp
import openai
from openai import AsyncOpenAI
from pydantic import BaseModel, ValidationError

from schemas.errors import ConfigError
from teachers.batch.protocol import Batch
from teachers.endpoint.failures import EndpointError, explain, head_of, no_json, timed_out
from teachers.endpoint.transport import ReplyRefused

METADATA_KEY = "trajmill_batch"
"""Holds our own id of a batch at the endpoint, so that one is found again whose id was never noted."""
CALL_SECONDS = 60.0
TRANSFER_SECONDS = 1800.0
"""For a file of 200 MB at 1 Mbit/s."""
_CLOCK_SECONDS = 3600.0
"""How far the endpoint's clock may be behind ours."""

_log = logging.getLogger(__name__)


class BatchApi:
    """Files and batches of one endpoint. Belongs to the event loop that first asks."""

    def __init__(self, client: AsyncOpenAI, url: str) -> None:
        self.url = url
        self._client = client

    async def check(self) -> None:
        """Make sure that the endpoint has a Batch API, before anything is spent.

        Raises:
            ConfigError: it has none, cannot be reached or does not take the key.
        """
        try:
            await self._newest()
        except EndpointError as error:
            if _status_of(error) in (404, 405, 501):
                raise ConfigError(
                    f"{self.url} has no Batch API ({error}); set teacher.mode = 'chat', or ask an endpoint that has one"
                ) from error
            raise ConfigError(str(error)) from error

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a batch's file and return its id.

        Raises:
            EndpointError: nothing was submitted.
        """
        async with _named(self.url, "the upload of a batch", TRANSFER_SECONDS):
            file = await self._client.files.create(file=(name, content), purpose="batch", timeout=TRANSFER_SECONDS)
            return file.id

    async def create(self, file_id: str, batch_key: str) -> Batch:
        """Submit an uploaded file.

        Raises:
            EndpointError: refused; or, where `may_be_there` says so, with an unknown outcome.
        """
        async with _named(self.url, "the new batch", CALL_SECONDS):
            made = await self._client.batches.create(
                input_file_id=file_id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={METADATA_KEY: batch_key},
                timeout=CALL_SECONDS,
            )
            batch = _read(made, self.url)
        if (batch.metadata or {}).get(METADATA_KEY) != batch_key:
            _log.warning("%s keeps no metadata: a run killed as it makes a batch may submit it again", self.url)
        return batch

    async def find(self, batch_key: str, created_at: float) -> Batch | None:
        """Look through the endpoint's list, the newest first, for a batch that carries our id.

        Raises:
            EndpointError: the list cannot be read.
        """
        async with _named(self.url, "the list of batches", TRANSFER_SECONDS):
            async for listed in self._client.batches.list(limit=100, timeout=CALL_SECONDS):
                batch = _read(listed, self.url)
                if (batch.metadata or {}).get(METADATA_KEY) == batch_key:
                    return batch
                if 0 < batch.created_at < created_at - _CLOCK_SECONDS:
                    return None
        return None

    async def look(self, batch_id: str) -> Batch:
        """Return how a batch stands.

        Raises:
            EndpointError: it cannot be read; `is_unknown` says whether the endpoint knows it at all.
        """
        async with _named(self.url, f"batch {batch_id}", CALL_SECONDS):
            return _read(await self._client.batches.retrieve(batch_id, timeout=CALL_SECONDS), self.url)

    async def fetch(self, file_id: str) -> IO[bytes]:
        """Return a file's content, at its beginning; it is on the disk, and gone once it is closed.

        Raises:
            EndpointError: it cannot be read to its end.
        """
        content = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        try:
            async with _named(self.url, f"file {file_id}", TRANSFER_SECONDS):
                opened = self._client.files.with_streaming_response.content(file_id, timeout=TRANSFER_SECONDS)
                async with opened as response:
                    async for part in response.iter_bytes():
                        content.write(part)
        except BaseException:
            content.close()
            raise
        content.seek(0)
        return content

    async def delete(self, file_id: str) -> None:
        """Remove a file; endpoints keep a limited number of them.

        Raises:
            EndpointError: it is still there.
        """
        async with _named(self.url, f"file {file_id}", CALL_SECONDS):
            await self._client.files.delete(file_id, timeout=CALL_SECONDS)

    async def _newest(self) -> None:
        async with _named(self.url, "the list of batches", CALL_SECONDS):
            await self._client.batches.list(limit=1, timeout=CALL_SECONDS)


def may_be_there(error: EndpointError) -> bool:
    """Whether a call that failed may have been carried out all the same: no status came, or a server's own failure."""
    status = _status_of(error)
    return status is None or status >= 500


def is_file_late(error: EndpointError) -> bool:
    """Whether a batch was refused because its file, just uploaded, is not known yet."""
    return _status_of(error) in (400, 404) and "file" in str(error).lower()


def is_unknown(error: EndpointError) -> bool:
    """Whether the endpoint says that there is no such thing."""
    return _status_of(error) == 404


def _status_of(error: EndpointError) -> int | None:
    return error.__cause__.status_code if isinstance(error.__cause__, openai.APIStatusError) else None


@asynccontextmanager
async def _named(url: str, what: str, seconds: float) -> AsyncIterator[None]:
    """Name whatever goes wrong with a call."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise timed_out(url, what) from error
    except openai.NotFoundError as error:
        raise EndpointError(f"{url} does not know {what} (404: {head_of(error.message)})", transient=False) from error
    except (openai.OpenAIError, aiohttp.ClientError, ReplyRefused) as error:
        raise explain(error, url, what) from error
    except ValueError as error:
        raise no_json(url, error.doc if isinstance(error, json.JSONDecodeError) else str(error)) from error


def _read(batch: object, url: str) -> Batch:
    """Read a batch as the client gave it; it checks nothing itself."""
    if isinstance(batch, BaseModel):
        batch = batch.model_dump(warnings=False)
    try:
        return Batch.model_validate(batch)
    except ValidationError as error:
        raise no_json(url, str(batch)) from error
