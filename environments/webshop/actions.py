"""Actions as they are written: `search[red shoes]`, `click[b07xc7gvrk]`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from environments.base import Action

_WRITTEN = re.compile(r"(search|click)\[(.+)\]\s*")
_ASIN = re.compile(r"b0[0-9a-z]{8}|\d{9}[\dx]", re.IGNORECASE)
"""Amazon's names of products, and ISBNs, which name books."""


def write_action(action: Action) -> str:
    """Write an action."""
    return f"{action.kind}[{action.text}]"


def write_actions(actions: Iterable[Action]) -> str:
    """Write actions, one a line: a task's reference."""
    return "\n".join(map(write_action, actions))


def read_actions(text: str) -> list[Action]:
    """Read a task's reference.

    Raises:
        ValueError: a line is no action.
    """
    found = [(line, _WRITTEN.fullmatch(line)) for line in text.split("\n") if line.strip()]
    if strange := [line for line, action in found if action is None]:
        raise ValueError(f"no action: {strange[0][:80]!r}; one a line, such as search[red shoes] or click[buy now]")
    return [Action(action[1], action[2]) for _, action in found if action is not None]


def asin_in(text: str) -> str | None:
    """Return the name of a product that a text is; None where it is none."""
    return text.upper() if _ASIN.fullmatch(text) else None
