"""Changes of files: renaming, moving, deleting."""

from __future__ import annotations

import random

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    EXTENSION,
    STEM,
    WORD,
    Move,
    Params,
    Scene,
    distinct,
    family,
)
from environments.os.families.files import scatter
from environments.os.families.folder import Folder, lines


@family(
    "files",
    "change",
    {"dir": DIRECTORY, "ext": EXTENSION, "prefix": STEM},
    """
    - Rename every .{ext} file in {dir} so that its name begins with "{prefix}_".
    - In {dir}, put the prefix {prefix}_ in front of the names of all .{ext} files.
    - The .{ext} files directly in {dir} should be called {prefix}_<old name> from now on.
    - Each file in {dir} that ends in .{ext} needs "{prefix}_" added at the start of its name.
    - Please prepend {prefix}_ to the file names matching *.{ext} inside {dir}.
    - Files of type .{ext} in {dir} lack the marker {prefix}_ at the front of their names; rename them accordingly.
    - Give all *.{ext} files of the folder {dir} new names: {prefix}_ followed by what they are called now.
    - To tell them apart later, the .{ext} files kept in {dir} shall carry {prefix}_ before their present name.
    """,
)
def rename_prefix(p: Params, rng: random.Random) -> Scene:
    """A loop over *.{ext} in {dir} moves each file to its name with {prefix}_ in front."""
    files = {path.rpartition("/")[2]: file for path, file in scatter(rng, p["ext"], 4, 4).items()}
    before = Folder(p["dir"], files)
    chosen = {name: file for name, file in files.items() if name.endswith(f".{p['ext']}")}
    return Scene(
        before=before,
        reference=f'cd {p["dir"]} || exit 1\nfor f in *.{p["ext"]}; do mv -- "$f" "{p["prefix"]}_$f"; done',
        moves=(
            Move("[I list the files first.|Which files are concerned? I list them.]", f"cd {p['dir']} && ls -A"),
            Move(
                f"A loop with mv adds {p['prefix']}_ to the .{p['ext']} names, and a listing shows the result.",
                f'for name in *.{p["ext"]}; do mv -n "$name" "{p["prefix"]}_$name"; done; ls -A',
            ),
        ),
        after=before.but({f"{p['prefix']}_{name}": file for name, file in chosen.items()}, without=chosen),
    )


@family(
    "files",
    "change",
    {"dir": DIRECTORY, "ext": EXTENSION, "target": WORD},
    """
    - Move all .{ext} files from {dir} into a new subdirectory of it called {target}.
    - Create the folder {target} inside {dir} and put every .{ext} file that lies directly in {dir} there.
    - In {dir}, collect the *.{ext} files in a directory named {target} (make it); they should no longer lie outside.
    - The .{ext} files in {dir} belong in {dir}/{target}, which does not exist yet. Sort that out.
    - Set up {dir}/{target} and relocate whatever ends in .{ext} from {dir} to it.
    - Tidy {dir}: a fresh subfolder {target} takes in the .{ext} files, everything else remains where it is.
    - Everything named *.{ext} at the top of {dir} has to go to a subdirectory {target} that you make for it.
    - Make {target} under {dir}, then shift the .{ext} files over from the parent folder, keeping their names.
    """,
)
def move_extension(p: Params, rng: random.Random) -> Scene:
    """mkdir makes {dir}/{target}, mv brings the .{ext} files there."""
    files = {path.rpartition("/")[2]: file for path, file in scatter(rng, p["ext"], 4, 5).items()}
    before = Folder(p["dir"], files)
    chosen = {name: file for name, file in files.items() if name.endswith(f".{p['ext']}")}
    return Scene(
        before=before,
        reference=f"mkdir {p['dir']}/{p['target']}\nmv {p['dir']}/*.{p['ext']} {p['dir']}/{p['target']}/",
        moves=(
            Move("Before I move anything I look at the folder.", f"cd {p['dir']} && ls -A"),
            Move(
                f"I make {p['target']} and move the [matching|.{p['ext']}] files.",
                f"mkdir {p['target']} && mv *.{p['ext']} {p['target']}/",
            ),
            Move("A last look [shows whether it worked|to be sure].", f"ls -A . {p['target']}"),
        ),
        after=before.but({f"{p['target']}/{name}": file for name, file in chosen.items()}, without=chosen),
    )


@family(
    "files",
    "change",
    {"dir": DIRECTORY},
    """
    - Delete all empty files below {dir}, at any depth, but keep the directories.
    - Some files under {dir} have no content at all. Remove those, wherever they are in the tree.
    - Get rid of every zero-byte file in {dir} and its subfolders; folders stay even when nothing is left in them.
    - Search {dir} recursively for files of size 0 and remove them.
    - In the tree {dir}, files without a single byte are leftovers of a crash: delete them, directories excepted.
    - Clear out the files in {dir} (deeper levels too) that contain nothing.
    - Whatever regular file under {dir} is 0 bytes long can go. Directories are to be kept.
    - An aborted copy left blank files all over {dir}; erase each of them and only them, at every level.
    """,
)
def remove_empty(p: Params, rng: random.Random) -> Scene:
    """find -type f -empty -delete below {dir} removes the empty files and no directory."""
    full = scatter(rng, rng.choice(words.EXTENSIONS), 3, 3)
    stems = distinct(rng, words.SUBJECTS, 4)
    folders = ["", *(f"{place}/" for place in distinct(rng, words.CITIES, 2))]
    empty = {f"{rng.choice(folders)}{stem}.{rng.choice(words.EXTENSIONS)}": lines() for stem in stems}
    before = Folder(p["dir"], {**full, **empty})
    return Scene(
        before=before,
        reference=f"find {p['dir']} -type f -empty -delete",
        moves=(
            Move("I search for the files without content.", f"cd {p['dir']} && find . -type f -size 0 | sort"),
            Move(
                "These are the [empty ones|files to remove]; I delete them and [check|see] what is left.",
                "find . -type f -size 0 -exec rm {} + ; find . -type f -size 0 | wc -l",
            ),
        ),
        after=before.but(without=empty),
    )


FAMILIES = (
    rename_prefix,
    move_extension,
    remove_empty,
)
