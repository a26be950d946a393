"""An online shop: search, look at products, choose options, buy what was asked for."""

PLACE_IN_EVERY_BUILD = 4
"""Part of a build whose configuration names no worlds, in this order."""
