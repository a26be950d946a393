"""Questions on shell scripts: what they print, define and call."""

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
    number,
    one_of,
)
from environments.os.families.folder import File, Folder, lines

SCRIPT = file_name("sh")
VERBS = words.listed(
    "load check purge merge index rotate verify fetch store trim split notify parse build scan publish"
)
FUNCTIONS = tuple(f"{verb}_{noun}" for verb in VERBS for noun in words.listed("rows logs users cache mail queue"))


def script(rng: random.Random, functions: list[str]) -> File:
    """Return a script that defines functions, in both of the shell's ways, and calls some of them."""
    body = ["#!/bin/bash"]
    for name in functions:
        head = rng.choice((f"{name}() {{", f"function {name} {{"))
        body += [head, f'  echo "{name.replace("_", " ")} $1"', "}"]
    return lines(*body, *(f"{name} {rng.randint(1, 9)}" for name in rng.choices(functions, k=2)))


@family(
    "scripts",
    "number",
    {"dir": DIRECTORY, "file": SCRIPT, "argument": number(40, 900)},
    """
    - What number does the script {dir}/{file} print for the argument {argument}?
    - Run {dir}/{file} with {argument} as its only argument and report the output.
    - Call {dir}/{file} {argument} and tell what it prints.
    - The script {file} in {dir} turns a number into another one. Which one does it make of {argument}?
    - Feed {argument} to {dir}/{file} on the command line; what comes out?
    - Determine the output of {dir}/{file} when it is started with the parameter {argument}.
    - If $1 is {argument}, what will {dir}/{file} write to the terminal?
    - Use the calculator script {dir}/{file} on the value {argument} and give me the result.
    """,
)
def run_with_argument(p: Params, rng: random.Random) -> Scene:
    """bash {dir}/{file} {argument} prints it."""
    factor, minus = rng.randint(3, 27), rng.randint(2, 99)
    script = lines("#!/bin/bash", f"step() {{ echo $(($1 * {factor})); }}", 'n=$(step "$1")', f"echo $((n - {minus}))")
    return Scene(
        before=Folder(p["dir"], {p["file"]: script, "README.txt": lines("usage: script NUMBER")}),
        reference=f"bash {p['dir']}/{p['file']} {p['argument']}",
        moves=(
            Move("I read the script [before I run it|first].", f"cd {p['dir']} && cat {p['file']}"),
            Move("It only calculates. I run it.", f"bash {p['file']} {p['argument']}"),
        ),
        answer=str(int(p["argument"]) * factor - minus),
    )


@family(
    "scripts",
    "number",
    {"dir": DIRECTORY, "file": SCRIPT},
    """
    - How many functions does the shell script {dir}/{file} define?
    - Count the function definitions in {dir}/{file}, whichever of the two bash notations they use.
    - The library {dir}/{file} consists of bash functions. What is their number?
    - Read the script {dir}/{file} and find out how many functions are declared in it.
    - In {dir}/{file}, functions are written as "name() {" or "function name {". How many are there?
    - Give the number of shell functions that would exist after sourcing {dir}/{file} in a fresh shell.
    - Documentation for {file} (in {dir}) needs one page per function. How many pages does that make?
    - Someone has to review each function of the script {dir}/{file}; determine how many that are.
    """,
    unit=("function", "functions"),
)
def count_functions(p: Params, rng: random.Random) -> Scene:
    """grep counts both forms of definition in {dir}/{file}."""
    functions = distinct(rng, FUNCTIONS, rng.randint(4, 10))
    path = f"{p['dir']}/{p['file']}"
    return Scene(
        before=Folder(p["dir"], {p["file"]: script(rng, functions)}),
        reference=f"grep -cE '^(function )?[a-z_]+(\\(\\))? \\{{$' {path}",
        moves=(
            Move("How does the script look?", f"head -n 8 {path}"),
            Move("I print the heads of all definitions.", f"grep -n '{{$' {path}"),
            Move("Each ends in a brace, so I count those lines.", f"grep -c '{{$' {path}"),
        ),
        answer=str(len(functions)),
    )


@family(
    "scripts",
    "name",
    {"dir": DIRECTORY, "function": one_of(FUNCTIONS)},
    """
    - Which script in {dir} defines the function {function}?
    - Several scripts in {dir} call {function}, but only one defines it. Find the file.
    - In what file of {dir} does the definition of the shell function {function} stand?
    - I must change {function} and do not know where it is defined within {dir}. Name the file.
    - Search the scripts of {dir} for the place where {function} is declared as a function; which file is it?
    - The function {function} is used all over {dir}. Tell me the file that it comes from.
    - Locate the definition (not the calls) of {function} among the scripts kept in {dir}.
    - One file below {dir} contains the body of {function}; the others just use it. Which is the one?
    """,
)
def who_defines(p: Params, rng: random.Random) -> Scene:
    """grep -l for the definition of {function} over the scripts of {dir}."""
    names = [f"{stem}.sh" for stem in distinct(rng, words.STEMS, rng.randint(3, 5))]
    pool = tuple(name for name in FUNCTIONS if name != p["function"])
    files = {name: script(rng, distinct(rng, pool, 2)) for name in names}
    calls = {
        name: lines(*file.content.splitlines(), f"{p['function']} {i}") for i, (name, file) in enumerate(files.items())
    }
    home = rng.choice(names)
    files = {**calls, home: script(rng, [p["function"], *distinct(rng, pool, 1)])}
    return Scene(
        before=Folder(p["dir"], dict(sorted(files.items()))),
        reference=f"cd {p['dir']} || exit 1\ngrep -lE '^(function )?{p['function']}(\\(\\))? \\{{$' *.sh",
        moves=(
            Move("I look for the name.", f"cd {p['dir']} && grep -n {p['function']} *.sh"),
            Move("The definition is the line that ends in a brace.", f"grep -l '{p['function']}.*{{$' *.sh"),
        ),
        answer=home,
    )


FAMILIES = (
    run_with_argument,
    count_functions,
    who_defines,
)
