"""A round: ask, read, gate by novelty, try, land. What does not come in says why; nothing is lost between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import prompts
from environments.base import Action, Author, Environment, Step, World
from environments.os.author import OsAuthor
from environments.os.config import OsConfig
from environments.os.dialect import OsDialect
from environments.registry import Worlds
from schemas.completion import Completion, CompletionRequest
from schemas.episode import Verdict
from schemas.errors import BudgetError, EnvironmentFault, OutageError, SandboxError, TeacherError
from schemas.task_spec import Probe, Script, TaskSpec
from tasks.generate.admit import TRIES, Candidate, try_all
from tasks.generate.novelty import NoveltyGate
from tasks.generate.rounds import derive_tasks, generate_round, split_by_growth, split_by_novelty
from tasks.unsettled import LEAST
from tasks.workshop import Workshop
from teachers.scripted import Scripted

PROBLEMS = (
    "How many regular files lie in /srv?",
    "Name the owner of the folder /var/tmp, please.",
    "Which line of ~/notes.txt mentions an umbrella first?",
    "Compress every log below /opt into one archive and leave the originals alone.",
    "Tell me the largest number that stands in ~/ledger.csv.",
    "Stop whatever keeps writing into ~/heartbeat.",
)


def reply_for(problem: str) -> str:
    code = "```bash\ntrue\n```"
    return (
        f"### Problem\n{problem}\n### Explanation\nx\n### Initialisation\n{code}\n"
        f"### Reference\n{code}\n### Evaluation\n{code}"
    )


class Gate(Environment):
    """Passes whoever follows the reference, and where it stands open everybody."""

    def __init__(self, spec: TaskSpec, is_open: bool) -> None:
        self.spec, self._passes = spec, is_open

    async def reset(self) -> Step:
        return Step(self.spec.instruction)

    async def step(self, action: Action) -> Step:
        return Step("", terminated=True)

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        self._passes = True
        return ((Action("answer", "yes"), Step("", terminated=True)),)

    async def verify(self) -> Verdict:
        return Verdict(name="passed" if self._passes else "failed", reward=float(self._passes))


class Gatekeeper(World):
    """An OS world whose admission decides as a test says; `fates` are by a word of the instruction."""

    name = "os"
    max_turns = 8

    def __init__(self, **fates: Any) -> None:
        self.fates = fates
        self.asked: list[str] = []
        self.requests = 3
        self.dialects = {"react": OsDialect(prompts.load("solve_os"))}

    @property
    def author(self) -> Author:
        return OsAuthor(OsConfig(requests=self.requests))

    def describe(self, spec: TaskSpec | None = None) -> dict[str, str]:
        return {"image": "image", "sandbox": "walls"}

    async def static_probes(self, spec: TaskSpec) -> list[Probe]:
        self.asked.append(spec.instruction)
        fate = self._fate(spec)
        if isinstance(fate, list):
            fate = fate.pop(0) if fate else None
        if isinstance(fate, Exception):
            raise fate
        return []

    def open(self, spec: TaskSpec) -> Gate:
        return Gate(spec, self._fate(spec) == "open")

    def _fate(self, spec: TaskSpec) -> Any:
        return next((fate for word, fate in self.fates.items() if word in spec.instruction), None)


def teach(replies: Sequence[str | Sequence[str]]) -> Scripted:
    """Answer the request of position n with reply n, or the first of several and repairs with the next ones."""

    def answer(request: CompletionRequest) -> str:
        reply = replies[int(request.key.partition(" request ")[2].split()[0])]
        return reply if isinstance(reply, str) else reply[len(request.messages) // 2]

    return Scripted(answer)


@pytest.fixture
def run_round(open_shop: Callable[..., Workshop]) -> Callable[..., Any]:
    async def run(replies: Sequence[str], gate: Gatekeeper | None = None, **overrides: Any) -> Workshop:
        gate = gate or Gatekeeper()
        gate.requests = len(replies)
        teacher = teach(replies)
        run.requests = teacher.requests  # type: ignore[attr-defined]
        shop = open_shop(teacher, {"os": gate}, **{"generate__tasks_per_request": 1, **overrides})
        await generate_round.fn(1, 0)
        return shop

    return run


def reasons(shop: Workshop) -> dict[str, str]:
    rows = shop.warehouse.query("SELECT source, stage || '/' || reason FROM rejections")
    return {source.rsplit(" ", 1)[1]: reason for source, reason in rows}


async def test_what_comes_in_says_how_it_was_tried_and_what_does_not_says_why(run_round: Any) -> None:
    replies = [reply_for(PROBLEMS[0]), "I would rather not.", reply_for(PROBLEMS[1]), reply_for(PROBLEMS[0])]
    shop = await run_round(replies, Gatekeeper(owner="open"))
    (task,) = shop.warehouse.read("task_specs")
    assert (task.instruction, task.build) == (PROBLEMS[0], 1)
    assert {probe.name for probe in task.probes} >= {"reference_passes_1", "reference_repeats", "nothing_fails"}
    assert all(probe.passed for probe in task.probes)
    assert (task.provenance.image, task.provenance.sandbox) == ("image", "walls")
    assert reasons(shop) == {"1": "generate/missing_section", "2": "admit/nothing_fails", "3": "generate/not_novel"}


async def test_tasks_and_rejections_add_up_to_the_requests(run_round: Any) -> None:
    replies = [reply_for(problem) for problem in PROBLEMS] + ["", "{", reply_for(PROBLEMS[2])]
    shop = await run_round(replies)
    counts = shop.warehouse.count("task_specs"), shop.warehouse.count("rejections")
    assert counts == (6, 3) and sum(counts) == len(replies)
    stage = shop.progress.stages["generate_tasks"]
    assert (stage.done, stage.kept, stage.rejected) == (9, 6, 3)


async def test_a_task_that_cannot_be_read_is_asked_for_once_more_with_the_reason(run_round: Any) -> None:
    broken = reply_for(PROBLEMS[0]).partition("### Evaluation")[0]
    shop = await run_round([(broken, reply_for(PROBLEMS[0])), reply_for(PROBLEMS[1])])
    asked = run_round.requests
    assert [len(request.messages) for request in asked] == [1, 1, 3]
    repair = asked[-1]
    assert [message.role for message in repair.messages] == ["user", "assistant", "user"]
    assert repair.messages[1].content == broken
    assert "could not be read as a task: no heading Evaluation." in repair.messages[2].content
    assert repair.purpose == "generate_tasks" and repair.parents == (asked[0].request_hash,)
    mended = next(task for task in shop.warehouse.read("task_specs") if task.instruction == PROBLEMS[0])
    assert mended.provenance.completion_ids == (asked[0].request_hash, repair.request_hash)
    assert shop.warehouse.count("rejections") == 0


async def test_what_stays_unread_keeps_its_first_reply_and_reason(run_round: Any) -> None:
    broken = reply_for(PROBLEMS[0]).partition("### Evaluation")[0]
    shop = await run_round([(broken, "I would rather not."), reply_for(PROBLEMS[1])])
    (rejection,) = shop.warehouse.read("rejections")
    assert (rejection.reason, rejection.detail, rejection.raw) == ("missing_section", "no heading Evaluation", broken)
    assert len(run_round.requests) == 3


@pytest.mark.parametrize(("repairs", "asked"), [(0, 2), (1, 3), (2, 4)])
async def test_the_setting_says_how_often_it_is_asked_again(run_round: Any, repairs: int, asked: int) -> None:
    await run_round([("No.", "No.", "No."), reply_for(PROBLEMS[1])], generate__repairs=repairs)
    assert len(run_round.requests) == asked


def several(*replies: str) -> str:
    return "\n\n".join(f"## Task {number}\n{reply}" for number, reply in enumerate(replies, start=1))


BROKEN = reply_for(PROBLEMS[1]).partition("### Evaluation")[0]


async def test_of_several_tasks_a_bad_one_costs_only_itself_and_it_alone_is_asked_for_again(run_round: Any) -> None:
    first = several(reply_for(PROBLEMS[0]), BROKEN, reply_for(PROBLEMS[2]))
    mended = f"## Task 2\n{reply_for(PROBLEMS[1])}"
    shop = await run_round([(first, mended), "", ""], generate__tasks_per_request=3)
    asked, repair = run_round.requests
    assert "- Task 2: no heading Evaluation" in repair.messages[2].content
    assert "Task 1" not in repair.messages[2].content and "Task 3" not in repair.messages[2].content
    tasks = {task.instruction: task for task in shop.warehouse.read("task_specs")}
    assert set(tasks) == set(PROBLEMS[:3]) and shop.warehouse.count("rejections") == 0
    receipts = [tasks[problem].provenance.completion_ids for problem in PROBLEMS[:3]]
    assert receipts == [(asked.request_hash,), (asked.request_hash, repair.request_hash), (asked.request_hash,)]
    sources = [tasks[problem].provenance.source.rpartition(" task ")[2] for problem in PROBLEMS[:3]]
    assert sources == ["1", "2", "3"]
    assert asked.sampling.max_tokens == 3 * shop.config.teacher.max_output_tokens


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ((several(reply_for(PROBLEMS[0]), BROKEN, reply_for(PROBLEMS[2])), "No."), {"2": "missing_section"}),
        ((several(reply_for(PROBLEMS[0])), "No."), {"2": "missing_task", "3": "missing_task"}),
        (("I would rather not.", "No."), dict.fromkeys("123", "missing_section")),
        (("",), dict.fromkeys("123", "empty_reply")),
    ],
)
async def test_what_stays_unread_of_several_is_told_one_by_one(
    run_round: Any, replies: tuple[str, ...], expected: dict[str, str]
) -> None:
    shop = await run_round([replies, "", ""], generate__tasks_per_request=3)
    assert reasons(shop) == {number: f"generate/{reason}" for number, reason in expected.items()}
    assert shop.warehouse.count("task_specs") + len(expected) == 3
    stage = shop.progress.stages["generate_tasks"]
    assert (stage.kept, stage.rejected) == (3 - len(expected), len(expected))


async def test_a_task_more_than_was_asked_for_is_told(run_round: Any) -> None:
    shop = await run_round([several(*map(reply_for, PROBLEMS[:3])), ""], generate__tasks_per_request=2)
    assert shop.warehouse.count("task_specs") == 2 and reasons(shop) == {"3": "generate/not_asked_for"}


async def test_of_a_reply_that_was_cut_the_whole_tasks_count(open_shop: Callable[..., Workshop]) -> None:
    class Cut(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            return (await super().complete(request)).model_copy(update={"finish_reason": "length"})

    shop = open_shop(Cut([several(*map(reply_for, PROBLEMS[:2]))]), {"os": Gatekeeper()}, generate__repairs=0)
    await generate_round.fn(1, 0)
    assert [task.instruction for task in shop.warehouse.read("task_specs")] == [PROBLEMS[0]]
    assert reasons(shop) == {"2": "generate/cut_off", "3": "generate/cut_off"}


LONGER = "for f in /srv/*; do wc -l $f; done | sort -n | tail -n 1"


@pytest.mark.parametrize(
    ("problem", "reference", "reason"),
    [
        (f"{PROBLEMS[0]} Tell it twice.", LONGER, None),
        ("An altogether other question about apples and pears?", LONGER, None),
        (f"{PROBLEMS[0]} Tell it twice.", "true", "not_harder"),
        (f"{PROBLEMS[0]} Tell it twice.", "true; true\n# sort the lines by what they say\n:", "not_harder"),
        (PROBLEMS[0], LONGER, "not_novel"),
        (PROBLEMS[0].upper().rstrip("?"), LONGER, "not_novel"),
        (f"{PROBLEMS[1]} Thanks.", LONGER, "not_novel"),
    ],
)
async def test_a_grown_task_may_be_like_its_parent_alone_if_it_is_harder(
    run_round: Any, problem: str, reference: str, reason: str | None
) -> None:
    shop = await run_round([reply_for(PROBLEMS[0]), reply_for(PROBLEMS[1])])
    parent = next(task for task in shop.warehouse.read("task_specs") if task.instruction == PROBLEMS[0])
    candidate = Candidate(
        parent.model_copy(
            update={
                "task_id": "grown",
                "instruction": problem,
                "parent": parent.task_id,
                "reference": (Script(code=reference),),
            }
        ),
        "source",
    )
    parents = {parent.task_id: parent}
    harder, weak = split_by_growth([candidate], parents)
    novelty = NoveltyGate(shop.warehouse.column("task_specs", "instruction"))
    fresh, stale = split_by_novelty(novelty, harder, parents, admit=False)
    assert [refused.reason for refused in (*weak, *stale)] == ([reason] if reason else [])
    assert len(fresh) == (reason is None)


async def test_an_empty_reply_has_nothing_to_repair(run_round: Any) -> None:
    await run_round(["", reply_for(PROBLEMS[1])])
    assert len(run_round.requests) == 2


async def test_a_rejected_reply_is_kept_as_it_came(run_round: Any) -> None:
    shop = await run_round(["I would rather not.", reply_for(PROBLEMS[0])])
    (rejection,) = shop.warehouse.read("rejections")
    assert (rejection.raw, rejection.environment, rejection.build) == ("I would rather not.", "os", 1)


async def test_only_what_is_novel_is_tried_in_a_sandbox(run_round: Any) -> None:
    gate = Gatekeeper()
    await run_round([reply_for(PROBLEMS[0]), reply_for(PROBLEMS[1])], gate)
    shop = await run_round([reply_for(PROBLEMS[0])], gate, build=2)
    await generate_round.fn(2, 0)
    assert gate.asked.count(PROBLEMS[0]) == 1
    assert shop.warehouse.count("rejections", "reason = 'not_novel'") == 1


async def test_of_two_alike_the_second_comes_in_where_the_first_fails_its_admission(run_round: Any) -> None:
    gate = Gatekeeper(files=[EnvironmentFault("set-up failed"), None])
    shop = await run_round([reply_for(PROBLEMS[0]), reply_for(PROBLEMS[0] + " Thanks.")], gate)
    assert [t.instruction for t in shop.warehouse.read("task_specs")] == [PROBLEMS[0] + " Thanks."]
    assert reasons(shop) == {"0": "admit/setup_fails"}


async def test_a_round_that_landed_is_not_asked_again(run_round: Any) -> None:
    shop = await run_round([reply_for(PROBLEMS[0])])
    sent = shop.ledger.counts.sent
    assert await generate_round.fn(1, 0) == {}
    assert shop.ledger.counts.sent == sent == 1


class HalfDead(Scripted):
    """Fails for the requests whose position is named."""

    def __init__(self, dead: set[int], error: Exception) -> None:
        super().__init__([])
        self._dead, self._error = dead, error

    def _next_reply(self, request: CompletionRequest) -> str:
        position = int(request.key.rsplit(" ", 1)[1])
        if position in self._dead:
            raise self._error
        return reply_for(PROBLEMS[position])


async def test_a_request_that_fails_is_a_rejection_and_its_siblings_live(open_shop: Callable[..., Workshop]) -> None:
    teacher = HalfDead({1}, TeacherError("the line is dead"))
    shop = open_shop(teacher, {"os": Gatekeeper()}, generate__tasks_per_request=1)
    await generate_round.fn(1, 0)
    assert shop.warehouse.count("task_specs") == 2 and reasons(shop) == {"1": "generate/teacher_error"}


async def test_a_teacher_that_answers_nothing_stops_the_round_and_lands_nothing(
    open_shop: Callable[..., Workshop],
) -> None:
    teacher = HalfDead({0, 1, 2}, TeacherError("dead"))
    shop = open_shop(teacher, {"os": Gatekeeper()}, generate__tasks_per_request=1)
    with pytest.raises(TeacherError, match="dead"):
        await generate_round.fn(1, 0)
    assert not shop.warehouse.has_landed("task_specs", "generate_tasks/1/0")


async def test_a_used_up_budget_stops_the_round_and_keeps_what_was_paid(open_shop: Callable[..., Workshop]) -> None:
    teacher = HalfDead({0}, BudgetError("used up"))
    shop = open_shop(teacher, {"os": Gatekeeper()}, generate__tasks_per_request=1)
    with pytest.raises(BudgetError):
        await generate_round.fn(1, 0)
    assert shop.warehouse.count("task_specs") == 0
    assert [c.reply for _, c in shop.ledger.rows_after(0, 9)] == [reply_for(p) for p in PROBLEMS[1:3]]


@pytest.mark.parametrize("breaks", range(TRIES))
async def test_a_sandbox_that_breaks_is_tried_again_before_the_task_is_blamed(
    open_shop: Callable[..., Workshop], make_specs: Callable[[int], list[TaskSpec]], breaks: int
) -> None:
    gate = Gatekeeper(number=[SandboxError("died")] * breaks)
    candidates = [Candidate(spec, "source") for spec in make_specs(1)]
    tried, failed = await try_all(Worlds({"os": gate}, entered=True), candidates, 4)
    assert (len(tried), len(failed), len(gate.asked)) == (1, 0, breaks + 1)


async def test_a_sandbox_that_stays_broken_is_named(
    open_shop: Callable[..., Workshop], make_specs: Callable[[int], list[TaskSpec]]
) -> None:
    gate = Gatekeeper(number=SandboxError("died"))
    candidates = [Candidate(spec, "source") for spec in make_specs(1)]
    _, (refused,) = await try_all(Worlds({"os": gate}, entered=True), candidates, 4)
    assert (refused.stage, refused.reason, refused.detail) == ("admit", "sandbox_error", "died")


@pytest.mark.parametrize("again", [None, SandboxError("gone")])
async def test_a_sandbox_that_breaks_under_a_task_that_it_held_is_an_outage_and_no_tasks_fault(
    make_specs: Callable[[int], list[TaskSpec]], again: Exception | None
) -> None:
    held, other = make_specs(2)
    fates = {held.instruction: [None, again], other.instruction: SandboxError("died")}
    candidates, worlds = (
        [Candidate(spec, "source") for spec in (held, other)],
        Worlds({"os": Gatekeeper(**fates)}, entered=True),
    )
    if again is None:
        admitted, refused = await try_all(worlds, candidates, 1)
        assert [one.spec.task_id for one in admitted] == [held.task_id]
        assert [one.reason for one in refused] == ["sandbox_error"]
        return
    with pytest.raises(OutageError, match="under 1 new tasks, and now it breaks under one that it held before: gone"):
        await try_all(worlds, candidates, 1)


@pytest.mark.parametrize("count", [LEAST - 1, LEAST])
async def test_a_sandbox_that_held_none_of_several_tasks_is_an_outage(
    make_specs: Callable[[int], list[TaskSpec]], count: int
) -> None:
    candidates = [Candidate(spec, "source") for spec in make_specs(count)]
    worlds = Worlds({"os": Gatekeeper(number=SandboxError("died"))}, entered=True)
    if count < LEAST:
        assert [one.reason for one in (await try_all(worlds, candidates, 4))[1]] == ["sandbox_error"] * count
        return
    with pytest.raises(OutageError, match=f"broke under {count} new tasks, and it held none of them"):
        await try_all(worlds, candidates, 4)


async def test_questions_are_derived_only_where_the_database_world_is_open(
    open_shop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop = open_shop(worlds={"os": Gatekeeper()})
    assert await derive_tasks.fn(1) == {"admitted": 0, "rejected": 0}
    assert shop.warehouse.count("task_specs") == shop.warehouse.count("rejections") == 0
