"""Runs a proof again: an episode from its recorded actions in a fresh environment, a task by trying it.

Nothing is asked of a teacher, nothing lands. What was not executed then (a reply that was not understood, the last of
three identical ones) is not executed now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from environments.base import Action, Environment, Home
from schemas.episode import Episode, Outcome, RewardPart, Turn, Verdict
from schemas.errors import ConfigError, EpisodeError
from schemas.task_spec import TaskSpec
from schemas.verification import Difference, Verification
from tasks.tell_differences import name_cause, show_difference

_UNFIT = (EpisodeError, ConfigError)
"""The world broke, or the engine that the task is written for is not here: told, and the other rows go on."""
_LAST_NOT_EXECUTED: tuple[Outcome, ...] = ("repeated", "refused", "empty")


async def verify_task(spec: TaskSpec, home: Home) -> Verification:
    """Try a task as its admission did; a probe that fails is a difference."""
    try:
        probes, broken = await home.admit(spec), ""
    except _UNFIT as error:
        probes, broken = (), f"{type(error).__name__}: {error}"
    failed = tuple(Difference(where=p.name, cause="probe", detail=p.detail) for p in probes if not p.passed)
    return Verification(id=spec.task_id, kind="task", environment=spec.environment, broken=broken, differences=failed)


async def verify_episode(spec: TaskSpec, home: Home, episode: Episode, turns: Sequence[Turn]) -> Verification:
    """Execute an episode's actions (`turns` in order) and compare what they show, leave behind and earn."""
    differences: list[Difference] = []
    elsewhere = broken = ""
    try:
        if episode.world_id != await home.world_id_of(spec):
            elsewhere = _tell_worlds(episode, home.describe(spec))
        async with home.open(spec) as environment:
            differences += await _act_again(environment, episode, turns)
            if episode.outcome == "finished":
                differences += _compare_verdicts(episode, await environment.verify())
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
    )


async def _act_again(environment: Environment, episode: Episode, turns: Sequence[Turn]) -> list[Difference]:
    """Reset and act; the observation after an action stands with the turn that follows, the last one's nowhere."""
    where, now = "the task", (await environment.reset()).observation
    differences: list[Difference] = []
    for turn in turns:
        if turn.observation != now:
            differences.append(_compare_texts(where, turn.observation, now))
        if turn.valid and not (turn is turns[-1] and episode.outcome in _LAST_NOT_EXECUTED):
            where, now = (
                f"turn {turn.index}",
                (await environment.step(Action(turn.action_kind, turn.action))).observation,
            )
    return differences


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
