"""How a conversation in the household world is written and read: `THOUGHT: ...` and `ACTION: ...`.

The protocol is AgentBench's (reference/agenttuning.md 3.2): instructions, an acknowledgement, an example of the task's
kind, then the task. Rows leave the example out, as AgentInstruct's do. What is read is the first action; the loop snaps
it to the nearest admissible command.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any

from environments.alfworld.engine import ACT
from environments.alfworld.home import Grammar
from environments.alfworld.task import read_problem
from environments.alfworld.wanted import KINDS
from environments.base import Action, Reading
from environments.dialects.forms import CUT
from environments.dialects.labels import ACT_LABEL, INVENTED_LABEL, THINK_LABEL, WITHIN_A_LINE, after_label, thought_of
from environments.dialects.lenient_json import read_json
from environments.dialects.prompted import PromptedText
from environments.dialects.written_calls import WrittenCall, python_calls, written_calls
from schemas.completion import Completion
from schemas.episode import Turn
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.task_spec import TaskSpec

MISSING = "no line with `ACTION:` and a command"
_COMMAND = re.compile(
    r"(?:go to|open|close|examine|use)\s+\w+.*|(?:take|pick up)\s+\w.*\bfrom\b.*|inventory|look(?: around)?|help"
    r"|(?:put|move|place)\s+\w.*\b(?:in|on|to|into|in/on)\b.*|(?:clean|heat|cool|slice)\s+\w.*\bwith\b.*",
    re.IGNORECASE,
)
"""What can only be a command where no label says so."""
_ACTS = ("action", "act", "command", "next_action")
_THOUGHTS = ("thought", "thoughts", "think", "thinking", "reasoning")
_WITHIN = re.compile(r"(?<=[.;!?])[ \t]+(?=[*_]*ACTION[*_]*[ \t]*:)")
"""Where an action begins that is on one line with its thought."""
_NO_WORD = re.compile(r"[\s`*_~>#-]*(?:```\w*)?[\s`*_]*")
_AROUND = " \t`*_\"'“”‘’<>[]"
_WRAPPED = re.compile(r"\w+\s*[(\[](.+)[)\]]")
"""`act(go to desk 1)`, `click[look]`."""
MOST_ACTION_CHARS = 300
"""A line longer than this is no command of any household."""


class AlfworldDialect(PromptedText):
    """The protocol in the words of a `solve_alfworld` prompt."""

    def inputs(self, spec: TaskSpec | None) -> Mapping[str, Any]:
        """Return how putting is worded and whose example is shown."""
        return prompt_inputs(spec)

    def conversations(self, spec: TaskSpec, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], ...]:
        """Word an episode as one conversation, without the example."""
        ((*messages,),) = super().conversations(spec, turns)
        return ((*messages[:2], *messages[len(self.context(spec)) :]),)

    def word_result(self, observation: str) -> str:
        """Word what a command gave as it is."""
        return observation

    def read(self, completion: Completion) -> Reading:
        """Read the completion's text; a native call where the text has no action."""
        reading = self.read_text(completion.reply)
        is_cut = completion.finish_reason == "length"
        if is_cut and not completion.reply.endswith("\n") and _is_last(reading, completion.reply):
            return Reading(reading.thought, (), CUT)
        if not reading.actions and completion.tool_calls:
            call = completion.tool_calls[0]
            return _called(reading.thought, WrittenCall(call.name, call.arguments)) or reading
        return reading

    def read_text(self, reply: str) -> Reading:
        """Read a reply: the first action under a label, in an object or a call, or a last line that is nothing else."""
        text = reply.replace("\r\n", "\n").replace("\r", "\n").strip().lstrip("\u200b\u2060\ufeff")
        return _object(text) or _marked(text) or _written(text) or _unlabelled(text) or Reading(None, (), MISSING, text)

    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a turn; `read_text` understands it as the same."""
        return f"THOUGHT: {thought}\nACTION: {action.text}" if thought else f"ACTION: {action.text}"


def prompt_inputs(spec: TaskSpec | None) -> dict[str, Any]:
    """Return what a solver's prompt takes beside the task's words: how putting is worded, whose example is shown."""
    if spec is None:
        return {"put": PUT["put"], "kind": KINDS[0]}
    problem = read_problem(spec)
    grammar: Grammar = "put" if isinstance(problem, Refusal) else problem.home.grammar
    kind = spec.family if spec.family in KINDS else KINDS[0]
    return {"put": PUT[grammar], "kind": kind}


PUT: Mapping[Grammar, str] = {"put": "put (thing) in/on (place)", "move": "move (thing) to (place)"}


def _object(text: str) -> Reading | None:
    """Read a turn that is one JSON object."""
    if not text.startswith("{"):
        return None
    try:
        value = read_json(text)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    said = next((value[key] for key in _ACTS if key in value), None)
    if isinstance(said, dict):
        said = next((one for one in said.values() if isinstance(one, str)), None)
    thoughts = [value[key] for key in _THOUGHTS if isinstance(value.get(key), str)]
    return _act("\n".join(thoughts).strip() or None, said) if isinstance(said, str) else None


def _marked(text: str) -> Reading | None:
    """Read the first action that stands under a label."""
    lines = _WITHIN.sub("\n", WITHIN_A_LINE.sub("\n", text)).split("\n")
    for number, line in enumerate(lines):
        found = ACT_LABEL.match(line)
        if not found:
            continue
        region = chain((after_label(line, found),), islice(lines, number + 1, None))
        said = next((one for one in region if not _NO_WORD.fullmatch(one)), "")
        if said and not INVENTED_LABEL.match(said) and not THINK_LABEL.match(said):
            return _act(thought_of("\n".join(lines[:number]), range(number)), said)
    return None


def _written(text: str) -> Reading | None:
    """Read a call in a family's mark-up."""
    written = written_calls(text)
    if written is None or not written[1]:
        return None
    return _called(thought_of(written[0], range(written[0].count("\n") + 1)), written[1][0])


def _called(thought: str | None, call: WrittenCall) -> Reading | None:
    given: Any = call.arguments
    if isinstance(given, str):
        try:
            given = read_json(given)
        except ValueError:
            return _act(thought, given)
    if isinstance(given, dict):
        texts = [one for one in given.values() if isinstance(one, str)]
        given = next((given[key] for key in _ACTS if isinstance(given.get(key), str)), texts[0] if texts else None)
    return _act(thought, given) if isinstance(given, str) else None


def _unlabelled(text: str) -> Reading | None:
    lines = text.split("\n")
    number = max((n for n, line in enumerate(lines) if line.strip()), default=0)
    said = lines[number].strip(_AROUND).rstrip(".")
    if not _COMMAND.fullmatch(said) or len(said) > MOST_ACTION_CHARS:
        return None
    return _act(thought_of("\n".join(lines[:number]), range(number)), said)


def _act(thought: str | None, said: str) -> Reading:
    """Return the action of a line: lower case, without what is put around a command."""
    command = said.strip().split("\n")[0].strip(_AROUND)
    if calls := python_calls(command):
        given = calls[0].arguments
        command = given if isinstance(given, str) else next((v for v in given.values() if isinstance(v, str)), command)
    elif wrapped := _WRAPPED.fullmatch(command):
        command = wrapped[1]
    command = re.sub(r"\s+", " ", command.strip(_AROUND)).lower().removesuffix(".").strip()
    if not command or len(command) > MOST_ACTION_CHARS:
        return Reading(thought, (), "no command stands there", said.strip()[:MOST_ACTION_CHARS])
    return Reading(thought, (Action(ACT, command),))


def _is_last(reading: Reading, reply: str) -> bool:
    """Whether the action is what the reply breaks off in."""
    last = reply.rstrip("`*_ ").rpartition("\n")[2].lower()
    return not reading.actions or last.endswith(reading.actions[0].text[-40:])
