"""Families on files compressed by gzip."""

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
)
from environments.os.families.folder import Folder, lines, numbered


@family(
    "archives",
    "number",
    {"dir": DIRECTORY},
    """
    - How many lines of text do the compressed logs (*.log.gz) in {dir} hold altogether?
    - Count the lines in all the .log.gz files of {dir}, after decompression, as one total.
    - The logs in {dir} are compressed with gzip (.log.gz). What is their number of lines in sum?
    - Decompress {dir}/*.log.gz on the fly and find out how many lines there are in total.
    - What total line count do the gzipped logs {dir}/*.log.gz have once they are unpacked?
    - Work out how many log lines are stored in the .log.gz files of {dir}; the files must stay compressed.
    - Over all archives named *.log.gz in {dir}, how many lines would zcat print?
    - For the statistics I need the number of lines across every .log.gz file in the folder {dir}.
    """,
    unit=("line", "lines"),
)
def compressed_lines(p: Params, rng: random.Random) -> Scene:
    """gzip -dc over the .log.gz files of {dir}, counted by wc -l."""
    counts = {f"{stem}.log": rng.randint(150, 990) for stem in distinct(rng, words.SERVICES, rng.randint(2, 4))}
    files = {name: numbered(rng.choice(words.SUBJECTS), count) for name, count in counts.items()}
    return Scene(
        before=Folder(p["dir"], {**files, "readme.txt": lines("rotated logs")}),
        init="gzip *.log",
        reference=f"gzip -dc {p['dir']}/*.log.gz | wc -l",
        moves=(
            Move("Which files are there?", f"cd {p['dir']} && ls"),
            Move("I decompress to a pipe and count.", "zcat *.log.gz | wc -l"),
        ),
        answer=str(sum(counts.values())),
    )


@family(
    "archives",
    "change",
    {"dir": DIRECTORY, "ext": EXTENSION},
    """
    - Decompress every .{ext}.gz file in {dir}, replacing it by the plain .{ext} file.
    - In {dir}, turn all gzipped .{ext}.gz files back into .{ext} files; the compressed ones should be gone then.
    - Unpack the files {dir}/*.{ext}.gz in place, so that only their .{ext} versions are left.
    - The .{ext} files in {dir} were compressed by mistake (.{ext}.gz). Undo this for each of them.
    - Run through {dir} and gunzip whatever ends in .{ext}.gz, without keeping the .gz files.
    - Every *.{ext}.gz in the directory {dir} has to be expanded to its original, and removed itself.
    - Please uncompress the .{ext}.gz files in {dir}; each should give way to a file without the .gz ending.
    - Files named *.{ext}.gz in {dir} are needed in plain form. Replace each by what gzip packed into it.
    """,
)
def decompress(p: Params, rng: random.Random) -> Scene:
    """gunzip on the .{ext}.gz files of {dir}."""
    stems = distinct(rng, words.STEMS, 4)
    files = {f"{stem}.{p['ext']}": lines(f"{stem} {rng.randint(10, 99)}") for stem in stems}
    after = Folder(p["dir"], {**files, "contents.list": lines(*sorted(stems))})
    return Scene(
        before=after,
        init=f"gzip {' '.join(files)}",
        reference=f"gunzip {p['dir']}/*.{p['ext']}.gz",
        moves=(
            Move("I list the folder.", f"cd {p['dir']} && ls"),
            Move(
                "gzip -d [replaces|exchanges] each compressed file by the plain one.", f"gzip -d *.{p['ext']}.gz && ls"
            ),
        ),
        after=after,
    )


FAMILIES = (
    compressed_lines,
    decompress,
)
