"""The openai client, with the work left out that is the same for every chat request.

It works out address and headers anew each time, from ten sources: a fifth of a request's CPU, and while that lasts no
other is sent. Here the first chat request is built by the client, and the others are the same with another body.
"""

from __future__ import annotations

import json
from typing import Any

import httpx2
from openai import AsyncOpenAI

CHAT_URL = "/chat/completions"


class ChatClient(AsyncOpenAI):
    """One endpoint and key; errors, time-outs and all other calls are the client's own."""

    _first: httpx2.Request | None = None

    @property
    def user_agent(self) -> str:
        """Return the client's own, which is named after its class."""
        return f"{AsyncOpenAI.__name__}/Python {self._version}"

    def _build_request(self, options: Any, *, retries_taken: int = 0) -> httpx2.Request:
        """Build a request as the client does (openai 3.51, `_base_client.py`; `AsyncAzureOpenAI` has this hook too)."""
        first = self._first
        if options.url != CHAT_URL or first is None:
            built = super()._build_request(options, retries_taken=retries_taken)
            if options.url == CHAT_URL:
                self._first = built
            return built
        headers = httpx2.Headers([pair for pair in first.headers.raw if pair[0].lower() != b"content-length"])
        body = json.dumps(options.json_data, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        cookies = self._client.cookies
        return httpx2.Request(
            first.method, first.url, headers=headers, content=body, cookies=cookies, extensions=first.extensions
        )
