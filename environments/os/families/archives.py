"""Families on tar archives: listed, read, packed and unpacked."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    EXTENSION,
    WORD,
    Move,
    Params,
    Scene,
    distinct,
    family,
    file_name,
    folder_check,
    number,
)
from environments.os.families.folder import File, Folder, lines, survey

_TAR = file_name("tar", "tgz")


def _content(rng: random.Random, extension: str, wanted: int, others: int) -> dict[str, File]:
    """Return files for an archive, over two directories, some of them with the extension."""
    rest = [ext for ext in words.EXTENSIONS if ext != extension]
    places = distinct(rng, words.CITIES, 2)
    stems = distinct(rng, words.STEMS, wanted + others)
    return {
        f"{rng.choice(places)}/{stem}.{extension if i < wanted else rng.choice(rest)}": lines(
            " ".join(rng.sample(words.SUBJECTS, 3)), f"{stem} {rng.randint(100, 999)}"
        )
        for i, stem in enumerate(stems)
    }


def _pack(archive: str, files: Mapping[str, File]) -> str:
    """Return the commands that put files into an archive, in this order, and remove them."""
    tops = sorted({path.partition("/")[0] for path in files})
    return f"tar -c{_zip(archive)}f {archive} {' '.join(files)}\nrm -r {' '.join(tops)}"


def _zip(archive: str) -> str:
    return "z" if archive.endswith("gz") else ""


@family(
    "archives",
    "number",
    {"dir": DIRECTORY, "archive": _TAR, "ext": EXTENSION},
    """
    - How many .{ext} files are in the archive {dir}/{archive}?
    - Count the members of {dir}/{archive} whose names end in .{ext}.
    - List the archive {archive} in {dir} and determine how many of its files have the extension .{ext}.
    - Without unpacking {dir}/{archive}: what number of .{ext} files does it hold?
    - Inside {dir}/{archive} there are files of several types. I want to know how many are .{ext} files.
    - If {dir}/{archive} were unpacked, how many files named *.{ext} would appear, over all folders?
    - Determine the count of .{ext} entries in the tar archive {dir}/{archive}.
    - What is the number of members with the ending .{ext} in {archive}, an archive in {dir}?
    """,
    unit=("file", "files"),
)
def archived_files(p: Params, rng: random.Random) -> Scene:
    """tar -t lists {dir}/{archive}; grep -c counts the names that end in .{ext}."""
    wanted = rng.randint(3, 9)
    files = _content(rng, p["ext"], wanted, rng.randint(3, 6))
    path = f"{p['dir']}/{p['archive']}"
    return Scene(
        before=Folder(p["dir"], files),
        init=_pack(p["archive"], files),
        reference=f"tar -tf {path} | grep -c '\\.{p['ext']}$'",
        moves=(
            Move("tar can list the archive without unpacking it.", f"tar -tf {path}"),
            Move(
                f"I count the names ending in .{p['ext']}.", f"tar -tf {path} | awk -F. '$NF == \"{p['ext']}\"' | wc -l"
            ),
        ),
        answer=str(wanted),
    )


@family(
    "archives",
    "line",
    {"dir": DIRECTORY, "archive": _TAR, "stem": WORD},
    """
    - What is the first line of the file {stem}.txt inside the archive {dir}/{archive}?
    - The archive {dir}/{archive} has a member called {stem}.txt somewhere. Quote its first line.
    - Look into {dir}/{archive} and read the first line of {stem}.txt, in whichever folder of the archive it lies.
    - Somewhere in {dir}/{archive} there is a {stem}.txt; which text does it begin with, up to the end of the line?
    - Get me the opening line of {stem}.txt, which is packed in {archive} under {dir}.
    - Print {stem}.txt from the archive {dir}/{archive}: what does line one say?
    - Before {dir}/{archive} is thrown away, tell me how its file {stem}.txt starts (first line).
    - I only remember that {stem}.txt went into {dir}/{archive}. What was on its first line?
    """,
)
def archived_line(p: Params, rng: random.Random) -> Scene:
    """tar -xO prints the member {stem}.txt of {dir}/{archive}; head -n 1 takes its first line."""
    files = _content(rng, "txt", 2, 4)
    place = rng.choice(words.PEOPLE).lower()
    first = " ".join(rng.sample(words.SUBJECTS, 4))
    files = {f"{place}/{p['stem']}.txt": lines(first, "second line", "third line"), **files}
    path = f"{p['dir']}/{p['archive']}"
    return Scene(
        before=Folder(p["dir"], files),
        init=_pack(p["archive"], files),
        reference=f"tar -xOf {path} --wildcards '*/{p['stem']}.txt' | head -n 1",
        moves=(
            Move("Where in the archive does the file lie?", f"tar -tf {path} | grep '{p['stem']}.txt'"),
            Move(
                "With this path, tar can print it[ to standard output|].",
                f"tar -xOf {path} {place}/{p['stem']}.txt | sed -n 1p",
            ),
        ),
        answer=first,
    )


@family(
    "archives",
    "change",
    {"dir": DIRECTORY, "sub": WORD, "archive": file_name("tar.gz", "tgz")},
    """
    - Pack the subdirectory {sub} of {dir} into a gzipped tar archive {dir}/{archive}, and keep the directory.
    - Create {dir}/{archive} (tar, gzip) from the folder {sub} in {dir}, such that unpacking it yields {sub} again.
    - In {dir}, make an archive {archive} of {sub}, compressed with gzip; its members' names start with {sub}/.
    - Back up {dir}/{sub}: the gzipped tar file {archive} belongs next to it in {dir} and holds the whole folder.
    - Archive the directory {sub}, found in {dir}, as {archive} in the same place; gzip compression, originals kept.
    - I need a compressed tarball {archive} in {dir} with everything from its subfolder {sub}, paths from {sub} on.
    - Build the archive {dir}/{archive} out of {sub} there, using tar with gzip, and do not remove {sub}.
    - Let tar write the content of the folder {dir}/{sub} to {dir}/{archive} with gzip; entries begin with {sub}/.
    """,
)
def pack_folder(p: Params, rng: random.Random) -> Scene:
    """tar -czf {archive} {sub} in {dir}."""
    inside = {f"{p['sub']}/{path}": file for path, file in _content(rng, "txt", 3, 2).items()}
    beside = {f"{stem}.md": lines(stem) for stem in distinct(rng, words.SUBJECTS, 2)}
    before = Folder(p["dir"], {**inside, **beside})
    want = Folder("", inside).listing()
    command = f"tar -czf {p['archive']} {p['sub']}"
    return Scene(
        before=before,
        reference=f"cd {p['dir']} && {command}",
        moves=(
            Move("I look at what is to be packed.", f"cd {p['dir']} && find . -type f | sort"),
            Move(
                "tar with z packs and compresses; then I list the archive.",
                f"{command}; tar -tzf {p['archive']} | sort",
            ),
        ),
        after=before,
        check=f"{folder_check(before, skip=p['archive'])} || exit 1\n"
        f'box=/tmp/check.$$\nmkdir "$box" && tar -xzf {p["archive"]} -C "$box" && cd "$box" || exit 1\n'
        f'have=$({survey()})\nwant=\'{want}\'\n[ "$have" = "$want" ]',
    )


@family(
    "archives",
    "change",
    {"dir": DIRECTORY, "archive": _TAR, "stem": WORD, "ext": EXTENSION},
    """
    - Extract only {stem}.{ext} from the archive {dir}/{archive} and put it directly into {dir}.
    - Restore the single file {stem}.{ext} out of {dir}/{archive}; it should end up as {dir}/{stem}.{ext}.
    - The file {stem}.{ext} was lost, but {dir}/{archive} still has it. Bring it back to {dir}, no other member.
    - From {archive} in {dir}, unpack just the member {stem}.{ext} to {dir} itself, and keep the archive.
    - Take {stem}.{ext} out of {dir}/{archive} without unpacking the rest, and store it in {dir}.
    - I want {dir}/{stem}.{ext} to exist with the content that the archive {dir}/{archive} has for that name.
    - Copy the packed {stem}.{ext} from {dir}/{archive} to the folder {dir}, under the same name.
    - Recover {stem}.{ext} (and nothing more) from the tar file {archive} that lies in {dir}, into that directory.
    """,
)
def extract_member(p: Params, rng: random.Random) -> Scene:
    """tar -x with the member's name unpacks {stem}.{ext} from {dir}/{archive}."""
    others = {
        f"{stem}.{rng.choice(words.EXTENSIONS)}": lines(stem) for stem in distinct(rng, words.STEMS, 4, p["stem"])
    }
    name = f"{p['stem']}.{p['ext']}"
    member = lines(*distinct(rng, words.CITIES, 3))
    files = {**others, name: member}
    after = Folder(p["dir"], {name: member})
    whole = hashlib.sha256("".join(file.content for file in files.values()).encode()).hexdigest()
    return Scene(
        before=Folder(p["dir"], files),
        init=f"tar -c{_zip(p['archive'])}f {p['archive']} {' '.join(files)}\nrm {' '.join(files)}",
        reference=f"tar -xf {p['dir']}/{p['archive']} -C {p['dir']} {name}",
        moves=(
            Move("I list the archive [first.|before I unpack anything.]", f"cd {p['dir']} && tar -tf {p['archive']}"),
            Move(f"I unpack {name} alone.", f"tar -xf {p['archive']} {name} && ls"),
        ),
        after=after,
        check=f"{folder_check(after, skip=p['archive'])} || exit 1\n"
        f"[ \"$(tar -xOf {p['archive']} | sha256sum)\" = '{whole}  -' ]",
    )


@family(
    "archives",
    "number",
    {"dir": DIRECTORY, "archive": _TAR, "floor": number(100, 450)},
    """
    - Each file in the archive {dir}/{archive} holds one number. What is the sum of all numbers above {floor}?
    - Unpack {dir}/{archive} to a scratch place and add up those of the numbers in its files that exceed {floor}.
    - The files packed in {dir}/{archive} have a single number each. Total the ones greater than {floor}.
    - Sum the numbers larger than {floor} that are stored in the members of {dir}/{archive}, one per member.
    - Of the numbers in the files of {dir}/{archive} (one in each), add together everything over {floor}.
    - Look at every member of the archive {dir}/{archive}: it is a number. Ignore those up to {floor}, sum the rest.
    - Work out the total of the values beyond {floor} in {archive} (folder {dir}), whose members are one number each.
    - Measurements, one per file, were packed as {dir}/{archive}. What do those above {floor} add up to?
    """,
    volatile=True,
)
def archived_sum(p: Params, rng: random.Random) -> Scene:
    """Unpacked to a scratch directory, the numbers of {dir}/{archive} above {floor} are added by awk."""
    values = {stem: rng.randint(60, 990) for stem in distinct(rng, words.STEMS, rng.randint(6, 9))}
    files = {f"{stem}.num": lines(str(value)) for stem, value in values.items()}
    path = f"{p['dir']}/{p['archive']}"
    sum_up = f"awk '$1 > {p['floor']} {{ total += $1 }} END {{ print total + 0 }}'"
    return Scene(
        before=Folder(p["dir"], files),
        init=f"tar -c{_zip(p['archive'])}f {p['archive']} *.num\nrm *.num",
        reference=f"tar -xOf {path} | {sum_up}",
        moves=(
            Move(
                "I unpack to a scratch directory, so that the folder stays clean.",
                f'box=$(mktemp -d) && tar -xf {path} -C "$box" && cd "$box" && pwd && ls',
            ),
            Move("Now I read the numbers.", "grep . *.num"),
            Move(f"awk adds up those above {p['floor']}.", f"cat *.num | {sum_up}"),
        ),
        answer=str(sum(value for value in values.values() if value > int(p["floor"]))),
    )


FAMILIES = (
    archived_files,
    archived_line,
    pack_folder,
    extract_member,
    archived_sum,
)
