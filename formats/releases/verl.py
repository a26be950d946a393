"""verl's multi-turn SFT: Parquet with `messages`, in which every reply is trained on.

Read: verl 0.9.1, utils/dataset/multiturn_sft_dataset.py. It renders each message alone, puts the tokens one after the
other and stops unless they are the whole conversation's: so with a template that writes a message by what stands around
it, it stops, and no row is trained wrongly. Parquet's structs pad the tools of other rows with nulls and templates join
what parallel calls gave, so calls are said in words.
"""

from __future__ import annotations

import pyarrow as pa

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_QUESTION, REASONING, TWO_REPLIES, reasons, spell_calls, take_turns
from formats.releases.split_files import open_parquet
from formats.releases.strategies import Strategy
from formats.releases.training import Config, Rendered, TrainerForm

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])), nullable=False),
    ]
)


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row of question and reply in turns."""
    spelled = spell_calls(row)
    turns = spelled if isinstance(spelled, str) else take_turns(spelled.messages)
    if isinstance(turns, str):
        return turns
    return {"id": row.id, "messages": [{"role": turn.role, "content": turn.content} for turn in turns]}


TRAINER = TrainerForm(
    name="verl",
    summary="verl's Parquet of messages whose every reply is trained on, and the command that trains",
    read_in="verl 0.9.1",
    flag=None,
    default="fold",
    because="every reply is trained on there, and verl stops where its template would rewrite one",
    model="Qwen/Qwen2.5-7B-Instruct",
    render=render_row,
    reasons=reasons(REASONING, TWO_REPLIES, NO_QUESTION),
    configs=(Config("train_verl.sh", executable=True),),
    open_split=open_parquet(SCHEMA),
    files=("train.parquet", "validation.parquet"),
)
EXPORTER = TRAINER.exporter()
