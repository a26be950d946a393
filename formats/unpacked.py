"""Opens a file of text as UTF-8 bytes, whatever it is packed in: gzip, bzip2, xz, zstd, UTF-16 and UTF-32.

What a file is tells its first bytes, not its name. It is unpacked while it is read, so memory stays constant; what is
damaged is told where the damage stands, after everything before it was read.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import zstandard

from schemas.bounded_reading import open_file
from schemas.errors import InputError

_PACKED: dict[bytes, tuple[str, Callable[[BinaryIO], BinaryIO]]] = {
    b"\x1f\x8b": ("gzip", lambda file: cast(BinaryIO, gzip.GzipFile(fileobj=file))),
    b"BZh": ("bzip2", lambda file: cast(BinaryIO, bz2.BZ2File(file))),
    b"\xfd7zXZ\x00": ("xz", lambda file: _unpack_xz(file)),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda file: _unpack_zstd(file)),
}
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


class Text:
    """The bytes of a text, from its beginning to its end; some can be put back."""

    def __init__(self, file: BinaryIO, name: str = "") -> None:
        self._file = file
        self._name = name
        self._back = b""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end.

        Raises:
            Damaged: the rest cannot be unpacked.
        """
        if self._back:
            found, self._back = self._back[:size], self._back[size:]
            return found
        try:
            return self._file.read(size)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
            raise Damaged(f"what is packed with {self._name or 'this'} is damaged here: {error}") from error

    def readline(self, size: int) -> bytes:
        """Return what is left of a line with its end, at most `size` bytes; none at the end.

        Raises:
            Damaged: the rest cannot be unpacked.
        """
        parts, length = [], 0
        while length < size and (part := self.read(min(_CHUNK, size - length))):
            end = part.find(b"\n") + 1
            if end:
                self.put_back(part[end:])
                part = part[:end]
            parts.append(part)
            length += len(part)
            if end:
                break
        return b"".join(parts)

    def put_back(self, some: bytes) -> None:
        """Let bytes be read once more, before all others."""
        self._back = some + self._back

    def peek(self, size: int) -> bytes:
        """Return the bytes that come next, at most `size`, and leave them.

        Raises:
            Damaged: nothing can be unpacked.
        """
        found = b""
        while len(found) < size:
            try:
                part = self.read(size - len(found))
            except Damaged:
                if not found:
                    raise
                break
            if not part:
                break
            found += part
        self.put_back(found)
        return found


def open_text(path: Path) -> Text:
    """Open a file, unpack it as it is read, and stand behind its byte order mark.

    Raises:
        InputError: the file cannot be opened, or is no text (an archive, a database).
    """
    file, name = cast(BinaryIO, open_file(path)), ""
    for _ in range(_MOST_LAYERS):
        head = _peek(path, file, name)
        packed = next((one for magic, one in _PACKED.items() if head.startswith(magic)), None)
        if packed is None:
            break
        name = packed[0]
        file = cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, packed[1](file)), _CHUNK))
    for magic, kind in _NOT_TEXT.items():
        if head.startswith(magic):
            raise InputError(f"{path} is {kind}, not UTF-8 text. Unpack or convert it to JSON or JSONL first.")
    encoding = next((one for mark, one in _ENCODED.items() if head.startswith(mark)), None) or _unmarked(head)
    if encoding:
        return Text(cast(BinaryIO, io.BufferedReader(_Decoded(file, encoding), _CHUNK)), name or encoding)
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


def _peek(path: Path, file: BinaryIO, name: str) -> bytes:
    try:
        return cast(io.BufferedReader, file).peek(16)[:16]
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError) as error:
        raise InputError(
            f"{path} cannot be read: it begins as {name or 'a file'} does and is damaged: {error}"
        ) from error


def _unpack_xz(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, lzma.LZMAFile(file))


def _unpack_zstd(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, _Zstd(file))


class _Buffered(io.RawIOBase):
    """Bytes that are made some at a time."""

    def __init__(self, file: BinaryIO) -> None:
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


class _Zstd(_Buffered):
    """Frames of zstd; its own reader takes a file that was cut off for one that ended."""

    _piece = 1024
    """Bytes at a time: a block of four bytes may stand for 128 KiB."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        # A window of 2 GiB is what `zstd --ultra --long=31` writes and what a bomb asks for; this is zstd's own limit.
        self._unpacker = zstandard.ZstdDecompressor(max_window_size=128 << 20)
        self._frame: Any = None
        self._left = b""

    def _more(self) -> bytes | None:
        some = self._left or self._file.read(self._piece)
        self._left = b""
        if not some:
            if self._frame is not None:
                raise EOFError("it ends before its frame does")
            return None
        self._frame = self._frame or self._unpacker.decompressobj()
        made: bytes = self._frame.decompress(some)
        if self._frame.eof:
            self._left, self._frame = self._frame.unused_data, None
        return made


class _Decoded(_Buffered):
    """UTF-16 or UTF-32 read as UTF-8; a lone surrogate stays one, so that its value is told."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        super().__init__(file)
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="surrogatepass")

    def _more(self) -> bytes | None:
        part = self._file.read(_CHUNK)
        made = self._decoder.decode(part, final=not part).encode("utf-8", "surrogatepass")
        return made if part or made else None
