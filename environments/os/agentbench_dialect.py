"""The OS protocol as AgentBench reads it, warts included (reference/agenttuning.md 1.3), for its benchmark alone.

`Act:` counts wherever it stands, the last act that can be understood wins, all bash blocks of a reply are one command,
and a command may be empty. `[collect] dialect = "agentbench"` chooses it.
"""

from __future__ import annotations

import re

import prompts
from environments.base import TELLING, Action, Reading
from environments.os.dialect import OsText
from prompts import Prompt

_THINK = re.compile(r"Think:\s*(.+)")
_ACT = re.compile(r"Act:\s*(.+)")
_BLOCK = re.compile(r"```bash\n(.*?)\n```", re.DOTALL)


def as_agentbench(prompt: Prompt) -> Prompt:
    """Return the prompt in AgentBench's own words: without rules of ours, output cut at its end."""
    return prompts.load(prompt.name, "v2") if prompt.front.get("contract", 1) >= TELLING else prompt


class AgentBenchOs(OsText):
    """AgentBench's reading, and a wording that it reads back."""

    name = "agentbench"

    @classmethod
    def as_first(cls, prompt: Prompt) -> AgentBenchOs:
        """Return what `react` was at its first contract: a build that began so goes on with this reading."""
        first = cls(prompt)
        first.name = "react"
        return first

    def read_text(self, reply: str) -> Reading:
        """Read a reply; without any act that can be understood it is malformed."""
        thought = "\n".join(_THINK.findall(reply)) or None
        acts = _ACT.findall(reply)
        for act in reversed(acts):
            action = _read_act(act, reply)
            if action is not None:
                return Reading(thought, (action,))
        problem = "no `Act:` line" if not acts else f"no act among bash, finish, answer(...): {acts[-1][:80]!r}"
        return Reading(thought, (), problem, candidate=acts[-1] if acts else reply)

    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a turn; inverse of `read_text` where neither text holds the protocol's own marks."""
        lines = [f"Think: {line}" for line in (thought or "").split("\n") if line.strip()]
        return "\n\n".join([*(["\n".join(lines)] if lines else []), _write_act(action)])


def _read_act(act: str, reply: str) -> Action | None:
    lowered = act.lower()
    if lowered.startswith("bash"):
        return Action("bash", "\n\n".join(_BLOCK.findall(reply)))
    if lowered.startswith("finish"):
        return Action("finish")
    left, right = act.find("("), act.rfind(")")
    if lowered.startswith("answer") and left != -1 and right > left:
        return Action("answer", act[left + 1 : right])
    return None


def _write_act(action: Action) -> str:
    if action.kind == "bash":
        return f"Act: bash\n\n```bash\n{action.text}\n```"
    return "Act: finish" if action.kind == "finish" else f"Act: answer({action.text})"
