"""What was planted and what is right, from the fault plan and the families alone.

Nothing that judges is imported here: no check, no judge, no admission (a test looks). A request is read as the offline
teacher's endpoint reads it, so the plan is known without asking anyone what happened.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from environments.alfworld.rehearsal import AlfworldRehearsal
from environments.db.families.questions import expected_rows, recognise_question
from environments.db.rehearsal import DbRehearsal
from environments.kg.rehearsal import KgRehearsal
from environments.os.rehearsal import OsRehearsal
from environments.webshop.rehearsal import WebShopRehearsal
from rehearsals.orders import for_one, numbers_in
from rehearsals.plan import SOLVER_FAULTS, TASK_FAULTS, model_seed, solver_fault, task_fault
from schemas.completion import CompletionRequest
from schemas.run_config import FaultsConfig

SOUND = "nothing planted"
SOLVER_CLASSES = (*SOLVER_FAULTS, SOUND)
TASK_CLASSES = (*TASK_FAULTS, SOUND)
RIGHT = frozenset({SOUND, "other_form"})
"""Classes that are to be kept; all others are to be refused."""

_OS = OsRehearsal()
_ALL = (_OS, DbRehearsal(), KgRehearsal(), WebShopRehearsal(), AlfworldRehearsal())
_TOKEN = re.compile(r"[^\s\"'`,;\[\]()]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


@dataclass(frozen=True)
class Planted:
    """The plan of one episode or one made-up task."""

    fault: str
    """A class of SOLVER_CLASSES or TASK_CLASSES."""
    problem: str = ""
    expected: str | None = None
    """The right answer's text, computed without any command (rows: JSON); None where a change is asked."""

    @property
    def is_right(self) -> bool:
        """Whether it is to be kept."""
        return self.fault in RIGHT


def planted_in_episode(request: CompletionRequest, faults: FaultsConfig) -> Planted:
    """Return the plan of the episode that a solver's request belongs to.

    Raises:
        ValueError: the problem is of no family, so nobody can say beforehand what is right.
    """
    seed = model_seed(request.model, request.sampling.seed)
    for rehearsal in _ALL:
        problem = rehearsal.problem(request.messages)
        if problem is None:
            continue
        applicable = rehearsal.solver_faults(problem)
        if "other_form" not in applicable and "claimed_write" not in applicable:
            break
        return Planted(solver_fault(problem, seed, applicable, faults) or SOUND, problem, _expected(problem))
    raise ValueError(f"no family knows the problem of request {request.request_hash}")


def planted_in_tasks(request: CompletionRequest, faults: FaultsConfig) -> dict[int, Planted]:
    """Return the plan of each task that a generation request asks for, by its number in it.

    Raises:
        ValueError: it is no generation request.
    """
    prompt, seed = request.messages[0].content, model_seed(request.model, request.sampling.seed)
    for rehearsal in _ALL:
        if rehearsal.drafts(prompt):
            ones = {number: for_one(prompt, number) for number in numbers_in(prompt)} or {1: prompt}
            return {
                number: Planted(task_fault(one, seed, rehearsal.task_faults(one), faults) or SOUND)
                for number, one in ones.items()
            }
    raise ValueError(f"request {request.request_hash} asks for no task")


def says(answer: str | None, expected: str) -> bool:
    """Whether an answer holds the expected values, whatever stands around them; coarser than any check."""
    return not _tokens(expected) - _tokens(answer or "")


def _expected(problem: str) -> str | None:
    question = recognise_question(problem)
    if question is None:
        return _OS.expected(problem)
    return json.dumps([list(row) for row in expected_rows(question["question"])], ensure_ascii=False)


def _tokens(text: str) -> Counter[str]:
    flat = " ".join(map(str, _leaves(_literal(_THOUSANDS.sub("", text)))))
    return Counter(_plain(token) for token in _TOKEN.findall(flat.replace("\\n", " ")))


def _plain(token: str) -> str:
    bare = token.strip("%")
    try:
        return str(float(bare))
    except ValueError:
        return bare


def _literal(text: str) -> Any:
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return text


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]
