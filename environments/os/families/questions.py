"""Questions, one for every topic: what is right is computed here, never by the commands that are judged by it."""

from __future__ import annotations

import random

from environments.os.families import words
from environments.os.families.family import (
    DIRECTORY,
    EXTENSION,
    WORD,
    Params,
    Scene,
    distinct,
    family,
    file_name,
    number,
    one_of,
)
from environments.os.families.folder import File, Folder, lines
from rehearsals.base import Move

_SCRIPT, _ARCHIVE = file_name("sh"), file_name("tar", "tgz")
MODES = (0o600, 0o640, 0o644, 0o660, 0o664, 0o700, 0o750, 0o755)


def scatter(rng: random.Random, extension: str, wanted: int, others: int, places: int) -> dict[str, File]:
    """Return `wanted` files with the extension and some with others, at the top and in a few subdirectories."""
    stems = distinct(rng, words.STEMS, wanted + others)
    folders = ["", *(f"{name}/" for name in distinct(rng, words.CITIES, places))]
    rest = distinct(rng, words.EXTENSIONS, 3, extension)
    endings = [extension] * wanted + [rng.choice(rest) for _ in range(others)]
    return {
        f"{rng.choice(folders)}{stem}.{ending}": lines(f"{stem} {rng.randint(10, 99)}")
        for stem, ending in zip(stems, endings, strict=True)
    }


@family(
    "files",
    "number",
    "Count the .{ext} files below {dir}, at any depth.",
    unit=("file", "files"),
    dir=DIRECTORY,
    ext=EXTENSION,
)
def count_extension(p: Params, rng: random.Random) -> Scene:
    """find lists the regular files below {dir} whose name ends in .{ext}; wc counts them."""
    wanted = rng.randint(3, 14)
    return Scene(
        before=Folder(p["dir"], scatter(rng, p["ext"], wanted, rng.randint(3, 9), places=2)),
        reference=f"find {p['dir']} -type f -name '*.{p['ext']}' | wc -l",
        moves=(
            Move("I look at the directory first.", "bash", f"cd {p['dir']} && find . -type f | sort | head -n 12"),
            Move("Several levels are used, so find counts.", "bash", f"find . -type f -name '*.{p['ext']}' | wc -l"),
        ),
        answer=str(wanted),
    )


@family(
    "text",
    "number",
    "In {dir}/{file}, columns id,city,amount, add up the amounts of {city}.",
    dir=DIRECTORY,
    file=file_name("csv"),
    city=one_of(words.CITIES),
)
def column_sum(p: Params, rng: random.Random) -> Scene:
    """awk with a comma as separator adds the third field of {dir}/{file} where the second is {city}."""
    cities = [p["city"], *distinct(rng, words.CITIES, 3, p["city"])]
    rows = [(100 + i, rng.choice(cities), rng.randint(40, 980)) for i in range(rng.randint(12, 24))]
    rows += [(500 + i, p["city"], rng.randint(310, 990)) for i in range(3)]
    rng.shuffle(rows)
    table = lines("id,city,amount", *(f"{i},{city},{amount}" for i, city, amount in rows))
    pick = f"grep ',{p['city']},' {p['file']}"
    return Scene(
        before=Folder(p["dir"], {p["file"]: table, "notes.txt": lines(*cities)}),
        reference=f"awk -F, '$2 == \"{p['city']}\" {{ s += $3 }} END {{ print s + 0 }}' {p['dir']}/{p['file']}",
        moves=(
            Move("I look at the layout of the table.", "bash", f"cd {p['dir']} && head -n 4 {p['file']}"),
            Move("The second column is the city. First the rows in question.", "bash", pick),
            Move(
                "Now I add up their third column.",
                "bash",
                f"{pick} | cut -d, -f3 | paste -sd+ | {{ read -r sum; echo $((sum)); }}",
            ),
        ),
        answer=str(sum(amount for _, city, amount in rows if city == p["city"])),
    )


@family(
    "processes",
    "number",
    "Run {dir}/{file} in the background, wait for it to end, and tell the number that it leaves in {dir}/{out}.",
    volatile=True,
    dir=DIRECTORY,
    file=_SCRIPT,
    out=file_name("txt", "out"),
)
def background_job(p: Params, rng: random.Random) -> Scene:
    """The script {dir}/{file} runs with &, the shell waits, and cat shows {dir}/{out}."""
    first, step, count = rng.randint(20, 90), rng.randint(11, 60), rng.randint(8, 30)
    path = f"{p['dir']}/{p['out']}"
    script = lines(
        "#!/bin/bash",
        f"for ((i = 0; i < {count}; i++)); do total=$((total + {first} + i * {step})); done",
        f"echo $total > {path}",
    )
    start = f'cd {p["dir"]} && {{ ./{p["file"]} & }}; echo "started at $(date +%T.%N)"; wait'
    return Scene(
        before=Folder(p["dir"], {p["file"]: script.with_mode(0o755)}),
        reference=f"bash {p['dir']}/{p['file']} &\nwait\ncat {path}",
        moves=(
            Move("I start the job and note the time.", "bash", start),
            Move("The job has ended; I read the file.", "bash", f"cat {path}"),
        ),
        answer=str(sum(first + i * step for i in range(count))),
    )


@family(
    "permissions",
    "name",
    "Which file in {dir} has mode {mode}?",
    dir=DIRECTORY,
    mode=one_of(tuple(f"{mode:o}" for mode in MODES)),
)
def file_with_mode(p: Params, rng: random.Random) -> Scene:
    """find -perm {mode} finds the one file in {dir}."""
    mode = int(p["mode"], 8)
    others = tuple(other for other in MODES if other != mode)
    files = {name: file.with_mode(rng.choice(others)) for name, file in scatter(rng, "txt", 3, 4, places=0).items()}
    wanted = rng.choice(list(files))
    files[wanted] = files[wanted].with_mode(mode)
    return Scene(
        before=Folder(p["dir"], files),
        reference=f"find {p['dir']} -maxdepth 1 -type f -perm {p['mode']} -printf '%f\\n'",
        moves=(
            Move("stat shows the octal modes.", "bash", f"cd {p['dir']} && stat -c '%a %n' *"),
            Move("I pick the line with this mode.", "bash", f"stat -c '%a %n' * | sed -n 's/^{p['mode']} //p'"),
        ),
        answer=wanted,
    )


@family(
    "archives",
    "line",
    "What is the first line of {stem}.txt in the archive {dir}/{archive}?",
    volatile=True,
    dir=DIRECTORY,
    archive=_ARCHIVE,
    stem=WORD,
)
def archived_line(p: Params, rng: random.Random) -> Scene:
    """tar -xO prints the member {stem}.txt of {dir}/{archive}; head -n 1 takes its first line."""
    first = " ".join(rng.sample(words.SUBJECTS, 4))
    place, other = distinct(rng, words.PLACES, 2)
    files = {f"{place}/{p['stem']}.txt": lines(first, "second line"), f"{other}/readme.txt": lines("nothing here")}
    path, name = f"{p['dir']}/{p['archive']}", f"{p['stem']}.txt"
    return Scene(
        before=Folder(p["dir"], files),
        init=f"tar -c{zip_flag(p['archive'])}f {p['archive']} {place} {other}\nrm -r {place} {other}",
        reference=f"tar -xOf {path} --wildcards '*/{name}' | head -n 1",
        moves=(
            Move(
                "I unpack to a scratch directory, so that the folder stays clean.",
                "bash",
                f'box=$(mktemp -d) && tar -xf {path} -C "$box" && cd "$box" && find "$PWD" -type f',
            ),
            Move("Now I read the file.", "bash", f"sed -n 1p */{name}"),
        ),
        answer=first,
    )


def zip_flag(archive: str) -> str:
    """Return tar's flag for an archive that its name calls compressed."""
    return "z" if archive.endswith("gz") else ""


@family(
    "scripts",
    "number",
    'Run "bash {dir}/{file} {argument}" and tell what it prints.',
    dir=DIRECTORY,
    file=_SCRIPT,
    argument=number(40, 900),
)
def run_with_argument(p: Params, rng: random.Random) -> Scene:
    """bash {dir}/{file} {argument} prints it."""
    factor, minus = rng.randint(3, 27), rng.randint(2, 99)
    script = lines("#!/bin/bash", f"step() {{ echo $(($1 * {factor})); }}", 'n=$(step "$1")', f"echo $((n - {minus}))")
    return Scene(
        before=Folder(p["dir"], {p["file"]: script, "README.txt": lines("usage: script NUMBER")}),
        reference=f"bash {p['dir']}/{p['file']} {p['argument']}",
        moves=(
            Move("I read the script before I run it.", "bash", f"cd {p['dir']} && cat {p['file']}"),
            Move("It only calculates. I run it.", "bash", f"bash {p['file']} {p['argument']}"),
        ),
        answer=str(int(p["argument"]) * factor - minus),
    )


@family(
    "system",
    "number",
    "Sum the bytes of {service} in {dir}/{file} (columns service, status, bytes).",
    unit=("byte", "bytes"),
    dir=DIRECTORY,
    file=file_name("log"),
    service=one_of(words.SERVICES),
)
def service_traffic(p: Params, rng: random.Random) -> Scene:
    """awk adds the third field of the lines of {service} in {dir}/{file}."""
    services = [p["service"], *distinct(rng, words.SERVICES, 2, p["service"])]
    sizes = [(rng.choice(services), rng.randint(90, 1900)) for _ in range(rng.randint(9, 20))]
    sizes += [(p["service"], rng.randint(400, 900)) for _ in range(3)]
    rng.shuffle(sizes)
    rows = (f"{service} {rng.choice((200, 301, 404))} {size}" for service, size in sizes)
    path = f"{p['dir']}/{p['file']}"
    pick = f"grep '^{p['service']} ' {path} | cut -d ' ' -f 3"
    return Scene(
        before=Folder(p["dir"], {p["file"]: lines(*rows)}),
        reference=f"awk '$1 == \"{p['service']}\" {{ s += $3 }} END {{ print s + 0 }}' {path}",
        moves=(
            Move("I look at the log's first lines.", "bash", f"head -n 3 {path}"),
            Move("Now the numbers in question.", "bash", f"{pick} | tr '\\n' ' '"),
            Move("I add them up.", "bash", f"{pick} | paste -sd+ | {{ read -r sum; echo $((sum)); }}"),
        ),
        answer=str(sum(size for service, size in sizes if service == p["service"])),
    )


FAMILIES = (
    count_extension,
    column_sum,
    background_job,
    file_with_mode,
    archived_line,
    run_with_argument,
    service_traffic,
)
