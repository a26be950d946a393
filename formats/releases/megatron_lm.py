"""Megatron-LM's own SFT set: JSON lines of system, user and assistant, every reply trained on.

Read: NVIDIA/Megatron-LM at 00caa53, training/datasets/sft_dataset.py, core/tokenizers/text/libraries/sft_tokenizer.py.
A system message begins a conversation, a later one the next; a reply must follow the user; an empty one ends the run;
tools are ignored. Its prompt format `default` masks nothing at all, so the arguments name another.
"""

from __future__ import annotations

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_QUESTION, REASONING, TWO_REPLIES, reasons, spell_calls, take_turns
from formats.releases.strategies import Strategy
from formats.releases.training import Config, Rendered, TrainerForm


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row of question and reply in turns, after a system message, be it an empty one."""
    spelled = spell_calls(row)
    turns = spelled if isinstance(spelled, str) else take_turns(spelled.messages)
    if isinstance(turns, str):
        return turns
    system = [] if turns[0].role == "system" else [{"role": "system", "content": ""}]
    return {"messages": [*system, *({"role": turn.role, "content": turn.content} for turn in turns)]}


TRAINER = TrainerForm(
    name="megatron-lm",
    summary="Megatron-LM's SFT JSON lines whose every reply is trained on, and the arguments that train so",
    read_in="Megatron-LM 00caa53",
    flag=None,
    default="fold",
    because="every reply is trained on there, and its prompt formats keep what was said before",
    model="nvidia/Nemotron-H-8B-Base-8K",
    render=render_row,
    reasons=reasons(REASONING, TWO_REPLIES, NO_QUESTION),
    configs=(Config("megatron_lm_args.sh"),),
)
EXPORTER = TRAINER.exporter()
