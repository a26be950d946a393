"""Formats of the outside world that are about the shop."""

from environments.webshop.importers import goals, sessions

IMPORTERS = (goals.IMPORTER, sessions.IMPORTER)
