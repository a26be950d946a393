"""Task generation: made up in rounds by a teacher, or derived from questions; only what proves itself comes in.

A round asks its requests at once, reads the replies, and lets candidates through two gates in a fixed order: novelty
and admission. The tasks of one round are examples for the next, so a round lands before the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prefect import task

from schemas.completion import Completion
from schemas.errors import ContextOverflow, TeacherError
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import TaskSpec
from tasks.generate.admit import Candidate, Refused, try_all
from tasks.generate.authors import Draft, authors_of, draft_round, taken_sources
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
    gate = NoveltyGate(workshop.warehouse.column("task_specs", "instruction"), workshop.config.generate.novelty)
    fresh, stale = _split_by_novelty(gate, candidates, admit=False)
    tried, failed = await _try(workshop, fresh)
    admitted, crowded = _split_by_novelty(gate, tried, admit=True)
    return _land(workshop, key, admitted, [*refused, *stale, *failed, *crowded])


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
    failures = [told for _, told in asked if isinstance(told, TeacherError)]
    lost, most = sum(failure.transient for failure in failures), workshop.config.publish.max_unknown
    if drafts and (len(failures) == len(drafts) or is_outage(lost, len(drafts), most)):
        raise failures[0]  # nothing lands: the run goes on from here, and what was answered is in the ledger
    candidates: list[Candidate] = []
    refused: list[Refused] = []
    for draft, (reply, told) in zip(drafts, asked, strict=True):
        if isinstance(told, TaskSpec):
            candidates.append(Candidate(told, draft.ask.key))
        else:
            reason, detail = told if isinstance(told, Refusal) else _name_failure(told)
            refused.append(Refused(draft.ask.key, draft.environment, "generate", reason, detail, reply))
    return candidates, refused


async def _ask_one(workshop: Workshop, draft: Draft) -> tuple[str, TaskSpec | Refusal | TeacherError]:
    """Return a draft's first reply and the task in it, or in its repair; what stays unread has its first reason."""
    reply = await _complete(workshop, draft)
    if isinstance(reply, TeacherError):
        return "", reply
    first = read = _read(draft, reply)
    said = reply.reply
    for _ in range(workshop.config.generate.repairs):
        if not isinstance(read, Refusal) or not reply.reply.strip() or reply.finish_reason == "content_filter":
            break
        draft = draft.repair(reply, read.detail.removesuffix(ADVICE))
        again = await _complete(workshop, draft)
        if isinstance(again, TeacherError):
            break
        reply, read = again, _read(draft, again)
    return said, read if isinstance(read, TaskSpec) else first


def _name_failure(error: TeacherError) -> Refusal:
    return Refusal("prompt_too_long" if isinstance(error, ContextOverflow) else "teacher_error", str(error))


def _read(draft: Draft, reply: Completion) -> TaskSpec | Refusal:
    """Read a task from a whole reply; one that was cut may read well and lack the end of its check."""
    return NO_ANSWER.get(reply.finish_reason) or draft.read(reply)


async def _complete(workshop: Workshop, draft: Draft) -> Completion | TeacherError:
    try:
        return await workshop.teacher.complete(draft.request)
    except TeacherError as error:
        return error


def _split_by_novelty(
    gate: NoveltyGate, candidates: Iterable[Candidate], *, admit: bool
) -> tuple[list[Candidate], list[Refused]]:
    fresh: list[Candidate] = []
    stale: list[Refused] = []
    for candidate in candidates:
        near = gate.too_close(candidate.spec.instruction)
        if near is None:
            fresh.append(candidate)
            if admit:
                gate.admit(candidate.spec.instruction)
        else:
            detail = f"ROUGE-L F1 {near.score:.3f} with {near.text!r}"
            stale.append(Refused.of(candidate, "generate", "not_novel", detail))
    return fresh, stale


async def _try(workshop: Workshop, candidates: Sequence[Candidate]) -> tuple[list[Candidate], list[Refused]]:
    tried, failed = await try_all(workshop.worlds, candidates, workshop.config.collect.concurrency)
    standing, disputed = await ask_opinions(workshop, tried)
    return standing, [*failed, *disputed]


def _land(workshop: Workshop, key: str, admitted: Sequence[Candidate], refused: Sequence[Refused]) -> dict[str, int]:
    rejections = [one.rejection(workshop.build) for one in refused]
    mine = {"build": workshop.build}
    specs = list({spec.task_id: spec.model_copy(update=mine) for spec, _ in admitted}.values())
    workshop.warehouse.land("rejections", rejections, key=key)
    workshop.warehouse.land("task_specs", specs, key=key)
    workshop.progress.keep(STAGE, len(specs))
    for rejection in rejections:
        workshop.progress.reject(STAGE, rejection.reason)
    return {"admitted": len(specs), "rejected": len(rejections)}
