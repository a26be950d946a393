"""Backfilling: a thought for every action that came without one, from what was visible at its turn alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import prompts
from environments.base import Action, Dialect
from schemas.completion import ChatMessage, CompletionRequest
from schemas.episode import Episode, Turn
from schemas.task_spec import TaskSpec
from tasks.find_leaks import find_leak
from teachers.base import Teacher

PROMPT = "backfill"
NO_ANSWER = {
    "content_filter": ("thought_refused", "the model or its endpoint's filter refused"),
    "empty": ("thought_empty", "the thought is empty"),
    "length": ("thought_cut_off", "the thought was cut off; raise teacher.max_output_tokens"),
}
"""Reason and detail of the ends of a reply that are no answer."""

Ask = Callable[[tuple[ChatMessage, ...], int], CompletionRequest]
"""Words messages as a request, for the given draw."""


@dataclass(frozen=True)
class Backfilled:
    """Turns that all have a thought, and the receipts of those that were filled in."""

    turns: tuple[Turn, ...]
    completion_ids: tuple[str, ...]


@dataclass(frozen=True)
class Leak:
    """No draw was a thought free of what could not be known."""

    index: int
    detail: str
    reason: str = "thought_leak"
    """Of the last draw."""


async def backfill_thoughts(
    spec: TaskSpec, episode: Episode, turns: Sequence[Turn], dialect: Dialect, teacher: Teacher, ask: Ask, retries: int
) -> Backfilled | Leak:
    """Fill in missing thoughts in order; each sees the ones before it."""
    done: list[Turn] = []
    receipts: list[str] = []
    for turn in turns:
        if turn.thought:
            done.append(turn)
            continue
        filled = await _fill(spec, episode, done, turn, turns, dialect, teacher, ask, retries)
        if isinstance(filled, Leak):
            return filled
        done.append(filled[0])
        receipts.append(filled[1])
    return Backfilled(tuple(done), tuple(receipts))


async def _fill(
    spec: TaskSpec,
    episode: Episode,
    before: Sequence[Turn],
    turn: Turn,
    turns: Sequence[Turn],
    dialect: Dialect,
    teacher: Teacher,
    ask: Ask,
    retries: int,
) -> tuple[Turn, str] | Leak:
    visible = visible_messages(before, turn, dialect)
    action = dialect.write(None, _action(turn))
    hidden = hidden_texts(spec, episode, turns, turn.index)
    messages = (ChatMessage(role="user", content=prompts.load(PROMPT).render(visible=visible, action=action)),)
    leak, reason = "", "thought_leak"
    for draw in range(1, retries + 2):
        completion = await teacher.complete(ask(messages, draw))
        thought = " ".join(completion.reply.split())
        reason, no_answer = NO_ANSWER.get(completion.finish_reason, ("thought_leak", None))
        found = no_answer or _unfit(thought, turn, dialect)
        found = found or find_leak(thought, [m["content"] for m in visible], action, hidden)
        if found is None:
            return turn.model_copy(
                update={"thought": thought, "thought_source": "backfilled"}
            ), completion.completion_id
        leak = found
    return Leak(turn.index, f"turn {turn.index}, {retries + 1} draws, the last: {leak}", reason)


def _unfit(thought: str, turn: Turn, dialect: Dialect) -> str | None:
    """Say why a text cannot stand before this turn's action: what is trained on must read as the action that was."""
    if not thought:
        return "the thought is empty"
    if any(unicodedata.category(character) == "Cc" for character in thought):
        return "the thought holds control characters"
    alone, together = (dialect.read(dialect.write(words, _action(turn))).action for words in (None, thought))
    return None if alone == together else "with the thought before it, the action reads as another one"


def visible_messages(before: Sequence[Turn], turn: Turn, dialect: Dialect) -> list[dict[str, str]]:
    """Return the conversation up to `turn`'s observation, the one-shot example apart."""
    shown = []
    for past in before:
        shown.append({"role": "user", "content": dialect.observe(past.observation, past.index)})
        shown.append({"role": "assistant", "content": dialect.write(past.thought, _action(past))})
    return [*shown, {"role": "user", "content": dialect.observe(turn.observation, turn.index)}]


def hidden_texts(spec: TaskSpec, episode: Episode, turns: Sequence[Turn], index: int) -> list[str]:
    """Return what turn `index` could not know: later observations, later actions, the expected answer."""
    later = [turn for turn in turns if turn.index > index]
    expected = [episode.answer, spec.check.answer, *spec.check.expected]
    return [*(t.observation for t in later), *(t.action for t in later), *(text for text in expected if text)]


def _action(turn: Turn) -> Action:
    return Action(turn.action_kind, turn.action)
