"""What an OS task's scripts tell before they run, and how its second run is made to show chance and clock."""

from __future__ import annotations

import asyncio
import re
import time

from environments.os.scripts import as_bash, has_crlf
from schemas.task_spec import Probe, Script, TaskSpec

_COMMAND = r"(?:^|[|;&(`{]|\b(?:do|then|else|sudo|if|while|!))\s*"
_NETWORK = re.compile(
    _COMMAND + r"(?:curl|wget|ping|ssh|scp|telnet|nc|dig|nslookup|apt|apt-get"
    r"|pip3?\s+install|npm\s+install|git\s+(?:clone|fetch|pull))\s|/dev/tcp/",
    re.MULTILINE,
)
_HERE_DOCUMENT = re.compile(r"(?<=<<)-?\s*(['\"]?)(\w+)\1[^\n]*\n.*?^\s*\2$", re.DOTALL | re.MULTILINE)
_CHANCE = re.compile(r"RANDOM|\bshuf\b|u?random|\brand\(|\bmktemp\b|\bsort\s+-R\b")
_CLOCK = re.compile(r"%s|%N|%T|%S|EPOCH|SECONDS|/proc/uptime|\bdate\b")
_CALENDAR = re.compile(
    _COMMAND + r"date\b(?![^\n;|)]*(?:-[a-zI]*[drf]|--(?:date|reference|file)))|printf\s[^\n]*%\([^)]*\)T"
    r"|\b(?:localtime|strftime|now|today|cal)\b\s*\(?",
    re.MULTILINE,
)
"""Where the calendar is read, not a file's date or a given one."""


def needs_no_network(spec: TaskSpec) -> Probe:
    """Refuse scripts that call the network: the sandbox has none."""
    found = _NETWORK.search(_HERE_DOCUMENT.sub("", _code(spec)))  # words of a text file call nothing
    detail = f"a script calls the network: {found.group().strip()!r}" if found else ""
    return Probe(name="needs_no_network", passed=found is None, detail=detail)


def unix_lines(spec: TaskSpec) -> list[Probe]:
    """Tell that the lines of a task's scripts end in CR LF, and are run as if they ended in LF."""
    detail = "lines of its scripts end in CR LF; they are run as if they ended in LF"
    return [Probe(name="crlf_is_lf", passed=True, detail=detail)] if has_crlf(spec) else []


def draws_by_chance(spec: TaskSpec) -> bool:
    """Whether a script draws numbers: two runs can agree by luck."""
    return _CHANCE.search(_code(spec)) is not None


async def under_another_clock(spec: TaskSpec) -> TaskSpec:
    """Return the task for its second run: other seeds and process ids, and another day where the calendar is read."""
    code = _code(spec)
    if _CLOCK.search(code):
        await asyncio.sleep(1.05 - time.time() % 1)  # what depends on the second must show it
    if not _CALENDAR.search(code):
        return _under_another_seed(spec)
    ahead = time.gmtime().tm_hour >= 12  # 22:37 hours by a time zone of its own: another day in any case
    return _under_another_seed(spec, f"export TZ=TRY{'-' if ahead else ''}22:37")


def _under_another_seed(spec: TaskSpec, *exports: str) -> TaskSpec:
    own = as_bash(spec.setup.start) if spec.setup.start else ":"
    seeds = ("RANDOM=20231", "export PYTHONHASHSEED=4711", *exports, ": $(:) $(:) $(:)")
    start = Script(code="\n".join((*seeds, own)))
    return spec.model_copy(update={"setup": spec.setup.model_copy(update={"start": start})})


def _code(spec: TaskSpec) -> str:
    scripts = (*spec.setup.init, *spec.reference, *(s for s in spec.check.scripts if s is not None))
    return "\n".join(script.code for script in scripts)
