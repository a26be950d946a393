"""Questions on saved process listings."""

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
    one_of,
)
from environments.os.families.folder import File, Folder, lines

_LISTING = file_name("txt", "ps", "out")


def _processes(rng: random.Random, users: list[str]) -> list[tuple[int, str, str, int, str]]:
    """Return a process list: id, user, state, resident memory, command; no two of the same size."""
    commands = distinct(rng, words.SERVICES, rng.randint(9, 13))
    sizes = rng.sample(range(820, 9400), len(commands))
    ids = sorted(rng.sample(range(300, 31000), len(commands)))
    return [
        (pid, rng.choice(users), rng.choice("RSSSDZT"), size, command)
        for pid, size, command in zip(ids, sizes, commands, strict=True)
    ]


def _listing(rows: list[tuple[int, str, str, int, str]]) -> File:
    return lines("PID USER STAT RSS COMMAND", *(" ".join(map(str, row)) for row in rows))


@family(
    "processes",
    "name",
    {"dir": DIRECTORY, "file": _LISTING},
    """
    - According to the process listing {dir}/{file}, which command has the largest resident memory (RSS)?
    - A snapshot of ps was saved as {dir}/{file}. Find the COMMAND with the highest RSS in it.
    - Who is the memory hog in {dir}/{file}? Go by the RSS column and give the command.
    - In {dir}/{file} (output of ps), look for the greatest RSS value and say to which command it belongs.
    - Find the process that took most memory when {dir}/{file} was recorded; RSS is the measure.
    - Sort the processes noted in {dir}/{file} by RSS. What command comes out on top?
    - The columns of {dir}/{file} are PID, USER, STAT, RSS and COMMAND. Name the command with the biggest RSS.
    - From the saved process table {file} in {dir}, pick the command that used the most resident memory.
    """,
)
def memory_hog(p: Params, rng: random.Random) -> Scene:
    """Sorting {dir}/{file} by its fourth column puts the largest RSS last."""
    rows = _processes(rng, distinct(rng, words.USERS, 3))
    return Scene(
        before=Folder(p["dir"], {p["file"]: _listing(rows)}),
        reference=f"tail -n +2 {p['dir']}/{p['file']} | sort -n -k 4,4 | awk 'END {{ print $5 }}'",
        moves=(
            Move("I look at the table.", f"head -n 5 {p['dir']}/{p['file']}"),
            Move(
                "RSS is the fourth column[, COMMAND the fifth|]. I keep the largest while awk reads.",
                f"awk 'NR > 1 && $4 > most {{ most = $4; name = $5 }} END {{ print name }}' {p['dir']}/{p['file']}",
            ),
        ),
        answer=max(rows, key=lambda row: row[3])[4],
    )


@family(
    "processes",
    "number",
    {"dir": DIRECTORY, "file": _LISTING, "user": one_of(words.USERS)},
    """
    - Sum up the resident memory (column RSS) of all processes that user {user} has in {dir}/{file}.
    - How much RSS do the processes of {user} use together, going by the listing {dir}/{file}?
    - {dir}/{file} is a saved process table. Add the RSS values of those rows whose USER is {user}.
    - What is the total of the RSS column in {dir}/{file}, restricted to processes owned by {user}?
    - User {user} runs several programs, see {dir}/{file}. Work out their combined RSS, in the listing's unit.
    - Take each line of {dir}/{file} that belongs to {user} and total the fourth column, RSS.
    - For a chargeback to {user} I need the sum of RSS over that user's entries in {dir}/{file}.
    - Using the ps output stored at {dir}/{file}, calculate the overall resident memory of {user}.
    """,
)
def user_memory(p: Params, rng: random.Random) -> Scene:
    """awk adds the RSS of the rows of {user} in {dir}/{file}."""
    rows = _processes(rng, [p["user"], p["user"], *distinct(rng, words.USERS, 2, p["user"])])
    rows += [(40000 + i, p["user"], "S", rng.randint(400, 2000), "bash") for i in range(2)]
    path = f"{p['dir']}/{p['file']}"
    return Scene(
        before=Folder(p["dir"], {p["file"]: _listing(rows)}),
        reference=f"awk '$2 == \"{p['user']}\" {{ s += $4 }} END {{ print s + 0 }}' {path}",
        moves=(
            Move(f"First the processes of {p['user']}.", f"grep -w -e PID -e {p['user']} {path}"),
            Move(
                "RSS is the fourth column; I add it up.",
                f'total=0; while read -r pid user stat rss command; do [ "$user" = {p["user"]} ] && '
                f"total=$((total + rss)); done < {path}; echo $total",
            ),
        ),
        answer=str(sum(row[3] for row in rows if row[1] == p["user"])),
    )


@family(
    "processes",
    "number",
    {"dir": DIRECTORY, "file": _LISTING, "state": one_of(("R", "S", "D", "Z", "T"))},
    """
    - How many processes in the listing {dir}/{file} are in state {state} (column STAT)?
    - Count the entries of {dir}/{file} whose STAT column shows {state}.
    - The saved ps output {dir}/{file} has a column STAT. In how many rows is it {state}?
    - When {dir}/{file} was recorded, what number of processes had the state {state}?
    - Determine from {dir}/{file} the number of processes with status letter {state}.
    - Look through the process table {dir}/{file}: for how many processes does STAT equal {state}?
    - Only processes marked {state} under STAT interest me. How many does {file} in {dir} list?
    - Give the number of processes that {dir}/{file} reports with the process state {state}.
    """,
    unit=("process", "processes"),
)
def processes_in_state(p: Params, rng: random.Random) -> Scene:
    """awk counts the rows of {dir}/{file} with {state} in the third column."""
    rows = _processes(rng, distinct(rng, words.USERS, 3))
    rows += [(40000 + i, "root", p["state"], 100 + i, f"{p['state'].lower()}{i}") for i in range(rng.randint(2, 5))]
    rng.shuffle(rows)
    return Scene(
        before=Folder(p["dir"], {p["file"]: _listing(rows)}),
        reference=f"awk 'NR > 1 && $3 == \"{p['state']}\"' {p['dir']}/{p['file']} | wc -l",
        moves=(
            Move("Which column is STAT?", f"head -n 4 {p['dir']}/{p['file']}"),
            Move("The third. I count its values.", f"cut -d ' ' -f 3 {p['dir']}/{p['file']} | sort | uniq -c"),
            Move("Now only the one asked for.", f"cut -d ' ' -f 3 {p['dir']}/{p['file']} | grep -cx {p['state']}"),
        ),
        answer=str(sum(row[2] == p["state"] for row in rows)),
    )


FAMILIES = (
    memory_hog,
    user_memory,
    processes_in_state,
)
