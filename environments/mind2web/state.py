"""What a task of this world holds: pages and candidates (`setup.state`), and what is right (`check.arguments`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError

from environments.mind2web.page import MAX_KEPT_CHARS, BadPage, nodes_by_id, read_page
from schemas.bounded_reading import NotJson, parse_json
from schemas.errors import EnvironmentFault
from schemas.invalid_values import explain
from schemas.record import Record, canonical_json
from schemas.rejection import Refusal
from schemas.task_spec import Script, TaskSpec

KIND = "steps"
"""The one kind of check."""
Operation = Literal["CLICK", "TYPE", "SELECT"]
OPERATIONS: tuple[Operation, ...] = ("CLICK", "TYPE", "SELECT")
MOST_STEPS = 40
MOST_CANDIDATES = 60
R = TypeVar("R", bound=Record)


class PageStep(Record):
    """What is seen of one step."""

    page: str
    """Cleaned page, cut down to what stands around its candidates (`page.reduce_page`)."""
    previous: tuple[str, ...] = ()
    """What was done before, in words, the oldest first: `[button]  Search -> CLICK`."""
    order: tuple[str, ...] = Field(min_length=2, max_length=MOST_CANDIDATES)
    """Ids of the candidates, in the order in which they are asked about."""


class PageState(Record):
    """`setup.state`."""

    site: str
    domain: str = ""
    steps: tuple[PageStep, ...] = Field(min_length=1, max_length=MOST_STEPS)


class WantedStep(Record):
    """What is right at one step."""

    elements: tuple[str, ...] = Field(min_length=1)
    """Ids of the elements that are right, each."""
    op: Operation
    value: str = ""
    """What is typed or selected; empty for CLICK."""

    @property
    def action(self) -> str:
        """`OP value`, as actions are compared."""
        return f"{self.op} {'' if self.op == 'CLICK' else self.value}".strip()


class WantedSteps(Record):
    """`check.arguments`."""

    steps: tuple[WantedStep, ...] = Field(min_length=1, max_length=MOST_STEPS)


class GoldStep(Record):
    """A reference's code: what is done at one step."""

    element: str
    op: Operation
    value: str = ""


class Known(Record):
    """A task, read."""

    state: PageState
    wanted: WantedSteps
    gold: tuple[GoldStep, ...]


def as_text(record: Record) -> str:
    """Return a record as the JSON text that a task keeps."""
    return canonical_json(record.model_dump(mode="json")).decode()


def reference_of(steps: Sequence[GoldStep]) -> tuple[Script, ...]:
    """Return the scripts of a reference, one a step."""
    return tuple(Script(code=as_text(step)) for step in steps)


def read_known(spec: TaskSpec) -> Known:
    """Read a task.

    Raises:
        EnvironmentFault: it is none of this world's, or does not hold together.
    """
    known = _read(spec)
    if isinstance(known, Refusal):
        raise EnvironmentFault(f"{known.reason}: {known.detail}", transient=False)
    return known


def problem_of(spec: TaskSpec) -> Refusal | None:
    """Return what is wrong with a task, pages included."""
    known = _read(spec)
    if isinstance(known, Refusal):
        return known
    for number, (step, wanted) in enumerate(zip(known.state.steps, known.wanted.steps, strict=True)):
        if len(step.page) > MAX_KEPT_CHARS:
            return Refusal("page_too_large", f"step {number}: {len(step.page):,} characters, over {MAX_KEPT_CHARS:,}")
        try:
            there = nodes_by_id(read_page(step.page))
        except BadPage as error:
            return Refusal("bad_page", f"step {number}: {error}")
        if missing := [name for name in step.order if name not in there]:
            return Refusal("no_such_element", f"step {number}: the page has no elements {missing[:5]}")
        if not set(wanted.elements) & set(step.order):
            return Refusal("not_a_candidate", f"step {number}: none of {wanted.elements[:5]} is a candidate")
    return None


def _read(spec: TaskSpec) -> Known | Refusal:
    if spec.check.kind != KIND:
        return Refusal("unknown_check", f"this world has no check {spec.check.kind!r}; it has {KIND}")
    state = _parse(PageState, spec.setup.state, "setup.state")
    wanted = _parse(WantedSteps, spec.check.arguments, "check.arguments")
    if isinstance(state, Refusal):
        return state
    if isinstance(wanted, Refusal):
        return wanted
    if len(state.steps) != len(wanted.steps):
        return Refusal("steps_differ", f"{len(state.steps)} steps are shown, {len(wanted.steps)} are judged")
    gold = [_parse(GoldStep, script.code, "a reference") for script in spec.reference]
    if refused := next((one for one in gold if isinstance(one, Refusal)), None):
        return refused
    if gold and len(gold) != len(state.steps):
        return Refusal("steps_differ", f"{len(state.steps)} steps are shown, the reference has {len(gold)}")
    return Known(state=state, wanted=wanted, gold=tuple(one for one in gold if not isinstance(one, Refusal)))


def _parse(model: type[R], text: str | None, place: str) -> R | Refusal:
    try:
        value: Any = parse_json((text or "").encode("utf-8", "surrogatepass"))
        return model.model_validate(value)
    except NotJson as error:
        return Refusal("bad_state", f"{place} is no JSON that is read: {error}")
    except ValidationError as error:
        return Refusal("bad_state", f"{place}: {explain(error, model)}")
