"""A tarball's bytes as `tarfile` reads them: decompressed, counted, and never many at once.

`tarfile` takes the sizes in headers at their word, ends silently at a header that it cannot read, and reads a long
name whole into memory; a few kilobytes of gzip can stand for terabytes.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from schemas.errors import InputError

MOST_BYTES = 32 << 30
"""Of an archive as it is unpacked."""
FREE_BYTES = 256 << 20
"""What any archive may become, however small."""
MOST_TIMES = 100
"""What a larger one may become, in times its own size; a root file system shrinks to a half or a tenth."""
MOST_AT_ONCE = 1 << 20
"""Longest header: names and attributes."""
DAMAGED = (EOFError, zlib.error, lzma.LZMAError, OSError, ArithmeticError, LookupError, ValueError, RecursionError)
"""What reading a damaged archive raises, `tarfile`'s own errors apart."""

Opener = Callable[[IO[bytes]], IO[bytes]]
COMPRESSIONS: tuple[tuple[bytes, Opener], ...] = (
    (b"\x1f\x8b", lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file))),
    (b"BZh", lambda file: cast("IO[bytes]", bz2.BZ2File(file))),
    (b"\xfd7zXZ\0", lambda file: cast("IO[bytes]", lzma.LZMAFile(file))),  # noqa: SIM115
    (b"\x5d\0\0", lambda file: cast("IO[bytes]", lzma.LZMAFile(file))),  # noqa: SIM115
)
"""First bytes of a file, and what reads the rest."""


class ArchiveStream(io.RawIOBase):
    """An archive's bytes, from first to last; going back is for a few bytes."""

    def __init__(self, source: IO[bytes], most_bytes: int) -> None:
        self._source, self.most_bytes = source, most_bytes

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            InputError: more at once than a header may have, or more in all than the archive may hold.
        """
        if not 0 <= size <= MOST_AT_ONCE:
            raise InputError(f"a header that says to have {size:,} bytes; {MOST_AT_ONCE:,} are allowed")
        self._check_place(self._source.tell() + size)
        return self._source.read(size)

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the beginning."""
        self._check_place(place)
        return self._source.seek(place, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._source.tell()

    def check_end(self, place: int) -> None:
        """Raise unless a block of zeros stands at `place`, an archive's end; read the rest, for sums to be compared.

        Raises:
            InputError: it is cut off, or what stands there is no header.
        """
        self.seek(place)
        block = self.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE:
            raise InputError(
                f"it ends at byte {place + len(block):,} without an end mark, as if cut off; make it again"
            )
        if any(block):
            raise InputError(f"what stands at byte {place:,} is no tar header; it is damaged: make it again")
        while self.read(MOST_AT_ONCE):
            pass

    def _check_place(self, place: int) -> None:
        if not 0 <= place <= self.most_bytes + MOST_AT_ONCE:
            raise InputError(f"it becomes more than {self.most_bytes:,} bytes, which are allowed for one of its size")


@contextmanager
def open_archive(path: Path) -> Iterator[ArchiveStream]:
    """Yield what a file holds once it is decompressed."""
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        opener = next((opener for magic, opener in COMPRESSIONS if head.startswith(magic)), None)
        most = min(MOST_BYTES, FREE_BYTES + MOST_TIMES * path.stat().st_size)
        with opener(file) if opener else file as source:
            yield ArchiveStream(source, most)
