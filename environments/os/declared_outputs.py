"""What is wrong with `check.outputs`, as far as reading tells: a path that hides what was asked for, or nothing."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from sandboxes.ground import HOME
from schemas.task_spec import TaskSpec

_NO_FILES = ("/proc", "/sys", "/dev")
"""What the kernel makes up: nothing there is the agent's to leave."""
_PATTERN = re.compile(r"[*?]|\[.*\]")
_ODD = re.compile(r"[\0-\x1f\x7f]")
_LISTS = re.compile(r"\b(?:ls|find|du|tree|git|tar|walk|listdir|scandir|glob|rglob|iterdir)\b|\*|\s-\w*[rR]\b")
"""What looks at files that it does not name."""


def fault_of_outputs(spec: TaskSpec) -> str:
    """Return what is wrong with the first output that is of no use, '' where all are.

    That no script names it counts for kinds that have scripts, and where none of them lists folders.
    """
    outputs = spec.check.outputs
    for number, path in enumerate(outputs):
        if fault := _fault_of(path) or _among(path, outputs[:number]) or _unseen(path, spec):
            return f"check.outputs.{number} = {path[:200]!r}: {fault}"
    return ""


def _fault_of(path: str) -> str:
    if not path.startswith("/"):
        return "an output is an absolute path, such as /root/report.csv; `~` and variables are not read"
    if _ODD.search(path):
        return "a path holds no control character"
    if _PATTERN.search(path):
        return "an output is one path and no pattern; name each file, or the folder that they lie in"
    if path.strip("/") == "":
        return "it stands for everything: name what the agent is asked for, or leave `outputs` out"
    plain = "/" + posixpath.normpath(path).lstrip("/")
    if plain != path:
        return f"write it plainly: {plain}"
    if any(plain == one or plain.startswith(f"{one}/") for one in _NO_FILES):
        return f"nothing in {', '.join(_NO_FILES)} is kept: no agent can leave a file there"
    return ""


def _among(path: str, before: Sequence[str]) -> str:
    for other in before:
        if path == other:
            return "it stands there twice; leave one out"
        if path.startswith(f"{other}/") or other.startswith(f"{path}/"):
            inner, outer = sorted((path, other), key=len, reverse=True)
            return f"{inner} lies in {outer}, which stands there too; leave one out"
    return ""


def _unseen(path: str, spec: TaskSpec) -> str:
    programs = [*(one for one in spec.check.scripts if one is not None), *spec.check.under_test]
    text = "\n".join(script.code for script in programs)
    if not programs or posixpath.basename(path) in text:
        return ""
    above = {path.rsplit("/", count)[0] for count in range(1, path.count("/"))}
    at_hand = {spec.setup.cwd or HOME, HOME} & above
    if _LISTS.search(text) and (at_hand or any(one in text for one in above)):
        return ""
    return "no script of the check names it or a folder of it; look at it there, or leave it out"
