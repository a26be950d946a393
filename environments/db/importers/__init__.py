"""Formats of the outside world that are about databases."""

from environments.db.importers import agentbench, bird, intercode

IMPORTERS = (agentbench.IMPORTER, bird.IMPORTER, intercode.IMPORTER)
