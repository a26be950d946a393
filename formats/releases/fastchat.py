"""FastChat's Vicuna form, AgentTuning's: one JSON array of human and gpt in turns, every reply trained on.

Read: fschat 0.2.36, fastchat/train/train.py (preprocess). The prompt is text, and its marks find the replies in it
again: a turn with ` ASSISTANT: ` or `</s>` in its own words ends the mask, and from there on nothing of the row is
trained on, without an error; white space around a reply shifts its first token. Such rows are left out, or stripped.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from formats.releases.release_folder import ReleaseRow
from formats.releases.shapes import NO_QUESTION, REASONING, TWO_REPLIES, reasons, spell_calls, take_turns
from formats.releases.split_files import open_json_array
from formats.releases.strategies import EMPTY_REPLY, Strategy
from formats.releases.training import Config, Rendered, TrainerForm
from schemas.message import Message

PROMPT_MARK = "prompt_mark"
_REPLY = " ASSISTANT: "
_CONTROL = ("<s>", "</s>", "<unk>")
"""Llama 2's tokens: `</s>` ends a turn, and `<unk>` is what FastChat pads with and counts by."""


def render_row(row: ReleaseRow, strategy: Strategy) -> Rendered:
    """Render a row of human and gpt, its system text before the first question."""
    spelled = spell_calls(row)
    turns = spelled if isinstance(spelled, str) else take_turns(spelled.messages)
    if isinstance(turns, str):
        return turns
    texts = [turn.content.strip() for turn in _without_system(turns)]
    if not all(texts):
        return EMPTY_REPLY
    for asked, replied in zip(texts[::2], texts[1::2], strict=True):
        if f"USER: {asked}{_REPLY}{replied}".split(_REPLY) != [f"USER: {asked}", replied]:
            return PROMPT_MARK
    if any(token in text for token in _CONTROL for text in texts):
        return PROMPT_MARK
    names = itertools.cycle(("human", "gpt"))
    return {
        "id": row.id,
        "conversations": [{"from": name, "value": text} for name, text in zip(names, texts, strict=False)],
    }


def _without_system(turns: Sequence[Message]) -> Sequence[Message]:
    """Put the system text before the first question: Vicuna's prompt has a system text of its own."""
    if turns[0].role != "system":
        return turns
    text = "\n\n".join(part for part in (turns[0].content, turns[1].content) if part)
    return [turns[1].model_copy(update={"content": text}), *turns[2:]]


TRAINER = TrainerForm(
    name="fastchat",
    summary="FastChat's Vicuna form whose every reply is trained on, and the command that trains",
    read_in="FastChat 0.2.36",
    flag=None,
    default="fold",
    because="every reply is trained on there, and its one template keeps what was said before",
    model="meta-llama/Llama-2-7b-chat-hf",
    render=render_row,
    reasons={
        **reasons(REASONING, TWO_REPLIES, NO_QUESTION),
        PROMPT_MARK: "holds a mark of the prompt in its text: the mask would end there, and the rest not be trained on",
    },
    configs=(Config("train_fastchat.sh", executable=True),),
    open_split=open_json_array,
    files=("train.json", "validation.json"),
)
EXPORTER = TRAINER.exporter()
