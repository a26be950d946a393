"""Changes of shell scripts: writing and editing them."""

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
    folder_check,
    number,
    one_of,
)
from environments.os.families.folder import Folder, lines
from environments.os.families.scripts import FUNCTIONS, SCRIPT, script

_VARIABLES = words.listed("LIMIT TIMEOUT RETRIES PORT INTERVAL BATCH_SIZE MAX_AGE WORKERS THRESHOLD KEEP_DAYS")


@family(
    "scripts",
    "change",
    {"dir": DIRECTORY, "file": SCRIPT, "variable": one_of(tuple(_VARIABLES)), "value": number(11, 9500)},
    """
    - In the script {dir}/{file}, set the variable {variable} to {value}.
    - Edit {dir}/{file} so that its assignment of {variable} gives it the value {value}.
    - Change the line of {dir}/{file} that assigns {variable}: the new value is {value}.
    - {variable} in {dir}/{file} has the wrong value; it has to be {value}.
    - From now on {dir}/{file} shall work with {variable}={value}. Adapt the assignment in the script.
    - Give {variable} the value {value} in {file}, a shell script in {dir}, by editing its assignment.
    - The setting {variable} at the top of the script {dir}/{file} must read {variable}={value}.
    - Open the script {file} in {dir} and correct {variable} to {value} where it is assigned.
    """,
)
def set_variable(p: Params, rng: random.Random) -> Scene:
    """sed -i rewrites the line {variable}=... of {dir}/{file}."""
    others = distinct(rng, _VARIABLES, 2, p["variable"])
    settings = [f"{name}={rng.randint(1, 9)}" for name in others]
    settings.insert(rng.randrange(3), f"{p['variable']}={rng.randint(1, 9)}")
    rest = [f'echo "{p["variable"]} is ${p["variable"]}"', f'echo "{others[0]} is ${others[0]}"']
    old = lines("#!/bin/bash", *settings, *rest)
    changed = [f"{p['variable']}={p['value']}" if line.startswith(f"{p['variable']}=") else line for line in settings]
    before = Folder(p["dir"], {p["file"]: old, "settings.bak": lines(*settings)})
    return Scene(
        before=before,
        reference=f"sed -i 's/^{p['variable']}=.*/{p['variable']}={p['value']}/' {p['dir']}/{p['file']}",
        moves=(
            Move("Where is the variable assigned?", f"cd {p['dir']} && grep -n {p['variable']} {p['file']}"),
            Move(
                "I change the assignment only[ and look at the outcome|].",
                f"sed -i '/^{p['variable']}=/c {p['variable']}={p['value']}' {p['file']}; head -n 5 {p['file']}",
            ),
        ),
        after=before.but({p["file"]: lines("#!/bin/bash", *changed, *rest)}),
    )


@family(
    "scripts",
    "change",
    {"dir": DIRECTORY, "file": SCRIPT, "factor": number(3, 19)},
    """
    - Write a bash script {dir}/{file} that prints the sum of its two integer arguments multiplied by {factor}.
    - Create {dir}/{file}: called with two integers, it shall print {factor} times their sum, nothing else.
    - We need a script {file} in {dir}. It takes integers a and b and prints (a + b) * {factor}.
    - Make a shell script at {dir}/{file} which adds its first two arguments and outputs {factor} times the result.
    - Please program {dir}/{file} for bash; for the arguments x and y the output is {factor} * (x + y).
    - A small calculator is missing in {dir}: {file} should add two numbers given as arguments, then times {factor}.
    - Put a script named {file} into {dir} that writes the {factor}-fold of $1 + $2 to its standard output.
    - Develop {dir}/{file}, run as "bash {file} A B", to print A plus B, the whole multiplied by {factor}.
    """,
)
def write_script(p: Params, rng: random.Random) -> Scene:
    """The script is one line: echo $((($1 + $2) * {factor}))."""
    before = Folder(
        p["dir"], {f"{stem}.sh": lines("#!/bin/bash", f"echo {stem}") for stem in distinct(rng, words.SUBJECTS, 2)}
    )
    pairs = [(rng.randint(1, 90), rng.randint(1, 90)) for _ in range(3)]
    tests = [f'[ "$(bash {p["file"]} {a} {b})" = {(a + b) * int(p["factor"])} ] || exit 1' for a, b in pairs]
    code = f"echo $((($1 + $2) * {p['factor']}))"
    return Scene(
        before=before,
        reference=f"{{ echo '#!/bin/bash'; echo '{code}'; }} > {p['dir']}/{p['file']}",
        moves=(
            Move("What is there already?", f"cd {p['dir']} && ls"),
            Move(
                "I write the script and try it on [two small numbers|1 and 2].",
                f"cat > {p['file']} <<'END'\n#!/bin/bash\nsum=$(($1 + $2))\necho $((sum * {p['factor']}))\nEND\n"
                f"bash {p['file']} 1 2",
            ),
        ),
        after=before,
        check="\n".join((f"cd {p['dir']} || exit 1", *tests, folder_check(before, skip=p["file"]))),
    )


@family(
    "scripts",
    "change",
    {"dir": DIRECTORY, "option": one_of(("set -e", "set -u", "set -eu", "set -x", "set -f", "umask 027", "umask 077"))},
    """
    - Insert the line "{option}" as second line into every .sh file in {dir}.
    - All scripts (*.sh) in {dir} should have "{option}" directly below their first line.
    - After the #! line of each script {dir}/*.sh, add a line that reads {option}.
    - Put {option} on a line of its own right after the first line in all the .sh files of {dir}.
    - Each .sh file of the directory {dir} lacks the command {option}; it belongs on line 2, before the rest.
    - Policy says that line 2 of a script is "{option}". Make it so for the files ending in .sh in {dir}.
    - Extend every shell script (.sh) inside {dir} by the line {option}, placed second.
    - Change the .sh files in {dir} such that their second line is {option} and the old lines follow unchanged.
    """,
)
def second_line(p: Params, rng: random.Random) -> Scene:
    """sed -i '1a {option}' on the .sh files of {dir}."""
    scripts = {f"{stem}.sh": script(rng, distinct(rng, FUNCTIONS, 1)) for stem in distinct(rng, words.STEMS, 3)}
    before = Folder(p["dir"], {**scripts, "notes.txt": lines("#!/bin/bash", "not a script")})
    changed = {
        name: lines(first, p["option"], *rest)
        for name, (first, *rest) in ((n, f.content.splitlines()) for n, f in scripts.items())
    }
    return Scene(
        before=before,
        reference=f"sed -i '1a {p['option']}' {p['dir']}/*.sh",
        moves=(
            Move("I look at the tops of the scripts.", f"cd {p['dir']} && head -n 2 *.sh"),
            Move(
                "I insert the line in each of them and look again.",
                f"for f in *.sh; do sed -i '2i {p['option']}' $f; done; head -n 2 *.sh",
            ),
        ),
        after=before.but(changed),
    )


@family(
    "scripts",
    "change",
    {"dir": DIRECTORY, "old": one_of(FUNCTIONS), "new": WORD},
    """
    - Rename the shell function {old} to {new} in all scripts of {dir}, its definition and every call.
    - In the .sh files of {dir}, the function {old} should be called {new} from now on, wherever it appears.
    - Refactor the scripts in {dir}: {old} becomes {new}, both where it is defined and where it is used.
    - Give the function {old} the new name {new} throughout the *.sh files in {dir}.
    - Every mention of the function {old} within the shell scripts of {dir} has to be replaced by {new}.
    - The name {old} is too long. Use {new} instead in each .sh file under {dir} that defines or calls it.
    - Replace the identifier {old} by {new} across the scripts (*.sh) stored in {dir}.
    - Make {new} the name of what is {old} at present in the bash scripts of {dir}, without breaking any call.
    """,
)
def rename_function(p: Params, rng: random.Random) -> Scene:
    """sed -i with word boundaries replaces {old} by {new} in the .sh files of {dir}."""
    one, two, three = (f"{stem}.sh" for stem in distinct(rng, words.STEMS, 3, p["new"]))
    pool = tuple(name for name in FUNCTIONS if name != p["old"])
    library = lines("#!/bin/bash", f"{p['old']}() {{", '  echo "done: $1"', "}")
    caller = lines("#!/bin/bash", f"source ./{one}", f"{p['old']} {rng.randint(1, 99)}", f"{p['old']} again")
    files = {
        one: library,
        two: caller,
        three: script(rng, distinct(rng, pool, 1)),
        "changes.txt": lines(f"added {p['old']}"),
    }
    before = Folder(p["dir"], files)
    return Scene(
        before=before,
        reference=f"sed -i 's/\\b{p['old']}\\b/{p['new']}/g' {p['dir']}/*.sh",
        moves=(
            Move("Where does the name stand?", f"cd {p['dir']} && grep -n {p['old']} *.sh"),
            Move(
                "I replace it in the scripts that have it.",
                f"grep -l {p['old']} *.sh | xargs sed -i 's/{p['old']}/{p['new']}/g'; grep -n {p['new']} *.sh",
            ),
        ),
        after=before.but(
            {name: lines(*files[name].content.replace(p["old"], p["new"]).splitlines()) for name in (one, two)}
        ),
    )


FAMILIES = (
    set_variable,
    write_script,
    second_line,
    rename_function,
)
