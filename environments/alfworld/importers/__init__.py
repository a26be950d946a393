"""Formats of the outside world that are about households."""

from environments.alfworld.importers import games

IMPORTERS = (games.IMPORTER,)
