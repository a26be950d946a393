"""Judge a final state and answer by execution: fresh views of frozen files, the image's own tools, no agent's shell.

`script` is ours (AgentTuning 2.1): reference on the initial state, one evaluation script on the final one. `chain` and
`match` keep AgentBench's semantics (reference/agenttuning.md 1.5).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace

from environments.os.answer import canonical_answer
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


@dataclass(frozen=True)
class Evidence:
    """What is judged."""

    session: Session
    initial: Snapshot
    final: Snapshot
    answer: str | None
    """None = the work was committed without an answer."""


async def judge(spec: TaskSpec, evidence: Evidence, timeout: float, reference: str | None) -> Verdict:
    """Judge by the task's kind of check; `script` needs the reference's output.

    Raises:
        CheckError: the check could not run, or the kind is none of this world.
    """
    if spec.check.kind == "script":
        return await _judge_script(spec, evidence, reference or "", timeout)
    if spec.check.kind == "chain":
        return await _judge_chain(spec, evidence, timeout)
    if spec.check.kind == "match":
        return _judge_match(spec, evidence.answer)
    raise CheckError(
        f"the os world has no check of kind {spec.check.kind!r}; it has script, chain and match", transient=False
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


async def judge_any(
    spec: TaskSpec, evidence: Evidence, answers: tuple[str | None, ...], timeout: float, reference: str | None
) -> Verdict:
    """Judge several answers on one state; the first verdict that is not `failed` counts.

    One bash evaluation takes all answers in one process: admission is much of what a build computes.
    """
    scripts = evaluation_of(spec) if spec.check.kind == "script" else []
    if len(scripts) == 1 and scripts[0].language == "bash" and len(answers) > 1:
        every = Script(code=_EVERY_ANSWER.format(code=shlex.quote(scripts[0].code)))
        arguments = (reference or "", *(answer or "" for answer in answers))
        name = "the check"
        result = await run_check(spec, evidence.session, every, evidence.final, arguments, timeout, name)
        return passed("it passed") if result.exit_code == 0 else failed("none passed")
    for answer in answers:
        verdict = await judge(spec, replace(evidence, answer=answer), timeout, reference)
        if verdict.name != "failed":
            break
    return verdict


_EVERY_ANSWER = """
reference=$1; shift
for answer in "$@"; do (set -- "$answer" "$reference"; eval {code}) && exit 0; done
exit 1"""


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
) -> ExecResult:
    """Run a program of the check in a throw-away view.

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
