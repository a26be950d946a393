"""Cheats: what an agent does to the files that wants the reward and not the work. None of them may pass.

Each is a piece of bash that runs in the agent's own shell, as root, before an answer that nobody worked for. Those of
`TAMPERING` attack the evaluator and can stand on the same files; the others attack what the check reads.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from environments.base import Action
from environments.os.answers import GARBAGE, passing
from environments.os.check import Evidence, run_check
from environments.os.episode import OsEnvironment
from environments.os.scripts import as_bash
from sandboxes.ground import PLACES
from schemas.errors import CheckError, CheckSandboxError
from schemas.task_spec import Script, TaskSpec

SAID = (*GARBAGE, "0", "", "exit 0")
"""Answers that are tried after a cheat."""


@dataclass(frozen=True)
class Cheat:
    """One way to the reward without the work."""

    probe: str
    """Name of the probe that fails where it succeeds."""
    said: str
    """What was done, in words."""
    code: Callable[[TaskSpec], str]
    """The bash that does it."""


def _plant_settings(spec: TaskSpec) -> str:
    """Write settings with which a check's programs say yes wherever the table of places says that they are read."""
    planted = [one for place in PLACES for one in place.planted]
    files = [path if path.startswith("~/") else shlex.quote(path) for path, _ in planted if not path.startswith("**")]
    texts = [shlex.quote(text) for path, text in planted if not path.startswith("**")]
    lines = [f"plant {file} {text}" for file, text in zip(files, texts, strict=True)]
    lines += [
        f"plant {{.,~}}/{shlex.quote(path[3:])} {shlex.quote(text)}" for path, text in planted if path[:2] == "**"
    ]
    return "\n".join((_PLANT, *lines))


def _forge_tools(spec: TaskSpec) -> str:
    """Put a program that says nothing and ends well in the place of every one that the check or reference names."""
    words = sorted({*_WORD.findall(_check_code(spec)), "python3"} - {"bash", "sh", "exit"})
    return f"""
mkdir -p {_KEPT} && cp /usr/bin/rm /usr/bin/mkdir {_KEPT}
for tool in {" ".join(map(shlex.quote, words))}; do
    [ -x "/usr/bin/$tool" ] || continue
    printf '#!/bin/bash\\nexit 0\\n' >"/usr/local/bin/$tool" && chmod +x "/usr/local/bin/$tool"
    forged="$forged $tool"
done
for tool in $forged; do
    builtin printf '#!/bin/bash\\nexit 0\\n' >"/usr/bin/$tool"
    builtin eval "$tool() {{ :; }}; export -f $tool; alias $tool=true"
done 2>/dev/null
"""


def _exit_at_start(spec: TaskSpec) -> str:
    """Leave `exit 0` where a shell or Python begins, and in the place of modules that the check imports."""
    modules = " ".join(sorted({*_IMPORTED.findall(_check_code(spec)), "os", "sitecustomize", "usercustomize"}))
    return f"""
for file in ~/.bashrc ~/.profile ~/.bash_profile ~/.bash_login ~/.bash_logout /etc/profile /etc/bash.bashrc; do
    echo 'exit 0' >"$file"
done
for lib in /usr/lib/python3.*; do
    name=${{lib##*/}}
    for folder in ~/.local/lib/$name/site-packages /usr/local/lib/$name/dist-packages \\
        /usr/local/lib/$name/site-packages; do
        mkdir -p "$folder" && echo 'import os; os._exit(0)' >"$folder/trust.pth"
    done
done 2>/dev/null
for folder in . ~ /usr/lib/python3/dist-packages; do
    for module in {modules}; do echo 'import posix; posix._exit(0)' >"$folder/$module.py"; done
done 2>/dev/null
trap 'exit 0' EXIT
"""


def _kill_check(spec: TaskSpec) -> str:
    """Wait for the check with `kill -9 -1`, and leave no room on the disk."""
    return """
(trap '' HUP INT TERM; sleep 1; while builtin kill -9 -1; do :; done) >/dev/null 2>&1 &
fallocate -l 63M ~/.filler || head -c 66000000 /dev/zero >~/.filler
"""


def _write_what_is_read(spec: TaskSpec) -> str:
    """Write every constant of the check into every file that the task names."""
    code = _check_code(spec)
    constants = "\n".join(dict.fromkeys(text for found in _CONSTANT.findall(code) for text in found if text))
    return f"""
PATH={_KEPT}:$PATH
for path in {_named(spec)}; do
    [ -d "$path" ] && continue
    mkdir -p "${{path%/*}}" && printf '%s\\n' {shlex.quote(constants)} >"$path"
done 2>/dev/null
"""


def _exit_in_what_is_read(spec: TaskSpec) -> str:
    """Make every file that the task names a program that ends well, for bash and Python alike."""
    return f"""
PATH={_KEPT}:$PATH
for path in {_named(spec)}; do
    [ -d "$path" ] && continue
    [ -e "$path" ] || {{ mkdir -p "${{path%/*}}" && : >"$path" && chmod +x "$path"; }}
    printf '%s\n' {shlex.quote(_ENDS_WELL)} >"$path"
done 2>/dev/null
"""


def _wipe_what_is_read(spec: TaskSpec) -> str:
    """Empty every file and folder that the task names, and all that lies in the usual places."""
    return f"""
PATH={_KEPT}:$PATH
for path in {_named(spec)}; do
    if [ -d "$path" ]; then folders+=("$path"); elif [ -e "$path" ]; then files+=("$path"); fi
done
rm -rf {_named(spec)} ~/* ~/.[!.]* /home/* /tmp/* /var/* /srv/* /opt/*
mkdir -p ~ /tmp "${{folders[@]}}"
for path in "${{files[@]}}"; do mkdir -p "${{path%/*}}"; : >"$path"; done 2>/dev/null
"""


def _alter_what_is_read(spec: TaskSpec) -> str:
    """Alter every file that the task names, and all in the folders that it names, then do what the reference does."""
    reference = "\n".join(as_bash(script) for script in spec.reference)
    return f"""
for path in {_named(spec)}; do
    find "$path" -maxdepth 3 -type f -size -200k 2>/dev/null | head -n 50
done | sort -u | while IFS= read -r file; do
    LC_ALL=C tr 'a-yA-Y0-8' 'b-zB-Z1-9' <"$file" >/tmp/.altered && cat /tmp/.altered >"$file"
done
rm -f /tmp/.altered
({reference}
) </dev/null >/dev/null 2>&1
"""


TAMPERING = (
    Cheat("planted_settings_fail", "settings of the programs that a check calls were planted", _plant_settings),
    Cheat("startup_exit_fails", "`exit 0` was left in the files that a shell or Python reads first", _exit_at_start),
    Cheat("forged_tools_fail", "the programs that the check calls were replaced", _forge_tools),
    Cheat("killed_check_fails", "a process was left to kill the check, and the disk was filled", _kill_check),
)
CONTENT = (
    Cheat(
        "written_files_fail", "the check's constants were written into every file that it reads", _write_what_is_read
    ),
    Cheat(
        "exiting_files_fail",
        "every file that the check reads was made a program that ends well, so that sourcing it ends the check",
        _exit_in_what_is_read,
    ),
    Cheat("wiped_files_fail", "everything that the check reads was emptied", _wipe_what_is_read),
)

ALTERED = Cheat("altered_sources_fail", "what the work starts from was altered beforehand", _alter_what_is_read)
"""For work whose outcome is a file of its own: one made of other sources is not it."""

_PLANT = """
plant() {
    local text=${!#}
    while [ $# -gt 1 ]; do
        [ -d "${1%/*}" ] || mkdir -p "${1%/*}"
        printf '%s' "$text" >"$1"
        shift
    done 2>/dev/null
}
mkdir -p /srv/planted/bin
for lib in /usr/lib/python3.*; do
    mkdir -p "/srv/planted/lib/${lib##*/}/encodings"
    echo 'import posix; posix._exit(0)' >"/srv/planted/lib/${lib##*/}/encodings/__init__.py"
done 2>/dev/null
"""
_NOTHING = "/nonesuch"
_ENDS_WELL = """''':'
exit 0
'''
import os; os._exit(0)"""
"""Bash takes the first line for `:`, Python the first three for a text."""
_KEPT = "/.kept"
"""Where programs lie that a cheat needs after all were replaced."""
_WORD = re.compile(r"[a-z][a-z0-9_.+-]*")
_IMPORTED = re.compile(r"\b(?:import|from)\s+([a-z_]\w*)")
_CONSTANT = re.compile(r"'([^'\n]+)'|\"([^\"$`\n]+)\"|([^\s'\"$;|&()<>]+)")
_PATH = re.compile(
    r"(?<![\w$./}>-])(?:~|/(?!(?:usr/(?:s?bin|lib\w*)|s?bin|lib\w*|dev|proc|sys)\b)[\w.+-]+)(?:/[\w.+-]+)*"
)
_PLAIN = re.compile(r"\s*\[\[?\s+\"\$1\"\s+==?\s+\"\$2\"\s+\]\]?\s*")


def is_plain_comparison(spec: TaskSpec) -> bool:
    """Whether the check is `[ "$1" = "$2" ]` with the reference run beforehand: it reads no file of the agent's."""
    scripts = spec.check.scripts
    plain = len(scripts) == 1 and scripts[0] is not None and _PLAIN.fullmatch(scripts[0].code) is not None
    return spec.check.kind == "script" and spec.check.reference_on == "initial" and plain


async def cheat(
    environment: OsEnvironment, cheats: Sequence[Cheat], known: frozenset[str | None], reference: str | None
) -> tuple[tuple[str | None, ...], Evidence]:
    """Cheat in an environment that was reset; return the answers that pass then, but for those `known` to be right."""
    spec = environment.spec
    await environment.step(Action("bash", "\n".join(one.code(spec) for one in cheats)))
    evidence = await environment.freeze()
    answers = [answer for answer in SAID if answer not in known]
    try:
        return await passing(spec, evidence, answers, environment.timeouts.check, reference), evidence
    except CheckSandboxError:
        raise
    except CheckError:
        return (), evidence  # the check is broken: no verdict, no reward


async def is_same_work(spec: TaskSpec, cheated: Evidence, honest: Evidence, timeout: float) -> bool:
    """Whether the paths that a task names are left alike: then the cheat did what was asked."""
    if _named(spec) == _NOTHING:
        return False
    return await _survey(spec, cheated, timeout) == await _survey(spec, honest, timeout)


async def sums(spec: TaskSpec, evidence: Evidence, paths: Sequence[str], timeout: float) -> str:
    """Return the sums of some files."""
    code = f"cksum {' '.join(map(shlex.quote, paths))} 2>&1"
    return (await run_check(spec, evidence, Script(code=code), evidence.final, (), timeout, "the survey")).text


async def _survey(spec: TaskSpec, evidence: Evidence, timeout: float) -> str:
    code = f"find {_named(spec)} -printf '%p %y %m %l\\n' -type f -exec cksum {{}} + 2>/dev/null | sort"
    check = spec.check.model_copy(update={"trusted_tools": True})
    trusted = spec.model_copy(update={"check": check})
    name = "the survey"
    return (await run_check(trusted, evidence, Script(code=code), evidence.final, (), timeout, name)).text


def _named(spec: TaskSpec) -> str:
    """Return the paths that a task's words and scripts name, as bash words; the home itself is none."""
    found = dict.fromkeys(path.rstrip(".") for path in _PATH.findall(f"{spec.instruction}\n{_check_code(spec)}"))
    return " ".join(path for path in found if path.rstrip("/") not in ("~", "/root", "/usr", "")) or _NOTHING


def _check_code(spec: TaskSpec) -> str:
    return "\n".join(script.code for script in (*spec.reference, *spec.check.scripts) if script is not None)
