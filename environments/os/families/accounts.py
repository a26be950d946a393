"""Questions on account tables (copies of /etc/passwd)."""

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

_SHELLS = ("/bin/bash", "/bin/sh", "/usr/bin/zsh", "/usr/sbin/nologin", "/bin/false", "/usr/bin/fish")
_PASSWD = file_name("passwd", "bak", "copy")


def _accounts(rng: random.Random, shells: list[str]) -> File:
    """Return an account table with one user per shell, ids rising from 1000."""
    uid = 1000
    rows = ["root:x:0:0:root:/root:/bin/bash"]
    for user, shell in zip(distinct(rng, words.USERS, len(shells)), shells, strict=True):
        uid += rng.randint(1, 60)
        rows.append(f"{user}:x:{uid}:{uid}::/home/{user}:{shell}")
    return lines(*rows)


@family(
    "system",
    "number",
    {"dir": DIRECTORY, "file": _PASSWD, "shell": one_of(_SHELLS[1:])},
    """
    - {dir}/{file} is a copy of an /etc/passwd. How many accounts in it have the login shell {shell}?
    - Count the users in the account table {dir}/{file} whose shell is {shell}.
    - From {dir}/{file} (format of /etc/passwd), determine the number of entries that use {shell}.
    - How often is {shell} set as login shell in the passwd copy {dir}/{file}?
    - A server's passwd file was saved as {dir}/{file}; on how many of its lines is {shell} the last field?
    - Go by {dir}/{file}, which has the layout of /etc/passwd: what number of accounts start {shell} at login?
    - Users with the shell {shell} will be contacted. Work out from the passwd copy {dir}/{file} how many that are.
    - In the table of accounts {file} under {dir}, find how many people log in with {shell}.
    """,
    unit=("account", "accounts"),
)
def shell_users(p: Params, rng: random.Random) -> Scene:
    """The seventh field of {dir}/{file}, split at colons, compared with {shell}."""
    wanted = rng.randint(2, 7)
    shells = [p["shell"]] * wanted + [
        rng.choice([s for s in _SHELLS if s != p["shell"]]) for _ in range(rng.randint(4, 9))
    ]
    rng.shuffle(shells)
    path = f"{p['dir']}/{p['file']}"
    return Scene(
        before=Folder(p["dir"], {p["file"]: _accounts(rng, shells)}),
        reference=f"awk -F: '$7 == \"{p['shell']}\"' {path} | wc -l",
        moves=(
            Move("I look at some entries.", f"head -n 3 {path}"),
            Move(
                f"The shell is the last field; I count the lines that end in {p['shell']}.",
                f"grep -c ':{p['shell']}$' {path}",
            ),
        ),
        answer=str(wanted),
    )


@family(
    "system",
    "number",
    {"dir": DIRECTORY, "file": _PASSWD},
    """
    - What is the highest user id in {dir}/{file}, a copy of /etc/passwd?
    - Find the largest UID that the account table {dir}/{file} assigns.
    - {dir}/{file} looks like /etc/passwd; report the greatest value of its third field.
    - Which numeric user id is the biggest one in the saved passwd file {dir}/{file}?
    - Before new accounts are made, I need the maximum UID used in {dir}/{file} (passwd format).
    - Sort the accounts of {dir}/{file}, a passwd copy, by user id; what id does the last one have?
    - Look through the user ids in {dir}/{file} and give the top one. The file has the format of /etc/passwd.
    - In the backup of the passwd file, {dir}/{file}, the ids rise with time. How far did they get?
    """,
)
def highest_uid(p: Params, rng: random.Random) -> Scene:
    """The third field of {dir}/{file}, sorted by number, last line."""
    table = _accounts(rng, rng.choices(_SHELLS, k=rng.randint(6, 14))).content.splitlines()
    highest = max(int(row.split(":")[2]) for row in table)
    rng.shuffle(table)
    path = f"{p['dir']}/{p['file']}"
    return Scene(
        before=Folder(p["dir"], {p["file"]: lines(*table)}),
        reference=f"cut -d: -f3 {path} | sort -n | tail -n 1",
        moves=(
            Move("First the layout.", f"head -n 3 {path}"),
            Move("I keep the largest third field.", f"awk -F: '$3 > top {{ top = $3 }} END {{ print top }}' {path}"),
        ),
        answer=str(highest),
    )


FAMILIES = (
    shell_users,
    highest_uid,
)
