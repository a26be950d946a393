"""Axolotl's `chat_template` datasets: the flag of each message is read, once the config says what it is called.

Read: axolotl 0.21.0 and 0.19.0, prompt_strategies/chat_template.py (get_conversation_thread, _tokenize_single_prompt).
Arguments may be JSON text; such that is none ends the run. It renders a conversation once, so that a template that
rewrites earlier turns loses their thoughts: hence one reply a row, unless a tokenizer shows that it does not.
"""

from __future__ import annotations

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_PROMPT, is_asked, reasons
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, speak
from formats.releases.strategies import Strategy
from formats.releases.training import Config, Rendered, TrainerForm


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row with `train` on every message."""
    if has_broken_calls(row.messages):
        return BROKEN_ARGUMENTS
    if not is_asked(row.messages):
        return NO_PROMPT
    messages = [{**speak(message, parsed=False), "train": message.train} for message in row.messages]
    return {"id": row.id, "messages": messages, **({"tools": row.tools} if row.tools else {})}


TRAINER = TrainerForm(
    name="axolotl",
    summary="axolotl's chat_template rows with the flag `train` on every message, and its YAML",
    read_in="axolotl 0.21.0",
    flag="train",
    default="fan-out",
    because="no tokenizer was given, and one reply a row is right for every template",
    packed="native",
    model="Qwen/Qwen2.5-7B-Instruct",
    render=render_row,
    reasons=reasons(BROKEN_ARGUMENTS, NO_PROMPT),
    configs=(Config("axolotl.yaml"),),
)
EXPORTER = TRAINER.exporter()
