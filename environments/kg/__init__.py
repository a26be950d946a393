"""Questions over a knowledge graph: seven tools and variables on a SPARQL store."""

PLACE_IN_EVERY_BUILD = 5
"""Part of a build whose configuration names no worlds, in this order."""
