"""Curation of a build: filter, drop duplicates, cap per task, backfill thoughts, land. In = kept + rejected."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from prefect import task

import prompts
from schemas.completion import CompletionRequest
from schemas.episode import NOT_FINAL, Episode, Turn
from schemas.errors import ContextOverflow, TeacherError
from schemas.message import Message
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import TaskSpec
from schemas.trajectory import Trajectory
from tasks.collect.episodes import cut_shards, shard_key, specs_of
from tasks.collect.repairs import understood
from tasks.curate.backfill_thoughts import PROMPT, Leak, backfill_thoughts
from tasks.curate.episode import make_trajectories, place_reasoning
from tasks.curate.rules import Kept, PlayedEpisode, why_refused
from tasks.privacy.rows import hide_rows
from tasks.together import finish_all
from tasks.unsettled import is_outage
from tasks.workshop import Workshop, begin_task

STAGE = "curate_trajectories"
Finished = list[Trajectory] | Refusal | TeacherError
"""What came of a chosen episode: its rows, or why there are none."""
SHARD_SIZE = 256
"""Episodes a Prefect task: rendering costs well under a millisecond an episode, so shards are large."""


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
    """Store (or read back) the plan of this build's curation; return the number of its shards.

    A build that is continued has a plan more where an outage had cut something short before: episodes or thoughts.
    """
    parts = workshop.state.plans(workshop.build, STAGE)
    if workshop.resumed and workshop.curation_id in parts:
        open_shards = [ids for index, ids in _shards(workshop) if not _has_landed(workshop, index, ids)]
        waiting = {one for ids in open_shards for one in ids}
        again = [one for one in plan_curation(workshop) if one not in waiting]
        if again:
            workshop.state.plan(workshop.build, STAGE, f"{workshop.curation_id} again {len(parts):03}", lambda: again)
    else:
        workshop.state.plan(workshop.build, STAGE, workshop.curation_id, lambda: plan_curation(workshop))
    shards = _shards(workshop)
    workshop.progress.expect(STAGE, sum(len(ids) for _, ids in shards))
    return len(shards)


def _shards(workshop: Workshop) -> list[tuple[int, list[str]]]:
    """Return the shards of all stored plans of this build's curation, numbered through: later plans come last."""
    plans = workshop.state.plans(workshop.build, STAGE)
    mine = [ids for part, ids in plans.items() if part.split(" ")[0] == workshop.curation_id]
    return list(enumerate(shard for ids in mine for shard in cut_shards(ids, SHARD_SIZE)))


def _has_landed(workshop: Workshop, index: int, ids: Sequence[str]) -> bool:
    return workshop.warehouse.has_landed("trajectories", _key(workshop, index, ids))


def _key(workshop: Workshop, index: int, ids: Sequence[str]) -> str:
    return shard_key(STAGE, workshop.build, workshop.curation_id, index, ids)


@task(name="curate shard", task_run_name="curate shard {index}", tags=["stage:curate_trajectories"])
async def curate_shard(build: int, index: int) -> dict[str, int]:
    """Curate one shard of episodes and land trajectories and rejections; a shard that landed before is done."""
    workshop = begin_task()
    ids = dict(_shards(workshop))[index]
    key = _key(workshop, index, ids)
    if workshop.warehouse.has_landed("trajectories", key):
        workshop.progress.stages[STAGE].done += len(ids)
        return {"episodes": len(ids)}
    kept, rejected = await _curate(workshop, _candidates(workshop, ids))
    workshop.warehouse.land("rejections", rejected, key=key)
    workshop.warehouse.land("trajectories", kept, key=key)
    return {"episodes": len(ids), "kept": len(kept), "rejected": len(rejected)}


def _candidates(workshop: Workshop, ids: Sequence[str]) -> list[PlayedEpisode]:
    mine = ("list_contains(?::VARCHAR[], episode_id)", (list(ids),))
    latest: dict[str, Episode] = {e.episode_id: e for e in workshop.warehouse.read("latest_episodes", *mine)}
    landings = {(e.episode_id, e.landing) for e in latest.values()}
    turns: dict[str, list[Turn]] = {}
    for turn in workshop.warehouse.read("turns", *mine):
        if (turn.episode_id, turn.landing) in landings:
            turns.setdefault(turn.episode_id, []).append(turn)
    specs = {spec.task_id: spec for spec in specs_of(workshop, [e.task_id for e in latest.values()])}
    return [_candidate(latest[i], specs, turns.get(i, [])) for i in ids]


def _candidate(episode: Episode, specs: dict[str, TaskSpec], turns: Sequence[Turn]) -> PlayedEpisode:
    return PlayedEpisode(episode, specs[episode.task_id], understood(sorted(turns, key=lambda t: t.index)))


async def _curate(workshop: Workshop, candidates: Sequence[PlayedEpisode]) -> tuple[list[Trajectory], list[Rejection]]:
    chosen, rejected = choose(workshop, candidates)
    results = await finish_all(_finish(workshop, candidate) for candidate in chosen)
    _require_a_teacher(results, workshop.config.publish.max_unknown)
    kept: list[Trajectory] = []
    for candidate, finished in zip(chosen, results, strict=True):
        if isinstance(finished, list):
            kept.extend(finished)
            workshop.progress.keep(STAGE)
        else:
            told = finished if isinstance(finished, Refusal) else Refusal("teacher_error", str(finished))
            rejected.append(_reject(workshop, candidate, told))
    return kept, rejected


def _require_a_teacher(results: Sequence[Finished], most: float) -> None:
    """Raise where nobody got a thought, or too few did: an outage, and the run goes on from here when it is over."""
    failures = [result for result in results if isinstance(result, TeacherError)]
    answered = any(isinstance(result, list) and any(row.backfilled for row in result) for result in results)
    if is_outage(sum(failure.transient for failure in failures), len(results), most):
        raise failures[0]
    if failures and not answered and not any(isinstance(result, Refusal) for result in results):
        raise failures[0]


def choose(workshop: Workshop, candidates: Sequence[PlayedEpisode]) -> tuple[list[PlayedEpisode], list[Rejection]]:
    """Apply the rules in their order, each candidate after those that were kept before it."""
    kept = _kept_before(workshop)
    chosen: list[PlayedEpisode] = []
    rejected: list[Rejection] = []
    for candidate in candidates:
        refusal = why_refused(candidate, kept)
        if refusal:
            original = kept.original_of(candidate) if refusal.reason == "duplicate" else None
            rejected.append(_reject(workshop, candidate, refusal, original))
        else:
            kept.keep(candidate)
            chosen.append(candidate)
    return chosen, rejected


def _kept_before(workshop: Workshop) -> Kept:
    query = (
        "SELECT content_sha256, min(episode_id), task_id, count(DISTINCT episode_id) FROM trajectories "
        "WHERE curation_id = ? GROUP BY ALL"
    )
    rows = workshop.warehouse.query(query, (workshop.curation_id,))
    thresholds = {name: world.threshold for name, world in workshop.worlds.items()}
    contents = {sha: episode for sha, episode, _, _ in rows}
    tasks: Counter[str] = Counter()
    for _, _, task_id, count in rows:
        tasks[task_id] += count
    return Kept(workshop.config.curate, thresholds, contents, tasks)


async def _finish(workshop: Workshop, candidate: PlayedEpisode) -> Finished:
    episode, spec, turns = candidate
    dialect, curate = workshop.worlds.dialect(spec.environment, episode.solver.dialect), workshop.config.curate
    if episode.told is not None:
        dialect = dialect.knowing(json.loads(episode.told))

    def ask(messages: tuple[Message, ...], draw: int) -> CompletionRequest:
        teacher, prompt = workshop.config.teacher, prompts.load(PROMPT)
        return workshop.request(
            "curate_trajectories", teacher.backfiller, messages, prompt, temperature=0.7, attempt=draw, seed=draw
        )

    placed = place_reasoning(turns, dialect, curate)
    try:
        filled = await backfill_thoughts(spec, episode, placed, dialect, workshop.teacher, ask, curate)
    except ContextOverflow as error:
        return Refusal("prompt_too_long", str(error))
    except TeacherError as error:
        return error
    if isinstance(filled, Leak):
        return Refusal(filled.reason, filled.detail)
    made = make_trajectories(spec, episode, filled.turns, dialect, workshop.curation_id, filled.completion_ids)
    return hide_rows(list(made), curate.personal)


def _reject(workshop: Workshop, candidate: PlayedEpisode, refusal: Refusal, original: str | None = None) -> Rejection:
    episode = candidate.episode
    had_failed = episode.verdict != "passed"  # which the collection has told
    workshop.progress.reject(STAGE, "had failed in collection" if had_failed else refusal.reason)
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
        original=original,
    )
