"""Judges beside the trainers: hand-written families of renderers, Megatron-LM's own tokenizer of conversations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from formats.releases import megatron_lm
from formats.releases.release_folder import ReleaseRow
from formats.releases.strategies import apply_strategy
from formats.templates.proof import Prover
from formats.templates.template import Template, load_template
from tests.tiny_tokenizer import save_tokenizer
from tests.trainers.rows import CALLS, CONTEXT, MARKS, PLAIN, SAME, THOUGHTS, chat, fan_out
from tests.trainers.test_masks import FAMILIES, IGNORED, packaged, theirs

pytestmark = pytest.mark.trainers

HELD = {
    "qwen3": ("qwen3", ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")),
    "glm4moe": (
        "glm-4.5",
        (
            "[gMASK]",
            "<sop>",
            "<|system|>",
            "<|user|>",
            "<|assistant|>",
            "<|observation|>",
            "<|endoftext|>",
            "<think>",
            "</think>",
            "<tool_call>",
            "</tool_call>",
            "<arg_key>",
            "</arg_key>",
            "<arg_value>",
            "</arg_value>",
        ),
    ),
}
"""Our name of a packaged template, renderers' of the family, and tokens that this one wants to be special."""
NEMOTRON = ("<unk>", "</s>", "<SPECIAL_10>", "<SPECIAL_11>", "<SPECIAL_12>", "<SPECIAL_233>", "Assistant")
"""The last is one token of the model's: `nemotron-nano-v2` masks three, whatever they are."""
FORMATS = ("nemotron-h-aligned", "nemotron-nano-v2")


def decoded(template: Template, ids: Sequence[int], trained: Sequence[bool]) -> list[str]:
    """Return what carries loss, run by run; whose line breaks around a turn are, judges see differently."""
    runs: list[list[int]] = [[]]
    for one, carries in zip(ids, trained, strict=True):
        if carries:
            runs[-1].append(one)
        else:
            runs.append([])
    return [template.decode(run).strip("\n") for run in runs if run]


def fanned_out(held: ReleaseRow) -> list[dict[str, Any]]:
    """Conversations up to each trained reply, with the loss on that alone."""
    said = [chat(message) for message in held.messages]
    ends = [at + 1 for at, message in enumerate(held.messages) if message.train]
    return [{"messages": said[:end], "loss": [0] * (end - 1) + [1]} for end in ends]


@pytest.mark.parametrize("family", HELD)
def test_renderers_puts_the_loss_where_we_say_that_prompt_and_completion_put_it(
    ask: Any, tmp_path: Path, family: str
) -> None:
    renderer, more = HELD[family]
    special = tuple(dict.fromkeys((*FAMILIES[family], *more)))
    template = load_template(save_tokenizer(tmp_path / "t", packaged(family), 600, special))
    rows = [CONTEXT, SAME, THOUGHTS]
    records = [record for held in rows for record in fanned_out(held)]
    said = ask("trl", "read_renderers", tokenizer=str(tmp_path / "t"), renderer=renderer, records=records)["rows"]
    prover = Prover("trl", template)
    ours = []
    for held in rows:
        for record in fan_out(held):
            masked = prover.mask(held, record)
            assert masked
            ours.append((list(masked.tokens.ids), [at in set(masked.trained) for at in range(len(masked.tokens.ids))]))
    assert len(said) == len(ours)
    for one, (ids, trained) in zip(said, ours, strict=True):
        assert template.decode(one["input_ids"]) == template.decode(ids)
        assert decoded(template, one["input_ids"], one["loss"]) == decoded(template, ids, trained)
        assert one["loss"].count(1) > 0


@pytest.mark.parametrize("style", FORMATS)
def test_megatron_lm_trains_every_reply_of_its_export_and_no_other_word(ask: Any, tmp_path: Path, style: str) -> None:
    template = load_template(save_tokenizer(tmp_path / "t", "{{ messages }}", 500, NEMOTRON, unk_token="<unk>"))
    rows = [*PLAIN, CALLS]
    records: list[Any] = []
    for held in rows:
        made = apply_strategy(megatron_lm.TRAINER.default, held)
        assert not isinstance(made, str)
        records += [megatron_lm.render_row(one, megatron_lm.TRAINER.default) for one in made]
    said = ask("trl", "read_megatron_lm", tokenizer=str(tmp_path / "t"), format=style, records=records)
    for record, (ids, labels) in zip(records, theirs(said), strict=True):
        runs = decoded(template, ids, [label != IGNORED for label in labels])
        replies = [one["content"].strip() for one in record["messages"] if one["role"] == "assistant"]
        assert [run.removesuffix("<SPECIAL_12>").strip() for run in runs] == replies
    assert {name for name in map(str, records) if "ASSISTANT: nothing." in name}, MARKS.id
