"""Agent-FLAN's rows (internlm/Agent-FLAN on the hub): `id` and `conversation` with `role`, `content` and `loss`."""

from __future__ import annotations

from formats.sets.declare import set_importer
from formats.sets.spoken_rows import read_spoken

IMPORTER = set_importer("agentflan", "Agent-FLAN's rows: conversation with role, content and loss", read_spoken)
