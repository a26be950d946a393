"""Task generation: made up in rounds by a teacher, or derived from questions; only what proves itself comes in.

A round asks its requests at once, reads the replies, and lets candidates through two gates in a fixed order: novelty
and admission. The tasks of one round are examples for the next, so a round lands before the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prefect import task

from environments.base import Part
from schemas.completion import Completion
from schemas.errors import ContextOverflow, TeacherError
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import TaskSpec
from tasks.generate.admit import Candidate, Refused, try_all
from tasks.generate.authors import Draft, authors_of, draft_round, taken_sources
from tasks.generate.growth import problem_of_growth
from tasks.generate.novelty import NoveltyGate
from tasks.generate.opinions import ask_opinions
from tasks.together import finish_all
from tasks.unsettled import is_outage
from tasks.workshop import Workshop, begin_task

STAGE = "generate_tasks"
ADVICE = "; raise teacher.max_output_tokens"
NO_ANSWER = {
    "content_filter": Refusal("refused", "the model or its endpoint's filter refused"),
    "empty": Refusal("empty_reply", "the model wrote nothing"),
    "length": Refusal("cut_off", f"the reply was cut at the maximum of output tokens{ADVICE}"),
}
"""Ends of a reply that are no answer."""


@task(name="generate round", task_run_name="generate round {index}", tags=["stage:generate_tasks"])
async def generate_round(build: int, index: int) -> dict[str, int]:
    """Make up one round of tasks in every world and land them; a round that landed before is done."""
    workshop = begin_task()
    key = f"{STAGE}/{build}/{index}"
    if workshop.warehouse.has_landed("task_specs", key):
        return {}
    drafts = await draft_round(workshop, index)
    candidates, refused = await _ask(workshop, drafts)
    parents = _parents(workshop, candidates)
    harder, weak = split_by_growth(candidates, parents)
    gate = NoveltyGate(workshop.warehouse.column("task_specs", "instruction"), workshop.config.generate.novelty)
    fresh, stale = split_by_novelty(gate, harder, parents, admit=False)
    tried, failed = await _try(workshop, fresh)
    admitted, crowded = split_by_novelty(gate, tried, parents, admit=True)
    return _land(workshop, key, admitted, [*refused, *weak, *stale, *failed, *crowded])


def expect_rounds(workshop: Workshop) -> None:
    """Say how many tasks will be asked for in the rounds that have not landed."""
    config, build = workshop.config.generate, workshop.build
    for index in range(config.rounds):
        if not workshop.warehouse.has_landed("task_specs", f"{STAGE}/{build}/{index}"):
            asked = sum(len(author.positions(config, index)) for _, author in authors_of(workshop))
            workshop.progress.expect(STAGE, asked)


@task(name="derive tasks", task_run_name="derive tasks", tags=["stage:generate_tasks"])
async def derive_tasks(build: int) -> dict[str, int]:
    """Derive tasks that need no model (from questions with gold SQL, ...) and land them; what landed before is done."""
    workshop = begin_task()
    key = f"{STAGE}/{build}/derived"
    if workshop.warehouse.has_landed("task_specs", key):
        return {}
    specs, unusable = await derive_all(workshop)
    workshop.progress.expect(STAGE, len(specs) + len(unusable))
    refused = [Refused(r.source, str(r.environment), r.stage, r.reason, r.detail, r.raw) for r in unusable]
    tried, failed = await _try(workshop, [Candidate(spec, spec.provenance.source) for spec in specs])
    return _land(workshop, key, tried, [*refused, *failed])


async def derive_all(workshop: Workshop) -> tuple[list[TaskSpec], list[Rejection]]:
    """Return this build's derived tasks of every world, and what cannot become one."""
    specs: list[TaskSpec] = []
    rejected: list[Rejection] = []
    for world, author in authors_of(workshop):
        taken = taken_sources(workshop, world)
        await workshop.open_world(world)
        async for derived in author.derive(taken):
            if isinstance(derived, TaskSpec):
                specs.append(derived)
            else:
                rejected.append(derived)
    return specs, rejected


async def _ask(workshop: Workshop, drafts: Sequence[Draft]) -> tuple[list[Candidate], list[Refused]]:
    asked = await finish_all(_ask_one(workshop, draft) for draft in drafts)
    failures = [parts for parts in asked if isinstance(parts, TeacherError)]
    lost, most = sum(failure.transient for failure in failures), workshop.config.publish.max_unknown
    if drafts and (len(failures) == len(drafts) or is_outage(lost, len(drafts), most)):
        raise failures[0]  # nothing lands: the run goes on from here, and what was answered is in the ledger
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    for draft, parts in zip(drafts, asked, strict=True):
        if isinstance(parts, TeacherError):
            parts = [Part(_name_failure(parts), "")] * draft.ask.tasks
        workshop.progress.expect(STAGE, len(parts) - draft.ask.tasks)
        for number, (told, raw) in enumerate(parts):
            source = draft.source(number)
            if isinstance(told, TaskSpec):
                candidates.append(Candidate(told, source))
            else:
                refused.append(Refused(source, draft.environment, "generate", told.reason, told.detail, raw))
    return candidates, refused


async def _ask_one(workshop: Workshop, draft: Draft) -> list[Part] | TeacherError:
    """Return what a draft's first reply holds, and its repairs in place of what could not be read.

    What stays unread has its first words and reason; what the reply holds too many stands behind.
    """
    reply = await _complete(workshop, draft)
    if isinstance(reply, TeacherError):
        return reply
    parts = _read(draft, reply)
    unread = {n: p.told for n, p in zip(draft.numbers, parts, strict=False) if isinstance(p.told, Refusal)}
    for _ in range(workshop.config.generate.repairs):
        if not unread or not reply.reply.strip() or reply.finish_reason == "content_filter":
            break
        draft = draft.repair(reply, {number: why.detail.removesuffix(ADVICE) for number, why in unread.items()})
        again = await _complete(workshop, draft)
        if isinstance(again, TeacherError):
            break
        reply, told = again, dict(zip(draft.numbers, _read(draft, again), strict=False))
        parts = [told[n] if n in told and isinstance(told[n].told, TaskSpec) else p for n, p in enumerate(parts)]
        unread = {n: part.told for n, part in told.items() if isinstance(part.told, Refusal)}
    return parts


def _name_failure(error: TeacherError) -> Refusal:
    return Refusal("prompt_too_long" if isinstance(error, ContextOverflow) else "teacher_error", str(error))


def _read(draft: Draft, reply: Completion) -> list[Part]:
    """Read tasks from a whole reply; of one that was cut the last may read well and lack the end of its check."""
    refusal = NO_ANSWER.get(reply.finish_reason)
    if refusal is None:
        return draft.read(reply)
    if reply.finish_reason != "length" or draft.ask.tasks == 1:
        return [Part(refusal, reply.reply)] * len(draft.numbers)
    parts = draft.read(reply)
    written = [i for i, part in enumerate(parts) if part.raw]
    cut = {i for i, part in enumerate(parts) if not part.raw} | set(written[-1:])
    return [part._replace(told=refusal) if i in cut else part for i, part in enumerate(parts)]


async def _complete(workshop: Workshop, draft: Draft) -> Completion | TeacherError:
    try:
        return await workshop.teacher.complete(draft.request)
    except TeacherError as error:
        return error


def _parents(workshop: Workshop, candidates: Iterable[Candidate]) -> dict[str, TaskSpec]:
    """Return the tasks that candidates were grown from, by id."""
    names = sorted({candidate.spec.parent for candidate in candidates if candidate.spec.parent})
    where = f"task_id IN ({', '.join('?' * len(names))})"
    found: list[TaskSpec] = workshop.warehouse.read("task_specs", where, tuple(names)) if names else []
    return {spec.task_id: spec for spec in found}


def split_by_growth(
    candidates: Sequence[Candidate], parents: Mapping[str, TaskSpec]
) -> tuple[list[Candidate], list[Refused]]:
    """Turn away what was to be harder than its parent, and is not."""
    told = [(candidate, problem_of_growth(candidate.spec, parents)) for candidate in candidates]
    weak = [Refused.of(candidate, "generate", why.reason, why.detail) for candidate, why in told if why]
    return [candidate for candidate, why in told if why is None], weak


def split_by_novelty(
    gate: NoveltyGate, candidates: Iterable[Candidate], parents: Mapping[str, TaskSpec], *, admit: bool
) -> tuple[list[Candidate], list[Refused]]:
    """Turn away what is no news; a grown task, which is harder by then, may be like its own parent."""
    fresh: list[Candidate] = []
    stale: list[Refused] = []
    for candidate in candidates:
        parent = parents.get(candidate.spec.parent or "")
        near = gate.too_close(candidate.spec.instruction, parent.instruction if parent else None)
        if near is None:
            fresh.append(candidate)
            if admit:
                gate.admit(candidate.spec.instruction)
        else:
            detail = f"ROUGE-L F1 {near.score:.3f} with {near.text!r}"
            stale.append(Refused.of(candidate, "generate", "not_novel", detail)._replace(original=near.text))
    return fresh, stale


async def _try(workshop: Workshop, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[Refused]]:
    tried, failed = await try_all(workshop.worlds, candidates, workshop.config.collect.concurrency)
    standing, disputed = await ask_opinions(workshop, tried)
    return standing, [*failed, *disputed]


def _land(workshop: Workshop, key: str, admitted: Sequence[Candidate], refused: Sequence[Refused]) -> dict[str, int]:
    rejections = [one.rejection(workshop.build) for one in _name_originals(workshop, admitted, refused)]
    mine = {"build": workshop.build}
    specs = list({spec.task_id: spec.model_copy(update=mine) for spec, _ in admitted}.values())
    workshop.warehouse.land("rejections", rejections, key=key)
    workshop.warehouse.land("task_specs", specs, key=key)
    workshop.progress.keep(STAGE, len(specs))
    for rejection in rejections:
        workshop.progress.reject(STAGE, rejection.reason)
    return {"admitted": len(specs), "rejected": len(rejections)}


def _name_originals(workshop: Workshop, admitted: Sequence[Candidate], refused: Sequence[Refused]) -> Iterator[Refused]:
    """Name the tasks whose words stand for them in what is no news."""
    words = sorted({one.original for one in refused if one.original})
    sql = "SELECT instruction, min(task_id) FROM task_specs WHERE list_contains(?::VARCHAR[], instruction) GROUP BY 1"
    known = dict(workshop.warehouse.query(sql, (words,))) if words else {}
    known |= {spec.instruction: spec.task_id for spec, _ in admitted if spec.instruction not in known}
    for one in refused:
        yield one._replace(original=known.get(one.original or ""))
