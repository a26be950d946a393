"""Compare two trees and print what differs: a program of its own that a sandbox runs on views that nobody writes to.

Arguments: the tree as it was, as it is, then the upper layers between them. Only folders that stand in such a layer are
listed, so the cost is that of what changed; the layers are asked for names alone, and what a name means (a whiteout, an
opaque folder) is read from the two trees. Nothing is opened through a link. One JSON list a change; the last line says
whether that was all. It imports nothing of ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator

MOST_CHANGES = 20_000
MOST_HASHED_BYTES = 512 << 20
"""All files of an episode are smaller; sparse ones need not be."""
DEEPEST = 200
BLOCK_BYTES = 1 << 20
KERNEL = ("/dev", "/proc", "/sys")
"""Mount points: what lies below is no file of the image or of a layer."""
MASKS = ("/etc/ld.so.preload", "/etc/ld.so.cache")
"""bwrap leaves an empty file where it had to cover a name that did not exist."""

Row = tuple[str, str, str, int, str]


class TooMuchError(Exception):
    """There is more than can be told."""


class Walk:
    """One comparison."""

    def __init__(self, since: str, at: str) -> None:
        self.since, self.at = since, at
        self.hashed_bytes = 0

    def compare(self, path: str, layers: list[str], depth: int = 0) -> Iterator[Row]:
        """Yield the changes below a folder that both trees have."""
        if depth > DEEPEST:
            raise TooMuchError
        before, after = _names(self.since + path), _names(self.at + path)
        touched = {name for layer in layers for name in _names(layer)}
        for name in sorted((before ^ after) | (before & after & touched)):
            inner = f"{path}/{name}"
            if inner in KERNEL:
                continue
            if name not in after:
                yield from self.tell_all("deleted", self.since, inner, depth)
            elif name not in before:
                yield from self.tell_all("added", self.at, inner, depth)
            else:
                yield from self.compare_entry(inner, [f"{layer}/{name}" for layer in layers], depth)

    def compare_entry(self, path: str, layers: list[str], depth: int) -> Iterator[Row]:
        """Yield the changes of a name that both trees have."""
        before, after = os.lstat(self.since + path), os.lstat(self.at + path)
        was_folder, is_folder = stat.S_ISDIR(before.st_mode), stat.S_ISDIR(after.st_mode)
        if was_folder and not is_folder:
            yield from self.tell_inside("deleted", self.since, path, depth)
        if not self.is_equal(path, before, after):
            yield self.row("modified", self.at, path)
        if was_folder and is_folder:
            yield from self.compare(path, [layer for layer in layers if _is_folder(layer)], depth + 1)
        elif is_folder:
            yield from self.tell_inside("added", self.at, path, depth)

    def is_equal(self, path: str, before: os.stat_result, after: os.stat_result) -> bool:
        if stat.S_ISLNK(before.st_mode) and stat.S_ISLNK(after.st_mode):
            return _target(self.since + path) == _target(self.at + path)
        if before.st_mode != after.st_mode:
            return False
        if not stat.S_ISREG(before.st_mode):
            return True
        return before.st_size == after.st_size and self.content(self.since + path) == self.content(self.at + path)

    def tell_all(self, change: str, tree: str, path: str, depth: int) -> Iterator[Row]:
        """Yield a path and everything in it as added or deleted."""
        told = os.lstat(tree + path)
        if change == "added" and path in MASKS and stat.S_ISREG(told.st_mode) and not told.st_size:
            return
        yield self.row(change, tree, path)
        if stat.S_ISDIR(told.st_mode):
            yield from self.tell_inside(change, tree, path, depth)

    def tell_inside(self, change: str, tree: str, path: str, depth: int) -> Iterator[Row]:
        if depth > DEEPEST:
            raise TooMuchError
        for name in sorted(_names(tree + path)):
            yield from self.tell_all(change, tree, f"{path}/{name}", depth + 1)

    def row(self, change: str, tree: str, path: str) -> Row:
        mode = os.lstat(tree + path).st_mode
        kind = _kind(mode)
        if change == "deleted":
            return path, change, kind, 0, ""
        if kind == "link":
            return path, change, kind, 0, hashlib.sha256(_target(tree + path)).hexdigest()
        return path, change, kind, stat.S_IMODE(mode), self.content(tree + path) if kind == "file" else ""

    def content(self, path: str) -> str:
        """Return the sha256 of a regular file."""
        found = hashlib.sha256()
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            while block := file.read(BLOCK_BYTES):
                self.hashed_bytes += len(block)
                if self.hashed_bytes > MOST_HASHED_BYTES:
                    raise TooMuchError
                found.update(block)
        return found.hexdigest()


def _names(folder: str) -> set[str]:
    return set(os.listdir(folder))  # noqa: PTH208 (names alone, and bytes that are no UTF-8 kept)


def _target(link: str) -> bytes:
    return os.fsencode(os.readlink(link))  # noqa: PTH115 (Path would tidy the target)


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "dir"), (stat.S_ISLNK, "link"))
    return next((name for is_kind, name in kinds if is_kind(mode)), "other")


def main(since: str, at: str, *layers: str) -> None:
    """Print the changes, then whether they are all."""
    told = 0
    complete = True
    try:
        for row in Walk(since, at).compare("", list(layers)):
            if told == MOST_CHANGES:
                raise TooMuchError
            _say(row)
            told += 1
    except (TooMuchError, OSError):  # OSError: a path too long to name
        complete = False
    _say({"complete": complete})


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
