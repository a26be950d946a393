"""BatchChat: an endpoint's Batch API behind the same `complete`. Half the price, an answer within 24 hours.

Requests that come at the same time are gathered, one batch a model. A batch is written into the book before it is
uploaded and leaves it when its answers are durable; its own id stands in the endpoint's metadata. So a run that was
killed at any moment finds its batches again: nothing is submitted twice, and no paid answer is lost.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any

from sqlalchemy.exc import SQLAlchemyError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from schemas.completion import Completion, CompletionRequest
from schemas.errors import TrajmillError, WarehouseError
from schemas.run_config import TeacherConfig
from teachers.batch.api import BatchApi
from teachers.batch.book import BatchBook
from teachers.batch.gathering import Gathering, Group
from teachers.batch.home import BatchHome, Returned
from teachers.batch.out import BatchOut, NotSubmitted, not_submitted
from teachers.batch.protocol import QueueFull, write_line
from teachers.budget.prices import cost_usd, price_of
from teachers.endpoint.chat import OpenAIChat
from teachers.endpoint.failures import EndpointError
from teachers.endpoint.receipts import make_receipt
from teachers.endpoint.replies import read_reply
from teachers.ledger.ledger import Ledger

LEASE_SECONDS = 120.0
"""A submission that has not shown itself for so long was killed. Longer than the one call that makes a batch."""
_LONGEST_RETRY = 30
"""Times `batch_poll_seconds` that a request waits at most before it goes into another batch."""

AskAgain = Callable[[CompletionRequest], Awaitable[Completion]]

_log = logging.getLogger(__name__)


class BatchChat:
    """One endpoint's Batch API. Belongs to the event loop that first asks."""

    def __init__(
        self,
        chat: OpenAIChat,
        ledger: Ledger,
        config: TeacherConfig,
        *,
        endpoint: str | None = None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """Prepare; nothing is sent.

        `endpoint` names in the book where batches are; None = a hash of the endpoint's address.
        """
        api = BatchApi(chat.client, chat.url)
        self._chat = chat
        self._ledger = ledger
        self._config = config
        self._book = BatchBook(
            ledger.engine, endpoint or hashlib.sha256(chat.url.rstrip("/").encode()).hexdigest()[:16]
        )
        self._out = BatchOut(api, self._book, config, lease_seconds)
        self._home = BatchHome(api, self._book, ledger, config, lease_seconds)
        self._gathering = Gathering(config, lambda group: self._start(self._submit(group)))
        self._waiting: dict[str, asyncio.Future[Completion]] = {}
        """By request hash, the answer that someone here waits for."""
        self._watched: dict[str, set[str]] = {}
        """Batches that this process brings home, with the requests on whose behalf."""
        self._adopted: dict[str, AskAgain] = {}
        """Batches of earlier runs, and how their requests are accounted for."""
        self._one_home = asyncio.Event()
        self._work: set[asyncio.Task[None]] = set()
        self._ask = AsyncRetrying(
            retry=retry_if_exception(_passes),
            wait=wait_exponential(config.batch_poll_seconds, max=_LONGEST_RETRY * config.batch_poll_seconds),
            stop=stop_after_attempt(config.max_retries + 1),
            reraise=True,
        ).wraps(self._ask_once)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Answer a request with the next batch, or with the one that it is already in.

        Raises:
            TeacherError: refused, or failed after all retries.
        """
        while True:
            try:
                return await self._ask(request)
            except NotSubmitted:
                continue

    async def resume(self, ask_again: AskAgain) -> int:
        """Wait for what earlier runs submitted; return how many batches that are.

        `ask_again` is the whole teacher, ledger and budget included: a request that is out is asked as if anew, so
        that it is accounted for; it finds its way back here and waits for its batch.
        """
        entries = await asyncio.to_thread(self._book.open_entries)
        for entry in entries:
            self._adopted[entry.batch_key] = ask_again
            self._watch(entry.batch_key)
        elsewhere = await asyncio.to_thread(self._book.count_elsewhere)
        if elsewhere:
            _log.warning(
                "%d requests are out in batches of another endpoint; set OPENAI_BASE_URL to it to have their answers",
                elsewhere,
            )
        return len(entries)

    async def close(self) -> None:
        """Stop waiting and close connections; batches that are out stay in the book. Idempotent."""
        self._gathering.stop()
        running = list(self._work)
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._chat.close()

    async def _ask_once(self, request: CompletionRequest) -> Completion:
        key = request.request_hash
        if key not in self._waiting:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            answer.add_done_callback(_look_at_error)
            self._gathering.join(request, write_line(request, self._chat.url))
        return await asyncio.shield(self._waiting[key])

    async def _submit(self, group: Group) -> None:
        """Write a batch down and put it out, without what is out already or answered by now."""
        batch_key, url = uuid.uuid4().hex, self._chat.url
        placed = await asyncio.to_thread(self._book.begin, batch_key, group.model, group.requests)
        for request_hash, other in placed.elsewhere.items():
            self._watch(other, (request_hash,))
        await self._settle_stored(placed.answered)
        pairs = list(zip((request.request_hash for request in group.requests), group.lines, strict=True))
        known = placed.ours | placed.answered | placed.elsewhere.keys()
        self._fail({name: not_submitted(url) for name, _ in pairs if name not in known})
        if placed.ours:
            try:
                await self._out.put_out(batch_key, b"".join(line for name, line in pairs if name in placed.ours))
            except EndpointError as error:
                self._fail(dict.fromkeys(placed.ours, error))
            else:
                self._watch(batch_key, placed.ours)

    def _watch(self, batch_key: str, hashes: Iterable[str] = ()) -> None:
        """Bring a batch home, on behalf of requests that are in it."""
        if batch_key not in self._watched:
            self._watched[batch_key] = set()
            self._start(self._await_batch(batch_key))
        self._watched[batch_key].update(hashes)

    async def _await_batch(self, batch_key: str) -> None:
        """Bring a batch home and give everyone who waits for it an answer or a named error."""
        try:
            returned = await self._bring_home(batch_key)
        except EndpointError as error:
            returned = Returned(error)
        finally:
            hashes = self._watched.pop(batch_key)
            self._one_home.set()
        still = [name for name in hashes if name in self._waiting]
        await self._settle_stored(still)
        rest = returned.rest or not_submitted(self._chat.url)
        if isinstance(rest, QueueFull) and self._watched:
            self._one_home.clear()
            await self._one_home.wait()  # a batch that ends makes room
            rest = not_submitted(self._chat.url)
        self._fail({name: returned.lines.get(name, rest) for name in still})

    async def _bring_home(self, batch_key: str) -> Returned:
        entry = await self._home.find(batch_key)
        if entry is None:
            return Returned(None)
        if batch_key in self._adopted:
            await self._account(batch_key, self._adopted.pop(batch_key))
        return await self._home.bring(entry, self._receipt, self._settle)

    async def _account(self, batch_key: str, ask_again: AskAgain) -> None:
        """Ask for what an earlier run submitted and nobody has asked for yet."""
        for name, request in (await asyncio.to_thread(self._book.requests, batch_key)).items():
            if name not in self._waiting:
                self._start(_ask_quietly(ask_again, request))

    def _receipt(self, request: CompletionRequest, payload: object, seconds: float) -> Completion:
        """Write the receipt of an answer, at the batch's price."""
        completion = make_receipt(request, [read_reply(payload, self._chat.url)], seconds, self._config.prices)
        price = price_of(request.model, self._config.prices)
        cost = cost_usd(price, completion.prompt_tokens, completion.completion_tokens, batch=True)
        return completion.model_copy(update={"batch": True, "cost_usd": cost})

    async def _settle_stored(self, hashes: Iterable[str]) -> None:
        for name in hashes:
            stored = await asyncio.to_thread(self._ledger.find, name)
            if stored is not None:
                self._settle(stored)

    def _settle(self, completion: Completion) -> None:
        answer = self._waiting.pop(completion.completion_id, None)
        if answer is not None:
            answer.set_result(completion)

    def _fail(self, errors: Mapping[str, BaseException]) -> None:
        for name, error in errors.items():
            answer = self._waiting.pop(name, None)
            if answer is not None:
                answer.set_exception(error)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        """Where our own work broke (the ledger's disk is full), nobody is left waiting for it."""
        self._work.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, SQLAlchemyError):
            error = WarehouseError(f"the book of batches cannot be kept: {error}. Mend the ledger's disk and run again")
        if error is not None:
            self._fail(dict.fromkeys(list(self._waiting), error))


async def _ask_quietly(ask_again: AskAgain, request: CompletionRequest) -> None:
    """Ask on nobody's behalf: what becomes of it stands in the ledger."""
    try:
        await ask_again(request)
    except TrajmillError as error:
        _log.warning("a request of an earlier batch: %s", error)


def _passes(error: BaseException) -> bool:
    return isinstance(error, EndpointError) and error.transient


def _look_at_error(answer: asyncio.Future[Completion]) -> None:
    """An error that everyone who waited has turned away from is no news."""
    if not answer.cancelled():
        answer.exception()
