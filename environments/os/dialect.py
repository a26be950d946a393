"""How a conversation in the OS world is written and read: ReAct text with `Think:` and `Act:` lines.

The protocol is AgentBench's (reference/agenttuning.md 1.3), read as models write it; AgentBench's own reading is
`agentbench_dialect`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import jinja2

import prompts
from environments.base import TELLING, Action
from environments.dialects.fences import Fence, find_fences
from environments.dialects.forms import Form
from environments.dialects.react import ReAct
from environments.dialects.text import TextDialect
from environments.os.answers_said import in_brackets, plain, said_answer
from environments.os.scripts_said import SHELL, script_of
from schemas.message import Message, Role
from schemas.task_spec import TaskSpec

_PROBLEM = "\x00problem\x00"
_ROLES: tuple[Role, Role] = ("user", "assistant")


class OsText(TextDialect):
    """AgentBench's OS protocol in the words of a `solve_os` prompt: everything but the reading."""

    def __init__(self, prompt: prompts.Prompt) -> None:
        super().__init__(prompt)
        self._observation = jinja2.Template(prompt.front["observation"])
        self._empty = str(prompt.front["empty_observation"])

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        """Return the instructions and the one-shot example; the task itself is the first observation."""
        return tuple(Message(role=_ROLES[i % 2], content=part) for i, part in enumerate(self._sections()[:-1]))

    def _sections(self) -> list[str]:
        """Return the prompt's messages; a problem's own text is put in later, so that it never cuts them."""
        return self.prompt.sections(problem=_PROBLEM, world=self.told)

    def observe(self, observation: str, index: int) -> str:
        """Word an observation; index 0 is the task."""
        if index == 0:
            return self._sections()[-1].replace(_PROBLEM, observation)
        return self._observation.render(output=observation) if observation else self._empty


class OsDialect(OsText, ReAct):
    """The protocol as models write it."""

    forms: ClassVar[tuple[Form, ...]] = (
        Form(
            "bash",
            frozenset(
                [
                    "bash",
                    "shell",
                    "sh",
                    "run",
                    "execute",
                    "command",
                    "commands",
                    "terminal",
                    "executebash",
                    "runcommand",
                    "executecommand",
                    "runbash",
                    "executeshell",
                    "script",
                ]
            ),
            ("script", "command", "commands", "cmd", "code", "bash", "shell"),
            SHELL,
            joins=True,
        ),
        Form(
            "answer",
            frozenset(["answer", "finalanswer", "submitanswer", "reply"]),
            ("answer", "final_answer", "value", "text"),
        ),
        Form("finish", frozenset(["finish", "finished", "done", "complete", "completed", "end", "stop"])),
    )
    invented = ("The output of the OS",)
    missing = "no `Act:` line with one of bash, finish, answer(...)"

    def script_of(self, form: Form, fence: Fence) -> str:
        """Return a block as bash runs it."""
        return script_of(fence)

    def loose_script(self, text: str) -> str:
        """Return a command without a terminal's prompts."""
        return script_of(Fence(0, 0, "console", text, True)) if text.startswith("$ ") else text

    def answer_of(self, region: Sequence[str], *, is_cut: bool) -> str:
        """Return the answer from what stands behind its name and below."""
        said = said_answer(region, self.invented, is_cut=is_cut)
        blocks = list(find_fences(said.split("\n"), frozenset())) if self.contract >= TELLING else []
        is_one = len(blocks) == 1 and blocks[0].first == 0 and blocks[0].last == said.count("\n") + 1
        return blocks[0].text if is_one and blocks[0].is_closed else said

    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a turn; `read_text` understands it as the same, or `reads_back` says that it does not."""
        lead = f"Think: {thought}\n\n" if thought else ""
        if action.kind == "bash":
            mark = "```"
            while mark in action.text:
                mark += "`"
            return f"{lead}Act: bash\n\n{mark}bash\n{action.text}\n{mark}"
        if action.kind == "finish":
            return f"{lead}Act: finish"
        if "\n" in action.text and self.contract >= TELLING:
            mark = "```"
            while mark in action.text:
                mark += "`"
            return f"{lead}Act: answer\n{mark}\n{action.text}\n{mark}"
        is_plain = in_brackets(f"({action.text})") == action.text and plain(action.text) == action.text
        return f"{lead}Act: answer({action.text})" if is_plain else f'{lead}Act: answer("{action.text}")'
