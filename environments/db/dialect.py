"""How a conversation in the database world is written and read: AgentBench's dbbench protocol.

A thought, then `Action: Operation` with one ```sql block, or `Action: Answer` with `Final Answer:` (THUDM/AgentBench
@578c5e9f dbbench/task.py). Read as leniently as there, and a reply that says nothing runnable is malformed instead of
an empty answer.
"""

from __future__ import annotations

import re

from environments.base import Action, Reading
from environments.dialects.text import TextDialect
from schemas.message import Message
from schemas.task_spec import TaskSpec

_ACTION = re.compile(r"^[ \t>*#]*Action\s*:[ \t*`]*(\w*)", re.IGNORECASE | re.MULTILINE)
_BLOCK = re.compile(r"```[ \t]*(?:sql\w*|mysql)?[ \t]*\n(.*?)\n?[ \t]*```", re.IGNORECASE | re.DOTALL)
_FINAL = re.compile(r"^[ \t>*#]*Final Answer\s*:[ \t*]*(.*)\Z", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_LABEL = re.compile(r"\A[*\s]*(?:Thought|Think)\s*:[*\s]*", re.IGNORECASE)


class DbDialect(TextDialect):
    """Words turns of the database world and reads them back."""

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        """Return the instructions and the acknowledgement; dbbench has no one-shot example."""
        *before, _ = self._sections(spec, "")
        roles = ("user", "assistant")
        return tuple(Message.model_validate({"role": roles[i % 2], "content": text}) for i, text in enumerate(before))

    def task(self, spec: TaskSpec, schema: str) -> str:
        """Word the task: what is asked, the database's name and its schema."""
        return self._sections(spec, schema)[-1]

    def _sections(self, spec: TaskSpec, schema: str) -> list[str]:
        return self.prompt.sections(
            problem=spec.instruction,
            database=spec.setup.database_name or "main",
            schema=schema,
            dialect=dialect_of(spec),
        )

    def observe(self, observation: str, index: int) -> str:
        """Return the observation as it is: rows, error or, first, the worded task."""
        return observation

    def read_text(self, reply: str) -> Reading:
        """Read a reply; the first `Action:` counts."""
        found = _ACTION.search(reply)
        if found is None:
            final = _FINAL.search(reply)
            if final is None:
                return Reading(None, (), "no `Action:` line", reply.strip())
            return Reading(_thought(reply[: final.start()]), (Action("answer", final[1].strip()),))
        thought, rest = _thought(reply[: found.start()]), reply[found.end() :]
        if found[1].lower() in ("operation", "sql"):
            return _operation(thought, rest)
        final = _FINAL.search(rest)
        if final is None:
            return Reading(thought, (), f"`Action: {found[1]}` without a `Final Answer:` line", rest.strip())
        return Reading(thought, (Action("answer", final[1].strip()),))

    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a turn; inverse of `read_text`."""
        lead = f"{thought}\n\n" if thought else ""
        if action.kind == "sql":
            return f"{lead}Action: Operation\n```sql\n{action.text}\n```"
        return f"{lead}Action: Answer\nFinal Answer: {action.text}"


_DIALECTS = {"sqlite": "SQLite", "mysql": "MySQL", "postgres": "PostgreSQL"}


def dialect_of(spec: TaskSpec) -> str:
    """Return the SQL dialect that a task is written in, as people write it."""
    return _DIALECTS.get(spec.setup.dialect, spec.setup.dialect)


def _thought(text: str) -> str | None:
    return _LABEL.sub("", text.strip()).strip() or None


def _operation(thought: str | None, rest: str) -> Reading:
    block = _BLOCK.search(rest)
    if block is None or not block[1].strip():
        return Reading(thought, (), "`Action: Operation` without a ```sql block", rest.strip())
    return Reading(thought, (Action("sql", block[1].strip()),))
