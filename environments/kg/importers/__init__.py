"""Formats of the outside world that are about knowledge graphs."""

from environments.kg.importers import agentbench

IMPORTERS = (agentbench.IMPORTER,)
