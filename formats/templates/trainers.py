"""What each trainer makes of a row that it is given: the conversation its template gets, and where it counts the loss.

This is the trainer's side, written from its source, and knows nothing of how a row came to be; so it can judge what our
exporters write. tests/trainers/ holds each rule against the trainer itself, where that installs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from formats.templates.template import Chat, Tools
from schemas.errors import ConfigError, ExpectationError

Record = Mapping[str, Any]
"""A row as it stands in an exported file."""
How = Literal["marks", "turns", "completion", "documented"]
"""Where loss counts: in the template's generation marks; in each flagged turn, found by rendering what came before;
after the tokens that prompt and whole begin with alike; where the documents say."""


class Trainer(NamedTuple):
    """How one trainer reads a row."""

    name: str
    how: How
    """For rows of messages."""
    flag: str | None
    """The field of a message that says whether loss counts on it; None: it counts on every reply."""
    source: str
    """Where the rule was read."""
    parses_arguments: bool = False
    """Whether its template gets a call's arguments as an object even if they are JSON text in the row."""


TRAINERS: Mapping[str, Trainer] = {
    one.name: one
    for one in (
        Trainer("trl", "marks", None, "trl 1.16.0 trainer/sft_trainer.py: tokenize_fn, build_labels"),
        Trainer("axolotl", "turns", "train", "axolotl 0.21.0 prompt_strategies/chat_template.py", True),
        Trainer("ms-swift", "turns", "loss", "ms-swift 4.6.0 template/base.py, Custom-dataset.md"),
        Trainer("llama-factory", "turns", None, "llamafactory 0.9.5 data/converter.py, processor/supervised.py"),
        Trainer("fastchat", "turns", None, "fschat 0.2.36 train/train.py: preprocess"),
        Trainer("verl", "turns", None, "verl 0.9.1 utils/dataset/multiturn_sft_dataset.py"),
        Trainer("openrlhf", "turns", None, "OpenRLHF 0.11.2 datasets/sft_dataset.py"),
        Trainer("slime", "turns", "step_loss_mask", "slime utils/mask_utils.py"),
        Trainer("tinker", "turns", "trainable", "tinker-cookbook 0.6.1 renderers/base.py: TrainOnWhat.CUSTOMIZED"),
        Trainer("openai", "documented", "weight", "OpenAI fine-tuning: weight 0 or 1 on assistant messages"),
        Trainer("mistral", "documented", "weight", "Mistral fine-tuning: weight 0 or 1 on assistant messages"),
        Trainer("together", "documented", "weight", "Together fine-tuning: weight 0 or 1 on assistant messages"),
        Trainer("fireworks", "documented", "weight", "Fireworks fine-tuning: weight 0 or 1 on assistant messages"),
    )
}


class Reading(NamedTuple):
    """A row as its trainer sees it."""

    messages: Chat
    trained: tuple[bool, ...]
    """Of each message: whether loss counts on it."""
    tools: Tools
    how: How
    prompt: int = 0
    """Messages of the prompt, where there is one."""
    given: Mapping[str, Any] = {}
    """The row's `chat_template_kwargs`."""

    def each(self) -> Iterator[tuple[Mapping[str, Any], bool]]:
        """Yield each message and whether loss counts on it."""
        return zip(self.messages, self.trained, strict=True)


def find_trainer(name: str) -> Trainer:
    """Return the trainer of that name.

    Raises:
        ConfigError: there is none; the text lists those that there are.
    """
    if name not in TRAINERS:
        raise ConfigError(f"unknown trainer {name!r}; masks are proven for: {', '.join(TRAINERS)}")
    return TRAINERS[name]


def read_record(trainer: Trainer, record: Record) -> Reading:
    """Read an exported row of messages, of conversations (ShareGPT) or of prompt and completion.

    Raises:
        ExpectationError: it is none of these.
    """
    tools = record.get("tools")
    tools = orjson.loads(tools) if isinstance(tools, str) and tools.strip() else tools or None
    given = record.get("chat_template_kwargs") or {}
    if isinstance(record.get("prompt"), list) and isinstance(record.get("completion"), list):
        prompt, completion = record["prompt"], record["completion"]
        messages = _plain([*prompt, *completion], trainer)
        trained = (*(False for _ in prompt), *(True for _ in completion))
        return Reading(messages, trained, tools, "completion", len(prompt), given)
    said = record.get("messages") or record.get("conversations")
    said = orjson.loads(said) if isinstance(said, str) else said
    if not isinstance(said, list):
        raise ExpectationError(
            f"a row with {', '.join(record) or 'nothing'} is none that {trainer.name} reads: it wants messages, "
            "conversations, or prompt and completion"
        )
    messages = _plain(said, trainer)
    trained = tuple(_counts(trainer, one, raw) for one, raw in zip(messages, said, strict=True))
    if isinstance(record.get("system"), str) and record["system"]:
        messages, trained = ({"role": "system", "content": record["system"]}, *messages), (False, *trained)
    return Reading(messages, trained, tools, trainer.how, 0, given)


def _counts(trainer: Trainer, message: Mapping[str, Any], raw: Mapping[str, Any]) -> bool:
    if message["role"] != "assistant":
        return False
    flag = None if trainer.flag is None else raw.get(trainer.flag)
    return True if flag is None else bool(flag)


_ROLES = {"human": "user", "gpt": "assistant", "function_call": "assistant", "observation": "tool"}


def _plain(said: Sequence[Mapping[str, Any]], trainer: Trainer) -> tuple[dict[str, Any], ...]:
    """Return messages as the trainer hands them to its template: no flags, ShareGPT's names as roles."""
    made = []
    for one in said:
        role, content = one.get("role", one.get("from")), one.get("content", one.get("value"))
        kept = {name: one[name] for name in _KEPT if one.get(name) is not None}
        calls = [_call(call, trainer.parses_arguments) for call in one.get("tool_calls") or ()]
        plain = {**kept, "role": _ROLES.get(str(role), role), "content": content}
        made.append(plain | ({"tool_calls": calls} if calls else {}))
    return tuple(made)


_KEPT = ("reasoning_content", "thinking", "tool_call_id", "name")


def _call(call: Mapping[str, Any], parses: bool) -> Mapping[str, Any]:
    function = call.get("function")
    if not parses or not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
        return call
    return {**call, "function": {**function, "arguments": orjson.loads(function["arguments"])}}
