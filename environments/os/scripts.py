"""The programs of a task as the sandbox runs them: line ends, working directory, quiet start, one reference."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TypeVar

from schemas.errors import EnvironmentFault
from schemas.task_spec import Script, Setup, TaskSpec

S = TypeVar("S", Script, Script | None)
CRLF = "\r\n"


def has_crlf(spec: TaskSpec) -> bool:
    """Whether a script of the task has lines that end as Windows ends them."""
    return any(CRLF in script.code for script in scripts_of(spec))


def scripts_of(spec: TaskSpec) -> list[Script]:
    """Return all programs of a task."""
    scripts = (*spec.setup.init, spec.setup.start, *spec.reference, *spec.check.scripts, *spec.check.under_test)
    return [script for script in scripts if script is not None]


def with_unix_lines(spec: TaskSpec) -> TaskSpec:
    """Return the task as it is run: bash would take the CR of a line's end for a part of the last word."""
    if not has_crlf(spec):
        return spec

    def all_of(scripts: Iterable[S]) -> tuple[S, ...]:
        return tuple(
            script and script.model_copy(update={"code": script.code.replace(CRLF, "\n")}) for script in scripts
        )

    (start,) = all_of((spec.setup.start,))
    setup = spec.setup.model_copy(update={"init": all_of(spec.setup.init), "start": start})
    programs = {"scripts": all_of(spec.check.scripts), "under_test": all_of(spec.check.under_test)}
    update = {"setup": setup, "reference": all_of(spec.reference), "check": spec.check.model_copy(update=programs)}
    return spec.model_copy(update=update)


def start_of(setup: Setup) -> Script | None:
    """Return what opens every shell of the task; it prints nothing and holds no output open."""
    lines = [f"cd {shlex.quote(setup.cwd)}"] if setup.cwd else []
    if setup.start is not None:
        lines.append(f"builtin eval {shlex.quote(as_bash(setup.start))} </dev/null >/dev/null 2>&1")
    return Script(code="\n".join(lines)) if lines else None


def placed(script: Script, setup: Setup) -> Script:
    """Return the script, made to begin in the task's directory."""
    if not setup.cwd:
        return script
    if script.language == "python":
        return script.model_copy(update={"code": f"import os; os.chdir({setup.cwd!r}); del os\n{script.code}"})
    return script.model_copy(update={"code": f"cd {shlex.quote(setup.cwd)}\n{script.code}"})


def reference_of(spec: TaskSpec) -> Script:
    """Return the reference solution as one script.

    Raises:
        EnvironmentFault: the task has none.
    """
    if not spec.reference:
        raise EnvironmentFault(
            f"no_reference: task {spec.task_id} has no reference solution to run; let a teacher solve it instead",
            transient=False,
        )
    if len(spec.reference) == 1:
        return spec.reference[0]
    return Script(code="\n".join(as_bash(script) for script in spec.reference))


def as_bash(script: Script) -> str:
    """Return a bash command that does what the script does."""
    return script.code if script.language == "bash" else f"python3 -c {shlex.quote(script.code)}"
