"""Answers that no work gives: what anyone might guess, and what is no answer but an attack on the check's text.

A trial asks which of them pass on one state of the files. Most checks take all of them in one process: admission is
much of what a build computes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace

from environments.os.answer import canonical_answer
from environments.os.check import Evidence, evaluation_of, judge, run_check, takes_answer
from environments.os.scripts import reference_of
from schemas.errors import CheckError, CheckSandboxError
from schemas.task_spec import Script, TaskSpec

GARBAGE = ("qzxv-no-such-thing", "918273645")
"""A word and a number that no honest check takes."""
COMMON = ("4", "0", "3", "5", "2", "6", "1", "7", "9", "8")
"""The ten most common answers of the world, most common first: counted over the references of AgentBench's 582 OS tasks
on the host image (`python -m benchmarks.trust` counts again; docs/trust.md has the shares)."""
WORDS = ("yes", "no", "true", "false")
"""What else is right by chance."""
TRICKS = (
    "exit 0",
    "$(exit 0)",
    "; exit 0 #",
    'a"; exit 0; "',
    "a'; exit 0; '",
    "exit(0)",
    "1 = 1 -o 1",
    "1 -eq 1 -o 1",
    "x[y=$2],y",
    "1||1",
    "1 or 1",
    "1 | 1",
    "x' = 'x' or '1",
    "--help",
    "/etc/passwd",
    "*",
    ".*",
    "nan",
    " ".join(map(str, range(101))),
)
"""Not answers but code, test operators, arithmetic that takes the expected value for its own (bash, awk, bc, Python,
jq, expr, SQL), an option that ends well, a path that exists, patterns that match anything, a number that
compares with none, a list of all small numbers: for checks that evaluate, do not quote, match or search.
"""

_VARIABLE = re.compile(r"(?:^|[\s;(])([A-Za-z_]\w*)=", re.MULTILINE)
_END = "end"


def is_guess(answer: str) -> bool:
    """Whether someone who does not look may well say this."""
    return answer in COMMON or answer.lower() in WORDS


def tricks_for(spec: TaskSpec) -> tuple[str, ...]:
    """Return the tricks, and the check's own variables: `[[ $1 -eq $want ]]` takes the answer `want` as a number."""
    code = "\n".join(script.code for script in spec.check.scripts if script is not None)
    return (*TRICKS, *dict.fromkeys(_VARIABLE.findall(code)))


async def passing(
    spec: TaskSpec, evidence: Evidence, answers: Sequence[str | None], timeout: float, reference: str | None
) -> tuple[str | None, ...]:
    """Return the answers that pass on the final state of `evidence`, in their order.

    Raises:
        CheckError: the check could not run.
    """
    answers = tuple(answers)[: None if takes_answer(spec) else 1]
    script = _only_script(spec)
    if script is None or len(answers) < 2:
        return await _passing_one_by_one(spec, evidence, answers, timeout, reference)
    compared = reference or ""
    if spec.check.kind == "chain":
        on = evidence.initial if spec.check.reference_on == "initial" else evidence.final
        printed = await run_check(spec, evidence, reference_of(spec), on, (), timeout, "the reference")
        if printed.exit_code != 0:
            return ()
        compared = printed.output.decode("utf-8", "replace").replace("\0", "")
    return await _passing_at_once(spec, evidence, script, answers, timeout, compared)


def _only_script(spec: TaskSpec) -> Script | None:
    """Return the script that alone decides, given the answer and the reference's output."""
    if spec.check.kind == "script":
        scripts = evaluation_of(spec)
        return scripts[0] if len(scripts) == 1 and not spec.check.under_test else None
    if spec.check.kind == "chain" and len(spec.check.scripts) == 2 and spec.check.scripts[0] is None:
        return spec.check.scripts[1]
    return None


async def _passing_at_once(
    spec: TaskSpec,
    evidence: Evidence,
    script: Script,
    answers: tuple[str | None, ...],
    timeout: float,
    compared: str,
) -> tuple[str | None, ...]:
    form = _EVERY_ANSWER if script.language == "bash" else _EVERY_ANSWER_IN_PYTHON
    code = form.replace("CODE", shlex.quote(script.code) if script.language == "bash" else repr(script.code))
    every = Script(code=code, language=script.language)
    arguments = (compared, *(_as_seen(spec, answer, compared) for answer in answers))
    result = await run_check(spec, evidence, every, evidence.final, arguments, timeout, "the check")
    *numbers, end = result.text.split() or [""]
    if end != _END:  # the check ended the process that was to try them all
        return await _passing_one_by_one(spec, evidence, answers, timeout, compared)
    return tuple(answers[int(number)] for number in numbers)


def _as_seen(spec: TaskSpec, answer: str | None, compared: str) -> str:
    """Return an answer as the check gets it."""
    if spec.check.kind == "chain":
        return str(answer)
    return canonical_answer(answer or "", compared, spec.instruction, spec.check.lines)


async def _passing_one_by_one(
    spec: TaskSpec, evidence: Evidence, answers: tuple[str | None, ...], timeout: float, reference: str | None
) -> tuple[str | None, ...]:
    passed = []
    for answer in answers:
        try:
            verdict = await judge(spec, replace(evidence, answer=answer), timeout, reference)
        except CheckSandboxError:
            raise
        except CheckError:
            if len(answers) == 1:
                raise
            continue  # this answer broke the check: that is no pass
        if verdict.name == "passed":
            passed.append(answer)
    return tuple(passed)


_EVERY_ANSWER = f"""
exec 3>&1 >/dev/null 2>&1
reference=$1 number=0; shift
for answer in "$@"; do
    (exec 3>&-; set -- "$answer" "$reference"; eval CODE) && printf '%s ' $number >&3
    number=$((number + 1))
done
printf {_END} >&3
exit 0"""

_EVERY_ANSWER_IN_PYTHON = f"""
import os, sys
_said = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.dup2(1, 2)
_code, (_reference, *_answers) = compile(CODE, "<string>", "exec"), sys.argv[1:]
for _number, _answer in enumerate(_answers):
    sys.argv = ["-c", _answer, _reference]
    try:
        exec(_code, {{"__name__": "__main__"}})
    except SystemExit as _exit:
        if _exit.code not in (None, 0):
            continue
    except BaseException:
        continue
    os.write(_said, f"{{_number}} ".encode())
os.write(_said, b"{_END}")
"""
