"""The next action on a web page, chosen among candidates in rounds."""

PLACE_IN_EVERY_BUILD = 6
"""Part of a build whose configuration names no worlds, in this order."""
