"""Where a name of an image lies on this machine: its links are followed as if the image were the root.

Nothing here lets the kernel follow a link, since that would be followed among the machine's own files. A link that
climbs above the image's root, or leads into what the kernel makes (/proc, /dev, /sys), leaves the image.
"""

from __future__ import annotations

import fnmatch
import os
import stat
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from sandboxes.base import Image
from schemas.errors import InputError

MOST_LINKS = 40
"""On the way to one name; Linux follows as many (path_resolution(7))."""
NOT_OF_THE_IMAGE = ("proc", "dev", "sys")
"""Whoever looks there sees what the kernel says of himself."""
FOLDERS = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
"""Where a sandbox's shell looks for programs."""
WHAT_TO_DO = "; make the image with a link that stays inside it, or with a folder there"


@dataclass(frozen=True)
class Found:
    """How the walk to a name ended."""

    place: Path
    """Where it lies or would lie; no part of it below the image is a link."""
    exists: bool
    link: str = ""
    """The last link on the way and its target, as an error names it; empty = none."""


def inside_image(image: Path, name: str) -> Path | None:
    """Return where `name`, a path from the image's root, lies on this machine; None = it is not there.

    No part of what is returned below `image` is a link.

    Raises:
        InputError: a link on the way leaves the image, or goes in a circle.
    """
    found = _walk(image, name)
    return found.place if found.exists else None


def programs_in(image: Image, names: Collection[str]) -> frozenset[str]:
    """Return the names that a shell on the image finds as programs."""
    return frozenset(name for name in names if any(_is_program(image, f"{folder}/{name}") for folder in FOLDERS))


def _is_program(image: Image, name: str) -> bool:
    try:
        found = _walk(Path(image.path), name)
    except InputError:  # a link that leaves the image leads nowhere in a sandbox
        return False
    return found.exists and found.place.is_file() and os.access(found.place, os.X_OK)


def refuse_lost_links(image: Path, *names: str) -> None:
    """Refuse an image in which one of the names is a link to something that is not in it.

    Raises:
        InputError: so, or a link leaves the image; the text names the link and its target.
    """
    for name in names:
        found = _walk(image, name)
        if not found.exists and found.link:
            raise InputError(f"the image's {found.link}, which is not in the image{WHAT_TO_DO}")


def names_inside(image: Path, pattern: str) -> list[str]:
    """Return the folders and files of the image that match, sorted: as `Path.glob` (`*` alone), links inside the image.

    Raises:
        InputError: a link on the way leaves the image.
    """
    names = [""]
    for part in pattern.split("/"):
        names = [f"{name}/{entry}".lstrip("/") for name in names for entry in _entries(image, name, part)]
    return sorted(name for name in names if inside_image(image, name) is not None)


def _entries(image: Path, folder: str, part: str) -> list[str]:
    place = inside_image(image, folder)
    if place is None or not place.is_dir():
        return []
    return fnmatch.filter(os.listdir(place), part)  # noqa: PTH208


def _walk(image: Path, name: str) -> Found:
    ahead, here, link, links = deque(name.split("/")), list[str](), "", 0
    while ahead:
        part = ahead.popleft()
        if part in ("", "."):
            continue
        if part == "..":
            _climb(here, link or name)
            continue
        here.append(part)
        if link and here[0] in NOT_OF_THE_IMAGE:
            raise InputError(f"the image's {link}, which leads out of the image{WHAT_TO_DO}")
        target = _target(image, here)
        if target is None:
            return Found(image.joinpath(*here, *ahead), exists=False, link=link)
        if target:
            links += 1
            link = f"{'/'.join(here)!r} is a link to {target!r}"
            if links > MOST_LINKS:
                raise InputError(f"the image's {link}, one of more than {MOST_LINKS} on the way{WHAT_TO_DO}")
            here = [] if target.startswith("/") else here[:-1]
            ahead.extendleft(reversed(target.split("/")))
    return Found(image.joinpath(*here), exists=True, link=link)


def _climb(here: list[str], what: str) -> None:
    if not here:
        raise InputError(f"the image's {what}, which leads out of the image{WHAT_TO_DO}")
    here.pop()


def _target(image: Path, here: list[str]) -> str | None:
    """Return a link's target; empty = it is no link, None = nothing is there."""
    place = image.joinpath(*here)
    try:
        return os.readlink(place) if stat.S_ISLNK(place.lstat().st_mode) else ""  # noqa: PTH115
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        raise InputError(f"the image's {'/'.join(here)!r} cannot be looked at: {problem.strerror}") from problem
