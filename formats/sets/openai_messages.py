"""OpenAI's fine-tuning rows and logs of its form: `messages`, `tools`, `weight`."""

from __future__ import annotations

from formats.sets.chat_rows import read_chat_row
from formats.sets.declare import set_importer

IMPORTER = set_importer(
    "openai", "OpenAI's messages with tool calls, as fine-tuning files and logs have them", read_chat_row
)
