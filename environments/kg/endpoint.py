"""A SPARQL endpoint over HTTP: Freebase on Virtuoso, or any other that speaks SPARQL 1.1 and its JSON of results.

What comes from outside has a size and a time. An endpoint that is away, slow or broken is a fault that is tried again;
one that refuses a query is not.
"""

from __future__ import annotations

import asyncio
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import orjson

from environments.kg.store import SparqlStore, bounded
from schemas.errors import ConfigError, EnvironmentFault

MOST_BYTES = 16_000_000
"""Of one answer: ten thousand long IRIs have about 2 MB."""
CONNECTIONS = 8
"""At a time; a public endpoint is shared with others."""
_RESULTS = "application/sparql-results+json"
_SAID = 300


class EndpointStore(SparqlStore):
    """Asks one endpoint."""

    def __init__(self, url: str, *, seconds: float = 30.0, most_bytes: int = MOST_BYTES) -> None:
        """`seconds` is the wall time of a query, connecting and reading included.

        Raises:
            ConfigError: it is no URL of http or https.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"no SPARQL endpoint: {_without_password(url)!r}; one is http://HOST:PORT/PATH")
        self._url, self._seconds, self._most_bytes = url, seconds, most_bytes
        self.shown = _without_password(url)
        """The URL as messages say it."""
        self.software = "SPARQL endpoint"
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        limit = aiohttp.ClientTimeout(total=self._seconds)
        self._session = aiohttp.ClientSession(connector=connector, timeout=limit, raise_for_status=False)
        return self

    async def __aexit__(self, *exception: object) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def select(self, query: str, most: int) -> tuple[str, ...]:
        return bounded(_values(await self._ask(query), self.shown), most)

    async def _ask(self, query: str) -> bytes:
        if self._session is None:
            raise EnvironmentFault("the endpoint was not opened; enter its world first", transient=False)
        try:
            async with self._session.post(
                self._url, data={"query": query}, headers={"Accept": _RESULTS}, allow_redirects=False
            ) as response:
                body = await self._read(response)
        except TimeoutError as error:
            raise EnvironmentFault(
                f"the endpoint {self.shown} gave no answer within {self._seconds:g} s (worlds.kg.timeout_seconds)"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            told = f"{type(error).__name__}: {error}"[:_SAID]
            raise EnvironmentFault(f"the endpoint {self.shown} cannot be reached ({told}); is it running?") from error
        if response.status != 200:
            raise _refused(response.status, body, self.shown)
        return body

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > self._most_bytes:
                raise EnvironmentFault(
                    f"an answer of the endpoint {self.shown} has more than {self._most_bytes:,} bytes", transient=False
                )
            await asyncio.sleep(0)
        return bytes(body)


def _refused(status: int, body: bytes, shown: str) -> EnvironmentFault:
    """Word a status that is no answer; overload and trouble inside may pass, a refusal stays."""
    said = " ".join(body[:_SAID].decode("utf-8", "replace").split())
    transient = status >= 500 or status in (408, 429)
    hint = "" if transient else "; is the URL that of the SPARQL service?"
    return EnvironmentFault(f"the endpoint {shown} answered with status {status}: {said!r}{hint}", transient=transient)


def _values(body: bytes, shown: str) -> list[str]:
    """Return the values of SPARQL's JSON of results, which has one variable here."""
    try:
        answer: Any = orjson.loads(body)
        variables = answer["head"]["vars"]
        rows = answer["results"]["bindings"]
        found = [row[variables[0]]["value"] for row in rows if variables[0] in row]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError) as error:
        said = body[:80].decode("utf-8", "replace")
        raise EnvironmentFault(
            f"the endpoint {shown} did not answer with SPARQL's results as JSON ({type(error).__name__}): {said!r}",
            transient=False,
        ) from error
    if not all(isinstance(value, str) for value in found):
        raise EnvironmentFault(f"the endpoint {shown} gave a value that is no text", transient=False)
    return found


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.hostname is None:
        return url
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, "", ""))
