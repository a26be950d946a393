"""Colours: an option's value is reduced to the first of some words, in their order, that it contains.

So WebShop does it (princeton-nlp/WebShop web_agent_site/engine/normalize.py); `red` stands in `bordered` there, too.
The words are ours: its list also has words such as `dark` and `light`, so that to it `dark grey` is `dark blue`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from environments.webshop.words import words
from schemas.errors import ConfigError

COLOURS = tuple(sorted((*words("css_colours"), *words("plain_colours"))))


def read_colours(path: str) -> tuple[str, ...]:
    """Return the words of a file, between blanks, in their order; ours where it is `built-in`.

    Raises:
        ConfigError: the file cannot be read, or holds no word.
    """
    if path == "built-in":
        return COLOURS
    try:
        told = tuple(Path(path).expanduser().read_text(encoding="utf-8").split())
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"worlds.webshop.colours: {path} cannot be read as text: {error}") from error
    if not told:
        raise ConfigError(f"worlds.webshop.colours: {path} holds no word; write words with blanks between them")
    return told


def plain_colour(option: str | tuple[str, str], colours: Sequence[str]) -> str | tuple[str, str]:
    """Return the first colour that an option's value contains, else the value.

    A goal whose options are a mapping is compared pair by pair (`("color", "navy")`), as the original's loop over
    `items()` does: a pair contains a colour only where its name or its value is that word.
    """
    return next((colour for colour in colours if colour in option), option)
