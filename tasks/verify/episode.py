"""Runs a proof again: an episode from its recorded actions in a fresh environment, a task by trying it.

Nothing is asked of a teacher, nothing lands. What was not executed then (a reply that was not understood, the last of
three identical ones) is not executed now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from environments.admission import admit
from environments.base import Environment, World, actions_of, judge_episode, own_mistakes_told
from schemas.episode import Episode, Outcome, RewardPart, Turn, Verdict
from schemas.errors import ConfigError, EpisodeError, StateError
from schemas.task_spec import TaskSpec
from schemas.verification import Difference, Verification
from tasks.verify.tell_differences import name_cause, show_difference

_UNFIT = (EpisodeError, ConfigError)
"""The world broke, or the engine that the task is written for is not here: told, and the other rows go on."""
_LAST_NOT_EXECUTED: tuple[Outcome, ...] = ("repeated", "refused", "empty")


async def verify_task(spec: TaskSpec, world: World) -> Verification:
    """Try a task as its admission did; a probe that fails is a difference."""
    try:
        probes, broken = await admit(world, spec), ""
    except _UNFIT as error:
        probes, broken = (), f"{type(error).__name__}: {error}"
    failed = tuple(Difference(where=p.name, cause="probe", detail=p.detail) for p in probes if not p.passed)
    return Verification(id=spec.task_id, kind="task", environment=spec.environment, broken=broken, differences=failed)


async def verify_episode(spec: TaskSpec, world: World, episode: Episode, turns: Sequence[Turn]) -> Verification:
    """Execute an episode's actions (`turns` in order) and compare what they show, leave behind and earn."""
    differences: list[Difference] = []
    elsewhere = broken = ""
    verdict: Verdict | None = None
    try:
        if episode.world_id != await world.world_id_of(spec):
            world = world.as_told(episode.told)
        if episode.world_id != await world.world_id_of(spec):
            elsewhere = _tell_worlds(episode, world.describe(spec))
        with own_mistakes_told(world.name):
            async with world.open(spec) as environment:
                differences += await _act_again(environment, episode, turns)
                verdict = await _judge(environment, episode)
                differences += _compare_verdicts(episode, verdict)
                differences += _compare_states(episode.state_digest, await environment.fingerprint())
    except _UNFIT as error:
        broken = f"{type(error).__name__}: {error}"
    return Verification(
        id=episode.episode_id,
        kind="episode",
        environment=episode.environment,
        elsewhere=elsewhere,
        broken=broken,
        differences=tuple(differences),
        has_state=episode.state_digest is not None,
        verdict=verdict,
    )


async def _judge(environment: Environment, episode: Episode) -> Verdict:
    """Judge as the loop does: nothing but what finished, and a check that what was left stops has failed."""
    if episode.outcome != "finished":
        return Verdict(name="failed", detail=f"ended as {episode.outcome}")
    try:
        return await judge_episode(environment)
    except StateError as error:
        return Verdict(name="failed", detail=str(error))


async def _act_again(environment: Environment, episode: Episode, turns: Sequence[Turn]) -> list[Difference]:
    """Reset and act; the observation after an action stands with the turn that follows, the last one's nowhere."""
    where, now = "the task", (await environment.reset()).observation
    differences: list[Difference] = []
    for turn in turns:
        if turn.observation != now:
            differences.append(_compare_texts(where, turn.observation, now))
        if turn.valid and not (turn is turns[-1] and episode.outcome in _LAST_NOT_EXECUTED):
            where, now = f"turn {turn.index}", await _act(environment, turn)
    return differences


async def _act(environment: Environment, turn: Turn) -> str:
    """Carry out a turn's actions until one ends the episode; return what they showed, as the loop words it."""
    seen: list[str] = []
    for action in actions_of(turn):
        step = await environment.step(action)
        seen.append(step.observation)
        if step.terminated:
            break
    return "\n".join(seen)


def _compare_texts(where: str, then: str, now: str) -> Difference:
    return Difference(where=where, cause=name_cause(then, now), detail=show_difference(then, now))


def _compare_verdicts(episode: Episode, verdict: Verdict) -> list[Difference]:
    then = _spell_verdict(episode.verdict, episode.reward, episode.rewards)
    now = _spell_verdict(verdict.name, verdict.reward, verdict.parts)
    if then == now:
        return []
    return [Difference(where="reward", cause="reward", detail=f"- {then}\n+ {now}: {verdict.detail}"[:600])]


def _spell_verdict(name: str, reward: float, parts: Sequence[RewardPart]) -> str:
    return " ".join([f"{name}, reward {reward:g}", *(f"{part.name}={part.value:g}" for part in parts)])


def _compare_states(then: str | None, now: str | None) -> list[Difference]:
    if then is None or now is None or then == now:
        return []
    return [Difference(where="state", cause="state", detail=f"- {then}\n+ {now}")]


def _tell_worlds(episode: Episode, today: Mapping[str, str]) -> str:
    then, now = _place(episode.image, episode.sandbox), _place(today.get("image"), today.get("sandbox"))
    if then == now:
        return f"made on {then} as this is, under another contract or other limits of the world"
    return f"made on {then}, this is {now}"


def _place(image: str | None, sandbox: str | None) -> str:
    short = image[:12] if image and len(image) == 64 else image  # a digest; the episode holds the whole
    return f"{short} in {sandbox}"
