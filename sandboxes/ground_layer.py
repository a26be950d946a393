"""Lay a check's ground: a layer above the agent's, with the initial state where the agent's version does not count.

Runs in the pod's first process, on layers that nobody writes to any more, and follows no link of the agent's: it
descends only where what stands there is a folder. It imports the standard library and `ground.py`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandboxes.ground import CLOSED_BASH, GIT_FILES, GIT_RUNS, HOME, IMAGES_OWN, PYTHON_FOLDER, Ground

DEEPEST = 200
MOST_PROGRAMS = 10_000
MOST_STEPS = 400_000
"""Entries looked at and links followed: some seconds, well below the pod's own CPU time."""
MOST_LINKS = 40
SETTINGS_BYTES = 1 << 20
SITE = """import os, sys
if sys.argv and os.path.realpath(sys.argv[0]) in {programs!r}:
    sys.path.insert(0, os.path.dirname(os.path.realpath(sys.argv[0])))
"""
"""A program of the agent's finds the modules beside it, which PYTHONSAFEPATH denies to all others."""
KERNEL = ("/proc", "/dev")
HARMLESS = ("/dev/null",)
WHITEOUT = os.makedev(0, 0)
ACCOUNTS = "/etc/passwd"
_GIT_ENDS = tuple(f"/{name}" for name in GIT_FILES)


class UnfitStateError(Exception):
    """The agent left what no check can look at."""


@dataclass(frozen=True)
class Folder:
    """One folder on the way, with the mode that the check sees."""

    path: str
    mode: int
    above: Folder | None


class GroundLayer:
    """One check's ground."""

    def __init__(self, ground: Ground, layers: list[str], top: str, mount: Callable[[list[str]], str]) -> None:
        """`layers` are the agent's upper folders, oldest first; `mount` shows the initial state with some above it."""
        self.ground, self.layers, self.top = ground, layers, top
        self._mount = mount
        self._views: dict[bool, str] = {}
        self._steps = 0
        self._programs: list[str] = []
        """Files of the agent's, which Python may be asked to run."""
        self._real: set[str] = {""}
        """Folders of the initial state that no link leads to."""
        self._times: dict[str, os.stat_result | None] = {}
        """What was laid, with the time that it had; None = as the folder that it covers."""

    @property
    def initial(self) -> str:
        """Where the initial state is shown."""
        return self._view(whole=False)

    @property
    def whole(self) -> str:
        """Where it is shown with what the agent made of it."""
        return self._view(whole=True)

    def _view(self, *, whole: bool) -> str:
        if whole not in self._views:
            self._views[whole] = self._mount(self.layers if whole else [])
        return self._views[whole]

    def lay(self) -> None:
        """Write the layer.

        Raises:
            UnfitStateError: there is more to be hidden than fits, or it lies too deep.
        """
        try:
            self._descend(Folder("", 0o755, None), self.layers, 0)
            self._write_site()
            self._keep_times()
        except OSError as problem:
            raise UnfitStateError(f"{problem.strerror}: {self._inside(problem.filename)}") from problem

    def _inside(self, name: object) -> str:
        """Return a path as the agent knows it."""
        shown = os.fsdecode(name) if isinstance(name, (str, bytes)) else ""
        return next((shown.removeprefix(tree) for tree in (self.top, *self.layers) if shown.startswith(tree)), shown)

    def _write_site(self) -> None:
        run = Folder("/run", 0o755, Folder("", 0o755, None))
        self._make_folder(Folder(PYTHON_FOLDER, 0o755, run))
        code = SITE.format(programs=self._programs[:MOST_PROGRAMS])
        self._write(f"{PYTHON_FOLDER}/sitecustomize.py", code.encode("utf-8", "surrogateescape"), 0o444)
        self._write(CLOSED_BASH, b"", 0o444)  # where the pod's is bound to

    def _descend(self, folder: Folder, trees: list[str], depth: int) -> None:
        if depth > DEEPEST:
            raise UnfitStateError(f"folders lie deeper than {DEEPEST}: {folder.path[:200]}")
        for name, entry in self._entries(folder, trees):
            path = f"{folder.path}/{name}"
            if path in KERNEL or IMAGES_OWN.fullmatch(path):
                continue
            self._settle(folder, path, entry, trees, depth)

    def _entries(self, folder: Folder, trees: list[str]) -> Iterator[tuple[str, str | None]]:
        """Yield each name of the agent's with the tree that has it last; None = an opaque folder hides it."""
        found: dict[str, str | None] = {}
        for tree in reversed(trees):
            for name in os.listdir(tree + folder.path):  # noqa: PTH208
                found.setdefault(name, tree)
            if _is_opaque(tree + folder.path):
                if folder.path and self._had_folder(folder.path):
                    found.update({name: None for name in os.listdir(self.initial + folder.path) if name not in found})  # noqa: PTH208
                break
        yield from sorted(found.items())

    def _settle(self, folder: Folder, path: str, tree: str | None, trees: list[str], depth: int) -> None:
        self._count(path)
        told = os.lstat(tree + path) if tree else None
        is_folder = told is not None and stat.S_ISDIR(told.st_mode)
        whose = self.ground.whose(path, is_folder=is_folder)
        if whose == "agent" and told is not None and not _is_whiteout(told):
            self._keep(folder, path, told, trees, depth)
        elif whose != "agent" and is_folder and (whose == "inside" or self._had_folder(path)):
            self._enter(folder, path, told, trees, depth)  # type: ignore[arg-type]
        elif whose != "agent":
            self._restore(folder, path, trees)

    def _count(self, path: str) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise UnfitStateError(f"there is more to look at than {MOST_STEPS:,} steps: {path[:200]}")

    def _enter(self, folder: Folder, path: str, told: os.stat_result, trees: list[str], depth: int) -> None:
        """Look into a folder that is itself as in the initial state."""
        had = self._had(path)
        mode = stat.S_IMODE(had.st_mode if had is not None and stat.S_ISDIR(had.st_mode) else told.st_mode | 0o700)
        inner = Folder(path, mode, folder)
        if mode != stat.S_IMODE(told.st_mode):
            self._make_folder(inner)
        self._descend(inner, _those_with(path, trees), depth + 1)

    def _keep(self, folder: Folder, path: str, told: os.stat_result, trees: list[str], depth: int) -> None:
        """Leave what the agent made, but for what is no state."""
        if stat.S_ISDIR(told.st_mode):
            inner = Folder(path, stat.S_IMODE(told.st_mode), folder)
            self._descend(inner, _those_with(path, trees), depth + 1)
        elif self._is_no_state(path, told) or self._is_gits_own(path, trees):
            self._restore(folder, path, trees)
        elif path == ACCOUNTS:
            self._tame_accounts(folder, told, trees)
        elif path.endswith(("/config", "/config.worktree")):
            self._tame_repository(folder, path, told, trees)
        elif path.endswith(".py") or told.st_mode & 0o111:
            self._programs.append(path)

    def _is_gits_own(self, path: str, trees: list[str]) -> bool:
        """Whether this is one of GIT_FILES, in a git folder, and the task does not name it."""
        if not path.endswith(_GIT_ENDS) or self.ground.names(path, path):
            return False
        at = next(path.removesuffix(f"/{name}") for name in GIT_FILES if path.endswith(f"/{name}"))
        return any(_lstat(f"{tree}{at}/HEAD") is not None for tree in trees) or self._had(f"{at}/HEAD") is not None

    def _is_no_state(self, path: str, told: os.stat_result) -> bool:
        if stat.S_ISLNK(told.st_mode):
            return self._leads_into_kernel(path)
        if stat.S_ISFIFO(told.st_mode):
            return not self.ground.names_pipes()
        if stat.S_ISSOCK(told.st_mode):
            return not self.ground.names_sockets()
        return stat.S_ISCHR(told.st_mode) or stat.S_ISBLK(told.st_mode)

    def _leads_into_kernel(self, path: str) -> bool:
        """Whether a link ends in /proc or /dev, whose content is not of the agent's making; a task may name its end."""
        end = self._follow(path)
        inside = any(end == folder or end.startswith(f"{folder}/") for folder in KERNEL)
        if not inside or end in HARMLESS:
            return False
        target = os.readlink(self.whole + path)  # noqa: PTH115
        return not (self.ground.names(end, end) or self.ground.names(target, target))

    def _follow(self, path: str) -> str:
        """Return where a path ends in the whole view, never following a link out of it."""
        done, left, links = "", path.split("/")[1:], 0
        while left:
            self._count(path)
            name = left.pop(0)
            if name in ("", "."):
                continue
            here = done.rpartition("/")[0] if name == ".." else f"{done}/{name}"
            told = None if name == ".." or here in KERNEL else _lstat(self.whole + here)
            if told is None or not stat.S_ISLNK(told.st_mode):
                done = here
                continue
            links += 1
            if links > MOST_LINKS:
                return here
            target = os.readlink(self.whole + here)  # noqa: PTH115
            left = [*target.split("/"), *left]
            done = "" if target.startswith("/") else done
        return done or "/"

    def _tame_accounts(self, folder: Folder, told: os.stat_result, trees: list[str]) -> None:
        """Leave root its home: some programs (sqlite3) look for their settings there before they look at HOME."""
        self._tame(folder, ACCOUNTS, told, trees, lambda text: b"\n".join(map(_at_home, text.split(b"\n"))))

    def _tame_repository(self, folder: Folder, path: str, told: os.stat_result, trees: list[str]) -> None:
        beside = {name for tree in trees for name in os.listdir(tree + folder.path)}  # noqa: PTH208
        if beside & {"HEAD", "objects", "commondir"}:
            self._tame(folder, path, told, trees, lambda text: GIT_RUNS.sub(b"ignored", text))

    def _tame(
        self, folder: Folder, path: str, told: os.stat_result, trees: list[str], change: Callable[[bytes], bytes]
    ) -> None:
        """Show a file changed, where that changes anything; in a link's place, what lies at its end."""
        source = next(tree for tree in reversed(trees) if _lstat(tree + path) is not None) + path
        if stat.S_ISLNK(told.st_mode):
            source = self.whole + self._follow(path)
            end = _lstat(source)
            if end is None or not stat.S_ISREG(end.st_mode):
                return
            told = end
        if told.st_size > SETTINGS_BYTES:
            self._restore(folder, path, trees)
            return
        settings = _read_bytes(source)
        tamed = change(settings)
        if tamed != settings:
            self._make_folder(folder)
            self._write(path, tamed, stat.S_IMODE(told.st_mode))
            self._times[path] = told

    def _restore(self, folder: Folder, path: str, trees: list[str]) -> None:
        """Show a path as it was in the initial state."""
        self._make_folder(folder)
        had = self._had(path)
        if had is None:
            os.mknod(self.top + path, stat.S_IFCHR, WHITEOUT)
            return
        self._times[path] = had
        if stat.S_ISLNK(had.st_mode):
            os.symlink(os.readlink(self.initial + path), self.top + path)  # noqa: PTH115, PTH211
        elif stat.S_ISREG(had.st_mode):
            self._copy(path, stat.S_IMODE(had.st_mode))
        elif stat.S_ISDIR(had.st_mode):
            self._restore_folder(Folder(path, stat.S_IMODE(had.st_mode), folder), trees)
        else:
            os.mknod(self.top + path, had.st_mode)

    def _restore_folder(self, folder: Folder, trees: list[str]) -> None:
        self._make_folder(folder)
        inner = _those_with(folder.path, trees)
        names = {name for tree in inner for name in os.listdir(tree + folder.path)}  # noqa: PTH208
        for name in sorted({*names, *os.listdir(self.initial + folder.path)}):  # noqa: PTH208
            if not IMAGES_OWN.fullmatch(f"{folder.path}/{name}"):
                self._restore(folder, f"{folder.path}/{name}", inner)

    def _had(self, path: str) -> os.stat_result | None:
        """Return what stood at a path in the initial state, unless a link of its own led there."""
        return _lstat(self.initial + path) if self._had_folder(path.rpartition("/")[0]) else None

    def _had_folder(self, path: str) -> bool:
        if path not in self._real and self._had_folder(path.rpartition("/")[0]) and _is_folder(self.initial + path):
            self._real.add(path)
        return path in self._real

    def _make_folder(self, folder: Folder) -> None:
        if folder.above is None or _is_folder(self.top + folder.path):
            return
        self._make_folder(folder.above)
        Path(self.top + folder.path).mkdir()
        Path(self.top + folder.path).chmod(folder.mode)
        self._times[folder.path] = None

    def _keep_times(self) -> None:
        """A check may look at when a file was changed, and we changed none; the deepest go first."""
        for path, told in reversed(self._times.items()):
            had = told or next(filter(None, (_stood(tree, path) for tree in reversed(self.layers))), self._had(path))
            if had is not None:
                os.utime(self.top + path, ns=(had.st_atime_ns, had.st_mtime_ns), follow_symlinks=False)

    def _copy(self, path: str, mode: int) -> None:
        copy_file(self.initial + path, self.top + path, mode)

    def _write(self, path: str, data: bytes, mode: int) -> None:
        Path(self.top + path).write_bytes(data)
        Path(self.top + path).chmod(mode)


def copy_file(source: str, target: str, mode: int) -> None:
    """Copy a file to a place where there is none."""
    with Path(source).open("rb") as had, Path(target).open("xb") as made:
        shutil.copyfileobj(had, made, 1 << 20)  # in a container there is no sendfile
    Path(target).chmod(mode)


def _at_home(account: bytes) -> bytes:
    """Return a line of /etc/passwd with root's home where the user is 0, by whatever name."""
    fields = account.split(b":")
    with contextlib.suppress(ValueError):
        if len(fields) >= 6 and int(fields[2]) == 0:
            fields[5] = HOME.encode()
    return b":".join(fields)


def _those_with(path: str, trees: list[str]) -> list[str]:
    """Return the trees whose folder at a path is seen: those above the last that has something else there."""
    found: list[str] = []
    for tree in reversed(trees):
        told = _lstat(tree + path)
        if told is None:
            continue
        if not stat.S_ISDIR(told.st_mode):
            break
        found.insert(0, tree)
    return found


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _stood(tree: str, path: str) -> os.stat_result | None:
    """Return what stands at a path of a tree, unless a link of the tree's leads there: to us it leads out of it."""
    above = path.split("/")[1:-1]
    on_the_way = ("/".join(["", *above[: depth + 1]]) for depth in range(len(above)))
    return _lstat(tree + path) if all(_is_folder(tree + folder) for folder in on_the_way) else None


def _is_folder(path: str) -> bool:
    told = _lstat(path)
    return told is not None and stat.S_ISDIR(told.st_mode)


def _is_whiteout(told: os.stat_result) -> bool:
    return stat.S_ISCHR(told.st_mode) and told.st_rdev == WHITEOUT


def _is_opaque(path: str) -> bool:
    try:
        return os.getxattr(path, "user.overlay.opaque", follow_symlinks=False) == b"y"
    except OSError:
        return False


def _read_bytes(path: str) -> bytes:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(SETTINGS_BYTES)
