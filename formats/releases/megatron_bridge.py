"""Megatron-Bridge: OpenAI's messages in training.jsonl, the loss on the last reply alone, or on every one.

Read: NVIDIA-NeMo/Megatron-Bridge at 0071955, data/conversation_processing.py, data/sft_processing.py,
data/builders/gpt_sft.py. Arguments are parsed and must be an object; `<image>`, `<video>` and `<audio>` in a text make
the row one of pictures and sound.
"""

from __future__ import annotations

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_PROMPT, is_asked, reasons
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, speak, tools_of
from formats.releases.strategies import Strategy
from formats.releases.training import Config, Rendered, TrainerForm

MEDIA_MARK = "media_mark"
_MEDIA = ("<image>", "<video>", "<audio>")


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row as it stands; the config says on which replies the loss counts."""
    if has_broken_calls(row.messages):
        return BROKEN_ARGUMENTS
    if not is_asked(row.messages):
        return NO_PROMPT
    if any(mark in message.content for mark in _MEDIA for message in row.messages):
        return MEDIA_MARK
    messages = [speak(message, parsed=False) for message in row.messages]
    return {"id": row.id, "messages": messages, **tools_of(row.tools)}


TRAINER = TrainerForm(
    name="megatron-bridge",
    summary="Megatron-Bridge's chat JSON lines, and a script that trains with the loss mode they need",
    read_in="Megatron-Bridge 0.6.2",
    flag=None,
    default="fan-out",
    because="no tokenizer was given; with the loss on the last turn one reply a row is right for every template",
    packed="fold",
    model="Qwen/Qwen2.5-7B-Instruct",
    render=render_row,
    reasons={
        **reasons(BROKEN_ARGUMENTS, NO_PROMPT),
        MEDIA_MARK: f"holds {', '.join(_MEDIA)} in its text: there they stand for pictures and sound",
    },
    configs=(Config("train_bridge.py"),),
    files=("training.jsonl", "validation.jsonl"),
)
EXPORTER = TRAINER.exporter()
