"""TRL's SFTTrainer: it has no flag of a message; `prompt` and `completion` are what tells them apart, or labels.

Read: trl 1.16.0, trainer/sft_trainer.py (tokenize_fn, build_labels). `completion_only_loss` is on for such rows, and
with `assistant_only_loss` both must hold. Arguments of calls are objects there, as chat templates print them as JSON.
"""

from __future__ import annotations

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import (
    BROKEN_ARGUMENTS,
    NO_PROMPT,
    are_arguments_sound,
    chat_message,
    chat_tools,
    is_asked,
    reasons,
)
from formats.releases.strategies import Strategy, split_prompt
from formats.releases.training import Config, Rendered, TrainerForm


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row: prompt and completion, or messages of which every reply is trained on."""
    if not are_arguments_sound(row):
        return BROKEN_ARGUMENTS
    if not is_asked(row.messages):
        return NO_PROMPT
    if strategy == "fold":
        messages = [chat_message(message, parsed=True) for message in row.messages]
        return {"id": row.id, "messages": messages, **chat_tools(row)}
    prompt, completion = ([chat_message(one, parsed=True) for one in part] for part in split_prompt(row.messages))
    return {"id": row.id, "prompt": prompt, "completion": completion, **chat_tools(row)}


TRAINER = TrainerForm(
    name="trl",
    summary="TRL's prompt and completion, or tokens with labels, and a script that trains on them",
    read_in="TRL 1.16.0",
    flag=None,
    default="fan-out",
    because="no tokenizer was given, and one reply a row is right for every template",
    packed="cut",
    also=("fold",),
    is_tokenized=True,
    model="Qwen/Qwen2.5-7B-Instruct",
    render=render_row,
    reasons=reasons(BROKEN_ARGUMENTS, NO_PROMPT),
    configs=(Config("train_trl.py"),),
)
EXPORTER = TRAINER.exporter()
