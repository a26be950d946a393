"""Opens a file of text as UTF-8 bytes, whatever it is packed in: gzip, bzip2, xz, zstd, UTF-16 and UTF-32.

What a file is tells its first bytes, not its name. It is unpacked piece by piece while it is read, so memory stays
constant; what is cut off or damaged is told where that stands, after every byte that could still be unpacked.
"""

from __future__ import annotations

import bz2
import codecs
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import zstandard

from schemas.bounded_reading import open_file
from schemas.errors import InputError

_FAULTS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
"""What reading and unpacking raise."""
_PACKED: dict[bytes, tuple[str, Callable[[], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)),
    b"BZh": ("bzip2", bz2.BZ2Decompressor),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMADecompressor),
    # A window of 2 GiB is what `zstd --ultra --long=31` writes and what a bomb asks for; this is zstd's own limit.
    b"\x28\xb5\x2f\xfd": ("zstd", lambda: zstandard.ZstdDecompressor(max_window_size=128 << 20).decompressobj()),
}
"""How a file begins -> what it is packed in, and what unpacks one member of it."""
_ENCODED: dict[bytes, str] = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The longer marks first: UTF-32's begins as UTF-16's does."""
_NOT_TEXT = {
    b"PK\x03\x04": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"PAR1": "Parquet",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3": "an SQLite database",
}
_BOM = codecs.BOM_UTF8
_CHUNK = 1 << 18
PARQUET = b"PAR1"
"""What a Parquet file begins with."""
_MOST_LAYERS = 3
"""Of packing inside packing; more is a trap."""


class Damaged(Exception):
    """What is packed cannot be unpacked any further; the text says why."""

    before: bytes = b""
    """Of a line: what was read of it."""


class Text:
    """The bytes of a text, from its beginning to its end; some can be put back."""

    def __init__(self, file: io.BufferedReader, name: str = "") -> None:
        self._file = file
        self._name = name
        self._back = b""
        self._fault: Exception | None = None

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end.

        Raises:
            Damaged: the rest cannot be unpacked.
        """
        if self._back:
            found, self._back = self._back[:size], self._back[size:]
            return found
        try:
            if self._fault is None:
                return self._file.read1(size)  # `read` would lose what came before a fault
        except _FAULTS as error:
            self._fault = error
        raise Damaged(f"what is packed with {self._name or 'this'} is damaged here: {self._fault}") from self._fault

    def readline(self, size: int) -> bytes:
        """Return what is left of a line with its end, at most `size` bytes; none at the end.

        Raises:
            Damaged: the rest cannot be unpacked.
        """
        parts, length = list[bytes](), 0
        try:
            while length < size and (part := self.read(min(_CHUNK, size - length))):
                end = part.find(b"\n") + 1
                if end:
                    self.put_back(part[end:])
                    part = part[:end]
                parts.append(part)
                length += len(part)
                if end:
                    break
        except Damaged as damage:
            damage.before = b"".join(parts)
            raise
        return b"".join(parts)

    def put_back(self, some: bytes) -> None:
        """Let bytes be read once more, before all others."""
        self._back = some + self._back

    def peek(self, size: int) -> bytes:
        """Return the bytes that come next, at most `size`, and leave them; fewer where the rest is damaged."""
        found = b""
        try:
            while len(found) < size and (part := self.read(size - len(found))):
                found += part
        except Damaged:  # it is told where it is read
            pass
        self.put_back(found)
        return found


def open_text(path: Path) -> Text:
    """Open a file, unpack it as it is read, and stand behind its byte order mark.

    Raises:
        InputError: the file cannot be opened, or is no text (an archive, a database).
    """
    file, name = open_file(path), ""
    for _ in range(_MOST_LAYERS):
        head = _peek(path, file, name)
        packed = next((one for magic, one in _PACKED.items() if head.startswith(magic)), None)
        if packed is None:
            break
        name, begin = packed
        file = io.BufferedReader(_Unpacked(file, begin), _CHUNK)
    for magic, kind in _NOT_TEXT.items():
        if head.startswith(magic):
            raise InputError(f"{path} is {kind}, not UTF-8 text. Unpack or convert it to JSON or JSONL first.")
    encoding = next((one for mark, one in _ENCODED.items() if head.startswith(mark)), None) or _unmarked(head)
    if encoding:
        return Text(io.BufferedReader(_Decoded(file, encoding), _CHUNK), name or encoding)
    text = Text(file, name)
    if head.startswith(_BOM):
        text.read(len(_BOM))
    return text


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does.

    Raises:
        InputError: it cannot be opened.
    """
    with open_file(path) as file:
        return file.read(len(PARQUET)) == PARQUET


def _unmarked(head: bytes) -> str | None:
    """Tell UTF-16 without a mark by the bracket that JSON begins with."""
    brackets = (b"[", b"{")
    if head[1:2] == b"\0" and head[:1] in brackets and head[2:4] != b"\0\0":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\0" and head[1:2] in brackets else None


def _peek(path: Path, file: io.BufferedReader, name: str) -> bytes:
    try:
        return file.peek(16)[:16]
    except _FAULTS as error:
        raise InputError(
            f"{path} cannot be read: it begins as {name or 'a file'} does and is damaged: {error}"
        ) from error


class _Buffered(io.RawIOBase):
    """Bytes that are made some at a time."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._ready = memoryview(b"")

    def _more(self) -> bytes | None:
        """Return some, or None at the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            made = self._more()
            if made is None:
                return 0
            self._ready = memoryview(made)
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


class _Unpacked(_Buffered):
    """Members one behind the other, as files that are put together have them, and zeros that fill up a block.

    The standard library's files throw away what they made before a fault, and zstandard's takes a file that was cut off
    for one that ended.
    """

    def __init__(self, file: io.BufferedReader, begin: Callable[[], Any]) -> None:
        super().__init__(file)
        self._begin = begin
        self._member: Any = None
        self._left = b""
        self._piece = 1024
        """Bytes at a time: a block of four may stand for 128 KiB."""

    def _more(self) -> bytes | None:
        is_fed = getattr(self._member, "needs_input", True)
        if is_fed:
            some, self._left = self._left or self._file.read1(self._piece), b""
            if self._member is None:
                if not some:
                    return None
                some = some.lstrip(b"\0")
                self._member = self._begin() if some else None
            elif not some:
                raise EOFError("the file ends before what is packed does")
            some, self._left = some[: self._piece], some[self._piece :]
        made = self._unpack(some if is_fed else b"") if self._member else b""
        if self._member and self._member.eof:
            self._left, self._member = self._member.unused_data + self._left, None
        return made

    def _unpack(self, some: bytes) -> bytes:
        if hasattr(self._member, "needs_input"):  # of bzip2 and xz, which may make gigabytes of a piece
            return cast(bytes, self._member.decompress(some, _CHUNK))
        kept = self._member.copy() if hasattr(self._member, "copy") else None
        try:
            return cast(bytes, self._member.decompress(some))
        except zlib.error:
            if kept is None or len(some) == 1:
                raise
            self._member, self._piece = kept, 1  # up to the very byte at which it is damaged
            self._left = some[1:] + self._left
            return cast(bytes, kept.decompress(some[:1]))


class _Decoded(_Buffered):
    """UTF-16 or UTF-32 read as UTF-8; a lone surrogate stays one, so that its value is told."""

    def __init__(self, file: io.BufferedReader, encoding: str) -> None:
        super().__init__(file)
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="surrogatepass")

    def _more(self) -> bytes | None:
        part = self._file.read1(_CHUNK)
        made = self._decoder.decode(part, final=not part).encode("utf-8", "surrogatepass")
        return made if part or made else None
