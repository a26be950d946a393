"""WORDS: `<name>/v<N>.md` with front matter; a used version is never edited."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

from schemas.errors import ConfigError

_ROOT = Path(__file__).parent
_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=False, autoescape=False)


@dataclass(frozen=True)
class Prompt:
    """One version of a prompt; a version that has been used is never edited."""

    name: str
    version: str
    """v1, v2, ..."""
    text: str
    """Body, before rendering."""
    sha256: str
    """Of the whole file."""
    front: dict[str, Any]
    """purpose, inputs, source, changed_because."""

    @property
    def label(self) -> str:
        """Return name/version@sha, as provenance holds it."""
        return f"{self.name}/{self.version}@{self.sha256[:12]}"

    def render(self, **inputs: Any) -> str:
        """Fill in the body; a missing input is an error, never an empty string."""
        return _compiled(self.text).render(**inputs)

    def sections(self, **inputs: Any) -> list[str]:
        """Render, then cut at lines `---8<---`: the messages of a conversation that a prompt holds whole."""
        return [part.strip("\n") for part in self.render(**inputs).split("\n---8<---\n")]


@cache
def _compiled(text: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(text)


_kept: ContextVar[Mapping[str, str]] = ContextVar("kept", default={})  # noqa: B039


@contextmanager
def keeping(versions: Mapping[str, str]) -> Iterator[None]:
    """Load these versions of prompts inside, however many newer ones there are; others in their newest."""
    token = _kept.set(versions)
    try:
        yield
    finally:
        _kept.reset(token)


def load(name: str, version: str | None = None) -> Prompt:
    """Return a prompt: the version that is named, or else the one that is kept (`keeping`), or the newest.

    Raises:
        ConfigError: there is no such prompt.
    """
    return _load(name, version or _kept.get().get(name))


def newest_versions() -> dict[str, str]:
    """Return the newest version of every prompt, by name."""
    return {name: _load(name, None).version for name in sorted({path.parent.name for path in _ROOT.glob("*/v*.md")})}


@cache
def _load(name: str, version: str | None) -> Prompt:
    folder = _ROOT / name
    versions = sorted((p.stem for p in folder.glob("v*.md")), key=lambda stem: int(stem[1:]))
    if not versions or (version and version not in versions):
        known = ", ".join(sorted(p.name for p in _ROOT.iterdir() if p.is_dir() and not p.name.startswith("_")))
        raise ConfigError(f"no prompt {name}/{version or 'v*'}; there are {known} (versions of {name}: {versions})")
    chosen = version or versions[-1]
    return from_text(name, chosen, (folder / f"{chosen}.md").read_text(encoding="utf-8"))


def from_file(path: Path, version: str = "v1") -> Prompt:
    """Return a prompt that a package of its own brings, named by its file."""
    return from_text(path.stem, version, path.read_text(encoding="utf-8"))


def from_text(name: str, version: str, text: str) -> Prompt:
    """Read a prompt: front matter between two lines of `---`, then the body."""
    _, front, body = text.split("---\n", 2)
    return Prompt(name, version, body.strip("\n"), hashlib.sha256(text.encode()).hexdigest(), yaml.safe_load(front))


def every_version() -> list[Prompt]:
    """Return all prompts in all versions, sorted by name and version."""
    return [load(path.parent.name, path.stem) for path in sorted(_ROOT.glob("*/v*.md"))]
