"""Formats of the outside world that are about pages."""

from environments.mind2web.importers import mind2web

IMPORTERS = (mind2web.IMPORTER,)
