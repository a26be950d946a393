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
from environments.dialects.prompted import PromptedText
from environments.dialects.react import ReAct
from environments.os.answers_said import in_brackets, plain, said_answer
from environments.os.scripts_said import SHELL, script_of


class OsText(PromptedText):
    """AgentBench's OS protocol in the words of a `solve_os` prompt: everything but the reading."""

    def __init__(self, prompt: prompts.Prompt) -> None:
        super().__init__(prompt)
        self._observation = jinja2.Template(prompt.front["observation"])
        self._empty = str(prompt.front["empty_observation"])

    def word_result(self, observation: str) -> str:
        """Word what a script gave."""
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
