"""TRL's SFTTrainer: it has no flag of a message; `prompt` and `completion` are what tells them apart, or labels.

Read: trl 1.16.0, trainer/sft_trainer.py (tokenize_fn, build_labels). `completion_only_loss` is on for such rows, and
with `assistant_only_loss` both must hold. Arguments of calls are objects there, as chat templates print them as JSON.
"""

from __future__ import annotations

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_PROMPT, is_asked, reasons
from formats.releases.spoken import BROKEN_ARGUMENTS, has_broken_calls, spoken, tools_of
from formats.releases.strategies import Strategy, split_prompt
from formats.releases.training import Config, Rendered, TrainerForm


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row: prompt and completion, or messages of which every reply is trained on."""
    if has_broken_calls(row.messages):
        return BROKEN_ARGUMENTS
    if not is_asked(row.messages):
        return NO_PROMPT
    if strategy == "fold":
        return {"id": row.id, "messages": spoken(row.messages), **tools_of(row.tools)}
    prompt, completion = map(spoken, split_prompt(row.messages))
    return {"id": row.id, "prompt": prompt, "completion": completion, **tools_of(row.tools)}


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
