"""AgentTraj's rows (AgentGym on the hub): `item_id` and `conversations` with `from`, `loss` and `value`.

A row whose conversations are null is a task to evaluate, and turned away.
"""

from __future__ import annotations

from formats.sets.declare import set_importer
from formats.sets.spoken_rows import read_spoken

IMPORTER = set_importer(
    "agenttraj", "AgentGym's AgentTraj rows: item_id and conversations with from, loss and value", read_spoken
)
