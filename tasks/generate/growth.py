"""Whether a grown task is really harder than its parent: what its reference does is counted, not what is said of it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from schemas.rejection import Refusal
from schemas.task_spec import TaskSpec

MORE = 1.1
"""Times the parent's effort that a harder task's reference takes at least, and two words more."""
_REMARK = re.compile(r"(?:^|(?<=\s))(?:#|--)(?!\S*[)}'\"]).*$", re.MULTILINE)
_IDLE = re.compile(r"(?:^|[;&|\n])\s*(?:true|:|echo|printf '')\s*(?=$|[;&|\n])")
_WORD = re.compile(r"[\w./-]+|[|<>*+%=]")


def effort_of(spec: TaskSpec) -> int:
    """Count the words and joints of a task's references, without remarks and commands that do nothing.

    A line that was there before counts once: a step that is said twice is no further one.
    """
    lines: dict[str, None] = {}
    for script in spec.reference:
        code = _IDLE.sub("\n", _REMARK.sub("", script.code))
        lines |= dict.fromkeys(" ".join(line.split()) for line in code.split("\n"))
    return sum(len(_WORD.findall(line)) for line in lines)


def problem_of_growth(spec: TaskSpec, admitted: Mapping[str, TaskSpec]) -> Refusal | None:
    """Say why a task that names a parent is no harder one; None = it is, or it names none."""
    parent = admitted.get(spec.parent) if spec.parent else None
    if parent is None:
        return None
    mine, before = effort_of(spec), effort_of(parent)
    if mine >= before * MORE and mine >= before + 2:
        return None
    return Refusal("not_harder", f"its reference has {mine} words and its parent's {before}: a tenth more is asked for")
