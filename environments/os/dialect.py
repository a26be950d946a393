"""How a conversation in the OS world is written and read: ReAct text with `Think:` and `Act:` lines.

The reading is AgentBench's, warts included (reference/agenttuning.md 1.3): `Act:` counts wherever it stands, the last
act that can be understood wins, all bash blocks of a reply are one command.
"""

from __future__ import annotations

import re

import jinja2

import prompts
from environments.base import Action, Reading
from environments.dialects.text import TextDialect
from schemas.message import Message, Role
from schemas.task_spec import TaskSpec

_THINK = re.compile(r"Think:\s*(.+)")
_ACT = re.compile(r"Act:\s*(.+)")
_BLOCK = re.compile(r"```bash\n(.*?)\n```", re.DOTALL)
_PROBLEM = "\x00problem\x00"
_ROLES: tuple[Role, Role] = ("user", "assistant")


class OsDialect(TextDialect):
    """AgentBench's OS protocol in the words of a `solve_os` prompt."""

    def __init__(self, prompt: prompts.Prompt) -> None:
        super().__init__(prompt)
        *parts, self._task = prompt.sections(problem=_PROBLEM)  # a problem's own text never cuts the conversation
        self._context = tuple(Message(role=_ROLES[i % 2], content=part) for i, part in enumerate(parts))
        self._observation = jinja2.Template(prompt.front["observation"])
        self._empty = str(prompt.front["empty_observation"])

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        """Return the instructions and the one-shot example; the task itself is the first observation."""
        return self._context

    def observe(self, observation: str, index: int) -> str:
        """Word an observation; index 0 is the task."""
        if index == 0:
            return self._task.replace(_PROBLEM, observation)
        return self._observation.render(output=observation) if observation else self._empty

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
