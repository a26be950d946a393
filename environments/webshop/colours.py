"""Colours: an option's value is reduced to the first of these words, in this order, that it contains.

So WebShop does it (princeton-nlp/WebShop web_agent_site/engine/normalize.py); `red` stands in `bordered` there, too.
The words are ours: its list also has words such as `dark` and `light`, so that to it `dark grey` is `dark blue`.
"""

from __future__ import annotations

from environments.webshop.words import words

COLOURS = tuple(sorted((*words("css_colours"), *words("plain_colours"))))


def plain_colour(option: str | tuple[str, str]) -> str | tuple[str, str]:
    """Return the first colour that an option's value contains, else the value.

    A goal whose options are a mapping is compared pair by pair (`("color", "navy")`), as the original's loop over
    `items()` does: a pair contains a colour only where its name or its value is that word.
    """
    return next((colour for colour in COLOURS if colour in option), option)
