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
from schemas.completion import CompletionRequest
from schemas.episode import Verdict
from schemas.errors import BudgetError, EnvironmentFault, SandboxError, TeacherError
from schemas.task_spec import Probe, TaskSpec
from tasks.generate.admit import TRIES, Candidate, try_all
from tasks.generate.rounds import derive_tasks, generate_round
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
        shop = open_shop(teacher, {"os": gate}, **overrides)
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
    shop = open_shop(teacher, {"os": Gatekeeper()})
    await generate_round.fn(1, 0)
    assert shop.warehouse.count("task_specs") == 2 and reasons(shop) == {"1": "generate/teacher_error"}


async def test_a_teacher_that_answers_nothing_stops_the_round_and_lands_nothing(
    open_shop: Callable[..., Workshop],
) -> None:
    shop = open_shop(HalfDead({0, 1, 2}, TeacherError("dead")), {"os": Gatekeeper()})
    with pytest.raises(TeacherError, match="dead"):
        await generate_round.fn(1, 0)
    assert not shop.warehouse.has_landed("task_specs", "generate_tasks/1/0")


async def test_a_used_up_budget_stops_the_round_and_keeps_what_was_paid(open_shop: Callable[..., Workshop]) -> None:
    shop = open_shop(HalfDead({0}, BudgetError("used up")), {"os": Gatekeeper()})
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


async def test_questions_are_derived_only_where_the_database_world_is_open(
    open_shop: Callable[..., Workshop], tmp_path: Path
) -> None:
    shop = open_shop(worlds={"os": Gatekeeper()})
    assert await derive_tasks.fn(1) == {"admitted": 0, "rejected": 0}
    assert shop.warehouse.count("task_specs") == shop.warehouse.count("rejections") == 0
