"""The DB world's part of the offline teacher: makes up changes, makes them, answers questions, from prompts alone.

Implements `rehearsals.base.Rehearsal`; its knowledge is in `environments/db/families/`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache

from environments.db.families import questions, writes
from environments.db.families.brief import is_brief, read_brief
from environments.db.families.change import Change
from environments.db.families.drafts import TASK_FAULTS, write_draft
from environments.db.families.turns import Row, locate
from environments.db.families.wording import read_change
from rehearsals.base import Move, find_tool
from rehearsals.orders import parent_in
from schemas.message import Message


class DbRehearsal:
    """Drafts changes on any SQLite schema, and solves them and the sample's questions turn by turn."""

    def drafts(self, prompt: str) -> bool:
        """Whether the text is the database world's generation prompt."""
        return is_brief(prompt)

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        """Write a generation reply: one change that the rows in the prompt prove to have an effect.

        Raises:
            ValueError: it is no generation prompt of this world.
        """
        return write_draft(read_brief(prompt), rng, fault, parent_in(prompt))

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        """Name the task faults that a draft for this prompt can show."""
        return TASK_FAULTS

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Return the problem's text where this is the database world's solver conversation, else None."""
        position = locate(messages)
        return None if position is None else position.problem

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode on this problem can show."""
        if questions.recognise_question(problem) is not None:
            return questions.FAULTS
        return writes.FAULTS if _recognise_change(problem) is not None else questions.FAULTS_UNKNOWN

    def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
        """Make the solver's next move, from the task and the observations in the conversation.

        Raises:
            ValueError: this is not the database world's solver conversation.
        """
        position = locate(messages)
        if position is None:
            raise ValueError("no database problem in this conversation; `problem` says whether there is one")
        question = questions.recognise_question(position.problem)
        if question is not None:
            return questions.solve_question(position, question, fault)
        change = _recognise_change(position.problem)
        return writes.solve_change(position, change, fault) if change else questions.attempt(position, fault)

    def say(self, move: Move) -> str:
        """Word a move as `environments/db/dialect.py` reads it."""
        if move.raw is not None:
            return move.raw
        lead = f"{move.thought}\n\n" if move.thought else ""
        if move.kind == "sql":
            return f"{lead}Action: Operation\n```sql\n{move.text}\n```"
        return f"{lead}Action: Answer\nFinal Answer: {move.text}"

    def tool_of(self, kind: str) -> tuple[str, str | None]:
        """Name the tool for a kind of action, and the argument that carries its text."""
        return find_tool("solve_db_tools", kind)

    def expected(self, question: str) -> tuple[Row, ...]:
        """Return the right rows for a question of the sample, computed apart from the checks.

        Raises:
            KeyError: it is not one of the sample's questions.
        """
        return questions.expected_rows(question)


@lru_cache(maxsize=4096)
def _recognise_change(problem: str) -> Change | None:
    return read_change(problem)
