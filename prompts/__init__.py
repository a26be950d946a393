"""WORDS: `<name>/v<N>.md`, front matter and a Jinja body rendered with StrictUndefined. Code holds no prompt text."""

from __future__ import annotations

import hashlib
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


@cache
def load(name: str, version: str | None = None) -> Prompt:
    """Return a prompt, the newest version unless one is named.

    Raises:
        ConfigError: there is no such prompt.
    """
    folder = _ROOT / name
    versions = sorted((p.stem for p in folder.glob("v*.md")), key=lambda stem: int(stem[1:]))
    if not versions or (version and version not in versions):
        known = ", ".join(sorted(p.name for p in _ROOT.iterdir() if p.is_dir() and not p.name.startswith("_")))
        raise ConfigError(f"no prompt {name}/{version or 'v*'}; there are {known} (versions of {name}: {versions})")
    chosen = version or versions[-1]
    raw = (folder / f"{chosen}.md").read_text(encoding="utf-8")
    _, front, body = raw.split("---\n", 2)
    return Prompt(name, chosen, body.strip("\n"), hashlib.sha256(raw.encode()).hexdigest(), yaml.safe_load(front))


def every_version() -> list[Prompt]:
    """Return all prompts in all versions, sorted by name and version."""
    return [load(path.parent.name, path.stem) for path in sorted(_ROOT.glob("*/v*.md"))]
