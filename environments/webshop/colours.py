"""Colours: an option's value is reduced to the first of these words, in this order, that it contains.

Source: WebShop's web_agent_site/engine/normalize.py (princeton-nlp/WebShop). Without it rewards come out
otherwise: `dark grey` and `dark blue` are both `dark`, and `red` stands in `bordered`.
"""

from __future__ import annotations

from environments.webshop.words import words

COLOURS = words("colours")


def plain_colour(option: str | tuple[str, str]) -> str | tuple[str, str]:
    """Return the first colour that an option's value contains, else the value.

    A goal whose options are a mapping is compared pair by pair (`("color", "navy")`), as the original's loop over
    `items()` does: a pair contains a colour only where its name or its value is that word.
    """
    return next((colour for colour in COLOURS if colour in option), option)
