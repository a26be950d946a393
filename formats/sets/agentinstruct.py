"""AgentInstruct's rows (zai-org/AgentInstruct on the hub): `id` and `conversations` with `from`, `value` and `loss`."""

from __future__ import annotations

from formats.sets.declare import set_importer
from formats.sets.spoken_rows import read_spoken

IMPORTER = set_importer(
    "agentinstruct",
    "AgentInstruct's rows, and others of its form: conversations with from, value and loss",
    read_spoken,
)
