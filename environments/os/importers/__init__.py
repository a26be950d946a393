"""Formats of the outside world that are about shells."""

from environments.os.importers import agentbench, intercode

IMPORTERS = (agentbench.IMPORTER, intercode.IMPORTER)
