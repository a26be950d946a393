"""The offline teacher as an endpoint that writes down what it is asked and answers, and fails when it is told to."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import Any, Literal

import orjson
from aiohttp import web

from rehearsals.base import Rehearsal
from rehearsals.server import OfflineServer
from schemas.completion import CompletionRequest
from schemas.record import canonical_json
from teachers.endpoint.requests import request_body

LATENCY_SECONDS = 0.02
"""Kept short; without it hardly a request would be in flight when its asker is killed."""

Failure = Literal["429", "500", "hang", "reset"]


class Endpoint(OfflineServer):
    def __init__(self, *rehearsals: Rehearsal) -> None:
        super().__init__(rehearsals)
        self.asked: list[str] = []
        """Fingerprints of the bodies that came in, in order, answered or not."""
        self.given: Counter[str] = Counter()
        """How often each was answered: what would be paid."""
        self._failure: Failure = "500"
        self._failing = 0

    def fail(self, failure: Failure, requests: int) -> None:
        """Answer so many of the next requests with a failure; none of them is paid."""
        self._failure, self._failing = failure, requests

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        if request.method != "POST":
            return await super()._handle(request)
        asked = fingerprint(orjson.loads(await request.read()))
        self.asked.append(asked)
        await asyncio.sleep(LATENCY_SECONDS)
        if self._failing > 0:
            self._failing -= 1
            return await _failed(request, self._failure)
        answer = await super()._handle(request)
        self.given[asked] += answer.status == 200
        return answer

    def start(self) -> str:
        """Listen, and keep what a build needs to find this endpoint."""
        self.settings = {"OPENAI_BASE_URL": super().start(), "OPENAI_API_KEY": "none"}
        return self.settings["OPENAI_BASE_URL"]

    def fingerprint(self, request: CompletionRequest) -> str:
        """Return what a request of the ledger looks like from here."""
        return fingerprint(request_body(request, self.settings["OPENAI_BASE_URL"]))


async def _failed(request: web.BaseRequest, failure: Failure) -> web.Response:
    if failure == "hang":
        await asyncio.sleep(3600)  # its asker gives up long before
    if failure == "reset" and request.transport is not None:
        request.transport.abort()
    words = {"error": {"message": f"told to fail: {failure}"}}
    hint = {"retry-after": "1"} if failure == "429" else {}
    return web.json_response(words, status=429 if failure == "429" else 500, headers=hint)


def fingerprint(body: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body)).hexdigest()
