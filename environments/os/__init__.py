"""A Linux shell in a sandbox."""

PLACE_IN_EVERY_BUILD = 1
"""Part of a build whose configuration names no worlds, in this order."""
