"""What the offline teacher says: a stateless function of the request body, as any endpoint sees it."""

from __future__ import annotations

import hashlib
import json
import random
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from rehearsals.base import Move, Rehearsal
from rehearsals.orders import for_one, is_repair, numbers_in, unread_in
from rehearsals.plan import model_seed, solver_fault, task_fault, thought_fault
from rehearsals.styles import dress, dress_thought
from rehearsals.thoughts import is_backfill, write_thought
from rehearsals.votes import proposals_in, vote
from schemas.message import Message, ToolCall
from schemas.record import canonical_json
from schemas.run_config import FaultsConfig

_REPAIR = "Your last reply could not be used"
"""How prompts/repair begins."""
_NOT_REHEARSED = (
    "I am the built-in stand-in for a language model: I can write and solve the practice tasks of this program, and I "
    "did not recognise this prompt as one of them. Please configure a real model for anything else."
)


def respond(
    body: Mapping[str, Any], rehearsals: Sequence[Rehearsal], faults: FaultsConfig, *, styled: bool = False
) -> Message:
    """Reply to a request body: a task for a generation prompt, the next turn for a solver's conversation (a tool call
    where the body offers the world's tools), a thought for a backfill prompt, what most say for an aggregator's, and a
    polite word for anything else. What is `styled` is worded as models of several families do (`styles.py`)."""
    asked = tuple(map(read_message, body["messages"]))
    messages = _without_repairs(asked)
    seed = model_seed(body["model"], body.get("seed"))
    prompt = messages[-1].content
    proposals = proposals_in(prompt)
    if proposals:
        return _say(vote(proposals))
    if is_backfill(prompt):
        fault, dice = thought_fault(prompt, seed, faults), _dice(messages, body)
        thought = write_thought(prompt, dice, fault)
        return _say(dress_thought(thought, dice) if styled and not fault else thought)
    for rehearsal in rehearsals:
        problem = rehearsal.problem(messages)
        if problem is not None:
            fault = solver_fault(problem, seed, rehearsal.solver_faults(problem), faults)
            said = _word(rehearsal, move := rehearsal.solve(messages, fault), messages, body.get("tools") or ())
            is_text = not said.tool_calls and move.raw is None
            return _say(dress(said.content, random.Random(f"{seed} {problem}"))) if styled and is_text else said
        if rehearsal.drafts(prompt):
            unread = unread_in(asked[-1].content) if asked != messages else []
            made, is_sound = _draft(rehearsal, prompt, unread, body, faults)
            return _say(dress(made, _dice(messages, body)) if styled and is_sound else made)
    return _say(_NOT_REHEARSED)


def _draft(
    rehearsal: Rehearsal, prompt: str, unread: Sequence[int], body: Mapping[str, Any], faults: FaultsConfig
) -> tuple[str, bool]:
    """Return the tasks that a prompt asks for (of a repair those that could not be read), and whether all are sound."""
    seed, numbers = model_seed(body["model"], body.get("seed")), numbers_in(prompt)
    texts, is_sound = [], True
    for number in unread or numbers or (0,):
        one = for_one(prompt, number) if numbers else prompt
        fault = task_fault(one, seed, rehearsal.task_faults(one), faults)
        draft = rehearsal.draft(one, _dice((Message(role="user", content=one),), body), fault)
        texts.append(f"## Task {number}\n{draft}" if numbers else draft)
        is_sound = is_sound and fault is None
    return "\n\n".join(texts), is_sound


def _without_repairs(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Forget what was said of a reply that could not be read: a planted fault is planted again."""
    while len(messages) > 2 and messages[-1].role == "user" and _is_repair(messages[-1].content):
        messages = messages[:-2]
    return messages


def _is_repair(text: str) -> bool:
    return text.startswith(_REPAIR) or is_repair(text)


def _say(text: str) -> Message:
    return Message(role="assistant", content=text)


def _word(rehearsal: Rehearsal, move: Move, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> Message:
    """Word a move as a call of the tool that the body offers for it, else as text.

    What cannot be read is a call that is broken, a call of a tool that does not exist, or text without a call.
    """
    name, argument = rehearsal.tool_of(move.kind)
    if name not in {tool["function"]["name"] for tool in tools}:
        return _say(rehearsal.say(move))
    arguments = move.arguments or json.dumps({argument: move.text} if argument else {}, ensure_ascii=False)
    if move.raw is not None:
        way = zlib.crc32(move.raw.encode()) % 3
        if way == 0:
            return _say(move.raw)
        name, arguments = (name, arguments[:-1]) if way == 1 else (f"{name}_now", arguments)
    made = sum(len(message.tool_calls) for message in messages)
    call = ToolCall(call_id=f"call_{made}", name=name, arguments=arguments)
    return Message(role="assistant", content=move.thought or "", tool_calls=(call,))


def read_message(message: Mapping[str, Any]) -> Message:
    """Read a message of a body that was checked."""
    calls = tuple(
        ToolCall(call_id=call["id"], name=call["function"]["name"], arguments=call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    )
    content, call_id = text_of(message.get("content")), message.get("tool_call_id")
    return Message(role=message["role"], content=content, tool_calls=calls, tool_call_id=call_id)


def text_of(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    """Return a message's text, whether it came whole, in parts or not at all."""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())


def _dice(messages: Sequence[Message], body: Mapping[str, Any]) -> random.Random:
    words = [[message.role, message.content] for message in messages]
    return random.Random(hashlib.sha256(canonical_json([words, body.get("seed"), body["model"]])).digest())
