"""Spoil what a reference made, one way after the other, and say which spoiled states the check still lets pass.

A program of its own that a sandbox runs on a view of the right state: argument 1 is a JSON object with `changes` (path,
change, kind), `olds` (texts by path), `checks` (commands), `constants`, `instruction` and `cwd`; it prints the names of
the ways that passed as a JSON list. Every way is undone before the next. It imports nothing of ours, and what
few files need only when one does.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CHECK_SECONDS = 5
MOST_BYTES = 1 << 20
MOST_FILES = 40
MOST_ALONE = 4
MOST_CONSTANTS = 8
TURNED = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "bcdefghijklmnopqrstuvwxyzaBCDEFGHIJKLMNOPQRSTUVWXYZA1234567890",
)
LAST_WORD = re.compile(r"\w+(?=\W*\Z)")
SQLITE = b"SQLite format 3\0"

Spoil = Callable[[bytes], bytes]
ONLY_WHOLE = ("emptied", "of other content")
"""Ways for a file that was there before, where it is not known which of its lines are new."""


def turned(data: bytes) -> bytes:
    """Return other words of the same shape: letters and digits moved by one, line breaks and length kept."""
    try:
        return data.decode().translate(TURNED).encode()
    except UnicodeDecodeError:
        return data[:16] + bytes(byte ^ 1 for byte in data[16:])


def by_lines(which: Callable[[int, int], bool], how: Callable[[str], str | None]) -> Spoil:
    """Return a way to spoil the lines of a text that `which` picks by number and count; None drops a line."""

    def spoil(data: bytes) -> bytes:
        try:
            lines = data.decode().splitlines(keepends=True)
        except UnicodeDecodeError:
            return data
        made = (how(line) if which(number, len(lines)) else line for number, line in enumerate(lines))
        return "".join(line for line in made if line is not None).encode()

    return spoil


def turn(line: str) -> str:
    return line.translate(TURNED)


def turn_last_word(line: str) -> str:
    return LAST_WORD.sub(lambda found: found[0].translate(TURNED), line)


def other_values(data: bytes) -> bytes:
    """Return JSON with the same keys and other values; of any other text, each line's last word changed."""
    if data.startswith(SQLITE):
        return _other_rows(data, keep=True)
    with contextlib.suppress(ValueError, RecursionError):
        return json.dumps(_other_value(json.loads(data)), indent=2).encode()
    return by_lines(lambda number, count: True, turn_last_word)(data)


def _other_value(value: object) -> object:
    if isinstance(value, dict):
        return {key: _other_value(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_other_value(one) for one in value]
    if isinstance(value, bool) or value is None:
        return not value
    return value.translate(TURNED) if isinstance(value, str) else value + 1  # type: ignore[operator]


def other_content(data: bytes) -> bytes:
    """Return an archive or database of the same names with other content; anything else turned."""
    if data.startswith(SQLITE):
        return _other_rows(data)
    if data.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.compress(other_content(gzip.decompress(data)))
    if data.startswith(b"PK"):
        return _other_zip(data)
    return _other_tar(data) if _is_tar(data) else turned(data)


def _is_tar(data: bytes) -> bool:
    return data[257:262] == b"ustar"


def _other_tar(data: bytes) -> bytes:
    import tarfile

    made = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=made, mode="w") as new:
        for member in old:
            source = old.extractfile(member) if member.isfile() else None
            new.addfile(member, io.BytesIO(turned(source.read())) if source else None)
    return made.getvalue()


def _other_zip(data: bytes) -> bytes:
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.infolist():
            new.writestr(member, turned(old.read(member)))
    return made.getvalue()


def _other_rows(data: bytes, *, keep: bool = False) -> bytes:
    import sqlite3

    path = Path("/tmp/spoiled.sqlite")
    path.write_bytes(data)
    with contextlib.closing(sqlite3.connect(path)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
            orders = [f'UPDATE "{table}" SET "{column}" = "{column}" || 1' for column in columns]
            for order in orders if keep else [f'DELETE FROM "{table}"']:
                with contextlib.suppress(sqlite3.Error):
                    database.execute(order)
        database.commit()
    made = path.read_bytes()
    path.unlink()
    return made


ALL = by_lines(lambda number, count: True, turn)
CONTENT: dict[str, Spoil] = {
    "emptied": lambda data: b"",
    "of other content": other_content,
    "of other values": other_values,
    "right in the first line alone": by_lines(lambda number, count: number > 0, turn),
    "right in the first and the last line alone": by_lines(lambda number, count: 0 < number < count - 1, turn),
    "without the last line": by_lines(lambda number, count: count > 1 and number == count - 1, lambda line: None),
    "without the second line": by_lines(lambda number, count: count > 2 and number == 1, lambda line: None),
}


class Spoiled:
    """The changed files, and how to put them back."""

    def __init__(self, changes: list[list[str]], olds: dict[str, str]) -> None:
        self._olds = {path: set(text.splitlines()) for path, text in olds.items()}
        there = [path for path, change, _ in changes if change != "deleted" and os.path.lexists(path)]
        self.repositories = sorted({path.partition("/.git/")[0] for path in there if "/.git/" in path})
        inside = tuple(f"{repository}/" for repository in self.repositories)
        there = [path for path in there if not f"{path}/".startswith(inside)]
        self.added = [path for path, change, _ in changes if change == "added" and path in there]
        self.links = [path for path in there if Path(path).is_symlink()]
        self.folders = [path for path in there if Path(path).is_dir() and path not in self.links]
        self.files = [path for path in there if self._is_spoilable(path)][:MOST_FILES]
        self._bytes = {path: Path(path).read_bytes() for path in self.files}
        self._told = {path: os.lstat(path) for path in self.files}

    def _is_spoilable(self, path: str) -> bool:
        return path not in self.links and Path(path).is_file() and os.lstat(path).st_size <= MOST_BYTES

    @contextlib.contextmanager
    def content(self, how: Spoil, files: list[str]) -> Iterator[bool]:
        """Spoil the content of some files; whether anything came out otherwise."""
        made = {path: self._if_new(path, how(self._bytes[path])) for path in files}
        differing = {path: data for path, data in made.items() if data != self._bytes[path]}
        for path, data in differing.items():
            self._write(path, data)
        yield bool(differing)
        for path in differing:
            self._write(path, self._bytes[path])

    def partly(self) -> list[str]:
        """Return the files of which it is known what is new."""
        return [path for path in self.files if path in self.added or path in self._olds]

    def _if_new(self, path: str, spoiled: bytes) -> bytes:
        """Return what was spoiled, if it touches a line that was not there before; what stood there is not the work."""
        old, left = self._olds.get(path), set(spoiled.decode("utf-8", "replace").splitlines())
        mine = set(self._bytes[path].decode("utf-8", "replace").splitlines())
        return spoiled if old is None or (mine - old) - left or not mine - old else self._bytes[path]

    def _write(self, path: str, data: bytes) -> None:
        told = self._told[path]
        if os.path.lexists(path):
            os.chmod(path, 0o600)  # noqa: PTH101
        Path(path).write_bytes(data)
        os.chmod(path, told.st_mode & 0o7777)  # noqa: PTH101
        os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))

    @contextlib.contextmanager
    def other_names(self) -> Iterator[bool]:
        """Give what was added other names of the same ending."""
        import shutil

        names = {path: _other_name(path) for path in sorted(self.added, reverse=True)}
        done = [(old, new) for old, new in names.items() if not os.path.lexists(new)]
        for old, new in done:
            shutil.move(old, new)  # a folder of a lower layer cannot be renamed
        yield bool(done)
        for old, new in reversed(done):
            shutil.move(new, old)

    @contextlib.contextmanager
    def without(self, path: str) -> Iterator[bool]:
        """Take one added file away."""
        Path(path).unlink()
        yield True
        self._write(path, self._bytes[path])

    @contextlib.contextmanager
    def other_targets(self, target: str) -> Iterator[bool]:
        """Have links lead elsewhere."""
        kept = {path: os.readlink(path) for path in self.links}  # noqa: PTH115
        for path in kept:
            Path(path).unlink()
            Path(path).symlink_to(target)
        yield bool(kept)
        for path, old in kept.items():
            Path(path).unlink()
            Path(path).symlink_to(old)

    @contextlib.contextmanager
    def other_inodes(self) -> Iterator[bool]:
        """Have hard links be links to something else."""
        linked = [path for path in self.files if path in self.added and os.lstat(path).st_nlink > 1]
        for path in linked:
            os.rename(path, f"{path}.kept")  # noqa: PTH104
            Path(path).write_bytes(turned(self._bytes[path]))
            for number in range(self._told[path].st_nlink - 1):
                os.link(path, f"/tmp/other-{number}")
        yield bool(linked)
        for path in linked:
            for number in range(self._told[path].st_nlink - 1):
                Path(f"/tmp/other-{number}").unlink()
            os.rename(f"{path}.kept", path)  # noqa: PTH104

    def programs(self) -> list[str]:
        """Return the files that are there to be run."""
        return [path for path in self.files if _language_of(path, self._bytes[path], self._told[path].st_mode)]


def _other_name(path: str) -> str:
    name = Path(path)
    return str(name.with_name(f"{name.stem}q{name.suffix}"))


def _language_of(path: str, data: bytes, mode: int) -> str:
    first = data.partition(b"\n")[0]
    if path.endswith(".py") or (first.startswith(b"#!") and b"python" in first):
        return "python"
    return "bash" if path.endswith((".sh", ".bash")) or first.startswith(b"#!") or mode & 0o100 else ""


def saying(text: str) -> Spoil:
    """Return a program that says one thing and ends well, also where it is read instead of run."""

    def spoil(data: bytes) -> bytes:
        if b"python" in data.partition(b"\n")[0] or b"import " in data or b"def " in data or b"print(" in data:
            told = f"os.write(1, {text + chr(10)!r}.encode())\n" if text else ""
            return f"#!/usr/bin/env python3\nimport os\n{told}os._exit(0)\n".encode()
        said = f"printf '%s\\n' {json.dumps(text)}\n" if text else ""
        return f"#!/bin/bash\n{said}exit 0\n".encode()

    return spoil


@contextlib.contextmanager
def other_commit(repository: str) -> Iterator[bool]:
    """Have the last commit hold other content under the same words."""
    import shutil

    kept = f"{repository}.kept"
    shutil.copytree(repository, kept, symlinks=True)
    for path in Path(repository).rglob("*"):
        if path.is_file() and ".git" not in path.parts and not path.is_symlink():
            path.write_bytes(turned(path.read_bytes()))
    git = ["git", "-C", repository, "-c", "user.name=a", "-c", "user.email=a@b"]
    done = [
        subprocess.run([*git, *order.split()], capture_output=True)
        for order in ("add -A", "commit --amend --no-edit -q")
    ]
    yield all(one.returncode == 0 for one in done)
    shutil.rmtree(repository)
    os.rename(kept, repository)  # noqa: PTH104


def ways(
    spoiled: Spoiled, constants: list[str], instruction: str
) -> Iterator[tuple[str, contextlib.AbstractContextManager[bool]]]:
    """Yield each way to spoil the state."""
    if spoiled.files:
        for name, how in CONTENT.items():
            files = spoiled.files if name in ONLY_WHOLE else spoiled.partly()
            yield f"files {name}", spoiled.content(how, files)
        if len(spoiled.files) > 1:
            for path in [path for path in spoiled.files if Path(path).name in instruction][:MOST_ALONE]:
                yield f"{path} of other content", spoiled.content(other_content, [path])
                if path in spoiled.added:
                    yield f"without {path}", spoiled.without(path)
    yield "other names", spoiled.other_names()
    for target in ("/nonesuch", "/etc/hostname", "/tmp"):
        yield f"links to {target}", spoiled.other_targets(target)
    yield "hard links to something else", spoiled.other_inodes()
    for repository in spoiled.repositories:
        yield "a commit of other content", other_commit(repository)
    programs = spoiled.programs()
    for text in ("", *constants[:MOST_CONSTANTS]) if programs else ():
        yield f"programs that say {text!r} alone", spoiled.content(saying(text), programs)


def passes(checks: list[list[str]]) -> bool:
    """Whether all commands of the check end with 0."""
    for command in checks:
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=CHECK_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        if done.returncode:
            return False
    return True


def main(order: str) -> None:
    """Print the names of the ways that pass; null = the right state does not pass here."""
    told = json.loads(order)
    os.chdir(told["cwd"])
    spoiled, passed = Spoiled(told["changes"], told["olds"]), []
    if not passes(told["checks"]):
        sys.stdout.write("null\n")
        return
    for name, way in ways(spoiled, told["constants"], told["instruction"]):
        with way as differs:
            if differs and passes(told["checks"]):
                passed.append(name)
    sys.stdout.write(json.dumps(passed) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
