"""Backfilling: a thought for every action that came without one, from what was visible at its turn alone."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import prompts
from environments.base import Dialect
from environments.dialects.thoughts import clean_thought
from schemas.completion import CompletionRequest
from schemas.episode import Episode, Turn
from schemas.message import Message
from schemas.run_config import CurateConfig
from schemas.task_spec import TaskSpec
from tasks.curate.find_leaks import find_leak
from tasks.curate.shortened import shorten
from teachers.base import Teacher

PROMPT = "backfill"
NO_ANSWER = {
    "content_filter": ("thought_refused", "the model or its endpoint's filter refused"),
    "empty": ("thought_empty", "the thought is empty"),
    "length": ("thought_cut_off", "the thought was cut off; raise teacher.max_output_tokens"),
}
"""Reason and detail of the ends of a reply that are no answer."""

Ask = Callable[[tuple[Message, ...], int], CompletionRequest]
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
    spec: TaskSpec,
    episode: Episode,
    turns: Sequence[Turn],
    dialect: Dialect,
    teacher: Teacher,
    ask: Ask,
    curate: CurateConfig,
) -> Backfilled | Leak:
    """Fill in missing thoughts in order; each sees the ones before it. A turn whose reasoning stands needs none."""
    done: list[Turn] = []
    receipts: list[str] = []
    for turn in turns:
        is_answer = turn is turns[-1] and episode.outcome == "finished"
        if turn.thought or turn.reasoning or (is_answer and not curate.answer_thoughts):
            done.append(turn)
            continue
        filled = await _fill(spec, episode, done, turn, turns, dialect, teacher, ask, curate.backfill_retries)
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
    visible = dialect.visible(spec, before, turn.observation)
    whole, prompt = [message.spelled for message in visible], prompts.load(PROMPT)
    action = dialect.write(turn.model_copy(update={"thought": None, "reasoning": None})).spelled
    results, plans = hidden_results(spec, episode, turns, turn.index), later_plans(turns, turn.index)
    said = whole if "contract" not in prompt.front else shorten(visible, spec.instruction, action)
    shown = [{"role": message.role, "content": words} for message, words in zip(visible, said, strict=True)]
    messages = (Message(role="user", content=prompt.render(visible=shown, action=action)),)
    leak, reason = "", "thought_leak"
    for draw in range(1, retries + 2):
        completion = await teacher.complete(ask(messages, draw))
        thought = " ".join(clean_thought(completion.reply).split())
        filled = turn.model_copy(update={"thought": thought, "thought_source": "backfilled"})
        ended = completion.finish_reason if thought or completion.finish_reason in NO_ANSWER else "empty"
        reason, no_answer = NO_ANSWER.get(ended, ("thought_leak", None))
        found = no_answer or _unfit(filled, dialect)
        found = found or find_leak(thought, whole, action, results, plans)
        if found is None:
            return filled, completion.completion_id
        leak = found
    return Leak(turn.index, f"turn {turn.index}, {retries + 1} draws, the last: {leak}", reason)


def _unfit(turn: Turn, dialect: Dialect) -> str | None:
    """Say why a thought cannot stand before its turn's action: what is trained on must read as the action that was."""
    if any(unicodedata.category(character) == "Cc" for character in turn.thought or ""):
        return "the thought holds control characters"
    return None if dialect.reads_back(turn) else "with the thought before it, the action reads as another one"


def hidden_results(spec: TaskSpec, episode: Episode, turns: Sequence[Turn], index: int) -> list[str]:
    """Return what turn `index` could not know: later observations, what its own calls gave, the answer."""
    later = [turn for turn in turns if turn.index > index]
    expected = [episode.answer, spec.check.answer, *spec.check.expected]
    given = [call.observation for turn in turns if turn.index >= index for call in turn.calls]
    answers = [text for kind, text in _actions(later) if kind == "answer"]
    return [*(turn.observation for turn in later), *(text for text in (*given, *expected, *answers) if text)]


def later_plans(turns: Sequence[Turn], index: int) -> list[str]:
    """Return the commands and statements of the turns after `index`."""
    return [text for kind, text in _actions([t for t in turns if t.index > index]) if kind != "answer"]


def _actions(turns: Sequence[Turn]) -> list[tuple[str | None, str]]:
    own = [(turn.action_kind, turn.action) for turn in turns if turn.action]
    return [*own, *((call.action_kind, call.action) for turn in turns for call in turn.calls if call.action)]
