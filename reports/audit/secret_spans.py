"""Where a text holds what looks like a secret: the patterns of detect-secrets, those that guess by entropy apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, Protocol

_GUESSING = ("Base64HighEntropyString", "HexHighEntropyString", "KeywordDetector", "IPPublicDetector")
"""Detectors that flag any long random text, any `password = ...` and any address: most of what agents read is such."""


class SecretSpan(NamedTuple):
    kind: str
    start: int
    end: int


class FindSecrets(Protocol):
    def __call__(self, text: str) -> Iterator[SecretSpan]: ...


def find_secrets(text: str) -> Iterator[SecretSpan]:
    """Yield what looks like a secret in a text."""
    for kind, pattern in _patterns():
        for found in pattern.finditer(text):
            yield SecretSpan(kind, *found.span())


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    plugins = get_mapping_from_secret_type_to_class().items()
    kinds = [(kind, plugin) for kind, plugin in plugins if plugin.__name__ not in _GUESSING]
    return tuple((kind, pattern) for kind, plugin in kinds for pattern in getattr(plugin, "denylist", ()))
