"""The database protocol as dbbench reads it (THUDM/AgentBench @578c5e9f dbbench/task.py), for its benchmark alone.

A reply that says nothing runnable is malformed instead of an empty answer. `[collect] dialect = "agentbench"` chooses
it.
"""

from __future__ import annotations

import re

import prompts
from environments.base import TELLING, Action, Reading
from environments.db.dialect import DbText
from prompts import Prompt

_ACTION = re.compile(r"^[ \t>*#]*Action\s*:[ \t*`]*(\w*)", re.IGNORECASE | re.MULTILINE)
_BLOCK = re.compile(r"```[ \t]*(?:sql\w*|mysql)?[ \t]*\n(.*?)\n?[ \t]*```", re.IGNORECASE | re.DOTALL)
_FINAL = re.compile(r"^[ \t>*#]*Final Answer\s*:[ \t*]*(.*)\Z", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_LABEL = re.compile(r"\A[*\s]*(?:Thought|Think)\s*:[*\s]*", re.IGNORECASE)


def as_agentbench(prompt: Prompt) -> Prompt:
    """Return the prompt in dbbench's own words: without rules of ours, results without what they count."""
    return prompts.load(prompt.name, "v2") if prompt.front.get("contract", 1) >= TELLING else prompt


class AgentBenchDb(DbText):
    """The benchmark's reading."""

    name = "agentbench"

    @classmethod
    def as_first(cls, prompt: Prompt) -> AgentBenchDb:
        """Return what `react` was at its first contract: a build that began so goes on with this reading."""
        first = cls(prompt)
        first.name = "react"
        return first

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


def _thought(text: str) -> str | None:
    return _LABEL.sub("", text.strip()).strip() or None


def _operation(thought: str | None, rest: str) -> Reading:
    block = _BLOCK.search(rest)
    if block is None or not block[1].strip():
        return Reading(thought, (), "`Action: Operation` without a ```sql block", rest.strip())
    return Reading(thought, (Action("sql", block[1].strip()),))
