"""What a build will cost, said beforehand: from its prompts, rendered as the build would, and from what builds yielded.

Two figures stand beside each other. `likely` multiplies what is asked by what earlier builds of the home took and
yielded, or by the assumptions below where there is none. `at_most` is a bound: every task comes in, every episode uses
all of its turns and every reply all of its maximum. Both count tokens as the loop does, four bytes each
(`approximate_tokens`); text that takes more of them (other scripts, long numbers) costs more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.completion import CompletionRequest, Purpose
from schemas.message import approximate_tokens
from schemas.run_config import BudgetConfig, RunConfig
from teachers.budget.prices import cost_usd, price_of
from teachers.mixture_of_agents import calls_of
from warehouse.warehouse import Warehouse


class Load(NamedTuple):
    """Requests and their tokens."""

    requests: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0

    @property
    def tokens(self) -> float:
        return self.prompt_tokens + self.completion_tokens

    def plus(self, other: Load) -> Load:
        return Load(*(mine + more for mine, more in zip(self, other, strict=True)))

    def times(self, factor: float) -> Load:
        return Load(*(part * factor for part in self))


class Row(NamedTuple):
    """What one stage will ask of one model."""

    stage: Purpose
    model: str
    likely: Load
    at_most: Load
    likely_usd: float
    at_most_usd: float


class Cap(NamedTuple):
    """A cap of the budget beside what is expected."""

    section: str
    cap: float
    unit: str
    """usd or tokens."""
    likely: float
    at_most: float

    @property
    def verdict(self) -> str:
        """Whether the cap will be reached: `holds`, `may be reached`, `will be reached`."""
        if self.at_most <= self.cap:
            return "holds"
        return "may be reached" if self.likely <= self.cap else "will be reached"


@dataclass(frozen=True)
class Asked:
    """What the next build will ask of one world."""

    generation: tuple[CompletionRequest, ...]
    """Its generation requests as they would be sent now; later rounds see tasks of earlier ones."""
    opening_tokens: int
    """Of a solving conversation before the first reply: instructions, example, schema; without the problem."""
    task_tokens: int = 0
    """The part of it that belongs to the task, and that a backfill is shown, too."""
    questions: int = 0
    """Questions with gold SQL that it will take; each makes a task to solve and one whose reference is replayed."""
    open_tasks: int = 0
    """Tasks of earlier builds or of one's own that are open to the teacher (`tasks/collect/plan.py`)."""
    open_replays: int = 0
    max_turns: int = 8
    observation_chars: int = 800
    typical: tuple[float, int, int] = (4.0, 60, 60)
    """Turns of an episode, tokens of a reply and of an observation, as the world assumes them."""
    generated: int | None = None
    """Tasks that the generation requests ask for; None = one each."""

    @property
    def made_up(self) -> int:
        """Tasks that are asked for."""
        return len(self.generation) if self.generated is None else self.generated


@dataclass(frozen=True)
class Yield:
    """What earlier builds took and yielded; each mapping is empty where there is nothing to go by."""

    per_generation: Mapping[str, Load] = field(default_factory=dict)
    """By model: one generation request."""
    admitted: Mapping[str, float] = field(default_factory=dict)
    """By world: tasks that came in, for each generation request."""
    per_episode: Mapping[str, Load] = field(default_factory=dict)
    """By world: one episode of the teacher."""
    passed: Mapping[str, float] = field(default_factory=dict)
    """By world: share of the teacher's episodes that passed."""
    backfills: float | None = None
    """Backfill requests for each replayed reference."""
    per_backfill: Mapping[str, Load] = field(default_factory=dict)
    """By model: one backfill request."""


@dataclass(frozen=True)
class Estimate:
    rows: tuple[Row, ...]
    caps: tuple[Cap, ...]
    basis: tuple[str, ...]
    """What the likely figures rest on, in words."""


_TYPICAL_DRAFT_TOKENS = 190
_TYPICAL_BACKFILLS = 2.2
"""Thoughts missing in a replayed reference (a statement and an answer), with some second draws: the demo again."""
_TYPICAL_THOUGHT_TOKENS = 30
_TYPICAL_PROBLEM_TOKENS = 60
_BACKFILL_TOKENS = 110
"""Words of the backfill prompt itself: 440 bytes."""
_SCHEMA_SHOWN = 1 / 8
"""Share of what a task shows beside its problem that one action is about (`tasks.curate.shortened`): the demo again."""
_WRAPPER_TOKENS = 32
"""What a dialect writes around an observation or an action, at most."""


def estimate(config: RunConfig, asked: Mapping[str, Asked], known: Yield | None = None) -> Estimate:
    """Estimate the next build of a configuration; `asked` is by world."""
    known = known or Yield()
    rows = tuple(
        row
        for (stage, model), (likely, at_most) in _loads(config, asked, known).items()
        for row in _rows(config, stage, model, likely, at_most)
    )
    return Estimate(rows, tuple(_caps(config.budget, rows)), tuple(_basis(known, asked)))


def _loads(config: RunConfig, asked: Mapping[str, Asked], known: Yield) -> dict[tuple[Purpose, str], tuple[Load, Load]]:
    """Return likely and greatest load of each stage, by the model that it asks."""
    totals: dict[tuple[Purpose, str], tuple[Load, Load]] = {}
    teacher = config.teacher

    def add(stage: Purpose, model: str, likely: Load, at_most: Load) -> None:
        so_far = totals.get((stage, model), (Load(), Load()))
        totals[stage, model] = (so_far[0].plus(likely), so_far[1].plus(at_most))

    for world, ask in asked.items():
        solver = teacher.solver_of(world)
        add("generate_tasks", teacher.generator, _generation(config, ask, known), _generation_at_most(config, ask))
        if config.generate.second_opinions:
            add("second_opinions", solver, _opinions(world, config, ask, known), _opinions_at_most(config, ask))
        add("collect_episodes", solver, _solving(world, config, ask, known), _solving_at_most(config, ask))
        thoughts = _backfilling(config, ask, known), _backfilling_at_most(config, ask)
        add("curate_trajectories", teacher.backfiller, *thoughts)
    return totals


def _generation(config: RunConfig, ask: Asked, known: Yield) -> Load:
    prompts = sum(map(prompt_tokens, ask.generation))
    one = known.per_generation.get(_last_model(config, config.teacher.generator))
    replies = len(ask.generation) * one.completion_tokens if one else ask.made_up * _TYPICAL_DRAFT_TOKENS
    return Load(len(ask.generation), prompts, replies)


def _generation_at_most(config: RunConfig, ask: Asked) -> Load:
    """Bound generation: a task of an earlier round, shown as an example or to be grown, is part of a reply, so it is no
    longer; neither is what a repair, which shows the replies before it, adds to the request."""
    requests, repairs = len(ask.generation), config.generate.repairs
    replies = sum(request.sampling.max_tokens for request in ask.generation)
    tasks_shown = max(
        config.generate.machine_examples, config.generate.tasks_per_request if config.generate.grow else 0
    )
    once = Load(requests, sum(map(prompt_tokens, ask.generation)) + tasks_shown * replies, replies)
    shown = (replies + requests * _WRAPPER_TOKENS) * repairs * (repairs + 1) / 2
    return once.times(1 + repairs).plus(Load(0, shown, 0))


def _solving(world: str, config: RunConfig, ask: Asked, known: Yield) -> Load:
    made = ask.made_up * known.admitted.get(world, 1.0)
    episodes = _capped(config, made + ask.questions + ask.open_tasks) * _attempts(config, known.passed.get(world, 0.8))
    return _one_episode(world, config, ask, known).times(episodes)


def _opinions(world: str, config: RunConfig, ask: Asked, known: Yield) -> Load:
    tasks = ask.made_up * known.admitted.get(world, 1.0) + ask.questions
    return _one_episode(world, config, ask, known).times(tasks * config.generate.second_opinions)


def _opinions_at_most(config: RunConfig, ask: Asked) -> Load:
    return _episodes_at_most(config, ask, (ask.made_up + ask.questions) * config.generate.second_opinions)


def _one_episode(world: str, config: RunConfig, ask: Asked, known: Yield) -> Load:
    one = known.per_episode.get(world)
    if one is not None:  # where a mixture solves, an episode's usage has all of its calls
        one = one.times(1 / sum(calls_of(config.teacher.solver_of(world), config.teacher.mixtures).values()))
    else:
        turns, reply, observation = ask.typical
        first = ask.opening_tokens + _TYPICAL_PROBLEM_TOKENS
        one = Load(turns, turns * first + turns * (turns - 1) / 2 * (reply + observation), turns * reply)
    return one


def _solving_at_most(config: RunConfig, ask: Asked) -> Load:
    episodes = _capped(config, ask.made_up + ask.questions + ask.open_tasks) * config.collect.attempts
    return _episodes_at_most(config, ask, episodes)


def _episodes_at_most(config: RunConfig, ask: Asked, episodes: float) -> Load:
    prompts = _prompts_at_most(config, ask)
    return Load(len(prompts), sum(prompts), len(prompts) * config.teacher.max_output_tokens).times(episodes)


def _prompts_at_most(config: RunConfig, ask: Asked) -> list[int]:
    """Bound the conversation turn by turn: a problem is part of a reply, and the loop ends at `max_tokens`."""
    most = config.teacher.max_output_tokens
    seen = approximate_tokens("x" * ask.observation_chars) + _WRAPPER_TOKENS
    problem = max((request.sampling.max_tokens for request in ask.generation), default=most)
    first = ask.opening_tokens + max(problem, most) + _WRAPPER_TOKENS
    turns = [turn for turn in range(ask.max_turns) for _ in range(1 + config.collect.repairs)]
    return [min(config.collect.max_tokens, first + turn * (seen + most)) for turn in turns]


def _backfilling(config: RunConfig, ask: Asked, known: Yield) -> Load:
    replays = ask.questions + ask.open_replays
    one = known.per_backfill.get(_last_model(config, config.teacher.backfiller))
    if one is None:
        shown = ask.task_tokens * _SCHEMA_SHOWN + _TYPICAL_PROBLEM_TOKENS
        one = Load(1, _BACKFILL_TOKENS + shown, _TYPICAL_THOUGHT_TOKENS)
    return one.times(replays * (_TYPICAL_BACKFILLS if known.backfills is None else known.backfills))


def _backfilling_at_most(config: RunConfig, ask: Asked) -> Load:
    """Bound backfilling: every turn of every episode comes without a thought, and no draw but the last will do."""
    tasks = _capped(config, ask.made_up + 2 * ask.questions + ask.open_tasks + ask.open_replays)
    most = config.teacher.max_output_tokens
    shown = [prompt + most + _BACKFILL_TOKENS for prompt in _prompts_at_most(config, ask)]
    draws = tasks * config.collect.attempts * (1 + config.curate.backfill_retries)
    return Load(len(shown), sum(shown), len(shown) * most).times(draws)


def _capped(config: RunConfig, tasks: float) -> float:
    return tasks if config.collect.tasks is None else min(tasks, config.collect.tasks)


def _attempts(config: RunConfig, passed: float) -> float:
    """Return the attempts that a task will take."""
    attempts = config.collect.attempts
    return sum((1 - passed) ** i for i in range(attempts)) if config.collect.until_passed else attempts


def prompt_tokens(request: CompletionRequest) -> int:
    """Return a request's tokens as the loop counts them."""
    return sum(approximate_tokens(message.content) for message in request.messages)


def _rows(config: RunConfig, stage: Purpose, role: str, likely: Load, at_most: Load) -> Iterable[Row]:
    """Yield a row for each model that a role calls; a mixture's later calls are shown what the others replied."""
    calls = calls_of(role, config.teacher.mixtures)
    others = sum(calls.values()) - 1
    for model, count in calls.items():
        seen = others if count and model == _last_model(config, role) else 0
        mine = likely._replace(prompt_tokens=likely.prompt_tokens + seen / count * likely.completion_tokens)
        most = at_most._replace(prompt_tokens=at_most.prompt_tokens + others * at_most.completion_tokens)
        yield _row(config, stage, model, mine.times(count), most.times(count))


def _last_model(config: RunConfig, role: str) -> str:
    """Return the model that writes a role's replies: a mixture's aggregator."""
    mixture = config.teacher.mixtures.get(role)
    return mixture.aggregator if mixture else role


def _row(config: RunConfig, stage: Purpose, model: str, likely: Load, at_most: Load) -> Row:
    price, batch = price_of(model, config.teacher.prices), config.teacher.mode == "batch"
    usd = [cost_usd(price, round(x.prompt_tokens), round(x.completion_tokens), batch=batch) for x in (likely, at_most)]
    return Row(stage, model, likely, at_most, *usd)


def _caps(budget: BudgetConfig, rows: Iterable[Row]) -> Iterable[Cap]:
    rows = tuple(rows)
    for section, caps in [("budget", budget), *((f"budget.stages.{name}", caps) for name, caps in budget.stages)]:
        mine = [row for row in rows if section in ("budget", f"budget.stages.{row.stage}")]
        if caps.usd is not None:
            usd = sum(row.likely_usd for row in mine), sum(row.at_most_usd for row in mine)
            yield Cap(section, caps.usd, "usd", *usd)
        if caps.tokens is not None:
            tokens = sum(row.likely.tokens for row in mine), sum(row.at_most.tokens for row in mine)
            yield Cap(section, caps.tokens, "tokens", *tokens)


def _basis(known: Yield, asked: Mapping[str, Asked]) -> Iterable[str]:
    yield "prompts of generation and the openings of episodes are rendered as the build would; a token is 4 bytes"
    for world in asked:
        if world in known.per_episode:
            load, share = known.per_episode[world], known.admitted.get(world, 1.0)
            yield (
                f"{world}: earlier builds had {load.requests:.1f} requests an episode, and {share:.0%} of the tasks "
                "that were asked for came in"
            )
        else:
            turns, reply, observation = asked[world].typical
            yield (
                f"{world}: no earlier build; assumed are that every task comes in, {turns:g} turns an episode, replies "
                f"of {reply} tokens and observations of {observation}"
            )
    if known.backfills is None:
        yield f"no earlier build backfilled; assumed are {_TYPICAL_BACKFILLS:g} thoughts for a replayed reference"


def read_yield(warehouse: Warehouse) -> Yield:
    """Read what the builds of a home took and yielded."""
    return Yield(
        per_generation=_per_request(warehouse, "generate_tasks"),
        admitted=dict(
            warehouse.query(
                """WITH made AS (SELECT environment, count(*) AS n FROM task_specs WHERE origin = 'self_instruct'
                                 GROUP BY 1),
                   turned AS (SELECT environment, count(*) AS n FROM rejections WHERE stage IN ('generate', 'admit')
                              AND source LIKE 'seed %' GROUP BY 1)
                   SELECT environment, made.n / (made.n + coalesce(turned.n, 0)) FROM made LEFT JOIN turned
                   USING (environment)"""
            )
        ),
        per_episode={
            world: Load(*map(float, load))
            for world, *load in warehouse.query(
                """SELECT environment, avg(usage.requests), avg(usage.prompt_tokens), avg(usage.completion_tokens)
                   FROM latest_episodes WHERE solver.kind = 'teacher' AND usage.requests > 0 GROUP BY 1"""
            )
        },
        passed=dict(
            warehouse.query(
                """SELECT environment, avg((verdict = 'passed')::INT) FROM latest_episodes
                   WHERE solver.kind = 'teacher' AND verdict <> 'unknown' GROUP BY 1"""
            )
        ),
        backfills=_backfills(warehouse),
        per_backfill=_per_request(warehouse, "curate_trajectories"),
    )


def _per_request(warehouse: Warehouse, purpose: Purpose) -> dict[str, Load]:
    query = "SELECT model, avg(prompt_tokens), avg(completion_tokens) FROM completions WHERE purpose = ? GROUP BY 1"
    return {model: Load(1, float(prompt), float(reply)) for model, prompt, reply in warehouse.query(query, (purpose,))}


def _backfills(warehouse: Warehouse) -> float | None:
    replays = warehouse.count("latest_episodes", "solver.kind = 'reference' AND verdict <> 'unknown'")
    asked = warehouse.count("completions", "purpose = 'curate_trajectories'")
    return asked / replays if replays else None
