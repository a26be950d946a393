"""Native tool calls: a system message, the task, and functions that a prompt's front matter declares.

`tools` there is a list of `name`, `description`, `parameters` (JSON Schema), `kind` (the world's action; default: the
name) and `text` (the argument that is the action's text; without it the arguments are the action).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Self

import orjson

from environments.actions import Action, Reading, actions_of
from environments.dialects.declared_tools import arguments_of, calls_in, find_tool, text_of
from environments.dialects.forms import CUT
from environments.dialects.labels import thought_of
from prompts import Prompt
from schemas.completion import Completion
from schemas.episode import Turn
from schemas.message import Message, Tool, ToolCall
from schemas.record import canonical_json
from schemas.task_spec import TaskSpec

_TASK = "\x00task\x00"


class ToolCalls:
    """Implements `environments.base.Dialect` in the words and with the tools of a prompt."""

    name = "tools"
    stop: tuple[str, ...] = ()

    def __init__(self, prompt: Prompt, inputs: Callable[[TaskSpec], Mapping[str, Any]] = lambda spec: {}) -> None:
        """`inputs` are what the prompt takes beside `problem`, the task as the environment words it."""
        self.prompt, self._inputs = prompt, inputs
        self.told: Mapping[str, Any] = {}
        self.contract: int = prompt.front.get("contract", 1)  # a build goes on with the one that it began with
        self._declared: list[dict[str, Any]] = prompt.front["tools"]
        self._by_kind = {tool.get("kind", tool["name"]): tool for tool in self._declared}
        self._nothing = str(prompt.front.get("empty_observation", "(nothing)"))

    def knowing(self, told: Mapping[str, Any]) -> Self:
        """Return the dialect that tells its solver this of the world."""
        other = copy(self)
        other.told = told
        return other

    def tools(self) -> tuple[Tool, ...]:
        """Declare the prompt's tools."""
        return tuple(
            Tool(name=tool["name"], description=tool["description"], parameters=_json(tool["parameters"]))
            for tool in self._declared
        )

    def render(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word the request: instructions, task, and every turn with its calls and what they gave."""
        task = turns[0].observation if turns else observation
        return (*self._opening(spec, task), *self._played(turns, self._said))

    def read(self, completion: Completion) -> Reading:
        """Read the calls; each must be of a declared tool, with a JSON object that has the tool's text.

        Calls that a server left in the text count where there are no others; those behind a cut do not count.
        """
        text, calls, is_cut = completion.reply, completion.tool_calls, completion.finish_reason == "length"
        if not calls:
            text, calls = calls_in(text, self._declared)
        thought = thought_of(text.strip(), range(text.count("\n") + 1))
        if not calls:
            return Reading(thought, (), CUT if is_cut else "no tool was called", completion.reply.strip())
        actions: list[Action] = []
        for call in calls:
            action = self.action_of(call)
            if isinstance(action, str) and is_cut and actions:
                break
            if isinstance(action, str):
                return Reading(thought, (), CUT if is_cut else action, f"{call.name}({call.arguments})", calls)
            actions.append(action)
        done = zip(calls, actions, strict=False)
        return Reading(thought, tuple(actions), calls=tuple(self._canonical(call, action) for call, action in done))

    def action_of(self, call: ToolCall) -> Action | str:
        """Return what a call does, or why it cannot be told."""
        tool = find_tool(self._declared, call.name)
        if tool is None:
            return f"there is no tool {call.name!r}; there are {', '.join(tool['name'] for tool in self._declared)}"
        arguments = arguments_of(tool, call.arguments, self._declared)
        if isinstance(arguments, str):
            return arguments
        kind, key = tool.get("kind", tool["name"]), tool.get("text")
        return Action(kind, text_of(arguments[key]), arguments) if key else Action.of(kind, arguments)

    def _canonical(self, call: ToolCall, action: Action) -> ToolCall:
        """Return a call as it was understood: as it came where it was right, else mended."""
        tool = self._by_kind[action.kind]
        try:
            is_right = orjson.loads(call.arguments or "{}") == action.arguments and call.name == tool["name"]
        except orjson.JSONDecodeError:
            is_right = False
        if is_right:
            return call
        return call.model_copy(update={"name": tool["name"], "arguments": _json(action.arguments or {})})

    def write(self, turn: Turn) -> Message:
        """Word a turn: its thought, then its calls; a turn that has none (a reference's) gets the call that it is."""
        calls = tuple(ToolCall(call_id=c.call_id, name=c.name, arguments=c.arguments) for c in turn.calls)
        return Message(
            role="assistant",
            content=turn.thought or "",
            tool_calls=calls or (self._call(turn),),
            train=True,
            reasoning_content=turn.reasoning,
        )

    def visible(self, spec: TaskSpec, turns: Sequence[Turn], observation: str) -> tuple[Message, ...]:
        """Word what was seen and done, the instructions apart."""
        task = turns[0].observation if turns else observation
        given = () if not turns or turns[-1].calls else (self._given(self._call(turns[-1]).call_id, observation),)
        return (*self._opening(spec, task)[-1:], *self._played(turns, self.write), *given)

    def conversations(self, spec: TaskSpec, turns: Sequence[Turn]) -> tuple[tuple[Message, ...], ...]:
        """Word an episode as one conversation."""
        opening = self._opening(spec, turns[0].observation if turns else "")
        return ((*opening, *self._played(turns, self.write, is_over=True)),)

    def reads_back(self, turn: Turn) -> bool:
        """Whether the action stands apart from the thought: always, since a call is no text."""
        return True

    def _opening(self, spec: TaskSpec, task: str) -> tuple[Message, ...]:
        system, *others = self.prompt.sections(problem=_TASK, world=self.told, **self._inputs(spec))
        user = "\n".join(others).replace(_TASK, task)  # the task's own text never cuts the conversation
        return Message(role="system", content=system), Message(role="user", content=user)

    def _played(
        self, turns: Sequence[Turn], word: Callable[[Turn], Message], *, is_over: bool = False
    ) -> list[Message]:
        """Word turns and what their calls gave; where the episode is over, the call that ended it gave nothing."""
        messages: list[Message] = []
        for number, turn in enumerate(turns, start=1):
            after = turns[number] if number < len(turns) else None
            said = word(turn)
            messages.append(said)
            if after is None and (is_over or not turn.calls):
                break
            seen = [call.observation for call in turn.calls] or [after.observation if after else None]
            messages += [self._given(call.call_id, got) for call, got in zip(said.tool_calls, seen, strict=True)]
        return messages

    def _given(self, call_id: str, observation: str | None) -> Message:
        return Message(role="tool", content=observation or self._nothing, tool_call_id=call_id)

    def _said(self, turn: Turn) -> Message:
        said = self.write(turn)
        holds_calls = turn.reply is not None and turn.calls and calls_in(turn.reply, self._declared)[1]
        words = said.content if turn.reply is None or holds_calls else turn.reply
        return said.model_copy(update={"content": words, "train": False, "reasoning_content": None})

    def _call(self, turn: Turn) -> ToolCall:
        action = actions_of(turn)[0]
        tool = self._by_kind.get(action.kind, {"name": action.kind, "text": "text"})
        key = tool.get("text")
        arguments = _json({key: action.text}) if key else action.text or "{}"
        return ToolCall(call_id=f"call_{turn.index}", name=tool["name"], arguments=arguments)


def _json(value: Any) -> str:
    return canonical_json(value).decode()
