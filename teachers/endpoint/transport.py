"""What an endpoint may send back: so many bytes, unpacked, from where it was asked, and without our own secrets.

Stands between the openai client and the network, so that chats, lists, errors, batches and files all go through it. A
body is read as it comes and given up at its bound: a gzip of 1 MB may hold a gigabyte, and another one never ends.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
from openai import DefaultAioHttpClient

from schemas.redaction import hide_known

_ENCODINGS = "gzip, deflate"
"""Those that are asked for, and the only ones that are read: zlib stops at a bound, whatever is in them."""
_MOST_ERROR_BYTES = 1 << 16
"""Of a reply that is an error: what comes after is left unread, the status and the beginning say enough."""
_PIECE_BYTES = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class ReplyRefused(httpx2.TransportError):
    """A reply that is not read, or not to its end; the text goes behind the endpoint's address."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class BoundedClient(DefaultAioHttpClient):
    """The openai client's own, on a transport with bounds."""

    def __init__(self, most_bytes: int, most_file_bytes: int, **told: Any) -> None:
        self._most = most_bytes, most_file_bytes
        super().__init__(**told)

    def _init_transport(self, *args: Any, **told: Any) -> httpx2.AsyncBaseTransport:
        return BoundedTransport(super()._init_transport(*args, **told), *self._most)

    def _init_proxy_transport(self, *args: Any, **told: Any) -> httpx2.AsyncBaseTransport:
        return BoundedTransport(super()._init_proxy_transport(*args, **told), *self._most)


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Wraps a transport; a file is handed on piece by piece, all else is read here."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, most_bytes: int, most_file_bytes: int) -> None:
        self._inner = inner
        self._most_bytes = most_bytes
        self._most_file_bytes = most_file_bytes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its reply, unpacked.

        Raises:
            ReplyRefused: it is too large, packed in another way, or sends the request to somebody else.
        """
        request.headers["accept-encoding"] = _ENCODINGS
        response = await self._inner.handle_async_request(request)
        try:
            _require_same_origin(request, response)
            is_error, is_file = response.status_code >= 400, request.url.path.endswith("/content")
            most = _MOST_ERROR_BYTES if is_error else self._most_file_bytes if is_file else self._most_bytes
            pieces = _unpacked(response, most, is_cut=is_error)
            if is_file and not is_error:
                return _like(response, request, stream=_Pieces(pieces, response))
            body = b"".join([piece async for piece in pieces])
        except BaseException:
            await response.aclose()
            raise
        await response.aclose()
        return _like(response, request, content=hide_known(body))

    async def aclose(self) -> None:
        """Close connections."""
        await self._inner.aclose()


class _Pieces(httpx2.AsyncByteStream):
    """The body of a file, as it comes."""

    def __init__(self, pieces: AsyncIterator[bytes], response: httpx2.Response) -> None:
        self._pieces, self._response = pieces, response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        await self._response.aclose()


def _like(response: httpx2.Response, request: httpx2.Request, **body: Any) -> httpx2.Response:
    """Return the response with its body unpacked; of its reason, which nobody needs, nothing."""
    left_out = (b"content-encoding", b"content-length", b"transfer-encoding")
    headers = [(name, hide_known(value)) for name, value in response.headers.raw if name.lower() not in left_out]
    return httpx2.Response(response.status_code, headers=headers, request=request, **body)


def _require_same_origin(request: httpx2.Request, response: httpx2.Response) -> None:
    """Let a redirect pass that leads to the same server: to another one the prompt, or the key, would go along.

    Raises:
        ReplyRefused: it leads elsewhere.
    """
    place = response.headers.get("location", "")
    if response.status_code not in _REDIRECTS or not place:
        return
    try:
        there = request.url.join(place)
    except (httpx2.InvalidURL, ValueError):
        raise ReplyRefused("redirects to an address that is none. Check OPENAI_BASE_URL", transient=False) from None
    if _origin(there) != _origin(request.url):
        raise ReplyRefused(
            f"redirects to {_origin(there)}, which is another server; nothing was sent there. If that is the "
            "endpoint, set OPENAI_BASE_URL to it",
            transient=False,
        )


def _origin(url: httpx2.URL) -> str:
    port = url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
    return f"{url.scheme}://{url.host}:{port}"


async def _unpacked(response: httpx2.Response, most: int, *, is_cut: bool) -> AsyncIterator[bytes]:
    """Yield a body's pieces up to a bound; beyond it the rest is left out (`is_cut`) or the reply is none.

    Raises:
        ReplyRefused: it is larger, or not packed as its header says.
    """
    inflate = _inflater(response.headers.get("content-encoding", ""))
    packed = size = 0
    async for chunk in response.aiter_raw(_PIECE_BYTES):
        packed += len(chunk)
        for piece in inflate.feed(chunk):
            size += len(piece)
            yield piece[: len(piece) - max(0, size - most)]
            if size > most:
                break
        if max(packed, size) > most:
            if is_cut:
                return
            raise ReplyRefused(
                f"answered with more than {most:,} bytes, the most that is read; raise teacher.max_reply_bytes (of a "
                "batch's file: teacher.batch_max_reply_bytes) if it may say so much",
                transient=False,
            )
    if not inflate.is_whole and not is_cut:
        raise ReplyRefused("broke its packed reply off midway", transient=True)


class _Plain:
    is_whole = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk holds."""
        yield chunk


class _Inflater:
    """gzip or deflate, a piece at a time."""

    def __init__(self, window_bits: int) -> None:
        self._inflate = zlib.decompressobj(window_bits)
        self._is_new = True

    @property
    def is_whole(self) -> bool:
        """Whether all has come that was packed; a reply without a body is."""
        return self._inflate.eof or self._is_new

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what a chunk holds, never much at once.

        Raises:
            ReplyRefused: it is not what it says.
        """
        while not self._inflate.eof:
            piece = self._unpack(chunk)
            chunk = self._inflate.unconsumed_tail
            yield piece
            if not chunk and len(piece) < _PIECE_BYTES:
                return

    def _unpack(self, chunk: bytes) -> bytes:
        was_new, self._is_new = self._is_new, False
        try:
            return self._inflate.decompress(chunk, _PIECE_BYTES)
        except zlib.error as error:
            if was_new and self._restart():
                return self._unpack(chunk)
            said = f"answered with a body that is not packed as it says ({error})"
            raise ReplyRefused(said, transient=True) from None

    def _restart(self) -> bool:
        """Try once without a header: half of the world's `deflate` is sent so."""
        return False


class _Deflater(_Inflater):
    def __init__(self) -> None:
        super().__init__(zlib.MAX_WBITS)
        self._is_raw = False

    def _restart(self) -> bool:
        is_first, self._is_raw = not self._is_raw, True
        self._inflate, self._is_new = zlib.decompressobj(-zlib.MAX_WBITS), True
        return is_first


def _inflater(encoding: str) -> _Plain | _Inflater:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name in ("gzip", "x-gzip"):
        return _Inflater(zlib.MAX_WBITS | 16)
    if name == "deflate":
        return _Deflater()
    raise ReplyRefused(
        f"answered packed as {name[:40]!r}, which was not asked for ({_ENCODINGS} were). Have the proxy or the server "
        "keep to Accept-Encoding",
        transient=False,
    )
