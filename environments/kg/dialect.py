"""How a conversation over a graph is written and read: AgentBench's protocol, read as models write it.

`Thought: ...`, then `Action: tool(arguments)` or `Final Answer: #id` (THUDM/AgentBench@578c5e9f
knowledgegraph/task.py). The first act counts, as everywhere here; in the benchmark's own reading a final answer
anywhere goes before a call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from environments.base import Action, Reading
from environments.dialects.forms import CUT, Form, NoAct
from environments.dialects.labels import INPUT_LABEL, thought_of
from environments.dialects.lenient_json import read_json
from environments.dialects.prompted import PromptedText
from environments.dialects.react import ReAct
from environments.dialects.written_calls import WrittenCall
from environments.kg.calls import action_of, find_call, make_action, split_arguments, written
from environments.kg.tools import TOOLS, is_found

_NUMBER = re.compile(r"#[ \t]?(\d{1,9})|(?:variable|var)[ _]?(\d{1,9})\b", re.IGNORECASE)
_FIND = re.compile(r"\bFind Answer(?=[*_]*[ \t]*:)")
"""What AgentBench takes for `Final Answer`, too."""
_INLINE = re.compile(
    r"\bFinal Answer(?:[*_]*[ \t]*:|[ \t]+is:?)[*_`]*[ \t]*[*_`]*(?:variable[ \t]+)?#(\d{1,9})", re.IGNORECASE
)
_FENCE = re.compile(r"[`~]{3,}\w*")
_SENTENCES = re.compile(r".*[.!?。\n]", re.DOTALL)
"""All that is whole before the sentence that holds the answer."""
_FINAL = re.compile(r"final[ _]?answer\b", re.IGNORECASE)
_DRESS = " \t*_`#>-"
_ANSWERS = frozenset(["answer", "finalanswer", "finish", "submit", "final", "done", "finalize", "submitanswer"])


@dataclass(frozen=True)
class ToolForm(Form):
    """A tool's call: what JSON gives by name, or in its order."""

    def action_of(self, given: Any) -> Action:
        """Return the call; arguments that are missing stay away, which the world tells its solver."""
        parameters = TOOLS[self.kind].parameters
        if isinstance(given, dict):
            known = [given[name] for name in parameters if name in given]
            given = known or list(given.values())
        elif isinstance(given, str):
            given = split_arguments(self.kind, given.strip().strip("()"))
        listed = list(given) if isinstance(given, list | tuple) else [given]
        if not listed or given is None:
            raise NoAct(f"{self.kind} came without its arguments ({', '.join(parameters)})")
        return make_action(self.kind, [self.text_of(one) for one in listed])


class KgText(PromptedText):
    """The protocol in the words of a `solve_kg` prompt: everything but the reading."""

    def word_result(self, observation: str) -> str:
        """Word what a call gave. A mistake is told without a label, as in AgentBench."""
        return f"Observation: {observation}" if is_found(observation) else observation

    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a turn; `read_text` understands it as the same, or `reads_back` says that it does not."""
        lead = f"Thought: {thought}\n" if thought else ""
        said = f"Final Answer: {action.text}" if action.kind == "answer" else f"Action: {written(action)}"
        return lead + said


class KgDialect(KgText, ReAct):
    """The protocol as models write it."""

    forms: ClassVar[tuple[Form, ...]] = (
        *(ToolForm(name, frozenset([name.replace("_", "")]), TOOLS[name].parameters) for name in TOOLS),
        Form("answer", _ANSWERS, ("answer", "final_answer", "variable", "id")),
    )
    missing = "No executable function found! Need to recheck the action."

    def _read(self, reply: str, calls: tuple[WrittenCall, ...], *, is_cut: bool) -> Reading:
        return super()._read(_FIND.sub("Final Answer", reply.replace("\\_", "_")), calls, is_cut=is_cut)

    def answer_of(self, region: Sequence[str], *, is_cut: bool) -> str:
        """Return the variable that a final answer names, as #id."""
        said = next((line for line in region if line.strip()), "")
        found = _NUMBER.search(said)
        if found is None:
            raise NoAct(CUT if is_cut else f"{self.missing} A final answer names a variable: `Final Answer: #id`")
        return f"#{int(found[1] or found[2])}"

    def _named(self, thought: str | None, region: list[str], *, is_cut: bool) -> Reading | None:
        """Read what stands behind an act's label: a call, a tool's name with its arguments below, a final answer."""
        while len(region) > 1 and not region[0].strip(_DRESS):
            region = region[1:]
        head = region[0].strip()
        if head.startswith(("{", "[")) and (read := self._object("\n".join(region).strip())):
            return Reading(thought or read.thought, read.actions, read.problem, read.candidate)
        if _FENCE.fullmatch(head):
            return self._named(
                thought, [line for line in region[1:] if not line.lstrip().startswith("```")] or [""], is_cut=is_cut
            )
        return self._reading(thought, lambda: self._act_behind(region, is_cut=is_cut), "\n".join(region))

    def _act_behind(self, region: list[str], *, is_cut: bool) -> Action:
        head = region[0].strip(_DRESS)
        if _FINAL.match(head):
            return Action("answer", self.answer_of(region, is_cut=is_cut))
        call = find_call(head)
        if call is not None and call.name.replace("_", "") in _ANSWERS:
            return Action("answer", self.answer_of([call.said], is_cut=is_cut))
        if call is not None:
            return action_of(call)
        word = re.sub(r"[\s_*`:.]", "", re.split(r"[:(\[#]", head)[0]).lower()
        form = next((form for form in self.forms if word in form.names), None)
        if form is None or (is_cut and len(region) == 1):
            raise NoAct(CUT if is_cut else self.missing)
        if form.kind == "answer":
            return Action("answer", self.answer_of(region, is_cut=is_cut))
        return form.action_of(self._below(region))

    def _below(self, region: list[str]) -> Any:
        """Return what stands under a tool's name as its input: JSON, or words parted by commas."""
        for line in region[1:]:
            if label := INPUT_LABEL.match(line):
                said = line[label.end() :].strip(_DRESS.replace("#", ""))
                if not said.startswith(("{", "[")):
                    return said or None
                try:
                    return read_json(said)
                except ValueError as error:
                    raise NoAct(f"the action's input is no JSON: {error}") from error
            if line.strip():
                break
        raise NoAct(self.missing)

    def _act(self, form: Form, region: list[str], *, is_cut: bool) -> Action:
        if form.kind == "answer":
            return Action("answer", self.answer_of(region, is_cut=is_cut))
        call = find_call(f"{form.kind}{region[0].strip()}")
        if call is None:
            raise NoAct(CUT if is_cut else self.missing)
        return action_of(call)

    def _unlabelled(self, lines: list[str], *, is_cut: bool) -> Reading | None:
        """Read a reply whose act has no label: an answer within a sentence, or a last line that is a tool's call."""
        text = "\n".join(lines)
        if found := _INLINE.search(text):
            whole = _SENTENCES.match(text[: found.start()])
            thought = thought_of(whole[0] if whole else "", range(text.count("\n") + 1))
            return Reading(thought, (Action("answer", f"#{int(found[1])}"),))
        number = max((n for n, line in enumerate(lines) if line.strip()), default=0)
        bare = lines[number].strip(_DRESS)
        call = find_call(bare)
        if call is None or call.said != bare or call.name not in TOOLS:
            return None
        return Reading(thought_of("\n".join(lines[:number]), range(number)), (action_of(call),))
