"""Mind2Web's own files (Hugging Face, osunlp/Mind2Web) as tasks: one a step, or one a task with all its steps.

Read are the files of `data/train`, `test.zip` or what it unpacks to, and the ranks in `scores_all_data.pkl`; without
them candidates are ranked by words, the right ones among them. Steps are read as AgentBench does: previous actions are
those of the recording, right elements outside the best ones do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from environments.mind2web.importers.archive import unpacked
from environments.mind2web.importers.scores import MOST_RANKED, Ranks, read_ranks
from environments.mind2web.making import Shot, make_task
from environments.mind2web.page import MAX_KEPT_CHARS, BadPage, nodes_by_id, read_page
from environments.mind2web.ranking import best, rank_by_words
from environments.mind2web.state import MOST_STEPS, Operation, WantedStep
from environments.mind2web.tournament import TOP
from formats.catalogue import Given, Importer, Option
from formats.json_values import UNREADABLE_VALUE, Piece, Unread, cut_values
from schemas.bounded_reading import NotJson, parse_json
from schemas.errors import InputError
from schemas.rejection import Rejection
from schemas.task_spec import Origin, Provenance, TaskSpec

LICENSE = "CC-BY-4.0"
MOST_PARTS = 4_000_000
"""Brackets, commas and texts of one task: a page has some thousand candidates, and each stands in it."""
SEED = "123"
"""AgentBench's."""
_TEST = re.compile(r"(?:^|/)test_\w+")
_BLANKS = re.compile(r"\s+")
_LINES = re.compile(r"[\r\n]+")


class Unfit(Exception):
    """A step that cannot be a task."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class _Choices(NamedTuple):
    """How rows become tasks."""

    ranks: Ranks | None
    top: int
    whole: bool
    origin: str
    """`auto`, or what all are."""


class _Recorded(NamedTuple):
    """A task as the file has it."""

    row: Mapping[str, Any]
    source: str
    origin: Origin

    def text(self, key: str) -> str:
        value = self.row.get(key)
        if not isinstance(value, str) or not value.strip():
            raise Unfit("missing_field", f"`{key}` is no text")
        return _BLANKS.sub(" ", value).strip()

    def many(self, key: str) -> list[Any]:
        value = self.row.get(key)
        if not isinstance(value, list):
            raise Unfit("missing_field", f"`{key}` is no list")
        return value


def read_tasks(paths: Sequence[Path], given: Given) -> Iterator[TaskSpec | Rejection]:
    """Yield every step (or task) of some files, in their order.

    Raises:
        InputError: a file cannot be read at all, or an option is none.
    """
    choices = _choices(given)
    for path in paths:
        if path.suffix == ".zip":
            for name, place in unpacked(path, given.get("password")):
                yield from _read_file(place, f"{path.name}/{name}", choices)
        else:
            yield from _read_file(path, f"{path.parent.name}/{path.name}", choices)


def _choices(given: Given) -> _Choices:
    try:
        top = int(given.get("top", str(TOP)))
    except ValueError:
        top = 0
    if not 2 <= top <= MOST_RANKED:
        raise InputError(f"--top is a number from 2 to {MOST_RANKED}, this is {given.get('top')!r}")
    unit, origin = given.get("unit", "step"), given.get("origin", "auto")
    if unit not in ("step", "task"):
        raise InputError(f"--unit is `step` or `task`, this is {unit!r}")
    if origin not in ("auto", *get_args(Origin)):
        raise InputError(f"--origin is `auto` or one of {', '.join(get_args(Origin))}, this is {origin!r}")
    ranks = read_ranks(Path(given["scores"])) if "scores" in given else None
    return _Choices(ranks, top, unit == "task", origin)


def _read_file(path: Path, name: str, choices: _Choices) -> Iterator[TaskSpec | Rejection]:
    is_test = _TEST.search(name) is not None
    auto: Origin = "benchmark" if is_test else "derived"
    origin = next((one for one in get_args(Origin) if one == choices.origin), auto)
    for piece in cut_values(path):
        read = _parse(piece)
        if isinstance(read, Unread):
            yield read.reject(name, "import", "mind2web")
        else:
            yield from _read_row(_Recorded(read, f"{name}:{piece.line}", origin), choices)


def _parse(piece: Piece) -> Any:
    if piece.fault:
        return Unread(piece.line, piece.raw, piece.reason, piece.fault)
    try:
        return parse_json(piece.raw, MOST_PARTS)
    except NotJson as error:
        return Unread(piece.line, piece.raw, error.reason, str(error))


def _read_row(recorded: _Recorded, choices: _Choices) -> Iterator[TaskSpec | Rejection]:
    if not isinstance(recorded.row, dict):
        yield _rejected(Unfit("not_a_task", "a task is a JSON object"), recorded, None)
        return
    actions = recorded.row.get("actions")
    if not isinstance(actions, list) or not actions:
        yield _rejected(Unfit("missing_field", "`actions` is no list of steps"), recorded, None)
        return
    if choices.whole:
        yield _whole(recorded, actions, choices)
        return
    for number, action in enumerate(actions):
        try:
            yield _task(recorded, [_shot(recorded, action, number, choices)], choices, number)
        except Unfit as unfit:
            yield _rejected(unfit, recorded, number)


def _whole(recorded: _Recorded, actions: Sequence[Any], choices: _Choices) -> TaskSpec | Rejection:
    number = 0
    try:
        if len(actions) > MOST_STEPS:
            raise Unfit("too_many_steps", f"{len(actions)} steps; {MOST_STEPS} are taken at most")
        shots = []
        for number, action in enumerate(actions):
            shots.append(_shot(recorded, action, number, choices))
        return _task(recorded, shots, choices, None)
    except Unfit as unfit:
        return _rejected(unfit, recorded, number)


def _shot(recorded: _Recorded, action: Any, number: int, choices: _Choices) -> Shot:
    if not isinstance(action, dict):
        raise Unfit("missing_field", "a step is no object")
    wanted = _wanted(action)
    try:
        page = read_page(str(action.get("cleaned_html") or ""))
    except BadPage as error:
        raise Unfit("bad_page", str(error)) from error
    there = nodes_by_id(page)
    right, wrong = (list(dict.fromkeys(_ids(action, key))) for key in ("pos_candidates", "neg_candidates"))
    names = [name for name in dict.fromkeys((*right, *wrong)) if name in there]
    right = [name for name in right if name in there]
    if not right:
        raise Unfit("no_right_element", "the page has none of the elements that are right")
    task = recorded.text("confirmed_task")
    if choices.ranks is None:
        candidates = best(rank_by_words(page, names, task), right, choices.top)
    else:
        candidates = _ranked(names, choices, f"{recorded.text('annotation_id')}_{action.get('action_uid')}")
    right = [name for name in right if name in candidates]
    if not right:
        raise Unfit("not_among_the_best", f"no element that is right is among the best {choices.top}")
    if len(candidates) < 2:
        raise Unfit("one_candidate", "there is one candidate alone, and nothing to choose")
    previous = tuple(_LINES.sub(" ", str(one)) for one in recorded.many("action_reprs")[:number])
    return Shot(page, tuple(candidates), previous, wanted.model_copy(update={"elements": tuple(right)}))


def _wanted(action: Mapping[str, Any]) -> WantedStep:
    operation = action.get("operation")
    said = operation if isinstance(operation, dict) else {}
    op = next((one for one in get_args(Operation) if one == said.get("op")), None)
    if op is None:
        raise Unfit("unknown_operation", f"the operation is {said.get('op')!r}"[:200])
    value = _BLANKS.sub(" ", str(said.get("value") or "")).strip()
    if op != "CLICK" and not value:
        raise Unfit("no_value", f"{op} has no value")
    return WantedStep(elements=("",), op=op, value="" if op == "CLICK" else value)


def _ids(action: Mapping[str, Any], key: str) -> Iterator[str]:
    listed = action.get(key)
    for one in listed if isinstance(listed, list) else ():
        name = one.get("backend_node_id") if isinstance(one, dict) else None
        if isinstance(name, (str, int)):
            yield str(name)


def _ranked(names: Sequence[str], choices: _Choices, step: str) -> list[str]:
    ranks = (choices.ranks or {}).get(step)
    if ranks is None:
        raise Unfit("no_scores", f"the file of scores does not have {step}")
    kept = [name for name in names if ranks.get(name, choices.top) < choices.top]
    return sorted(kept, key=lambda name: ranks[name])


def _task(recorded: _Recorded, shots: Sequence[Shot], choices: _Choices, number: int | None) -> TaskSpec:
    where = f"{recorded.source}" + ("" if number is None else f" step {number}")
    site, domain = recorded.text("website"), str(recorded.row.get("domain") or "")
    spec = make_task(
        recorded.text("confirmed_task"), site, domain, shots, SEED,
        origin=recorded.origin, family=shots[0].wanted.op.lower() if len(shots) == 1 else "steps",
        parents=(recorded.text("annotation_id"),),
        labels=(f"site:{site}", "ranked:words" if choices.ranks is None else "ranked:scores"), license=LICENSE,
        provenance=Provenance(source=where),
    )  # fmt: skip
    longest = len(spec.setup.state or "")
    if longest > MAX_KEPT_CHARS * len(shots):
        raise Unfit("page_too_large", f"what the rounds show has {longest:,} characters")
    return spec


def _rejected(unfit: Unfit, recorded: _Recorded, number: int | None) -> Rejection:
    row = recorded.row if isinstance(recorded.row, dict) else {}
    raw = {key: row.get(key) for key in ("annotation_id", "website", "confirmed_task")} | {"step": number}
    where = recorded.source if number is None else f"{recorded.source} step {number}"
    return Rejection.make(
        stage="import", reason=unfit.reason, detail=str(unfit), source=where, raw=raw, environment="mind2web"
    )


IMPORTER = Importer(
    name="mind2web",
    kind="tasks",
    summary="Mind2Web's recorded pages: its training files, test.zip, and the ranks of candidates",
    page="worlds/mind2web.md",
    read=read_tasks,
    suffixes=(".json", ".jsonl", ".zip"),
    options=(
        Option("scores", "scores_all_data.pkl; without it candidates are ranked by words", "FILE"),
        Option("top", "how many of the best candidates are asked about", "NUMBER", default=str(TOP)),
        Option("unit", "`step`: each step is a task of its own; `task`: all steps are one", default="step"),
        Option("origin", "what the tasks are; `auto`: `benchmark` of files that begin with test_, else `derived`",
               default="auto"),
        Option("password", "of test.zip, as its authors publish it"),
    ),
    reasons={
        **UNREADABLE_VALUE,
        "not_a_task": "is no JSON object",
        "missing_field": "lacks a text or a list that every task has",
        "unknown_operation": "does something else than CLICK, TYPE or SELECT",
        "no_value": "types or selects nothing",
        "bad_page": "has a page that is no XML, too large or too deep",
        "page_too_large": "has a page of which too much is shown",
        "no_right_element": "has no right element that its page has",
        "not_among_the_best": "has no right element among the best candidates",
        "no_scores": "is not in the file of scores",
        "one_candidate": "has one candidate alone",
        "too_many_steps": "has more steps than a task may have",
    },
)  # fmt: skip
