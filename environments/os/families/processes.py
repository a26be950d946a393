"""Families on processes: exit codes, process id files, background jobs, environments."""

from __future__ import annotations

import random

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    Move,
    Params,
    Scene,
    distinct,
    family,
    file_name,
    number,
    one_of,
)
from environments.os.families.folder import Folder, lines

_SCRIPT = file_name("sh")
_PID_MAX = 4194304
"""Largest pid_max of a 64-bit Linux kernel (proc(5)): no process has an id above it."""


@family(
    "processes",
    "number",
    {"dir": DIRECTORY, "file": _SCRIPT, "argument": one_of(words.CITIES)},
    """
    - Run {dir}/{file} with the argument {argument}. What is its exit status?
    - With which code does the script {dir}/{file} end when it is called with {argument} as only argument?
    - Start bash on {dir}/{file}, pass {argument}, and tell the exit code of the process.
    - A process that runs {dir}/{file} {argument} ends with a certain status; find out which.
    - What does the shell report as $? after running {dir}/{file} with the argument "{argument}"?
    - Execute {file} from {dir} on the word {argument} and note the return code it leaves behind.
    - The monitoring looks at exit codes only. Which one does {dir}/{file} give for the parameter {argument}?
    - Determine the exit status of the script {file} in {dir} if its first argument is {argument}.
    """,
)
def exit_status(p: Params, rng: random.Random) -> Scene:
    """Running {dir}/{file} with {argument} and printing $? shows the status."""
    start, factor = rng.randint(11, 60), rng.randint(3, 9)
    status = (start + factor * len(p["argument"])) % 97 + 2
    script = lines("#!/bin/bash", f"n={start}", f"n=$((n + {factor} * ${{#1}}))", "exit $((n % 97 + 2))")
    return Scene(
        before=Folder(p["dir"], {p["file"]: script.with_mode(0o755)}),
        reference=f"bash {p['dir']}/{p['file']} {p['argument']} > /dev/null 2>&1\necho $?",
        moves=(
            Move("I read the script before I run it.", f"cat {p['dir']}/{p['file']}"),
            Move("It is harmless. I run it and print the status.", f"{p['dir']}/{p['file']} {p['argument']}; echo $?"),
        ),
        answer=str(status),
    )


@family(
    "processes",
    "change",
    {"dir": DIRECTORY},
    """
    - Remove the stale .pid files in {dir}, that is, those whose process does not exist any more.
    - Each .pid file in {dir} holds a process id. Delete those files whose process is not running.
    - After a crash, {dir} still has .pid files of processes that are gone. Delete these, keep those of live ones.
    - Go through {dir}/*.pid and erase every file that names a process id nobody uses at present.
    - A .pid file in {dir} is valid only as long as its process lives. Clear away the invalid ones.
    - Find out which process ids stored in the .pid files of {dir} are dead, and remove the files concerned.
    - In {dir}, drop all .pid files that point to no running process; a file with a running process stays.
    - Old process id files (*.pid) pile up in {dir}. Only those that belong to an existing process may remain.
    """,
)
def stale_pids(p: Params, rng: random.Random) -> Scene:
    """A loop over the .pid files of {dir} removes each one whose /proc/<id> does not exist."""
    names = distinct(rng, words.SERVICES, rng.randint(5, 8))
    # Process 1 is the one process that lives in the solver's shell and in the reference's as well.
    files = {f"{name}.pid": lines(str(_PID_MAX + rng.randint(1, 99999))) for name in names[1:]}
    live = {f"{names[0]}.pid": lines("1"), f"{names[0]}.log": lines("started")}
    before = Folder(p["dir"], dict(sorted({**files, **live}.items())))
    loop = 'for f in *.pid; do [ -d "/proc/$(cat "$f")" ] || {} "$f"; done'
    return Scene(
        before=before,
        reference=f"cd {p['dir']} || exit 1\n{loop.format('rm')}",
        moves=(
            Move("I see which ids are stored.", f"cd {p['dir']} && grep . *.pid"),
            Move("/proc tells which of them [live|exist]; I print the dead ones.", loop.format("echo")),
            Move("I remove exactly these.", f"{loop.format('rm')}; ls"),
        ),
        after=before.but(without=files),
    )


@family(
    "processes",
    "number",
    {"dir": DIRECTORY, "file": _SCRIPT, "out": file_name("txt", "out")},
    """
    - Start {dir}/{file} in the background, wait for it to end, and tell which number it leaves in {dir}/{out}.
    - Run {dir}/{file} as a background job; when it is done, which number stands in {dir}/{out}?
    - The job {dir}/{file} writes a number to {dir}/{out}. Launch it with & and report that number.
    - Launch {dir}/{file} in the background, note its process id, and read the number in {dir}/{out} after it ended.
    - {dir}/{file} takes a moment. Let it run in the background, wait, then look into {dir}/{out}: what number is it?
    - Have the shell run {dir}/{file} asynchronously. Once the process has finished, what value is in {dir}/{out}?
    - What number does the background process started from {dir}/{file} store in {dir}/{out}?
    - Put {dir}/{file} to the background, wait until its process is gone, then give me the number from {dir}/{out}.
    """,
    volatile=True,
)
def background_job(p: Params, rng: random.Random) -> Scene:
    """The script {dir}/{file} runs with &, the shell waits, and cat shows {dir}/{out}."""
    first, step, count = rng.randint(20, 90), rng.randint(11, 60), rng.randint(8, 30)
    path = f"{p['dir']}/{p['out']}"
    script = lines(
        "#!/bin/bash",
        f"for ((i = 0; i < {count}; i++)); do total=$((total + {first} + i * {step})); done",
        f"echo $total > {path}",
    )
    return Scene(
        before=Folder(p["dir"], {p["file"]: script.with_mode(0o755)}),
        reference=f"bash {p['dir']}/{p['file']} &\nwait\ncat {path}",
        moves=(
            Move(
                "I start the job and note its process id and the time.",
                f'cd {p["dir"]} && {{ ./{p["file"]} & }}; echo "process $! started at $(date +%T.%N)"; wait',
            ),
            Move("The job has ended[, so the result is there|]; I read the file.", f"cat {path}"),
        ),
        answer=str(sum(first + i * step for i in range(count))),
    )


@family(
    "processes",
    "number",
    {
        "dir": DIRECTORY,
        "file": _SCRIPT,
        "variable": one_of(("WORKERS", "BATCH", "RETRIES", "SHARDS", "DEPTH", "WINDOW", "QUEUE", "SLOTS")),
        "value": number(12, 480),
    },
    """
    - What does {dir}/{file} print when the environment variable {variable} is {value}?
    - Set {variable}={value} in the environment of {dir}/{file}, run it, and report its output.
    - The script {dir}/{file} reads {variable} from its environment. Which number does it print for the value {value}?
    - Run {dir}/{file} in a process whose environment has {variable} set to {value}. What comes out?
    - If {variable} were {value}, which number would {dir}/{file} write to its standard output?
    - Call {file} from {dir} with {variable} exported as {value}, and tell the number it shows.
    - Output of {dir}/{file}, please, run with the setting {variable}={value} in its environment.
    - The behaviour of {dir}/{file} depends on {variable}. Try it with {value} and give the printed number.
    """,
)
def environment_variable(p: Params, rng: random.Random) -> Scene:
    """{variable}={value} in front of the command puts it into the environment of {dir}/{file}."""
    factor, offset = rng.randint(3, 40), rng.randint(5, 900)
    script = lines(
        "#!/bin/bash",
        f": ${{{p['variable']}:?must be set}}",
        f"echo $(({p['variable']} * {factor} + {offset}))",
    )
    return Scene(
        before=Folder(p["dir"], {p["file"]: script.with_mode(0o755)}),
        reference=f"{p['variable']}={p['value']} bash {p['dir']}/{p['file']}",
        moves=(
            Move("What does the script do with the variable?", f"cat {p['dir']}/{p['file']}"),
            Move("I run it with the variable set.", f"env {p['variable']}={p['value']} {p['dir']}/{p['file']}"),
        ),
        answer=str(int(p["value"]) * factor + offset),
    )


FAMILIES = (
    exit_status,
    stale_pids,
    background_job,
    environment_variable,
)
