"""Changes of text: replacing, sorting."""

from __future__ import annotations

import random

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    WORD,
    Move,
    Params,
    Scene,
    distinct,
    family,
    file_name,
)
from environments.os.families.folder import Folder, lines
from environments.os.families.text import TEXT, beside, sentences


@family(
    "text",
    "change",
    {"dir": DIRECTORY, "file": TEXT, "old": WORD, "new": WORD},
    """
    - Replace every occurrence of the word {old} in {dir}/{file} by {new}.
    - In {dir}/{file}, the word "{old}" is out of date: write {new} instead, everywhere in that file.
    - Edit {dir}/{file} so that it says {new} wherever it says {old} today.
    - Change {old} to {new} throughout the file {file} in {dir}.
    - Each {old} in {dir}/{file} has to become {new}, however many there are per line.
    - The name {old} was given up in favour of {new}. Update {dir}/{file} accordingly, all places.
    - Substitute {new} for the word {old} in {file}, which you find in {dir}; other files keep the old word.
    - Go over {dir}/{file} and swap all mentions of "{old}" for "{new}".
    """,
)
def replace_word(p: Params, rng: random.Random) -> Scene:
    """sed -i replaces {old} by {new} in {dir}/{file}, on each line as often as it occurs."""
    text = sentences(rng, 9, p["old"], p["new"])
    for line in rng.sample(text, 4):
        for place in rng.sample(range(4), rng.randint(1, 2)):
            line[place] = p["old"]
    text[0][1] = p["old"]
    old = [" ".join(line) for line in text]
    new = [line.replace(p["old"], p["new"]) for line in old]
    other = f"{rng.choice(words.CITIES)}.txt"
    before = Folder(p["dir"], {p["file"]: lines(*old), other: lines(f"the {p['old']} stays here")})
    return Scene(
        before=before,
        reference=f"sed -i 's/\\b{p['old']}\\b/{p['new']}/g' {p['dir']}/{p['file']}",
        moves=(
            Move(f"I see where {p['old']} stands in the file.", f"cd {p['dir']} && grep -n {p['old']} {p['file']}"),
            Move(
                "It [may occur|can stand] twice on a line, so sed needs the g flag.",
                f"sed -i 's/\\<{p['old']}\\>/{p['new']}/g' {p['file']}; grep -c {p['old']} {p['file']}",
            ),
        ),
        after=before.but({p["file"]: lines(*new)}),
    )


@family(
    "text",
    "change",
    {"dir": DIRECTORY, "file": TEXT, "out": file_name("out", "sorted", "uniq")},
    """
    - Write the lines of {dir}/{file} to {dir}/{out}, sorted alphabetically and each only once.
    - Make a new file {out} in {dir} that has every distinct line of {file} exactly once, in alphabetical order.
    - The list {dir}/{file} has repeated lines. Store a sorted version without repetitions as {dir}/{out}.
    - Sort {dir}/{file}, drop duplicates, and save what is left under the name {out} in the same folder.
    - Produce {dir}/{out} from {dir}/{file}: ascending order, duplicates removed, the source left alone.
    - I want {out} next to {file} in {dir}, with the same lines but in sorted order and no line twice.
    - Out of {dir}/{file} derive an alphabetical list without doubles and put it into {dir}/{out}.
    - Create {dir}/{out}; its content is that of {file} (same directory), deduplicated and in order from a to z.
    """,
)
def sort_unique(p: Params, rng: random.Random) -> Scene:
    """sort -u writes the distinct lines of {dir}/{file} in order to {dir}/{out}."""
    items = distinct(rng, words.STEMS, rng.randint(6, 9))
    listed = items + rng.choices(items, k=rng.randint(3, 7))
    rng.shuffle(listed)
    before = Folder(p["dir"], {p["file"]: lines(*listed), **beside(rng, p["file"])})
    return Scene(
        before=before,
        reference=f"LC_ALL=C sort -u {p['dir']}/{p['file']} > {p['dir']}/{p['out']}",
        moves=(
            Move("I look at the list.", f"cd {p['dir']} && cat {p['file']}"),
            Move(
                "sort and uniq do it; [I check the result|a look at the new file follows].",
                f"sort {p['file']} | uniq > {p['out']}; cat {p['out']}",
            ),
        ),
        after=before.but({p["out"]: lines(*sorted(items))}),
    )


FAMILIES = (
    replace_word,
    sort_unique,
)
