"""The rollout: one solver on one task, turn by turn, on a tape. A turn is a thought and an action, or several calls.

After a crash the journalled actions are executed again; while observations agree, the answers come from the ledger.
Where one differs the episode closes as `environment_error`, reason `not_reproducible`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from environments.base import (
    Action,
    Dialect,
    Environment,
    Reading,
    Step,
    World,
    answer_in,
    judge_episode,
    own_mistakes_told,
)
from environments.dialects.tool_calls import ToolCalls
from environments.snapping import snap
from schemas.completion import Completion, CompletionRequest
from schemas.episode import Episode, Outcome, Solver, Turn, Verdict, make_episode_id
from schemas.errors import (
    CheckError,
    ContextOverflow,
    EnvironmentFault,
    EpisodeError,
    SandboxError,
    StateError,
    TeacherError,
)
from schemas.message import Message
from schemas.record import canonical_json
from schemas.recording import RecordedTurn, Recording
from schemas.task_spec import SOFTWARE, TaskSpec
from tasks.collect.journal import Journal, NoJournal
from tasks.collect.repairs import say_why, understood
from tasks.collect.tape import REPEATS, NotReproducible, Tape
from teachers.base import Teacher

LOOP_CONTRACT = 1
"""Raised by hand when the loop's behaviour changes; counts in `solver_id`."""


@dataclass(frozen=True)
class Rules:
    """What the loop asks and when it stops."""

    solver: Solver
    request: Callable[[tuple[Message, ...], int], CompletionRequest]
    """Words the conversation as a request for the given attempt."""
    dialect: Dialect
    max_turns: int
    max_tokens: int
    repairs: int = 0
    """How often a turn that cannot be read is told why."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the dialect says of the world; the episode keeps it, and its rows say the same."""


@dataclass(frozen=True)
class Attempt:
    """Which chance of the solver this is."""

    build: int
    attempt: int
    try_number: int
    landing: str


async def roll_out(
    spec: TaskSpec, world: World, teacher: Teacher, rules: Rules, attempt: Attempt, journal: Journal
) -> tuple[Episode, list[Turn]]:
    """Let the solver work on a task and judge what it did.

    Faults of world, sandbox, check and teacher end on the episode, never in an exception; a budget that is used up
    (`BudgetError`) is raised.
    """
    rollout = _Rollout(spec, world, teacher, rules, attempt, journal, await world.world_id_of(spec))
    return await rollout.run(rollout.converse)


async def replay_reference(spec: TaskSpec, world: World, rules: Rules, attempt: Attempt) -> tuple[Episode, list[Turn]]:
    """Run a task's reference as the episode; the answer comes from what it returned, never from a label."""
    rollout = _Rollout(spec, world, None, rules, attempt, NoJournal(), await world.world_id_of(spec))
    return await rollout.run(rollout.follow_reference)


async def replay_recording(
    spec: TaskSpec, world: World, rules: Rules, attempt: Attempt, recording: Recording
) -> tuple[Episode, list[Turn]]:
    """Run a recording's actions again; observations and verdict are ours, thoughts stay the recording's."""
    rollout = _Rollout(spec, world, None, rules, attempt, NoJournal(), await world.world_id_of(spec), recording)
    return await rollout.run(rollout.follow_recording)


class _Rollout:
    def __init__(
        self,
        spec: TaskSpec,
        world: World,
        teacher: Teacher | None,
        rules: Rules,
        attempt: Attempt,
        journal: Journal,
        world_id: str,
        recording: Recording | None = None,
    ) -> None:
        self.spec, self.world, self.teacher, self.world_id = spec, world, teacher, world_id
        self.rules, self.attempt, self.recording = rules, attempt, recording
        self.episode_id = make_episode_id(spec.task_id, rules.solver.solver_id, world_id, attempt.attempt)
        self.tape = Tape(self.episode_id, attempt.landing, journal)
        self.digests: tuple[str | None, str | None] = None, None

    async def run(self, play: Callable[[Environment], Awaitable[tuple[Outcome, str]]]) -> tuple[Episode, list[Turn]]:
        """Open the world, play, verify; classify whatever crosses a boundary."""
        started, clock = datetime.now(UTC), time.monotonic()
        outcome, reason, verdict = await self._play_and_judge(play)
        return self._episode(outcome, reason, verdict, started, time.monotonic() - clock), self.tape.turns

    async def _play_and_judge(
        self, play: Callable[[Environment], Awaitable[tuple[Outcome, str]]]
    ) -> tuple[Outcome, str, Verdict]:
        unknown = Verdict(name="unknown")
        try:
            async with self.world.open(self.spec) as environment:
                outcome, reason = await play(environment)
                verdict = Verdict(name="failed", detail=f"ended as {outcome}")
                if outcome == "finished":
                    with self._mistakes_told():
                        verdict = await judge_episode(environment)
                self.digests = await _fingerprints(environment)
                return outcome, reason, verdict
        except TeacherError as error:
            if isinstance(error, ContextOverflow) and self.tape.turns:  # the first turn alone tells of the set-up
                return "token_limit", str(error), Verdict(name="failed", detail="ended as token_limit")
            return "teacher_error", str(error), unknown
        except StateError as error:
            return "finished", "", Verdict(name="failed", detail=str(error), reason="state_spoiled")
        except CheckError as error:
            return "finished", "check_error", Verdict(name="unknown", detail=str(error), reason="check_error")
        except (EnvironmentFault, SandboxError) as error:
            return "environment_error", _reason_of(error), unknown.model_copy(update={"detail": str(error)})

    async def converse(self, environment: Environment) -> tuple[Outcome, str]:
        """Ask, act and look until the episode ends."""
        assert self.teacher is not None
        rules, step = self.rules, await self._reset(environment)
        for _ in range(rules.max_turns):
            asked = await self._ask(self.teacher, step)
            if not isinstance(asked, Reading):
                return asked
            step = await self._act(environment, asked.actions)
            if step.terminated:
                return "finished", ""
        return "turn_limit", f"{rules.max_turns} turns"

    async def _ask(self, teacher: Teacher, step: Step) -> Reading | tuple[Outcome, str]:
        """Ask for the next turn until it can be read; return it, or how the episode ends.

        What cannot be read is told why, `collect.repairs` times, and costs tokens and no turn.
        """
        rules = self.rules
        shown = rules.dialect.render(self.spec, understood(self.tape.turns), step.observation)
        ended: tuple[Outcome, str] = "token_limit", f"over {rules.max_tokens} tokens"
        for _ in range(1 + rules.repairs):
            if sum(message.tokens for message in shown) > rules.max_tokens:
                break
            request = rules.request(shown, self.attempt.attempt)
            completion = await teacher.complete(request)
            reading = self._read(completion, step)
            is_over = self._ends(completion, reading)
            if reading.actions and is_over is None:
                return reading
            ended = is_over or ("invalid_action", reading.problem)
            if ended[0] not in ("invalid_action", "token_limit"):
                break
            shown = (*shown, *say_why(completion, reading, request.sampling.max_tokens))
        return ended

    async def _reset(self, environment: Environment) -> Step:
        with self._mistakes_told():
            return await environment.reset()

    def _mistakes_told(self) -> AbstractContextManager[None]:
        return own_mistakes_told(self.spec.environment)

    async def follow_reference(self, environment: Environment) -> tuple[Outcome, str]:
        """Let the world run the reference."""
        observation = (await self._reset(environment)).observation
        with self._mistakes_told():
            steps = await environment.follow()
        for action, step in steps:
            self.tape.record(observation, Reading(None, (action,)))
            observation = step.observation
        self.tape.answer = answer_in(steps) or None
        if not steps or not steps[-1][1].terminated:
            return "turn_limit", "the reference did not end the episode"
        return "finished", ""

    async def follow_recording(self, environment: Environment) -> tuple[Outcome, str]:
        """Do what the recording did, turn by turn, whatever its recorder saw; no limit of turns, it is over already."""
        assert self.recording is not None
        step = await self._reset(environment)
        for index, turn in enumerate(self.recording.turns):
            reading = self._recall(environment, turn)
            self.tape.record(step.observation, reading, recorded=turn)
            if not reading.actions:
                return "invalid_action", f"turn {index}: {reading.problem}"
            step = await self._act(environment, reading.actions)
            if step.terminated:
                left = len(self.recording.turns) - index - 1
                return "finished", f"{left} recorded turns after the end were not run" if left else ""
        return "turn_limit", "the recording ends without an answer"

    def _recall(self, environment: Environment, turn: RecordedTurn) -> Reading:
        """Read a recorded turn: its calls as the world's dialect of calls reads them, or its one action."""
        if not turn.calls:
            with self._mistakes_told():
                action = environment.recall(turn)
            problem = f"the {self.spec.environment} world cannot do {turn.action_kind!r}"
            return Reading(turn.thought, (action,) if action else (), problem, turn.action)
        tools = [one for one in self.world.dialects.values() if isinstance(one, ToolCalls)]
        if not tools:
            return Reading(turn.thought, (), f"the {self.spec.environment} world has no tools", "", turn.calls)
        read = [tools[0].action_of(call) for call in turn.calls]
        problems = [one for one in read if isinstance(one, str)]
        actions = () if problems else tuple(one for one in read if isinstance(one, Action))
        return Reading(turn.thought, actions, "; ".join(problems), "", turn.calls)

    def _read(self, completion: Completion, step: Step) -> Reading:
        with self._mistakes_told():
            reading = self.rules.dialect.read(completion)
        raw: str | None = None
        if step.admissible and not reading.calls:
            raw = (reading.actions[0].text if reading.actions else reading.candidate) or completion.reply
            snapped = None if reading.actions and raw in step.admissible else _snapped(raw, step.admissible)
            reading = replace(reading, actions=(snapped,) if snapped else reading.actions)
        self.tape.record(step.observation, reading, completion, raw)
        return reading

    def _ends(self, completion: Completion, reading: Reading) -> tuple[Outcome, str] | None:
        if completion.finish_reason == "content_filter":
            return "refused", "the model or its endpoint's filter refused"
        if completion.finish_reason == "empty":
            return "empty", "the model wrote nothing" + (" but reasoning" if completion.reasoning else "")
        if completion.finish_reason == "length" and not reading.actions:
            return "token_limit", "the reply was cut at the maximum of output tokens"
        if self.tape.repeats_itself:
            return "repeated", f"{REPEATS} identical outputs in a row"
        return None

    async def _act(self, environment: Environment, actions: Sequence[Action]) -> Step:
        """Carry out a turn's actions in their order until one ends the episode, and keep what each call gave."""
        seen: list[str] = []
        step = Step("")
        for action in actions:
            with self._mistakes_told():
                step = await environment.step(action)
            self.tape.carried_out(action, step)
            seen.append(step.observation)
            if step.terminated:
                break
        self.tape.gave(seen)
        return replace(step, observation="\n".join(seen)) if len(seen) > 1 else step

    def _episode(self, outcome: Outcome, reason: str, verdict: Verdict, started: datetime, seconds: float) -> Episode:
        described = self.world.describe(self.spec)
        usage, cost = self.tape.paid
        return Episode(
            episode_id=self.episode_id,
            task_id=self.spec.task_id,
            environment=self.spec.environment,
            origin=self.spec.origin,
            solver=self.rules.solver,
            world_id=self.world_id,
            build=self.attempt.build,
            attempt=self.attempt.attempt,
            try_number=self.attempt.try_number,
            outcome=outcome,
            outcome_reason=reason,
            verdict=verdict.name,
            verdict_detail=verdict.detail,
            verdict_reason=verdict.code,
            reward=verdict.reward,
            rewards=verdict.parts,
            answer=self.tape.answer,
            n_turns=len(self.tape.turns),
            usage=usage,
            cost_usd=cost,
            started_at=started,
            seconds=seconds,
            landing=self.attempt.landing,
            image=described.get("image"),
            sandbox=described.get("sandbox"),
            recording_id=self.recording.recording_id if self.recording else None,
            software=SOFTWARE,
            state_digest=self.digests[0],
            work_digest=self.digests[1],
            check_contract=self.world.check_contract,
            told=canonical_json(self.rules.told).decode() if self.rules.told else None,
        )


def _reason_of(error: EpisodeError) -> str:
    return "not_reproducible" if isinstance(error, NotReproducible) else type(error).__name__


async def _fingerprints(environment: Environment) -> tuple[str | None, str | None]:
    """Digest the state, and what counts of it where that is another.

    A verdict stands without them, and `trajmill verify` says that none was recorded.
    """
    try:
        state, work = await environment.fingerprint(), await environment.work()
    except EpisodeError:
        return None, None
    return state, work if work != state else None


def _snapped(text: str, admissible: Sequence[str]) -> Action | None:
    chosen = snap(text, admissible)
    return Action("act", chosen) if chosen is not None else None
