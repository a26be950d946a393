"""The tape of an episode: what was seen, asked, understood and done, turn by turn, and what its answers cost.

After a crash the journalled actions are carried out again; the tape sees to it that they show the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from environments.base import Action, Reading, Step
from schemas.completion import Completion
from schemas.episode import Call, ThoughtSource, Turn, Usage
from schemas.errors import EnvironmentFault
from schemas.recording import RecordedTurn
from tasks.collect.journal import Journal

REPEATS = 3
"""Identical outputs in a row that end an episode (AgentTuning, section 2.2)."""


class NotReproducible(EnvironmentFault):
    """A journalled action showed something else when it was executed again."""


class Tape:
    """What has happened so far."""

    def __init__(self, episode_id: str, landing: str, journal: Journal) -> None:
        self.episode_id, self.landing = episode_id, landing
        self.turns: list[Turn] = []
        self.completions: list[Completion] = []
        self.answer: str | None = None
        self._journal = journal
        self._acts = 0
        """Actions carried out: the journal's position."""

    def record(
        self,
        observation: str,
        reading: Reading,
        completion: Completion | None = None,
        raw: str | None = None,
        recorded: RecordedTurn | None = None,
    ) -> None:
        """Add a turn: what was seen, and what was understood of a completion, a recorded turn, or a reference.

        `raw` is the action as it was written, before it was snapped to an admissible one.
        """
        if completion:
            self.completions.append(completion)
        candidate = reading.candidate or (completion.reply if completion else "")
        first = reading.actions[0] if reading.actions else Action("invalid", candidate)
        source: ThoughtSource | None = "teacher" if completion else "recorded" if recorded else None
        turn = Turn(
            episode_id=self.episode_id,
            landing=self.landing,
            index=len(self.turns),
            observation=observation,
            thought=reading.thought,
            thought_source=source if reading.thought else None,
            action=first.text,
            action_kind=first.kind,
            action_raw=raw if raw != first.text else None,
            reply=completion.reply if completion else None,
            valid=bool(reading.actions),
            completion_id=completion.completion_id if completion else None,
            prompt_tokens=completion.prompt_tokens if completion else 0,
            completion_tokens=completion.completion_tokens if completion else 0,
            reasoning=completion.reasoning if completion else recorded.reasoning if recorded else None,
            calls=tuple(_calls(reading)),
        )
        self.turns.append(turn)

    def carried_out(self, action: Action, step: Step) -> None:
        """Note what an action showed, in the journal too.

        Raises:
            NotReproducible: it showed something else before the episode was interrupted.
        """
        position = self._acts
        self._acts += 1
        if action.kind in ("answer", "finish"):
            self.answer = action.text or None
        earlier = self._journal.observed(position)
        if earlier is None:
            self._journal.append(position, action.text, step.observation)
        elif earlier != step.observation:
            raise NotReproducible(
                f"turn {len(self.turns) - 1}: {action.text[:80]!r} showed something else than before the interruption"
            )

    def gave(self, seen: Sequence[str]) -> None:
        """Keep what each call of the last turn gave; those after the end of the episode gave nothing."""
        turn = self.turns[-1]
        if turn.calls:
            given = [*seen, *([None] * (len(turn.calls) - len(seen)))]
            calls = [call.model_copy(update={"observation": one}) for call, one in zip(turn.calls, given, strict=True)]
            self.turns[-1] = turn.model_copy(update={"calls": tuple(calls)})

    @property
    def repeats_itself(self) -> bool:
        """Whether the last outputs are one and the same."""
        last = [_said(completion) for completion in self.completions[-REPEATS:]]
        return len(last) == REPEATS and all(said == last[0] for said in last)

    @property
    def paid(self) -> tuple[Usage, float]:
        """What its completions used and cost in US dollars, each request once."""
        receipts = [receipt for completion in self.completions for receipt in completion.receipts]
        usage = Usage(
            prompt_tokens=sum(c.prompt_tokens for c in receipts),
            completion_tokens=sum(c.completion_tokens for c in receipts),
            requests=len(receipts),
        )
        return usage, sum(c.cost_usd for c in receipts)


def _said(completion: Completion) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return what a reply says and does; an id that is drawn for each call makes no difference."""
    return completion.reply, tuple((call.name, call.arguments) for call in completion.tool_calls)


def _calls(reading: Reading) -> Iterator[Call]:
    actions = reading.actions or tuple(Action("invalid", call.arguments) for call in reading.calls)
    for call, action in zip(reading.calls, actions, strict=bool(reading.calls)):
        shown = {"action_kind": action.kind, "action": action.text}
        yield Call(call_id=call.call_id, name=call.name, arguments=call.arguments, **shown)
