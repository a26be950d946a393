"""The rollout: one solver on one task, turn by turn, journalled. One-shot ReAct, one thought and one action a turn.

After a crash the journalled actions are executed again; while observations agree, the answers come from the ledger.
Where one differs the episode closes as `environment_error`, reason `not_reproducible`.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from environments.base import Action, Dialect, Environment, Home, Reading, Step
from environments.snapping import snap
from schemas.completion import ChatMessage, Completion, CompletionRequest
from schemas.episode import Episode, Outcome, Solver, ThoughtSource, Turn, Usage, Verdict, make_episode_id
from schemas.errors import CheckError, ContextOverflow, EnvironmentFault, EpisodeError, SandboxError, TeacherError
from schemas.recording import Recording
from schemas.task_spec import SOFTWARE, TaskSpec
from schemas.trajectory import approximate_tokens
from tasks.journal import Journal, NoJournal
from teachers.base import Teacher

LOOP_CONTRACT = 1
"""Raised by hand when the loop's behaviour changes; counts in `solver_id`."""

REPEATS = 3
"""Identical outputs in a row that end an episode (AgentTuning, section 2.2)."""


@dataclass(frozen=True)
class Rules:
    """What the loop asks and when it stops."""

    solver: Solver
    request: Callable[[tuple[ChatMessage, ...], int], CompletionRequest]
    """Words the conversation as a request for the given attempt."""
    max_turns: int
    max_tokens: int


@dataclass(frozen=True)
class Attempt:
    """Which chance of the solver this is."""

    build: int
    attempt: int
    try_number: int
    landing: str


@dataclass
class _Tape:
    """What has happened so far."""

    turns: list[Turn] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    answer: str | None = None
    state_digest: str | None = None


async def roll_out(
    spec: TaskSpec, home: Home, teacher: Teacher, rules: Rules, attempt: Attempt, journal: Journal
) -> tuple[Episode, list[Turn]]:
    """Let the solver work on a task and judge what it did.

    Faults of world, sandbox, check and teacher end on the episode, never in an exception; a budget that is used up
    (`BudgetError`) is raised.
    """
    rollout = _Rollout(spec, home, teacher, rules, attempt, journal, await home.world_id_of(spec))
    return await rollout.run(rollout.converse)


async def replay_reference(spec: TaskSpec, home: Home, rules: Rules, attempt: Attempt) -> tuple[Episode, list[Turn]]:
    """Run a task's reference as the episode; the answer comes from what it returned, never from a label."""
    rollout = _Rollout(spec, home, None, rules, attempt, NoJournal(), await home.world_id_of(spec))
    return await rollout.run(rollout.follow_reference)


async def replay_recording(
    spec: TaskSpec, home: Home, rules: Rules, attempt: Attempt, recording: Recording
) -> tuple[Episode, list[Turn]]:
    """Run a recording's actions again; observations and verdict are ours, thoughts stay the recording's."""
    rollout = _Rollout(spec, home, None, rules, attempt, NoJournal(), await home.world_id_of(spec), recording)
    return await rollout.run(rollout.follow_recording)


class _Rollout:
    def __init__(
        self,
        spec: TaskSpec,
        home: Home,
        teacher: Teacher | None,
        rules: Rules,
        attempt: Attempt,
        journal: Journal,
        world_id: str,
        recording: Recording | None = None,
    ) -> None:
        self.spec, self.home, self.teacher, self.world_id = spec, home, teacher, world_id
        self.rules, self.attempt, self.journal, self.recording = rules, attempt, journal, recording
        self.episode_id = make_episode_id(spec.task_id, rules.solver.solver_id, world_id, attempt.attempt)
        self.tape = _Tape()

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
            async with self.home.open(self.spec) as environment:
                outcome, reason = await play(environment)
                verdict = Verdict(name="failed", detail=f"ended as {outcome}")
                if outcome == "finished":
                    verdict = await environment.verify()
                self.tape.state_digest = await _fingerprint(environment)
                return outcome, reason, verdict
        except TeacherError as error:
            if isinstance(error, ContextOverflow) and self.tape.turns:  # the first turn alone tells of the set-up
                return "token_limit", str(error), Verdict(name="failed", detail="ended as token_limit")
            return "teacher_error", str(error), unknown
        except CheckError as error:
            return "finished", "check_error", Verdict(name="unknown", detail=str(error))
        except (EnvironmentFault, SandboxError) as error:
            return "environment_error", _reason_of(error), unknown.model_copy(update={"detail": str(error)})

    async def converse(self, environment: Environment) -> tuple[Outcome, str]:
        """Ask, act and look until the episode ends."""
        assert self.teacher is not None
        dialect, step = self.home.dialect, await environment.reset()
        messages = list(dialect.context(self.spec))
        for index in range(self.rules.max_turns):
            messages.append(ChatMessage(role="user", content=dialect.observe(step.observation, index)))
            if sum(approximate_tokens(m.content) for m in messages) > self.rules.max_tokens:
                return "token_limit", f"over {self.rules.max_tokens} tokens"
            completion = await self.teacher.complete(self.rules.request(tuple(messages), self.attempt.attempt))
            reading = self._read(completion, dialect, step, index)
            ended = self._ends(completion, reading)
            if ended or reading.action is None:
                return ended or ("invalid_action", reading.problem)
            step = await self._act(environment, reading.action, index)
            messages.append(ChatMessage(role="assistant", content=completion.reply))
            if step.terminated:
                return "finished", ""
        return "turn_limit", f"{self.rules.max_turns} turns"

    async def follow_reference(self, environment: Environment) -> tuple[Outcome, str]:
        """Let the world run the reference."""
        observation = (await environment.reset()).observation
        steps, _ = await self.home.replay(environment, self.spec)
        for index, (action, step) in enumerate(steps):
            self._record(index, observation, Reading(None, action), None, action)
            observation = step.observation
        if not steps or not steps[-1][1].terminated:
            return "turn_limit", "the reference did not end the episode"
        return "finished", ""

    async def follow_recording(self, environment: Environment) -> tuple[Outcome, str]:
        """Do what the recording did, turn by turn, whatever its recorder saw; no limit of turns, it is over already."""
        assert self.recording is not None
        step = await environment.reset()
        for index, turn in enumerate(self.recording.turns):
            action = self.home.read_recorded(environment, turn)
            shown = action or Action(turn.action_kind, turn.action)
            self._record(index, step.observation, Reading(turn.thought, action), None, shown)
            if action is None:
                return "invalid_action", f"turn {index}: the {self.spec.environment} world cannot do {shown.kind!r}"
            step = await environment.step(action)
            if step.terminated:
                left = len(self.recording.turns) - index - 1
                return "finished", f"{left} recorded turns after the end were not run" if left else ""
        return "turn_limit", "the recording ends without an answer"

    def _read(self, completion: Completion, dialect: Dialect, step: Step, index: int) -> Reading:
        reading = dialect.read(completion.reply)
        raw: str | None = None
        if reading.action is None and step.admissible:
            raw = reading.candidate or completion.reply
            reading = Reading(reading.thought, _snapped(raw, step.admissible), reading.problem, raw)
        elif reading.action is not None and step.admissible and reading.action.text not in step.admissible:
            raw, action = reading.action.text, _snapped(reading.action.text, step.admissible)
            reading = Reading(reading.thought, action or reading.action, "", raw)
        self.tape.replies.append(completion.reply)
        self.tape.completions.append(completion)
        shown = reading.action or Action("invalid", reading.candidate or completion.reply)
        self._record(index, step.observation, reading, completion, shown, raw)
        return reading

    def _ends(self, completion: Completion, reading: Reading) -> tuple[Outcome, str] | None:
        if completion.finish_reason == "content_filter":
            return "refused", "the model or its endpoint's filter refused"
        if completion.finish_reason == "empty":
            return "empty", "the model wrote nothing" + (" but reasoning" if completion.reasoning else "")
        if completion.finish_reason == "length" and reading.action is None:
            return "token_limit", "the reply was cut at the maximum of output tokens"
        last = self.tape.replies[-REPEATS:]
        if len(last) == REPEATS and len(set(last)) == 1:
            return "repeated", f"{REPEATS} identical outputs in a row"
        return None

    async def _act(self, environment: Environment, action: Action, index: int) -> Step:
        step = await environment.step(action)
        earlier = self.journal.observed(index)
        if earlier is None:
            self.journal.append(index, action.text, step.observation)
        elif earlier != step.observation:
            raise NotReproducible(
                f"turn {index}: {action.text[:80]!r} showed something else than before the interruption"
            )
        return step

    def _record(
        self,
        index: int,
        observation: str,
        reading: Reading,
        completion: Completion | None,
        action: Action,
        raw: str | None = None,
    ) -> None:
        if action.kind in ("answer", "finish") and reading.action is not None:
            self.tape.answer = action.text or None
        turn = Turn(
            episode_id=self.episode_id,
            landing=self.attempt.landing,
            index=index,
            observation=observation,
            thought=reading.thought,
            thought_source=self._source_of(reading.thought, completion),
            action=action.text,
            action_kind=action.kind,
            action_raw=raw if raw != action.text else None,
            reply=completion.reply if completion else None,
            valid=reading.action is not None,
            completion_id=completion.completion_id if completion else None,
            prompt_tokens=completion.prompt_tokens if completion else 0,
            completion_tokens=completion.completion_tokens if completion else 0,
        )
        self.tape.turns.append(turn)

    def _source_of(self, thought: str | None, completion: Completion | None) -> ThoughtSource | None:
        if not thought:
            return None
        return "teacher" if completion else "recorded" if self.recording else None

    def _episode(self, outcome: Outcome, reason: str, verdict: Verdict, started: datetime, seconds: float) -> Episode:
        described = self.home.describe(self.spec)
        paid = [receipt for completion in self.tape.completions for receipt in completion.receipts]
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
            reward=verdict.reward,
            rewards=verdict.parts,
            answer=self.tape.answer,
            n_turns=len(self.tape.turns),
            usage=_usage(paid),
            cost_usd=sum(c.cost_usd for c in paid),
            started_at=started,
            seconds=seconds,
            landing=self.attempt.landing,
            image=described.get("image"),
            sandbox=described.get("sandbox"),
            recording_id=self.recording.recording_id if self.recording else None,
            software=SOFTWARE,
            state_digest=self.tape.state_digest,
        )


class NotReproducible(EnvironmentFault):
    """A journalled action showed something else when it was executed again."""


def _reason_of(error: EpisodeError) -> str:
    return "not_reproducible" if isinstance(error, NotReproducible) else type(error).__name__


async def _fingerprint(environment: Environment) -> str | None:
    """Digest the state; a verdict stands without it, and `trajmill verify` says that none was recorded."""
    try:
        return await environment.fingerprint()
    except EpisodeError:
        return None


def _snapped(text: str, admissible: Sequence[str]) -> Action | None:
    chosen = snap(text, admissible)
    return Action("act", chosen) if chosen is not None else None


def _usage(paid: Sequence[Completion]) -> Usage:
    return Usage(
        prompt_tokens=sum(c.prompt_tokens for c in paid),
        completion_tokens=sum(c.completion_tokens for c in paid),
        requests=len(paid),
    )
