"""The nouns of a product's name, by spaCy's model where it is installed, else by rules.

The original asks spaCy's en_core_web_sm (AgentBench: _lg). A product's name is no sentence: nearly every word of it is
a noun to spaCy, what is left out are words of closed classes, numbers, and adjectives and verbs that are known or that
their ending betrays. That is what the rules do. How near they come is measured in docs/worlds/webshop.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from environments.webshop.words import words
from schemas.errors import ConfigError

RULES = "rules 1"
"""Raised by hand when the rules find other nouns."""
MODELS = ("en_core_web_sm", "en_core_web_lg", "en_core_web_md")
_NOUNS = ("PNOUN", "NOUN", "PROPN")
"""The original's own list: PNOUN is no tag, and stands there too."""
Nouns = Callable[[str], tuple[str, ...]]

_TOKEN = re.compile(r"(?:[A-Za-z]\.){2,}|[^\W_]+(?:[-.]\d[^\W_]*|(?<=\d)-[^\W_]+)*")
_UNIT = re.compile(r"\d+(?:\.\d+)?(gb|mb|tb|kg|mg|g|ml|cm|mm|km|oz|lb|lbs|ft|mah|pcs|hz)", re.IGNORECASE)
_CLOSED, _ADJECTIVES = frozenset(words("closed")), frozenset(words("adjectives"))
_ADJECTIVE = re.compile(r"[a-z]{2,}(?:able|ible|less|ful|ous|ive|proof|ized|ised|est)")


def rule_nouns(name: str) -> tuple[str, ...]:
    """Return the nouns of a product's name in lower case, in their order, one that stands twice twice."""
    return tuple(word for word in map(str.lower, _words(name)) if _is_noun(word))


def _words(name: str) -> list[str]:
    """Cut a name as spaCy's tokenizer does: at marks and hyphens between letters, and before a unit."""
    cut = ((_UNIT.fullmatch(token), token) for token in _TOKEN.findall(name))
    return [unit[1] if unit else token for unit, token in cut]


def _is_noun(word: str) -> bool:
    if not any(character.isalpha() for character in word) or word in _CLOSED or word in _ADJECTIVES:
        return False
    return len(word) > 1 and not _ADJECTIVE.fullmatch(word)


def spacy_model() -> str | None:
    """Return which of spaCy's models is installed here, with its version; None = none, or no spaCy."""
    for model in MODELS:
        try:
            return f"spacy {version('spacy')} {model} {version(model)}"
        except PackageNotFoundError:
            continue
    return None


class Tagger:
    """Finds nouns; a name is read once."""

    def __init__(self, wanted: Literal["auto", "spacy", "rules"] = "auto") -> None:
        """Choose; nothing is loaded yet.

        Raises:
            ConfigError: spaCy is wanted, and is not here.
        """
        found = None if wanted == "rules" else spacy_model()
        if wanted == "spacy" and found is None:
            raise ConfigError(
                "worlds.webshop.tagger is 'spacy', and no model of spaCy is installed here: pip install spacy and "
                "python -m spacy download en_core_web_sm, or say 'rules'"
            )
        self.name = found or RULES
        """Which tagger it is, in which version: what rewards depend on."""
        self._model: Any = None
        self.nouns: Nouns = lru_cache(maxsize=4096)(self._tagged if found else rule_nouns)

    def _tagged(self, name: str) -> tuple[str, ...]:
        if self._model is None:
            import spacy  # type: ignore[import-not-found, unused-ignore]  # a second, and only where it is wanted

            self._model = spacy.load(self.name.split(" ")[2])
        return tuple(token.text.lower() for token in self._model(name) if token.pos_ in _NOUNS)
