"""Near misses: what is almost the right work must not pass, or the check does not look at what the task asks.

A question's: answers of the right shape with another value, the right one among others, other values of the world. A
change's: the right state with one thing about it spoiled (`spoil.py`), and the right state but for one asked change.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from environments.os.by_products import by_product_of
from environments.os.check import Evidence, ground_of, judge, judge_printed, starts_at_first, try_programs
from environments.os.scripts import start_of
from environments.os.spoil import other_values, turned
from sandboxes.base import Change, ExecResult
from sandboxes.ground import Ground
from schemas.errors import CheckError, CheckSandboxError, SandboxError
from schemas.task_spec import Lines, Script, TaskSpec

SPOIL = Path(__file__).with_name("spoil.py")
MOST_UNDONE = 4
MOST_CHANGES = 400
MOST_VALUES = 24
OUTPUT_SECONDS = 60.0
INTERPRETERS = ("python", "bash", "sh", "perl", "node", "ruby", "awk")
ACCOUNTS = {
    "/etc/passwd": "shell",
    "/etc/group": "group",
    **dict.fromkeys(("/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"), "\0"),
}
"""Files that an account's tools change with one another: looked at where the task says the word."""
OPPOSITES = ("yes", "no", "true", "false", "on", "off", "enabled", "disabled", "present", "absent", "passed", "failed")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_CONSTANT = re.compile(r"'([^'\n$]{1,80})'|\"([^\"\n$`]{1,80})\"|\b(\d{1,12})\b")
_PLACE = re.compile(r"(?:~|/root|/srv|/opt|/home|/var|/tmp|/etc|/data)(?:/[\w.+-]+)+")


_TELL_FILES = """
import hashlib, json, sys
room, told = 12_000, {}
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        data = file.read()
    shown = json.dumps(data.decode("utf-8", "replace"))
    room -= len(shown) + len(path) + 80
    told[path] = [hashlib.sha256(data).hexdigest(), data.decode("utf-8", "replace") if room > 0 else None]
    room += 0 if room > 0 else len(shown)
print(json.dumps(told))
"""


@dataclass(frozen=True)
class _First:
    """A file as it was at first."""

    sha256: str
    text: str | None
    """None = it is too large to be told."""


def wrong_answers(right: str, world: Sequence[str], lines: Lines = "one") -> tuple[str, ...]:
    """Return answers that are nearly the right one, and are not; `world` are other values of the task's world."""
    right = right.strip()
    if lines != "one" and "\n" in right:
        every = [*wrong_answers(right, world), *_other_lines(right.split("\n"))]
        same = sorted(right.split("\n")) if lines == "in_any_order" else None
        return tuple(one for one in dict.fromkeys(every) if _differs(one, right) and sorted(one.split("\n")) != same)
    others = [value for value in world if value != right and value not in right and right not in value]
    found = [*_other_shapes(right), *_other_numbers(right), *_parts(right), *others[:MOST_VALUES]]
    found += [word for word in OPPOSITES if right.lower() in OPPOSITES]
    some = others[:2] or [turned(right.encode()).decode()]
    found += [f"{right} or {some[0]}", f"{some[0]} {right}", ", ".join((*some, right))]
    if right not in ("", *others):
        found.append(" ".join((*others[:8], right, *others[8:16])))
    return tuple(dict.fromkeys(answer for answer in found if _differs(answer, right)))


def _differs(answer: str, right: str) -> bool:
    return answer.strip().lower() != right.lower() and bool(answer.strip())


def _other_shapes(right: str) -> Iterator[str]:
    yield turned(right.encode()).decode()
    if not _NUMBER.fullmatch(right):
        yield "".join(sorted(right)).strip()
        yield right[::-1]
        yield re.sub(r"\d(?=\D*\Z)", lambda digit: str((int(digit[0]) + 1) % 10), right)
        yield re.sub(r"[0-9a-f](?=\W*\Z)", lambda last: "1" if last[0] == "0" else "0", right)
    with_values = other_values(right.encode()).decode()
    if right.startswith(("{", "[")):
        yield with_values


def _other_numbers(right: str) -> Iterator[str]:
    if not _NUMBER.fullmatch(right):
        return
    number = float(right) if "." in right else int(right)
    yield str(-number)
    yield from map(str, (number * 2, number * 10, -number - 1, 10**9))
    yield str(round(number * 1.25 + 1, 2))
    yield str(round(number * 1.1 + 1, 2) if isinstance(number, float) else int(number * 1.1) + 1)
    if isinstance(number, int) and abs(number) < 1000:
        yield from map(str, (number + 1, number - 1))


def _other_lines(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines turned round, without one of them, and with one twice."""
    for some in (lines[::-1], lines[1:], lines[:-1], [*lines, lines[0]], [*lines[:-1], lines[0]]):
        yield "\n".join(some)


def _parts(right: str) -> Iterator[str]:
    words = re.split(r"[\s,;]+", right)
    if len(words) > 1:
        yield from (words[0], words[-1], " ".join(words[:-1]))
        yield " ".join((*words[:-1], turned(words[-1].encode()).decode()))
    if len(right) > 3 and not _NUMBER.fullmatch(right):
        yield from (right[:-1], right[0])


def values_of(spec: TaskSpec) -> tuple[str, ...]:
    """Return values of the task's world: words of its set-up and the paths that it names, most of them once."""
    code = "\n".join(script.code for script in spec.setup.init)
    words = re.findall(r"[A-Za-z][\w.+-]{1,40}|\d{1,9}", code)
    places = _PLACE.findall(f"{code}\n{spec.instruction}")
    names = [posixpath.basename(place) for place in places]
    stems = [name.partition(".")[0] for name in names]
    rare = [word for word in dict.fromkeys(words) if words.count(word) < 4]
    return tuple(dict.fromkeys((*names, *stems, *places, "/root", "/etc/passwd", *rare)))


async def changes_of(spec: TaskSpec, evidence: Evidence) -> list[Change]:
    """Return the changes that are the work itself.

    Raises:
        CheckSandboxError: the walls broke.
    """
    try:
        found = await evidence.session.diff(evidence.initial, evidence.final)
    except SandboxError as error:
        raise CheckSandboxError(f"the changes could not be told: {error}") from error
    return [change for change in found.changes if _counts(spec, change)][:MOST_CHANGES]


async def near_misses(
    spec: TaskSpec, evidence: Evidence, changes: Sequence[Change], timeout: float, reference: str | None
) -> str:
    """Return what almost right state passes, in words; empty = none does.

    Raises:
        CheckError: the check could not be tried.
    """
    if spec.check.kind != "script" or not changes:
        return ""
    if spec.check.under_test:
        return await _other_prints(spec, evidence, timeout, reference)
    passed = await _spoiled(spec, evidence, changes, timeout, reference)
    if passed:
        return passed[0]
    return await _undone(spec, evidence, changes, timeout, reference)


async def _other_prints(spec: TaskSpec, evidence: Evidence, timeout: float, reference: str | None) -> str:
    """Let the programs under test print what a wrong one would: nothing, other words, the same for every input."""
    printed = await try_programs(spec, evidence, timeout)
    ways = {
        "programs that print nothing": [""] * len(printed),
        "programs that print other words": [turned(one.encode()).decode() for one in printed],
        "programs that print more than they should": [f"{one}\n{turned(one.encode()).decode()}" for one in printed],
        **{f"a program that prints {one!r} for every input": [one] * len(printed) for one in printed},
    }
    for name, wrong in ways.items():
        if wrong != printed and (await judge_printed(spec, evidence, reference or "", timeout, wrong)).name == "passed":
            return name
    if len(set(printed)) == 1 and any(map(_has_input, spec.check.under_test)):
        return (
            f"a program that prints {printed[0]!r} for every input; give `under_test` a second input for which it "
            "must print something else"
        )
    return ""


def _has_input(script: Script) -> bool:
    """Whether a program under test is given something: an argument, or a text to read."""
    words = script.code.split()
    runs = 2 if words and posixpath.basename(words[0]).rstrip("0123456789.") in INTERPRETERS else 1
    return len(words) > runs or any(mark in script.code for mark in "<|")


def _counts(spec: TaskSpec, change: Change) -> bool:
    """Whether a change is a part of the work: what lies in scratch folders is when the task names it."""
    path = change.path
    if path in ACCOUNTS:
        return ACCOUNTS[path] in spec.instruction.lower()
    if by_product_of("")(path) or path.endswith(("-", ".bak", ".lock")):
        return _is_named(spec, path)
    return True


def _is_named(spec: TaskSpec, path: str) -> bool:
    name = posixpath.basename(path)
    return re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", spec.instruction) is not None


async def _spoiled(
    spec: TaskSpec, evidence: Evidence, changes: Sequence[Change], timeout: float, reference: str | None
) -> list[str]:
    first = await _at_first(spec, evidence, [c.path for c in changes if c.change == "modified" and c.kind == "file"])
    touched = [c for c in changes if not (c.path in first and first[c.path].sha256 == c.sha256)]
    answer = evidence.answer or ""
    order = {
        "cwd": spec.setup.cwd or "/root",
        "changes": [[c.path, c.change, c.kind] for c in touched],
        "checks": [_command(script, answer, reference or "") for script in spec.check.scripts if script],
        "olds": {path: found.text for path, found in first.items() if found.text is not None},
        "constants": _constants(spec),
        "instruction": spec.instruction,
    }
    text = json.dumps(order)
    script = Script(code=SPOIL.read_text(encoding="utf-8"), language="python")
    result = await _in_view(spec, evidence, script, (text,), ground_of(spec, evidence.initial))
    if result is None or result.exit_code != 0:
        raise CheckError(f"the spoiled states could not be tried: {result.text[-300:] if result else ''}")
    passed = json.loads(result.text)
    if passed is None:
        raise CheckError("the right state does not pass where the spoiled ones are tried")
    return [str(name) for name in passed]


async def _at_first(spec: TaskSpec, evidence: Evidence, paths: Sequence[str]) -> dict[str, _First]:
    """Return files as they were at first: what stood there before is not the work."""
    if not paths:
        return {}
    at_first = replace(evidence, final=evidence.initial)
    result = await _in_view(spec, at_first, Script(code=_TELL_FILES, language="python"), tuple(paths), None)
    whole = result is not None and result.exit_code == 0 and not result.truncated
    told = json.loads(result.text) if result is not None and whole else {}
    return {path: _First(*found) for path, found in told.items()}


async def _in_view(
    spec: TaskSpec, evidence: Evidence, script: Script, arguments: tuple[str, ...], ground: Ground | None
) -> ExecResult | None:
    """Run a program on the final state; None: none starts there.

    Raises:
        CheckSandboxError: the walls broke.
    """
    for _ in range(2):  # what keeps a program from starting does so twice, an accident does not
        try:
            return await evidence.session.run(
                script,
                arguments=arguments,
                start=start_of(spec.setup),
                on=evidence.final,
                trusted_tools=True,
                ground=ground,
                timeout=OUTPUT_SECONDS,
            )
        except SandboxError as error:
            if not await starts_at_first(spec, evidence, OUTPUT_SECONDS):
                raise CheckSandboxError(f"the sandbox of a trial broke: {error}") from error
    return None


def _command(script: Script, answer: str, reference: str) -> list[str]:
    if script.language == "python":
        code = f"import builtins, sys; builtins.exit = builtins.quit = sys.exit\n{script.code}"
        return ["/usr/bin/python3", "-I", "-S", "-c", code, answer, reference]
    return ["/bin/bash", "--norc", "--noprofile", "-p", "-c", script.code, "bash", answer, reference]


def _constants(spec: TaskSpec) -> list[str]:
    code = "\n".join(script.code for script in spec.check.scripts if script)
    return list(dict.fromkeys(text for found in _CONSTANT.findall(code) for text in found if text))


async def _undone(
    spec: TaskSpec, evidence: Evidence, changes: Sequence[Change], timeout: float, reference: str | None
) -> str:
    """Take one asked change back at a time: a task that asks for several asks for each."""
    named = [change.path for change in changes if _is_named(spec, change.path) and "/.git/" not in change.path]
    if len(named) < 2:
        return ""
    everything = {change.path for change in changes}
    for path in named[:MOST_UNDONE]:
        kept = tuple(sorted(other for other in everything if other != path and not other.startswith(f"{path}/")))
        kept = tuple(other for other in kept if not path.startswith(f"{other}/"))
        partly = spec.model_copy(update={"check": spec.check.model_copy(update={"outputs": kept or ("/nonesuch",)})})
        try:
            verdict = await judge(partly, evidence, timeout, reference)
        except CheckSandboxError:
            raise
        except CheckError:
            continue
        if verdict.name == "passed":
            return f"all but {path}"
    return ""
