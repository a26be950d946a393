"""Judge a final state and answer by execution: fresh views of frozen files, the image's own tools, no agent's shell.

`script` is ours (AgentTuning 2.1): reference on the initial state, one evaluation script on the final one. `changes`
needs no script: what differs is compared. `chain` and `match` keep AgentBench's semantics (reference/agenttuning.md
1.5).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from environments.os.answer import canonical_answer
from environments.os.changes import Deed, judge_deed
from environments.os.pattern import is_found
from environments.os.scripts import placed, reference_of, scripts_of, start_of
from sandboxes.base import ExecResult, Session, Snapshot
from sandboxes.ground import HOME, Ground
from schemas.episode import RewardPart, Verdict
from schemas.errors import CheckError, CheckSandboxError, SandboxError, StateError
from schemas.task_spec import Script, TaskSpec

_EXIT_CODES = {
    126: "126: a command of it is not executable",
    127: "127: a command of it was not found",
    137: "137: killed, most likely at a resource limit",
}

_MISSING = (126, 127)
SAID_CHARS = 300
"""Of what a check said, from its begin and from its end."""
KINDS = "script, changes, chain and match"


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


_TAKES_ANSWER = re.compile(r"\$[1@*]|\$\{[1@*#]|argv|\bshift\b|\bgetopts\b|BASH_ARGV")


def takes_answer(spec: TaskSpec) -> bool:
    """Whether the check can see the answer at all; where it cannot, one answer is as good as any."""
    codes = [script.code for script in spec.check.scripts if script is not None]
    return spec.check.kind != "script" or any(map(_TAKES_ANSWER.search, codes))


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
        return await _judge_match(spec, evidence.answer)
    raise CheckError(
        f"the os world has no check of kind {spec.check.kind!r}; it has {KINDS}",
        transient=False,
    )


async def reference_output(spec: TaskSpec, evidence: Evidence, timeout: float) -> str:
    """Run the reference in a fork of the initial (or final) state and return its stripped output.

    Raises:
        StateError: it ends well at first, and not on what the agent left.
        CheckError: it did not end with exit code 0, so nothing can be compared with it.
    """
    on = evidence.initial if spec.check.reference_on == "initial" else evidence.final
    result = await run_check(spec, evidence, reference_of(spec), on, (), timeout, "the reference")
    if result.exit_code == 0:
        return result.text.strip()
    told = f"the reference ended with exit code {result.exit_code}: {result.text[-200:]!r}"
    if spec.check.reference_on == "final":
        at_first = await run_check(spec, evidence, reference_of(spec), evidence.initial, (), timeout, "the reference")
        if at_first.exit_code == 0:
            raise StateError(f"{told}; on the initial state it does not")
    raise CheckError(told)


async def _judge_script(spec: TaskSpec, evidence: Evidence, reference: str, timeout: float) -> Verdict:
    """Run the evaluation script on the final state: `$1` the answer, `$2` the reference's output, 0 passes."""
    printed = await try_programs(spec, evidence, timeout)
    return await judge_printed(spec, evidence, reference, timeout, printed)


async def try_programs(spec: TaskSpec, evidence: Evidence, timeout: float) -> list[str]:
    """Return what the programs under test print.

    Raises:
        StateError: one did not end by itself.
    """
    return [await _try_program(spec, evidence, script, timeout) for script in spec.check.under_test]


async def judge_printed(
    spec: TaskSpec, evidence: Evidence, reference: str, timeout: float, printed: Sequence[str]
) -> Verdict:
    """Run the evaluation script as if the programs under test had printed this."""
    answer = canonical_answer(evidence.answer or "", reference, spec.instruction, spec.check.lines)
    for script in evaluation_of(spec):
        arguments = (_argument(answer), _argument(reference), *map(_argument, printed))
        result = await run_check(
            spec, evidence, script, evidence.final, arguments, timeout, "the check", is_closed=True
        )
        said = f"the check ended with exit code {_exit(result)}{_said(result)}"
        if result.exit_code != 0:
            return failed(said, "check_says_no")
    return passed(said)


async def _try_program(spec: TaskSpec, evidence: Evidence, script: Script, timeout: float) -> str:
    """Run what the agent wrote where the agent worked, with the agent's rights; what it prints is data to the check.

    Raises:
        StateError: it did not end by itself.
    """
    own = spec.model_copy(update={"check": spec.check.model_copy(update={"trusted_tools": False})})
    result = await run_check(own, evidence, script, evidence.final, (), timeout, "the program under test")
    return result.text.rstrip("\n")


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
    result = await run_check(own, evidence, reference_of(spec), initial, (), timeout, "the reference", keep=True)
    note = _odd_reference(spec, result)
    assert result.left is not None
    given = evidence.shown if evidence.answer is None else evidence.answer
    shown = canonical_answer(given, result.text, spec.instruction, spec.check.lines)
    handed_in = evidence.answer is not None or spec.origin == "recorded"  # a recorder takes what stands last
    try:
        agent = Deed(await session.diff(initial, evidence.final), shown, handed_in)
        reference = Deed(await session.diff(initial, result.left), result.text)
    except SandboxError as error:
        raise CheckSandboxError(f"the changes could not be compared: {error}") from error
    if not reference.difference.complete:
        raise CheckError("the reference changes more than can be compared", transient=False)
    verdict = judge_deed(agent, reference, ordered=spec.check.ordered, instruction=spec.instruction)
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
        closed = not is_reference
        result = await run_check(spec, evidence, program, on, tuple(arguments), timeout, name, is_closed=closed)
        if result.exit_code != 0:
            return failed(f"{name} ended with exit code {_exit(result)}{_said(result)}", "check_says_no")
        arguments.append(_argument(result.output.decode("utf-8", "replace")))
    return passed(f"{len(spec.check.scripts)} steps of the check ended with exit code 0")


async def _judge_match(spec: TaskSpec, answer: str | None) -> Verdict:
    """Compare as AgentBench does: stripped and exact, or by a pattern found anywhere; no answer never matches."""
    if answer is None:
        return failed("no answer was given", "no_answer")
    if spec.check.answer is not None and answer.strip() == spec.check.answer:
        return passed("the answer is the expected one")
    if spec.check.regex is not None and await is_found(spec.check.regex, answer.strip()):
        return passed("the answer matches the pattern")
    return failed("the answer is not the expected one", "wrong_answer")


async def run_check(
    spec: TaskSpec,
    evidence: Evidence,
    script: Script,
    on: Snapshot,
    arguments: tuple[str, ...],
    timeout: float,
    name: str,
    *,
    keep: bool = False,
    is_closed: bool = False,
) -> ExecResult:
    """Run a program of the check in a view of its own, thrown away unless `keep`.

    `is_closed`: it holds what the agent's programs that it starts must not find.

    Raises:
        StateError: it did not start or end by itself on what the agent left, or that cannot be looked at.
        CheckError: it did not end by itself, or its sandbox broke.
    """
    ground = replace(ground_of(spec, evidence.initial), is_closed=is_closed) if spec.check.trusted_tools else None

    async def run() -> ExecResult:
        return await evidence.session.run(
            placed(script, spec.setup),
            arguments=arguments,
            start=start_of(spec.setup),
            on=on,
            trusted_tools=spec.check.trusted_tools,
            ground=ground,
            keep=keep,
            timeout=timeout,
        )

    try:
        result = await run()
    except SandboxError as error:
        if on.layers == evidence.initial.layers or not await starts_at_first(spec, evidence, timeout):
            raise CheckSandboxError(f"the sandbox of {name} broke: {error}") from error
        result = await _run_again(run, name)
    if result.exit_code is None:
        broken = StateError if on.layers != evidence.initial.layers else CheckError
        raise broken(_why_unended(name, result, timeout))
    return result


async def _run_again(run: Callable[[], Awaitable[ExecResult]], name: str) -> ExecResult:
    """Run on what the agent left once more: what keeps a program from starting there does so again, an accident not."""
    try:
        return await run()
    except SandboxError as error:
        raise StateError(f"{name} does not start on what the agent left: {error}") from error


async def starts_at_first(spec: TaskSpec, evidence: Evidence, timeout: float) -> bool:
    """Whether a program starts on the initial state: then it is what the agent left that none starts on."""
    try:
        trusted = spec.check.trusted_tools
        await evidence.session.run(Script(code="true"), on=evidence.initial, trusted_tools=trusted, timeout=timeout)
    except SandboxError:
        return False
    return True


def _why_unended(name: str, result: ExecResult, timeout: float) -> str:
    if result.timed_out:
        return f"{name} did not end within {timeout:g} seconds"
    if result.reason == "state":
        return f"{name} cannot look at what the agent left: {result.text}"
    return f"{name} was ended from outside ({result.reason or 'killed'}): {result.text[-200:]!r}"


def ground_of(spec: TaskSpec, initial: Snapshot) -> Ground:
    """Return whose version of each path the check sees: the task's own words and scripts say what it is about."""
    text = "\n".join((spec.instruction, *(script.code for script in scripts_of(spec))))
    return Ground(initial.layers, text, spec.setup.cwd or HOME, spec.check.outputs or None)


def passed(detail: str) -> Verdict:
    return Verdict(name="passed", reward=1.0, parts=(RewardPart(name="check", value=1.0),), detail=detail)


def failed(detail: str, reason: str = "") -> Verdict:
    parts = (RewardPart(name="check", value=0.0),)
    return Verdict(name="failed", reward=0.0, parts=parts, detail=detail, reason=reason)


def _exit(result: ExecResult) -> str:
    code = result.exit_code or 0
    return _EXIT_CODES.get(code, str(code))


def _said(result: ExecResult) -> str:
    """Return the check's own words, stdout and stderr, their begin and end where they are many; empty = none."""
    words = result.text.strip()
    if len(words) > 2 * SAID_CHARS:
        words = f"{words[:SAID_CHARS]} ... {words[-SAID_CHARS:]}"
    return f"; it said {words!r}" if words else ""


def _argument(text: str) -> str:
    return text.replace("\0", "")  # no program takes a NUL as an argument
