"""Reads an exported row as its trainer does: the conversation that the template gets, and where the loss counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from formats.templates.template import Chat, Tools
from formats.templates.trainers import Trainer
from schemas.errors import ExpectationError

Record = Mapping[str, Any]
"""A row as it stands in an exported file."""
_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "observation": "tool",
    "tool_response": "tool",
}
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"


class TrainerRow(NamedTuple):
    """A row as its trainer sees it."""

    messages: Chat
    trained: tuple[bool, ...]
    """Of each message: whether loss counts on it."""
    tools: Tools = None
    prompt: int | None = None
    """Messages of the prompt, where the row has one apart."""
    given: Mapping[str, Any] = {}
    """The row's `chat_template_kwargs`."""

    def each(self) -> Iterator[tuple[Mapping[str, Any], bool]]:
        """Yield each message and whether loss counts on it."""
        return zip(self.messages, self.trained, strict=True)


def read_record(trainer: Trainer, record: Record, *, last_only: bool = False, replies_only: bool = False) -> TrainerRow:
    """Read a row of messages, of conversations (ShareGPT) or of prompt and completion.

    `last_only` and `replies_only` are what the trainer's configuration says: where it knows no flag, loss counts on the
    last reply alone; of a completion, on its replies alone (TRL's assistant_only_loss), not on all of it.

    Raises:
        ExpectationError: it is none of these.
    """
    tools = _parsed(record.get("tools")) or None
    given = record.get("chat_template_kwargs") or {}
    if isinstance(record.get("prompt"), list) and isinstance(record.get("completion"), list):
        prompt, completion = record["prompt"], record["completion"]
        messages = [_plain(one, trainer) for one in (*prompt, *completion)]
        counts = [not replies_only or _role(one) == "assistant" for one in completion]
        trained = (*(False for _ in prompt), *counts)
        return TrainerRow(messages, trained, tools, len(prompt), given)
    said = _parsed(record.get("messages") or record.get("conversations"))
    if not isinstance(said, list):
        raise ExpectationError(
            f"a row with {', '.join(record) or 'nothing'} is none that {trainer.name} reads: it wants messages, "
            "conversations, or prompt and completion"
        )
    system = [{"role": "system", "content": record["system"]}] if record.get("system") else []
    pairs = _merge_calls([(_plain(one, trainer), _counts(trainer, one)) for one in (*system, *said)])
    if last_only and trainer.flag is None:
        last = max((at for at, (_, counts) in enumerate(pairs) if counts), default=None)
        pairs = [(one, at == last) for at, (one, _) in enumerate(pairs)]
    return TrainerRow([one for one, _ in pairs], tuple(counts for _, counts in pairs), tools, None, given)


def _parsed(value: Any) -> Any:
    return orjson.loads(value) if isinstance(value, str) and value.strip() else value


def _role(message: Mapping[str, Any]) -> str:
    role = str(message.get("role", message.get("from")))
    return _ROLES.get(role, role)


def _counts(trainer: Trainer, message: Mapping[str, Any]) -> bool:
    flag = None if trainer.flag is None else message.get(trainer.flag)
    return _role(message) == "assistant" and (flag is None or bool(flag))


def _plain(message: Mapping[str, Any], trainer: Trainer) -> dict[str, Any]:
    """Return a message as the template gets it: no flag, roles by their common names, calls as calls."""
    plain = {name: message[name] for name in ("tool_call_id", "name") if message.get(name) is not None}
    content, calls = message.get("content", message.get("value")), list(message.get("tool_calls") or ())
    thought = message.get("reasoning_content") or message.get("thinking")
    if isinstance(content, list) and all(isinstance(one, Mapping) and "value" in one for one in content):
        thought = "".join(one["value"] for one in content if one["type"] == "reasoning") or thought
        calls += [_as_call(one["value"]) for one in content if one["type"] == "tool_call"]
        content = "".join(one["value"] for one in content if one["type"] == "text")
    if message.get("role", message.get("from")) in ("function_call", "tool_call"):
        content, _, written = content.rpartition(_OPEN) if _OPEN in content else ("", "", content)
        found = orjson.loads(written.removesuffix(_CLOSE))
        calls += [_as_call(one) for one in (found if isinstance(found, list) else [found])]
    plain |= {"role": _role(message), "content": content}
    plain |= {"reasoning_content": thought} if thought else {}
    return plain | ({"tool_calls": [_with_arguments(one, trainer) for one in calls]} if calls else {})


def _as_call(value: Any) -> dict[str, Any]:
    return {"type": "function", "function": orjson.loads(value) if isinstance(value, str) else value}


def _with_arguments(call: Mapping[str, Any], trainer: Trainer) -> Mapping[str, Any]:
    function = call.get("function")
    if not trainer.parses_arguments or not isinstance(function, Mapping):
        return call
    return {**call, "function": {**function, "arguments": _parsed(function.get("arguments"))}}


def _merge_calls(pairs: Sequence[tuple[dict[str, Any], bool]]) -> list[tuple[dict[str, Any], bool]]:
    """Join a call to the reply before it, as ms-swift does: the first one's flag counts for both."""
    merged: list[tuple[dict[str, Any], bool]] = []
    for message, counts in pairs:
        is_bare_call = message["role"] == "assistant" and not message["content"] and "tool_calls" in message
        if is_bare_call and merged and merged[-1][0]["role"] == "assistant":
            before, counted = merged[-1]
            calls = [*before.get("tool_calls", ()), *message["tool_calls"]]
            merged[-1] = ({**before, "tool_calls": calls}, counted)
        else:
            merged.append((message, counts))
    return merged
