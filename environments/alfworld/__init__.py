"""Households in text (ALFWorld): six kinds of task, on our own engine of the one household domain."""

PLACE_IN_EVERY_BUILD = 3
"""Part of a build whose configuration names no worlds, in this order."""
