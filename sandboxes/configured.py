"""The sandbox that a configuration names: which backend, and which base image it starts from."""

from __future__ import annotations

from pathlib import Path

from sandboxes.base import Image, Sandbox
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.container.backend import Container
from sandboxes.container.engine import Engine
from sandboxes.images import directory_image, host_image, tarball_image
from schemas.run_config import SandboxConfig


def open_image(image: str, cache: Path) -> Image:
    """Return `host`, or the image of a folder or a tarball; made and unpacked into `cache` the first time.

    Raises:
        ConfigError: a folder that is no root file system, or that the sandbox's user cannot use.
        InputError: no such file, or no tarball.
    """
    if image == "host":
        return host_image(cache)
    path = Path(image).expanduser()
    return directory_image(path) if path.is_dir() else tarball_image(path, cache)


def open_sandbox(config: SandboxConfig, cache: Path) -> tuple[Sandbox, Image]:
    """Return the configured backend on the configured image; `probe` says whether it works here.

    Raises:
        ConfigError, InputError: the image cannot be had (see `open_image`).
    """
    image = open_image(config.image, cache)
    if config.backend == "bubblewrap":
        return Bubblewrap(image, cache=cache / "images"), image
    return Container(Engine(config.backend), image, cache=cache / "images"), image
