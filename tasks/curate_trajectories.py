"""Curation of a build: filter, drop duplicates, cap per task, backfill thoughts, land. In = kept + rejected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from prefect import task

from schemas.completion import ChatMessage, CompletionRequest
from schemas.episode import NOT_FINAL, Episode, Turn
from schemas.errors import ContextOverflow, TeacherError
from schemas.rejection import Rejection
from schemas.task_spec import TaskSpec
from schemas.trajectory import Trajectory
from tasks.backfill_thoughts import PROMPT, Leak, backfill_thoughts
from tasks.collect_episodes import cut_shards, shard_key, specs_of
from tasks.curate_episode import Refusal, content_sha, make_trajectory, why_refused
from tasks.together import finish_all
from tasks.workshop import Workshop, begin_task

STAGE = "curate_trajectories"
SHARD_SIZE = 256
"""Episodes a Prefect task: rendering costs well under a millisecond an episode, so shards are large."""


class Candidate(NamedTuple):
    episode: Episode
    spec: TaskSpec
    turns: tuple[Turn, ...]


def plan_curation(workshop: Workshop) -> list[str]:
    """List final episodes that this curation has not seen, or could not ask about, in a fixed order."""
    rows = workshop.warehouse.query(
        "SELECT episode_id FROM latest_episodes e "
        f"WHERE outcome NOT IN {NOT_FINAL!r} AND verdict <> 'unknown' "
        "AND NOT EXISTS (SELECT 1 FROM trajectories t WHERE t.episode_id = e.episode_id AND t.curation_id = $1) "
        "AND NOT EXISTS (SELECT 1 FROM rejections r WHERE r.stage = 'curate' AND r.reason <> 'teacher_error' "
        "AND r.source = e.episode_id || '/' || $1) "
        "ORDER BY task_id, attempt, episode_id",
        (workshop.curation_id,),
    )
    return [row[0] for row in rows]


def count_shards(workshop: Workshop) -> int:
    """Store (or read back) the plan of this build's curation; return the number of its shards."""
    planned = workshop.state.plan(workshop.build, STAGE, workshop.curation_id, lambda: plan_curation(workshop))
    workshop.progress.expect(STAGE, len(planned))
    return len(cut_shards(planned, SHARD_SIZE))


@task(name="curate shard", task_run_name="curate shard {index}", tags=["stage:curate_trajectories"])
async def curate_shard(build: int, index: int) -> dict[str, int]:
    """Curate one shard of episodes and land trajectories and rejections; a shard that landed before is done."""
    workshop = begin_task()
    planned = workshop.state.plan(build, STAGE, workshop.curation_id, lambda: plan_curation(workshop))
    ids = cut_shards(planned, SHARD_SIZE)[index]
    key = shard_key(STAGE, build, workshop.curation_id, index, ids)
    if workshop.warehouse.has_landed("trajectories", key):
        workshop.progress.stages[STAGE].done += len(ids)
        return {"episodes": len(ids)}
    kept, rejected = await _curate(workshop, _candidates(workshop, ids))
    workshop.warehouse.land("rejections", rejected, key=key)
    workshop.warehouse.land("trajectories", kept, key=key)
    return {"episodes": len(ids), "kept": len(kept), "rejected": len(rejected)}


def _candidates(workshop: Workshop, ids: Sequence[str]) -> list[Candidate]:
    mine = ("list_contains(?::VARCHAR[], episode_id)", (list(ids),))
    latest: dict[str, Episode] = {e.episode_id: e for e in workshop.warehouse.read("latest_episodes", *mine)}
    landings = {(e.episode_id, e.landing) for e in latest.values()}
    turns: dict[str, list[Turn]] = {}
    for turn in workshop.warehouse.read("turns", *mine):
        if (turn.episode_id, turn.landing) in landings:
            turns.setdefault(turn.episode_id, []).append(turn)
    specs = {spec.task_id: spec for spec in specs_of(workshop, [e.task_id for e in latest.values()])}
    return [_candidate(latest[i], specs, turns.get(i, [])) for i in ids]


def _candidate(episode: Episode, specs: dict[str, TaskSpec], turns: Sequence[Turn]) -> Candidate:
    return Candidate(episode, specs[episode.task_id], tuple(sorted(turns, key=lambda t: t.index)))


async def _curate(workshop: Workshop, candidates: Sequence[Candidate]) -> tuple[list[Trajectory], list[Rejection]]:
    chosen, rejected = choose(workshop, candidates)
    results = await finish_all(_finish(workshop, candidate) for candidate in chosen)
    _require_a_teacher(chosen, results)
    kept: list[Trajectory] = []
    for candidate, finished in zip(chosen, results, strict=True):
        if isinstance(finished, Trajectory):
            kept.append(finished)
            workshop.progress.keep(STAGE)
        else:
            told = Refusal("teacher_error", str(finished)) if isinstance(finished, TeacherError) else finished
            rejected.append(_reject(workshop, candidate, told))
    return kept, rejected


def _require_a_teacher(candidates: Sequence[Candidate], results: Sequence[Trajectory | Refusal | TeacherError]) -> None:
    """Raise where nobody got a thought: that is an outage, and the run goes on from here when it is over."""
    failures = [result for result in results if isinstance(result, TeacherError)]
    asked = sum(any(not turn.thought for turn in candidate.turns) for candidate in candidates)
    if failures and len(failures) == asked:
        raise failures[0]


def choose(workshop: Workshop, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[Rejection]]:
    """Apply the reward filter, the duplicate rule and the cap per task, in order."""
    curation = workshop.curation_id
    rows = workshop.warehouse.query(
        "SELECT task_id, content_sha256 FROM trajectories WHERE curation_id = ?", (curation,)
    )
    seen = {sha for _, sha in rows}
    counts: dict[str, int] = {}
    for task_id, _ in rows:
        counts[task_id] = counts.get(task_id, 0) + 1
    chosen: list[Candidate] = []
    rejected: list[Rejection] = []
    for candidate in candidates:
        refusal = _refusal(workshop, candidate, seen, counts)
        if refusal:
            rejected.append(_reject(workshop, candidate, refusal))
            continue
        seen.add(content_sha(candidate.spec, candidate.turns))
        counts[candidate.spec.task_id] = counts.get(candidate.spec.task_id, 0) + 1
        chosen.append(candidate)
    return chosen, rejected


def _refusal(workshop: Workshop, candidate: Candidate, seen: set[str], counts: dict[str, int]) -> Refusal | None:
    episode, spec, turns = candidate
    refusal = why_refused(episode, spec, turns, workshop.config.curate)
    if refusal:
        return refusal
    if content_sha(spec, turns) in seen:
        return Refusal("duplicate", "the same task was seen and done the same way before")
    if counts.get(spec.task_id, 0) >= workshop.config.curate.per_task:
        return Refusal("capped", f"the task has {workshop.config.curate.per_task} trajectories already")
    return None


async def _finish(workshop: Workshop, candidate: Candidate) -> Trajectory | Refusal | TeacherError:
    episode, spec, turns = candidate
    dialect = workshop.world(spec.environment).dialect
    retries = workshop.config.curate.backfill_retries

    def ask(messages: tuple[ChatMessage, ...], draw: int) -> CompletionRequest:
        teacher = workshop.config.teacher
        return workshop.request(
            "curate_trajectories", teacher.backfiller, messages, PROMPT, temperature=0.7, attempt=draw, seed=draw
        )

    try:
        filled = await backfill_thoughts(spec, episode, turns, dialect, workshop.teacher, ask, retries)
    except ContextOverflow as error:
        return Refusal("prompt_too_long", str(error))
    except TeacherError as error:
        return error
    if isinstance(filled, Leak):
        return Refusal(filled.reason, filled.detail)
    return make_trajectory(spec, episode, filled.turns, dialect, workshop.curation_id, filled.completion_ids)


def _reject(workshop: Workshop, candidate: Candidate, refusal: Refusal) -> Rejection:
    workshop.progress.reject(STAGE, refusal.reason)
    episode = candidate.episode
    summary = {
        "task_id": episode.task_id,
        "answer": episode.answer,
        "outcome": episode.outcome,
        "turns": episode.n_turns,
    }
    return Rejection.make(
        stage="curate",
        reason=refusal.reason,
        detail=refusal.detail,
        source=f"{episode.episode_id}/{workshop.curation_id}",
        environment=episode.environment,
        build=workshop.build,
        raw=summary,
    )
