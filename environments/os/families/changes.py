"""Changes, one for every topic: the folder as it must be found afterwards is computed here."""

from __future__ import annotations

import hashlib
import random

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    EXTENSION,
    STEM,
    WORD,
    Params,
    Scene,
    Slot,
    distinct,
    family,
    file_name,
    folder_check,
    number,
    one_of,
)
from environments.os.families.folder import Folder, lines
from environments.os.families.questions import scatter, zip_flag
from rehearsals.base import Move

_TEXT = file_name("txt", "md", "log", "lst")
_PID_MAX = 4194304
"""Largest pid_max of a 64-bit Linux kernel (proc(5)): no process has an id above it."""
_ADDRESS = Slot(
    lambda rng: f"10.{rng.randint(1, 99)}.{rng.randint(1, 250)}.{rng.randint(2, 250)}", r"10\.\d+\.\d+\.\d+"
)


@family(
    "files",
    "change",
    'Put "{prefix}_" before the names of the .{ext} files in {dir}.',
    dir=DIRECTORY,
    ext=EXTENSION,
    prefix=STEM,
)
def rename_prefix(p: Params, rng: random.Random) -> Scene:
    """A loop over *.{ext} in {dir} moves each file to its name with {prefix}_ in front."""
    before = Folder(p["dir"], scatter(rng, p["ext"], 4, 4, places=0))
    chosen = {name: file for name, file in before.files.items() if name.endswith(f".{p['ext']}")}
    loop = f'for name in *.{p["ext"]}; do mv -n "$name" "{p["prefix"]}_$name"; done; ls -A'
    return Scene(
        before=before,
        reference=f'cd {p["dir"]} || exit 1\nfor f in *.{p["ext"]}; do mv -- "$f" "{p["prefix"]}_$f"; done',
        moves=(
            Move("I list the files first.", "bash", f"cd {p['dir']} && ls -A"),
            Move("A loop with mv adds the prefix, and a listing shows the result.", "bash", loop),
        ),
        after=before.but({f"{p['prefix']}_{name}": file for name, file in chosen.items()}, without=chosen),
    )


@family(
    "text",
    "change",
    "Replace the word {old} by {new} throughout {dir}/{file}.",
    dir=DIRECTORY,
    file=_TEXT,
    old=WORD,
    new=WORD,
)
def replace_word(p: Params, rng: random.Random) -> Scene:
    """sed -i replaces {old} by {new} in {dir}/{file}, on each line as often as it occurs."""
    pool = tuple(word for word in words.STEMS if p["old"] not in word and p["new"] not in word)
    text = [rng.sample(pool, 4) for _ in range(9)]
    for line in (text[0], *rng.sample(text, 4)):
        for place in rng.sample(range(4), rng.randint(1, 2)):
            line[place] = p["old"]
    old = [" ".join(line) for line in text]
    before = Folder(p["dir"], {p["file"]: lines(*old), "other.txt": lines(f"the {p['old']} stays here")})
    change = f"sed -i 's/\\<{p['old']}\\>/{p['new']}/g' {p['file']}; grep -c {p['old']} {p['file']}"
    return Scene(
        before=before,
        reference=f"sed -i 's/\\b{p['old']}\\b/{p['new']}/g' {p['dir']}/{p['file']}",
        moves=(
            Move("I see where the word stands.", "bash", f"cd {p['dir']} && grep -n {p['old']} {p['file']}"),
            Move("It can stand twice on a line, so sed needs the g flag.", "bash", change),
        ),
        after=before.but({p["file"]: lines(*(line.replace(p["old"], p["new"]) for line in old))}),
    )


@family("processes", "change", "In {dir}, delete .pid files of dead processes.", dir=DIRECTORY)
def stale_pids(p: Params, rng: random.Random) -> Scene:
    """A loop over the .pid files of {dir} removes each one whose /proc/<id> does not exist."""
    names = distinct(rng, words.SERVICES, rng.randint(5, 8))
    # Process 1 is the one process that lives in the solver's shell and in the reference's as well.
    dead = {f"{name}.pid": lines(str(_PID_MAX + rng.randint(1, 99999))) for name in names[1:]}
    live = {f"{names[0]}.pid": lines("1"), f"{names[0]}.log": lines("started")}
    before = Folder(p["dir"], dict(sorted({**dead, **live}.items())))
    loop = 'for f in *.pid; do [ -d "/proc/$(cat "$f")" ] || {} "$f"; done'
    return Scene(
        before=before,
        reference=f"cd {p['dir']} || exit 1\n{loop.format('rm')}",
        moves=(
            Move("I see which ids are stored.", "bash", f"cd {p['dir']} && grep . *.pid"),
            Move("/proc tells which of them live; I print the dead ones.", "bash", loop.format("echo")),
            Move("I remove exactly these.", "bash", f"{loop.format('rm')}; ls"),
        ),
        after=before.but(without=dead),
    )


@family("permissions", "change", "Clear the permissions of others on {dir}/*.{ext}.", dir=DIRECTORY, ext=EXTENSION)
def shut_out_others(p: Params, rng: random.Random) -> Scene:
    """chmod o-rwx on the .{ext} files of {dir}."""
    files = scatter(rng, p["ext"], 4, 4, places=0)
    modes = (0o644, 0o664, 0o755, 0o646)
    before = Folder(p["dir"], {name: file.with_mode(rng.choice(modes)) for name, file in files.items()})
    chosen = {n: f.with_mode(f.mode & 0o770) for n, f in before.files.items() if n.endswith(f".{p['ext']}")}
    return Scene(
        before=before,
        reference=f"chmod o-rwx {p['dir']}/*.{p['ext']}",
        moves=(
            Move("First the modes as they are.", "bash", f"cd {p['dir']} && stat -c '%a %n' *"),
            Move("chmod o= clears just these bits.", "bash", f"chmod o= *.{p['ext']}; stat -c '%a %n' *"),
        ),
        after=before.but(chosen),
        modes=True,
    )


@family(
    "archives",
    "change",
    "Unpack {stem}.{ext} alone from {dir}/{archive} into {dir}.",
    dir=DIRECTORY,
    archive=file_name("tar", "tgz"),
    stem=WORD,
    ext=EXTENSION,
)
def extract_member(p: Params, rng: random.Random) -> Scene:
    """tar -x with the member's name unpacks {stem}.{ext} from {dir}/{archive}."""
    name, archive = f"{p['stem']}.{p['ext']}", p["archive"]
    others = {
        f"{stem}.{rng.choice(words.EXTENSIONS)}": lines(stem) for stem in distinct(rng, words.STEMS, 4, p["stem"])
    }
    files = {**others, name: lines(*distinct(rng, words.CITIES, 3))}
    after = Folder(p["dir"], {name: files[name]})
    whole = hashlib.sha256("".join(file.content for file in files.values()).encode()).hexdigest()
    return Scene(
        before=Folder(p["dir"], files),
        init=f"tar -c{zip_flag(archive)}f {archive} {' '.join(files)}\nrm {' '.join(files)}",
        reference=f"tar -xf {p['dir']}/{archive} -C {p['dir']} {name}",
        moves=(
            Move("I list the archive first.", "bash", f"cd {p['dir']} && tar -tf {archive}"),
            Move("I unpack this one member alone.", "bash", f"tar -xf {archive} {name} && ls"),
        ),
        after=after,
        check=f"{folder_check(after, skip=archive)} || exit 1\n"
        f"[ \"$(tar -xOf {archive} | sha256sum)\" = '{whole}  -' ]",
    )


@family(
    "scripts",
    "change",
    "Set {variable} to {value} in the script {dir}/{file}.",
    dir=DIRECTORY,
    file=file_name("sh"),
    variable=one_of(words.OPTIONS),
    value=number(11, 9500),
)
def set_variable(p: Params, rng: random.Random) -> Scene:
    """sed -i rewrites the line {variable}=... of {dir}/{file}."""
    name, file = p["variable"], p["file"]
    settings = [f"{other}={rng.randint(1, 9)}" for other in distinct(rng, words.OPTIONS, 2, name)]
    settings.insert(rng.randrange(3), f"{name}={rng.randint(1, 9)}")
    changed = [f"{name}={p['value']}" if line.startswith(f"{name}=") else line for line in settings]
    rest = f'echo "{name} is ${name}"'
    before = Folder(p["dir"], {file: lines("#!/bin/bash", *settings, rest), "settings.bak": lines(*settings)})
    return Scene(
        before=before,
        reference=f"sed -i 's/^{name}=.*/{name}={p['value']}/' {p['dir']}/{file}",
        moves=(
            Move("Where is the variable assigned?", "bash", f"cd {p['dir']} && grep -n {name} {file}"),
            Move(
                "I change the assignment only and look at the outcome.",
                "bash",
                f"sed -i '/^{name}=/c {name}={p['value']}' {file}; head -n 5 {file}",
            ),
        ),
        after=before.but({file: lines("#!/bin/bash", *changed, rest)}),
    )


@family(
    "system",
    "change",
    'Append the line "{address} {host}" to the hosts file {dir}/hosts.',
    dir=DIRECTORY,
    host=STEM,
    address=_ADDRESS,
)
def add_host(p: Params, rng: random.Random) -> Scene:
    """echo '{address} {host}' >> {dir}/hosts."""
    table = [f"{_ADDRESS.draw(rng)} {STEM.draw(rng)}" for _ in range(rng.randint(3, 7))]
    before = Folder(p["dir"], {"hosts": lines("127.0.0.1 localhost", *table), "hosts.old": lines(*table)})
    entry, path = f"{p['address']} {p['host']}", f"{p['dir']}/hosts"
    return Scene(
        before=before,
        reference=f"echo '{entry}' >> {path}",
        moves=(
            Move("I look at the form of the entries.", "bash", f"tail -n 3 {path}"),
            Move("Address, one space, name. I append the line.", "bash", f"echo {entry} >> {path}; tail -n 2 {path}"),
        ),
        after=before.but({"hosts": lines("127.0.0.1 localhost", *table, entry)}),
    )


FAMILIES = (
    rename_prefix,
    replace_word,
    stale_pids,
    shut_out_others,
    extract_member,
    set_variable,
    add_host,
)
