"""A newcomer's way by docs/train.md alone: a build's release, an export, a first step, the right tokens trained."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from formats.templates.template import Template, load_template
from tests.conftest import Smoke
from tests.trainers.first_step import MODEL, replies_of, step_of, take_step

pytestmark = [pytest.mark.trainers, pytest.mark.timeout(2400)]

IGNORED = -100
STEPS = {
    "trl": ("trl", "read_train_trl"),
    "llamafactory": ("llamafactory", "read_llamafactory"),
    "ms-swift": ("ms-swift", "read_swift_sft"),
}
"""Export -> its trainer's environment, and the reader that asks it for the labels."""


def cut_at_labels(row: Mapping[str, list[int]], template: Template) -> tuple[str, str]:
    """Return what carries no loss and what does, of a row whose last reply alone should: all from its first label on.

    The line break after the token that ends a turn carries loss with some trainers and not with others.
    """
    ids, labels = row["input_ids"], row["labels"]
    first = next(at for at, label in enumerate(labels) if label != IGNORED)
    assert [template.decode(ids[at:]) for at, label in enumerate(labels) if at >= first and label != ids[at]] in (
        [],
        ["\n"],
    )
    return template.decode(ids[:first]), template.decode(ids[first:]).rstrip("\n")


@pytest.mark.parametrize("export", STEPS)
def test_the_pages_commands_lead_to_a_step_that_trains_each_reply_and_nothing_else(
    export: str, smoke: Smoke, ask: Any, tmp_path: Path
) -> None:
    trainer, reader = STEPS[export]
    step = step_of(export)
    said = take_step(step, trainer, smoke.home, tmp_path)
    losses = [float(loss) for loss in re.findall(r"['\"]loss['\"]: ['\"]?([\d.]+)", said)]
    assert len(losses) == 1 and losses[0] > 0, said[-3000:]
    expected = replies_of(smoke.home, tmp_path / step.out)
    rows = ask(trainer, reader, folder=str(tmp_path / step.out), arguments=step.arguments)["rows"]
    template = load_template(tmp_path / MODEL)
    trained = [cut_at_labels(row, template) for row in rows]
    assert {before.endswith("<|im_start|>assistant\n") for before, _ in trained} == {True}
    assert Counter(reply for _, reply in trained) == Counter(f"{reply}<|im_end|>" for reply in expected)
    note = json.loads((tmp_path / step.out / "export.json").read_text())
    assert not note["left_out"]
