"""Families on permissions: modes of files and directories, read and changed."""

from __future__ import annotations

import random
from dataclasses import replace

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    EXTENSION,
    Move,
    Params,
    Scene,
    distinct,
    family,
    file_name,
    one_of,
)
from environments.os.families.folder import File, Folder, lines

_MODES = (0o600, 0o640, 0o644, 0o660, 0o664, 0o700, 0o750, 0o755)


def _files(rng: random.Random, names: list[str], modes: tuple[int, ...]) -> dict[str, File]:
    """Return small files, each with one of the modes."""
    return {
        name: lines(f"{rng.choice(words.SUBJECTS)} {rng.randint(1, 99)}").with_mode(rng.choice(modes)) for name in names
    }


def _names(rng: random.Random, extension: str, wanted: int, others: int) -> list[str]:
    rest = [ext for ext in words.EXTENSIONS if ext != extension]
    stems = distinct(rng, words.STEMS, wanted + others)
    return [f"{stem}.{extension if i < wanted else rng.choice(rest)}" for i, stem in enumerate(stems)]


@family(
    "permissions",
    "change",
    {"dir": DIRECTORY},
    """
    - The shell scripts (*.sh) in {dir} cannot be started. Give their owner the right to execute them.
    - Make every .sh file in {dir} executable for its owner, and change no other permission bit.
    - Add execute permission for the user (u+x) to all scripts named *.sh inside {dir}.
    - In {dir}, owners should be able to run the .sh files directly; set the missing bit, for the owner only.
    - Whatever ends in .sh under {dir} (top level) needs the owner's x bit turned on, group and others stay as now.
    - Set the executable bit for the owning user on the .sh files of the directory {dir}.
    - Running ./something.sh in {dir} says "Permission denied" for its owner. Fix this for all the .sh files there.
    - Let the owner execute the scripts {dir}/*.sh, without granting anything to anybody else.
    """,
)
def owner_executes(p: Params, rng: random.Random) -> Scene:
    """chmod u+x on the *.sh files of {dir}."""
    names = _names(rng, "sh", 4, 3)
    before = Folder(p["dir"], _files(rng, names, (0o600, 0o640, 0o644)))
    chosen = {name: f.with_mode(f.mode | 0o100) for name, f in before.files.items() if name.endswith(".sh")}
    return Scene(
        before=before,
        reference=f"chmod u+x {p['dir']}/*.sh",
        moves=(
            Move("I look at the current [modes|permissions].", f"cd {p['dir']} && stat -c '%A %n' *"),
            Move("Only the owner's x bit of the .sh files is to be set.", "chmod u+x *.sh && stat -c '%A %n' *.sh"),
        ),
        after=before.but(chosen),
        modes=True,
    )


@family(
    "permissions",
    "number",
    {"dir": DIRECTORY},
    """
    - How many files in {dir} may be written by their group?
    - Count the files directly in {dir} that have the group write bit set.
    - Members of a file's group can change some of the files in {dir}. How many files is that?
    - Find out for how many files of {dir} the permissions include g+w.
    - Number of group-writable files in the folder {dir}, please.
    - Check the modes in {dir}: on what number of files does the group hold write permission?
    - A security scan of {dir} flags each file that is writable for the group. How many flags will it raise?
    - In {dir} write access for the group was handed out too freely. Determine the number of files concerned.
    """,
    unit=("file", "files"),
)
def group_writable(p: Params, rng: random.Random) -> Scene:
    """find -perm -g+w lists the group-writable files of {dir}."""
    names = _names(rng, rng.choice(words.EXTENSIONS), 6, 8)
    files = _files(rng, names, (0o600, 0o640, 0o644, 0o660, 0o664, 0o666, 0o620))
    return Scene(
        before=Folder(p["dir"], files),
        reference=f"find {p['dir']} -maxdepth 1 -type f -perm -g+w | wc -l",
        moves=(
            Move("I list all modes.", f"cd {p['dir']} && stat -c '%a %A %n' *"),
            Move(
                "The group's write bit is the sixth [character|letter] of the mode; I count the files that have it.",
                "stat -c %A * | grep -c '^.....w'",
            ),
        ),
        answer=str(sum(bool(file.mode & 0o020) for file in files.values())),
    )


@family(
    "permissions",
    "name",
    {"dir": DIRECTORY, "mode": one_of(tuple(f"{mode:o}" for mode in _MODES))},
    """
    - Which file in {dir} has the permissions {mode}?
    - Exactly one file of {dir} carries mode {mode}. Find it.
    - Look for the file whose octal mode is {mode} in the directory {dir}; there is only one.
    - Of everything stored in {dir}, what has its access rights set to {mode}?
    - In {dir} a single file differs from the rest by having mode {mode}. What is its name?
    - Name the one item of {dir} for which stat would report {mode} as access rights.
    - All modes in {dir} were noted down, and {mode} appears once. To which file does it belong?
    - Someone ran chmod {mode} on one file in {dir}. Identify the file.
    """,
)
def file_with_mode(p: Params, rng: random.Random) -> Scene:
    """find -perm {mode} finds the one file in {dir}."""
    names = _names(rng, rng.choice(words.EXTENSIONS), 3, 4)
    mode = int(p["mode"], 8)
    files = _files(rng, names, tuple(other for other in _MODES if other != mode))
    wanted = rng.choice(names)
    files[wanted] = files[wanted].with_mode(mode)
    return Scene(
        before=Folder(p["dir"], files),
        reference=f"find {p['dir']} -maxdepth 1 -type f -perm {p['mode']} -printf '%f\\n'",
        moves=(
            Move("stat shows the octal modes.", f"cd {p['dir']} && stat -c '%a %n' *"),
            Move(f"I pick the line with {p['mode']}.", f"stat -c '%a %n' * | sed -n 's/^{p['mode']} //p'"),
        ),
        answer=wanted,
    )


@family(
    "permissions",
    "change",
    {"dir": DIRECTORY, "ext": EXTENSION},
    """
    - Take away all permissions of others on the .{ext} files in {dir}.
    - The .{ext} files in {dir} are confidential: nobody but owner and group may have any access to them.
    - For each file of {dir} that ends in .{ext}, clear the read, write and execute bits of others.
    - Make the .{ext} files directly in {dir} inaccessible to other users, leaving owner and group rights alone.
    - In {dir}, revoke whatever rights "others" have on *.{ext}.
    - Set the last octal digit of the mode of every .{ext} file in {dir} to 0 without altering the first two.
    - People outside the group can still open the .{ext} files of {dir}. Put an end to that by their modes.
    - Harden {dir}: o-rwx on everything called *.{ext} at its top level.
    """,
)
def shut_out_others(p: Params, rng: random.Random) -> Scene:
    """chmod o-rwx on the .{ext} files of {dir}."""
    before = Folder(p["dir"], _files(rng, _names(rng, p["ext"], 4, 4), (0o644, 0o664, 0o755, 0o646)))
    chosen = {n: f.with_mode(f.mode & 0o770) for n, f in before.files.items() if n.endswith(f".{p['ext']}")}
    return Scene(
        before=before,
        reference=f"chmod o-rwx {p['dir']}/*.{p['ext']}",
        moves=(
            Move("First the modes as they are.", f"cd {p['dir']} && stat -c '%a %n' *"),
            Move(
                f"chmod o= on *.{p['ext']} [clears|takes away] just these bits.",
                f"chmod o= *.{p['ext']}; stat -c '%a %n' *",
            ),
        ),
        after=before.but(chosen),
        modes=True,
    )


@family(
    "permissions",
    "change",
    {"dir": DIRECTORY, "files": one_of(("600", "640", "660", "440")), "folders": one_of(("700", "750", "770"))},
    """
    - Below {dir}, set every file to mode {files} and every subdirectory to mode {folders}.
    - All regular files in the tree {dir} should have permissions {files}, all directories inside it {folders}.
    - Normalise {dir}: mode {files} for files at any depth, mode {folders} for the folders within it.
    - Recursively give files under {dir} the mode {files}; the directories under it get {folders}.
    - Rights in {dir} are a jumble. Directories in it should be {folders}, files {files}, all the way down.
    - Apply chmod {folders} to each subfolder of {dir} and chmod {files} to each file, however deep it lies.
    - Everything inside {dir} needs uniform modes, namely {files} on files and {folders} on subdirectories.
    - I want {files} on the files and {folders} on the subdirectories of {dir}, including nested ones.
    """,
)
def uniform_modes(p: Params, rng: random.Random) -> Scene:
    """find -type f and find -type d below {dir}, with chmod {files} and chmod {folders}."""
    one, two = distinct(rng, words.CITIES, 2)
    names = [f"{place}{stem}.txt" for place in ("", f"{one}/", f"{two}/") for stem in distinct(rng, words.STEMS, 2)]
    before = Folder(p["dir"], _files(rng, names, (0o644, 0o664, 0o755)), modes={one: 0o755, two: 0o775})
    files = {name: file.with_mode(int(p["files"], 8)) for name, file in before.files.items()}
    folders = {one: int(p["folders"], 8), two: int(p["folders"], 8)}
    commands = (f"-type f -exec chmod {p['files']} {{}} +", f"-type d -exec chmod {p['folders']} {{}} +")
    return Scene(
        before=before,
        reference="\n".join(f"find {p['dir']} -mindepth 1 {command}" for command in commands),
        moves=(
            Move("I look at the tree with its modes.", f"cd {p['dir']} && find . -printf '%y %m %p\\n' | sort"),
            Move("Files first[.|, then the directories.]", f"find . -mindepth 1 {commands[0]}"),
            Move(
                "Now the subdirectories, and a check.",
                f"find . -mindepth 1 {commands[1]}; find . -printf '%y %m\\n' | sort",
            ),
        ),
        after=replace(before, files=files, modes=folders),
        modes=True,
    )


@family(
    "permissions",
    "number",
    {"dir": DIRECTORY, "file": file_name("txt", "key", "sh", "cfg")},
    """
    - What is the mode of {dir}/{file} in octal?
    - State the permissions of the file {dir}/{file} as an octal number of three digits.
    - Which three-digit octal mode does {file} in {dir} have?
    - Translate the access rights of {dir}/{file} into octal notation, such as 604.
    - Look up how {dir}/{file} is protected and express it as chmod would take it in digits.
    - To restore it later, I must know the numeric mode (octal, three digits) of {dir}/{file}.
    - If I wanted another file to have the same rights as {dir}/{file}, what number would I give to chmod?
    - Give me the permission bits of {file}, which lies in {dir}, in the form of three octal digits.
    """,
)
def octal_mode(p: Params, rng: random.Random) -> Scene:
    """stat -c %a prints the octal mode of {dir}/{file}."""
    mode = rng.choice((4, 6, 7)) * 64 + rng.randint(0, 7) * 8 + rng.randint(0, 7)
    files = _files(rng, [p["file"], *(f"{stem}.dat" for stem in distinct(rng, words.STEMS, 3))], _MODES)
    files[p["file"]] = files[p["file"]].with_mode(mode)
    return Scene(
        before=Folder(p["dir"], files),
        reference=f"stat -c %a {p['dir']}/{p['file']}",
        moves=(
            Move("I look at the rights in letters.", f"cd {p['dir']} && stat -c %A {p['file']}"),
            Move("stat or find give the digits directly.", f"find . -name {p['file']} -printf '%m\\n'"),
        ),
        answer=f"{mode:o}",
    )


FAMILIES = (owner_executes, group_writable, file_with_mode, shut_out_others, uniform_modes, octal_mode)
