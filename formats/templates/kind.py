"""What a template does with what was said before, found by rendering probes (vllm-project/speculators PR #774).

append_only   a longer conversation begins with the shorter one: one row trains every turn (`packed`)
rewriting     earlier turns change once more is said (thoughts are dropped): one row a trained turn (`fan-out`)
unstable      a reply does not begin where its prompt ends: no row of it shows what the model will see

Some are unstable for some conversations alone: where the prompt ends with `<think>`, for replies without a thought.
Their kind is that of the others, and `prove` turns such rows away one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from formats.templates.template import Chat, Template, TemplateRefusal, Tools
from schemas.errors import ExpectationError

Kind = Literal["append_only", "rewriting", "unstable"]
_ORDER: tuple[Kind, ...] = ("append_only", "rewriting", "unstable")

_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Looks at a place.",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
        },
    }
]


def _call(number: int) -> dict[str, Any]:
    # ids as Mistral's templates want them: nine letters or digits
    return {
        "id": f"call{number:05d}",
        "type": "function",
        "function": {"name": "look", "arguments": {"place": f"p{number}"}},
    }


def _gave(number: int) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"call{number:05d}", "name": "look", "content": f"saw {number}"}


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _reply(text: str, *calls: int, thought: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"role": "assistant", "content": text}
    if calls:
        made["tool_calls"] = [_call(number) for number in calls]
    return made if thought is None else made | {"reasoning_content": thought}


PROBES: Mapping[str, tuple[Chat, Tools]] = {
    "plain": ([_user("One?"), _reply("First."), _user("Two?"), _reply("Second.")], None),
    "system": (
        [{"role": "system", "content": "Be brief."}, _user("One?"), _reply("First."), _user("Two?"), _reply("Second.")],
        None,
    ),
    "thoughts": (
        [
            _user("One?"),
            _reply("First.", thought="Think one."),
            _user("Two?"),
            _reply("Second.", thought="Think two."),
        ],
        None,
    ),
    "calls": ([_user("One?"), _reply("", 1), _gave(1), _reply("First."), _user("Two?"), _reply("Second.")], _TOOLS),
    "calls with thoughts": (
        [
            _user("One?"),
            _reply("", 1, thought="Think one."),
            _gave(1),
            _reply("First.", thought="Think two."),
            _user("Two?"),
            _reply("Second.", thought="Think three."),
        ],
        _TOOLS,
    ),
    "parallel calls": ([_user("One?"), _reply("", 1, 2), _gave(1), _gave(2), _reply("First.")], _TOOLS),
}
"""Conversations as agents have them."""


class JudgedChat(NamedTuple):
    """What one conversation shows of a template."""

    kind: Kind
    turn: int | None = None
    """The first reply that is not `append_only`."""


def classify(template: Template) -> Kind:
    """Return the worst that the probes show: `unstable` if all are, else the worse of the other two.

    Probes that the template refuses, for their system text or tools, show nothing.

    Raises:
        ExpectationError: it refuses even two questions and answers.
    """
    found = judge_probes(template)
    if found["plain"] is None:
        raise ExpectationError(f"{template.name} refuses two questions and answers, so no conversation can be trained")
    kinds = [judged.kind for judged in found.values() if judged]
    return max((kind for kind in kinds if kind != "unstable"), key=_ORDER.index, default="unstable")


def judge_probes(template: Template) -> dict[str, JudgedChat | None]:
    """Return what each probe shows; None where the template refuses it."""
    found: dict[str, JudgedChat | None] = {}
    for name, (messages, tools) in PROBES.items():
        try:
            found[name] = judge_chat(template, messages, tools)
        except TemplateRefusal:
            found[name] = None
    return found


def judge_chat(template: Template, messages: Chat, tools: Tools = None, **given: Any) -> JudgedChat:
    """Return how the template treats one conversation.

    Raises:
        TemplateRefusal: it does not take it.
    """
    whole = template.render(messages, tools, **given).text
    worst = JudgedChat("append_only")
    for at in _replies(messages):
        prompt = template.render(messages[:at], tools, prompt=True, **given).text
        full = template.render(messages[: at + 1], tools, **given).text
        if not full.startswith(prompt):
            return JudgedChat("unstable", at)
        if not whole.startswith(full) and worst.kind == "append_only":
            worst = JudgedChat("rewriting", at)
    return worst


def _replies(messages: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the places of replies to something; one that opens a conversation answers nothing."""
    return [at for at, message in enumerate(messages) if at and message["role"] == "assistant"]
