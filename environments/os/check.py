"""Judge a final state and answer by execution: fresh views of frozen files, the image's own tools, no agent's shell.

`script` is ours (AgentTuning 2.1): reference on the initial state, one evaluation script on the final one. `changes`
needs no script: what differs is compared. `chain` and `match` keep AgentBench's semantics (reference/agenttuning.md
1.5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from environments.os.answer import canonical_answer
from environments.os.changes import Deed, judge_deed
from environments.os.scripts import placed, reference_of, start_of
from sandboxes.base import ExecResult, Session, Snapshot
from schemas.episode import RewardPart, Verdict
from schemas.errors import CheckError, SandboxError
from schemas.task_spec import Script, TaskSpec

_EXIT_CODES = {
    126: "126: a command of it is not executable",
    127: "127: a command of it was not found",
    137: "137: killed, most likely at a resource limit",
}

_MISSING = (126, 127)


@dataclass(frozen=True)
class Evidence:
    """What is judged."""

    session: Session
    initial: Snapshot
    final: Snapshot
    answer: str | None
    """None = the work was committed without an answer."""
    shown: str = ""
    """What the agent's last command printed."""


async def judge(spec: TaskSpec, evidence: Evidence, timeout: float, reference: str | None) -> Verdict:
    """Judge by the task's kind of check; `script` needs the reference's output.

    Raises:
        CheckError: the check could not run, or the kind is none of this world.
    """
    if spec.check.kind == "script":
        return await _judge_script(spec, evidence, reference or "", timeout)
    if spec.check.kind == "changes":
        return await _judge_changes(spec, evidence, timeout)
    if spec.check.kind == "chain":
        return await _judge_chain(spec, evidence, timeout)
    if spec.check.kind == "match":
        return _judge_match(spec, evidence.answer)
    raise CheckError(
        f"the os world has no check of kind {spec.check.kind!r}; it has script, changes, chain and match",
        transient=False,
    )


async def reference_output(spec: TaskSpec, evidence: Evidence, timeout: float) -> str:
    """Run the reference in a fork of the initial (or final) state and return its stripped output.

    Raises:
        CheckError: it did not end with exit code 0, so nothing can be compared with it.
    """
    on = evidence.initial if spec.check.reference_on == "initial" else evidence.final
    result = await run_check(spec, evidence.session, reference_of(spec), on, (), timeout, "the reference")
    if result.exit_code != 0:
        raise CheckError(f"the reference ended with exit code {result.exit_code}: {result.text[-200:]!r}")
    return result.text.strip()


async def _judge_script(spec: TaskSpec, evidence: Evidence, reference: str, timeout: float) -> Verdict:
    """Run the evaluation script on the final state: `$1` the answer, `$2` the reference's output, 0 passes."""
    answer = canonical_answer(evidence.answer or "", reference, spec.instruction)
    for script in evaluation_of(spec):
        arguments = (_argument(answer), _argument(reference))
        result = await run_check(spec, evidence.session, script, evidence.final, arguments, timeout, "the check")
        if result.exit_code != 0:
            return failed(f"the check ended with exit code {_exit(result)}")
    return passed("the check ended with exit code 0")


def evaluation_of(spec: TaskSpec) -> list[Script]:
    """Return the evaluation scripts of a check of kind `script`.

    Raises:
        CheckError: there is none.
    """
    scripts = [script for script in spec.check.scripts if script is not None]
    if not scripts:
        raise CheckError(f"task {spec.task_id} has no evaluation script", transient=False)
    return scripts


async def _judge_changes(spec: TaskSpec, evidence: Evidence, timeout: float) -> Verdict:
    """Do the reference's work beside the agent's, on the initial state, and compare both.

    It runs with the tools that it finds there: nobody has touched them, and a reference may have to change them.
    """
    session, initial = evidence.session, evidence.initial
    own = spec.model_copy(update={"check": spec.check.model_copy(update={"trusted_tools": False})})
    result = await run_check(own, session, reference_of(spec), initial, (), timeout, "the reference", keep=True)
    note = _odd_reference(spec, result)
    assert result.left is not None
    given = evidence.shown if evidence.answer is None else evidence.answer
    shown = canonical_answer(given, result.text, spec.instruction)
    handed_in = evidence.answer is not None or spec.origin == "recorded"  # a recorder takes what stands last
    try:
        agent = Deed(await session.diff(initial, evidence.final), shown, handed_in)
        reference = Deed(await session.diff(initial, result.left), result.text)
    except SandboxError as error:
        raise CheckError(f"the changes could not be compared: {error}") from error
    if not reference.difference.complete:
        raise CheckError("the reference changes more than can be compared", transient=False)
    verdict = judge_deed(agent, reference, ordered=spec.check.ordered)
    return verdict.model_copy(update={"detail": verdict.detail + note})


def _odd_reference(spec: TaskSpec, result: ExecResult) -> str:
    """Return a note on the reference's exit code.

    Raises:
        CheckError: it says that the reference did not do its work; of tasks that others wrote, and judged whatever the
            code was, only that a program is missing says so.
    """
    if result.exit_code == 0:
        return ""
    note = f"the reference ended with exit code {_exit(result)}"
    if spec.origin not in ("benchmark", "recorded") or result.exit_code in _MISSING:
        raise CheckError(f"{note}: {result.text[-200:]!r}")
    return f" ({note})"


async def _judge_chain(spec: TaskSpec, evidence: Evidence, timeout: float) -> Verdict:
    """Run AgentBench's list: any exit code but 0 fails, every output is an argument of what follows."""
    arguments = [_argument(str(evidence.answer))]  # finish: the word None, as there
    for number, script in enumerate(spec.check.scripts, start=1):
        is_reference = script is None
        name = f"step {number} of the check" + (" (the reference)" if is_reference else "")
        on = evidence.initial if is_reference and spec.check.reference_on == "initial" else evidence.final
        program = script or reference_of(spec)
        result = await run_check(spec, evidence.session, program, on, tuple(arguments), timeout, name)
        if result.exit_code != 0:
            return failed(f"{name} ended with exit code {_exit(result)}; it said {result.text.strip()[-200:]!r}")
        arguments.append(_argument(result.output.decode("utf-8", "replace")))
    return passed(f"{len(spec.check.scripts)} steps of the check ended with exit code 0")


def _judge_match(spec: TaskSpec, answer: str | None) -> Verdict:
    """Compare as AgentBench does: stripped and exact, or by a pattern found anywhere; no answer never matches."""
    if answer is None:
        return failed("no answer was given")
    if spec.check.answer is not None and answer.strip() == spec.check.answer:
        return passed("the answer is the expected one")
    if spec.check.regex is not None and re.search(spec.check.regex, answer.strip()):
        return passed("the answer matches the pattern")
    return failed("the answer is not the expected one")


async def run_check(
    spec: TaskSpec,
    session: Session,
    script: Script,
    on: Snapshot,
    arguments: tuple[str, ...],
    timeout: float,
    name: str,
    *,
    keep: bool = False,
) -> ExecResult:
    """Run a program of the check in a view of its own, thrown away unless `keep`.

    Raises:
        CheckError: it did not end by itself, or its sandbox broke.
    """
    try:
        result = await session.run(
            placed(script, spec.setup),
            arguments=arguments,
            start=start_of(spec.setup),
            on=on,
            trusted_tools=spec.check.trusted_tools,
            keep=keep,
            timeout=timeout,
        )
    except SandboxError as error:
        raise CheckError(f"the sandbox of {name} broke: {error}") from error
    if result.timed_out:
        raise CheckError(f"{name} did not end within {timeout:g} seconds")
    if result.exit_code is None:
        raise CheckError(f"{name} was ended from outside: {result.text[-200:]!r}")
    return result


def passed(detail: str) -> Verdict:
    return Verdict(name="passed", reward=1.0, parts=(RewardPart(name="check", value=1.0),), detail=detail)


def failed(detail: str) -> Verdict:
    return Verdict(name="failed", reward=0.0, parts=(RewardPart(name="check", value=0.0),), detail=detail)


def _exit(result: ExecResult) -> str:
    code = result.exit_code or 0
    return _EXIT_CODES.get(code, str(code))


def _argument(text: str) -> str:
    return text.replace("\0", "")  # no program takes a NUL as an argument
