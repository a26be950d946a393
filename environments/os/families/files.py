"""Questions on files: counting, sizes, dates."""

from __future__ import annotations

import random

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    EXTENSION,
    Move,
    Params,
    Scene,
    distinct,
    family,
    number,
)
from environments.os.families.folder import File, Folder, lines, zeros


def scatter(rng: random.Random, extension: str, wanted: int, others: int) -> dict[str, File]:
    """Return `wanted` files with the extension and some with others, over a few subdirectories."""
    stems = distinct(rng, words.STEMS, wanted + others)
    places = ["", *(f"{name}/" for name in distinct(rng, words.CITIES, 2))]
    rest = distinct(rng, words.EXTENSIONS, 3, extension)
    endings = [extension] * wanted + [rng.choice(rest) for _ in range(others)]
    return {
        f"{rng.choice(places)}{stem}.{ending}": lines(f"{stem} {rng.randint(10, 99)}")
        for stem, ending in zip(stems, endings, strict=True)
    }


def _files_of(year: str) -> str:
    return f"find . -type f -newermt '{year}-01-01 00:00' ! -newermt '{int(year) + 1}-01-01 00:00' -printf '%f\\n'"


@family(
    "files",
    "number",
    {"dir": DIRECTORY, "ext": EXTENSION},
    """
    - How many files below {dir} end in .{ext}, [subdirectories included|counting every subdirectory]?
    - Count the .{ext} files in {dir} and in all folders under it.
    - In the tree that starts at {dir}, find out the number of regular files whose name ends in ".{ext}".
    - Take {dir} with everything nested inside it: what is the total count of files of type .{ext} there?
    - Someone stored .{ext} files at several levels of {dir}. Determine how many there are altogether.
    - Go through {dir} recursively and tell how often the extension .{ext} occurs among the file names.
    - Only names with the ending .{ext} matter. Search {dir} and whatever lies deeper, and count the hits.
    - What number of .{ext} documents would a recursive search of the directory {dir} turn up?
    """,
    unit=("file", "files"),
)
def count_extension(p: Params, rng: random.Random) -> Scene:
    """find lists the regular files below {dir} whose name ends in .{ext}; wc counts them."""
    wanted = rng.randint(3, 14)
    return Scene(
        before=Folder(p["dir"], scatter(rng, p["ext"], wanted, rng.randint(3, 9))),
        reference=f"find {p['dir']} -type f -name '*.{p['ext']}' | wc -l",
        moves=(
            Move(
                "[I look|Let me look] at what [lies|is] in the directory [first|before I count].",
                f"cd {p['dir']} && find . -type f | sort | head -n 12",
            ),
            Move(
                f"[The files are spread over subdirectories, so|Several levels are used, so] I count the .{p['ext']} "
                "files with find.",
                f"find . -type f -name '*.{p['ext']}' | wc -l",
            ),
        ),
        answer=str(wanted),
    )


@family(
    "files",
    "name",
    {"dir": DIRECTORY},
    """
    - Which file in {dir} takes up the most bytes?
    - Find the [largest|biggest] file that lies directly in {dir}.
    - Sort the content of {dir} by size in your mind: what is the file at the top called?
    - One file in the directory {dir} is bigger than all its neighbours. Identify it.
    - Name the file of {dir} that has the greatest size.
    - The heaviest single item stored under {dir} should be compressed soon. Say which file it is.
    - Compare the sizes of all files in {dir} and pick out the maximum.
    - If I could delete just one file from {dir}, which one would free the most space?
    """,
)
def largest_file(p: Params, rng: random.Random) -> Scene:
    """Sorting the files of {dir} by size puts the largest last."""
    stems = distinct(rng, words.STEMS, rng.randint(5, 9))
    sizes = rng.sample(range(20, 4000), len(stems))
    files = {f"{stem}.{rng.choice(words.EXTENSIONS)}": zeros(size) for stem, size in zip(stems, sizes, strict=True)}
    largest = max(files, key=lambda name: len(files[name].content))
    return Scene(
        before=Folder(p["dir"], files),
        reference=f"ls -S {p['dir']} | sed -n 1p",
        moves=(
            Move("I start with a listing of names and sizes.", f"cd {p['dir']} && stat -c '%s %n' * | sort -n"),
            Move(
                "The list is sorted by size, so [the last line is the largest file|its last name is the one]; I print "
                "that name alone.",
                "stat -c '%s %n' * | sort -n | tail -n 1 | cut -d ' ' -f 2",
            ),
        ),
        answer=largest,
    )


@family(
    "files",
    "number",
    {"dir": DIRECTORY, "ext": EXTENSION},
    """
    - Add up the sizes in bytes of all .{ext} files [directly in|at the top level of] {dir}.
    - How many bytes do the files named *.{ext} in {dir} hold together?
    - What is the combined length, in bytes, of every .{ext} file in the folder {dir}?
    - The .{ext} files of {dir} will be joined into one. Work out how many bytes the joined file will have.
    - Sum the byte counts of the .{ext} files stored in {dir}; other types do not count.
    - Looking only at {dir}, and there only at names ending in .{ext}, determine the total size in bytes.
    - I want the bytes used by {dir}/*.{ext} as one total (content size, not disk blocks).
    - Put together, how large in bytes is the content of all files of type .{ext} that {dir} contains?
    """,
    unit=("byte", "bytes"),
)
def total_size(p: Params, rng: random.Random) -> Scene:
    """Concatenating the .{ext} files of {dir} and counting the bytes gives their total size."""
    rest = distinct(rng, words.EXTENSIONS, 2, p["ext"])
    stems = distinct(rng, words.STEMS, rng.randint(6, 10))
    files = {
        f"{stem}.{p['ext'] if i < 4 else rng.choice(rest)}": zeros(rng.randint(180, 2900))
        for i, stem in enumerate(stems)
    }
    total = sum(len(file.content) for name, file in files.items() if name.endswith(f".{p['ext']}"))
    return Scene(
        before=Folder(p["dir"], files),
        reference=f"cat {p['dir']}/*.{p['ext']} | wc -c",
        moves=(
            Move("First I see which files there are and how large they are.", f"cd {p['dir']} && wc -c *"),
            Move(
                f"I [add up|sum] the sizes of the .{p['ext']} files only.",
                f"stat -c %s *.{p['ext']} | awk '{{ total += $1 }} END {{ print total }}'",
            ),
        ),
        answer=str(total),
    )


@family(
    "files",
    "name",
    {"dir": DIRECTORY, "year": number(1994, 2019)},
    """
    - One file in {dir} was last modified in {year}. Which one?
    - Look at the modification times in {dir} and find the only file that dates from the year {year}.
    - Find the file of {dir} whose time stamp says {year}.
    - Among the files kept in {dir}, a single one has not been changed since {year}; identify it.
    - In which file of the folder {dir} does the last change lie in {year}?
    - Only one entry of {dir} carries a modification date in {year}. What is it called?
    - A file from {year} survived in {dir}, while the others were modified in other years. Work out its name.
    - Going by the dates that the file system keeps, what in {dir} was written in {year} for the last time?
    """,
    volatile=True,
)
def dated_file(p: Params, rng: random.Random) -> Scene:
    """A listing of {dir} with full times shows the one file of {year}."""
    names = [f"{stem}.{rng.choice(words.EXTENSIONS)}" for stem in distinct(rng, words.STEMS, rng.randint(4, 7))]
    years = [int(p["year"]), *rng.sample([y for y in range(1990, 2021) if y != int(p["year"])], 2)]
    stamps = [
        f"touch -d {y}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {n}" for y, n in zip(years, names, strict=False)
    ]
    return Scene(
        before=Folder(p["dir"], {name: lines(name) for name in sorted(names)}),
        reference=f"cd {p['dir']} || exit 1\n{_files_of(p['year'])}",
        moves=(
            Move("I list the files with their full times.", f"cd {p['dir']} && ls -l --time-style=full-iso"),
            Move(
                f"The [dates|years] stand in the listing; I print the name of the file from {p['year']}.",
                _files_of(p["year"]),
            ),
        ),
        answer=names[0],
        init="\n".join(stamps),
    )


FAMILIES = (
    count_extension,
    largest_file,
    total_size,
    dated_file,
)
