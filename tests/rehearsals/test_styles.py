"""Whatever a reply wears, it is read as what it says."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

import prompts
from environments.base import Action
from environments.db.dialect import DbDialect
from environments.dialects.thoughts import clean_thought
from environments.os.author import read_task
from environments.os.dialect import OsDialect
from rehearsals.styles import STYLES, THOUGHT_STYLES, dress, dress_thought

TASK = "\n".join(
    (
        *("### Problem", "How many lines has /root/a.txt?", "### Explanation", "wc counts them."),
        *("### Initialisation", "```bash", "printf 'a\\nb\\n' > /root/a.txt", "```"),
        *("### Reference", "```bash", "wc -l < /root/a.txt", "```"),
        *("### Evaluation", "```bash", '[ "$1" = "$2" ]', "```"),
    )
)
OS_ACTS = (Action("bash", "ls -l /root\nwc -l < /root/a.txt"), Action("answer", "2"), Action("finish"))
DB_ACTS = (Action("sql", "SELECT count(*) FROM books"), Action("answer", "[2]"))


@pytest.mark.parametrize("style", STYLES)
def test_a_turn_is_read_as_what_was_written(style: Callable[[str], str]) -> None:
    for dialect, acts in (
        (OsDialect(prompts.load("solve_os")), OS_ACTS),
        (DbDialect(prompts.load("solve_db")), DB_ACTS),
    ):
        for act in acts:
            read = dialect.read_text(style(dialect.write_text("I look first.", act)))
            assert [(one.kind, one.text) for one in read.actions] == [(act.kind, act.text)]


@pytest.mark.parametrize("style", STYLES)
def test_a_task_is_read_as_what_was_written(style: Callable[[str], str]) -> None:
    assert read_task(style(TASK)) == read_task(TASK)


@pytest.mark.parametrize("style", THOUGHT_STYLES)
def test_a_thought_is_read_as_what_was_written(style: Callable[[str], str]) -> None:
    assert clean_thought(style("I count the lines first.")) == "I count the lines first."


def test_dice_choose_among_at_least_six_styles() -> None:
    dice = random.Random(5)
    assert len({dress(TASK, dice) for _ in range(200)}) == len(STYLES) >= 6
    assert len({dress_thought("I look.", dice) for _ in range(100)}) == len(THOUGHT_STYLES)
