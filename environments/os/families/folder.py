"""A folder as a value: what an initialisation script builds and what an evaluation script must find afterwards.

Families compute on folders in Python, so the truth of a task never comes from the commands that are judged by it.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath


@dataclass(frozen=True)
class File:
    """A file's content, and a bash command without forks that prints it."""

    content: str
    shell: str
    mode: int = 0o644

    def with_mode(self, mode: int) -> File:
        """Return the same file with other permissions."""
        return replace(self, mode=mode)


def lines(*items: str) -> File:
    """Return a file of these lines; the first is no option of echo."""
    if not items:
        return File("", ":")
    text = "\n".join(items)
    return File(f"{text}\n", f"echo {shlex.quote(text)}")


def numbered(prefix: str, count: int) -> File:
    """Return a file of `count` lines: the prefix and the number of the line."""
    content = "".join(f"{prefix} {i}\n" for i in range(1, count + 1))
    return File(content, f"printf '{prefix} %d\\n' {{1..{count}}}")


def zeros(size: int) -> File:
    """Return a file of `size` >= 1 characters."""
    return File("0" * size, f"printf '%0{size}d' 0")


@dataclass(frozen=True)
class Folder:
    """Files by their path below `root` (`~/...`), and directories that hold none."""

    root: str
    files: Mapping[str, File]
    empty: tuple[str, ...] = ()
    modes: Mapping[str, int] = field(default_factory=dict)
    """Permissions of directories, where they matter."""

    def init(self) -> str:
        """Return the bash script that builds the folder."""
        out = ["umask 022", f"mkdir -p {' '.join(self._places())} && cd {self.root} || exit 1"]
        out += [f"{file.shell} > {path}" for path, file in self.files.items()]
        by_mode: dict[int, list[str]] = {}
        for path, mode in [(path, file.mode) for path, file in self.files.items()] + list(self.modes.items()):
            by_mode.setdefault(mode, []).append(path)
        by_mode.pop(0o644, None)
        out += [f"chmod {mode:o} {' '.join(paths)}" for mode, paths in by_mode.items()]
        return "\n".join(out)

    def listing(self, modes: bool = False) -> str:
        """Return what `survey` prints for this folder."""
        found = [f"{hashlib.sha256(f.content.encode()).hexdigest()}  ./{path}" for path, f in self.files.items()]
        if modes:
            found += [f"f {file.mode:o} ./{path}" for path, file in self.files.items()]
            found += [f"d {self.modes.get(path, 0o755):o} ./{path}" for path in self.directories()]
        else:
            found += [f"d ./{path}" for path in self.directories()]
        return "\n".join(sorted(found))

    def directories(self) -> list[str]:
        """Return all directories below the root."""
        parents = {str(p) for path in self.files for p in PurePosixPath(path).parents}
        parents |= {str(p) for path in self.empty for p in (PurePosixPath(path), *PurePosixPath(path).parents)}
        return sorted(parents - {"."})

    def _places(self) -> list[str]:
        return [self.root, *(f"{self.root}/{path}" for path in self.directories())]

    def but(self, changed: Mapping[str, File] | None = None, without: Iterable[str] = ()) -> Folder:
        """Return the folder with some files gone (their directories stay) and others written."""
        gone = set(without)
        kept = {path: file for path, file in self.files.items() if path not in gone}
        left = tuple(self.directories())
        return replace(self, files={**kept, **(changed or {})}, empty=left)


def survey(modes: bool = False) -> str:
    """Return the command that lists the current directory: kinds, names, sha256 of contents, permissions if asked."""
    if modes:
        return "find . -mindepth 1 -printf '%y %m %p\\n' -type f -exec sha256sum {} + | LC_ALL=C sort"
    return "find . -mindepth 1 -type f -exec sha256sum {} + -o -mindepth 1 -printf '%y %p\\n' | LC_ALL=C sort"
