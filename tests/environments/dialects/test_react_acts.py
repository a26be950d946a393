"""A react dialect whose world runs nothing and takes no answer: acts are names with a text, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest

from environments.base import Action
from environments.dialects.forms import Form
from environments.dialects.react import ReAct
from prompts import from_text
from schemas.message import Message
from schemas.task_spec import TaskSpec


class Doors(ReAct):
    """Opens and closes doors."""

    forms: ClassVar[tuple[Form, ...]] = (
        Form("open", frozenset(["open"]), ("door",)),
        Form("wait", frozenset(["wait"])),
    )
    missing = "no act"

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        return ()

    def observe(self, observation: str, index: int) -> str:
        return observation

    def write_text(self, thought: str | None, action: Action) -> str:
        return f"Act: {action.kind} {action.text}"

    def answer_of(self, region: Sequence[str], *, is_cut: bool) -> str:
        return region[0].strip(" ()[]\"'")


DIALECT = Doors(from_text("doors", "v1", "---\npurpose: x\n---\nbody\n"))


@pytest.mark.parametrize(
    ("reply", "acts"),
    [
        ("Act: open(red)", [("open", "red")]),
        ("Act:\n```\nopen(red)\n```", [("open", "red")]),
        ("Act: wait", [("wait", "")]),
        ('Act: {"act": "open", "door": "red"}', [("open", "red")]),
        ("Final Answer: red", []),
        ("Answer: red", []),
        ("Act: `ls -l`", []),
        ("Act:\n```bash\nls\n```", []),
        ("Act:\n```\n```", []),
        ("Act: bash\n```bash\nls\n```", []),
        ("```bash\nls\n```", []),
    ],
)
def test_acts_are_read_and_what_could_only_be_run_or_answered_is_none(reply: str, acts: list[tuple[str, str]]) -> None:
    reading = DIALECT.read_text(reply)
    assert [(one.kind, one.text) for one in reading.actions] == acts
    assert bool(reading.problem) == (not acts)
