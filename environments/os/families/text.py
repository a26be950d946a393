"""Questions on text: counting lines, sums over columns, picking lines."""

from __future__ import annotations

import random

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
    number,
    one_of,
)
from environments.os.families.folder import File, Folder, lines, numbered

TEXT = file_name("txt", "md", "log", "lst")
_CSV = file_name("csv")


def beside(rng: random.Random, *taken: str) -> dict[str, File]:
    """Return two files that a task does not speak of."""
    names = [name for name in (f"{stem}.txt" for stem in words.SUBJECTS) if name not in taken]
    return {name: lines(*distinct(rng, words.CITIES, 3)) for name in rng.sample(names, 2)}


def sentences(rng: random.Random, count: int, *without: str) -> list[list[str]]:
    """Return lines of four words, none of which holds a word of `without` in it."""
    pool = tuple(w for w in words.STEMS + words.CITIES if not any(word in w for word in without))
    return [rng.sample(pool, 4) for _ in range(count)]


@family(
    "text",
    "number",
    {"dir": DIRECTORY, "file": TEXT, "word": WORD},
    """
    - How many lines of {dir}/{file} contain the word {word}?
    - Count the lines in {dir}/{file} on which "{word}" occurs at least once.
    - The word {word} turns up on several lines of the file {dir}/{file}. On how many?
    - Read {dir}/{file} and determine the number of lines that mention {word}.
    - In {file} (it lies in {dir}), some lines speak of "{word}"; work out their number. A line counts once.
    - Go through {dir}/{file} line by line and tell how often a line with {word} in it comes along.
    - What is the number of lines matching the word {word} in the text file {dir}/{file}?
    - Search {file} in the folder {dir} for {word} and report how many lines are hits.
    """,
    unit=("line", "lines"),
)
def matching_lines(p: Params, rng: random.Random) -> Scene:
    """grep -c counts the lines of {dir}/{file} with {word}."""
    text = sentences(rng, rng.randint(14, 30), p["word"])
    hits = rng.sample(range(len(text)), rng.randint(3, 11))
    for i in hits:
        text[i][rng.randrange(4)] = p["word"]
    files = {p["file"]: lines(*(" ".join(words_) for words_ in text)), **beside(rng, p["file"])}
    return Scene(
        before=Folder(p["dir"], files),
        reference=f"grep -cw {p['word']} {p['dir']}/{p['file']}",
        moves=(
            Move("I look at the [first lines|beginning] of the file.", f"head -n 5 {p['dir']}/{p['file']}"),
            Move(
                "Plain lines of words. [grep -c counts|I let grep count] the lines with the word.",
                f"grep -c -w '{p['word']}' {p['dir']}/{p['file']}",
            ),
        ),
        answer=str(len(hits)),
    )


@family(
    "text",
    "number",
    {"dir": DIRECTORY, "file": _CSV, "city": one_of(words.CITIES)},
    """
    - In {dir}/{file}, add up the amounts of all rows whose city is {city}.
    - What do the amounts for {city} in {dir}/{file} come to in total?
    - The table {dir}/{file} has the columns id, city and amount. Sum the amount over the rows of {city}.
    - Work out the sum of the third column of {dir}/{file}, counting only rows with {city} in the second.
    - How much was booked for {city} altogether, according to the amounts in {dir}/{file}?
    - From the comma-separated file {dir}/{file}, take each row of the city {city} and total its amount.
    - {file} in {dir} lists amounts by city; I want the grand total of {city}.
    - Find the overall amount that {dir}/{file} holds for the city of {city} (the header is no data).
    """,
)
def column_sum(p: Params, rng: random.Random) -> Scene:
    """awk with a comma as separator adds the third field of {dir}/{file} where the second is {city}."""
    cities = [p["city"], *distinct(rng, words.CITIES, 3, p["city"])]
    rows = [(100 + i, rng.choice(cities), rng.randint(40, 980)) for i in range(rng.randint(12, 24))]
    rows += [(500 + i, p["city"], rng.randint(310, 990)) for i in range(3)]
    rng.shuffle(rows)
    table = lines("id,city,amount", *(f"{i},{city},{amount}" for i, city, amount in rows))
    return Scene(
        before=Folder(p["dir"], {p["file"]: table, **beside(rng)}),
        reference=f"awk -F, '$2 == \"{p['city']}\" {{ s += $3 }} END {{ print s + 0 }}' {p['dir']}/{p['file']}",
        moves=(
            Move("I look at the layout of the table.", f"cd {p['dir']} && head -n 4 {p['file']}"),
            Move(
                "The second column is the city, the third the amount. First the [rows in question|matching rows].",
                f"grep ',{p['city']},' {p['file']}",
            ),
            Move(
                "Now I add up their third column.",
                f"grep ',{p['city']},' {p['file']} | cut -d, -f3 | paste -sd+ | {{ read -r sum; echo $((sum)); }}",
            ),
        ),
        answer=str(sum(amount for _, city, amount in rows if city == p["city"])),
    )


@family(
    "text",
    "number",
    {"dir": DIRECTORY, "ext": EXTENSION},
    """
    - How many lines do the .{ext} files in {dir} have altogether?
    - Count the lines of every .{ext} file in {dir} and give the total over all of them.
    - If all files of {dir} that end in .{ext} were joined, how long would the result be, in lines?
    - Work out the total line count of the files {dir}/*.{ext}.
    - I need one figure for {dir}: the lines of its .{ext} files, summed up.
    - Put the .{ext} files from {dir} one after the other; what number of lines comes out?
    - What is the sum of the numbers of lines in all .{ext} files kept in the folder {dir}?
    - Only the .{ext} files matter in {dir}. Report how many lines of text they contain as a whole.
    """,
    unit=("line", "lines"),
)
def total_lines(p: Params, rng: random.Random) -> Scene:
    """cat joins the .{ext} files of {dir}, wc -l counts the lines."""
    counts = {f"{stem}.{p['ext']}": rng.randint(120, 960) for stem in distinct(rng, words.STEMS, rng.randint(3, 5))}
    other = rng.choice([ext for ext in words.EXTENSIONS if ext != p["ext"]])
    files = {name: numbered(rng.choice(words.SUBJECTS), count) for name, count in counts.items()}
    files[f"{rng.choice(words.CITIES)}.{other}"] = numbered("row", rng.randint(20, 300))
    return Scene(
        before=Folder(p["dir"], files),
        reference=f"cat {p['dir']}/*.{p['ext']} | wc -l",
        moves=(
            Move("[I list the files first.|What is in the folder?]", f"cd {p['dir']} && ls"),
            Move(
                "wc -l over a joined stream gives one total.",
                f"find . -maxdepth 1 -name '*.{p['ext']}' -exec cat {{}} + | wc -l",
            ),
        ),
        answer=str(sum(counts.values())),
    )


@family(
    "text",
    "name",
    {"dir": DIRECTORY, "file": file_name("log", "txt")},
    """
    - Which service has the most lines in {dir}/{file}? The service is the first word of each line.
    - In {dir}/{file} every line begins with a service name. Find the name that occurs most often.
    - Each line of the log {dir}/{file} starts with the service that wrote it; which one is the busiest?
    - Group {dir}/{file} by its first column and say which service leads.
    - Who writes most? Count the lines in {dir}/{file} per service (first field) and pick the top one.
    - The first field of {dir}/{file} is a service. One of them dominates the file; identify it.
    - Find out which service logged more lines to {dir}/{file} than any other (the line's first word names it).
    - Of all services whose names open the lines in {file} under {dir}, which is the most frequent?
    """,
)
def busiest_service(p: Params, rng: random.Random) -> Scene:
    """The first field of {dir}/{file}, sorted, counted with uniq -c and sorted by count."""
    services = distinct(rng, words.SERVICES, 4)
    counts = rng.sample(range(3, 9), 3)
    rows = [s for s, n in zip(services, (max(counts) + rng.randint(1, 3), *counts), strict=True) for _ in range(n)]
    rng.shuffle(rows)
    text = lines(*(f"{service} {rng.choice(('info', 'warn', 'error'))} {rng.randint(100, 999)}" for service in rows))
    return Scene(
        before=Folder(p["dir"], {p["file"]: text, **beside(rng, p["file"])}),
        reference=f"cut -d ' ' -f 1 {p['dir']}/{p['file']} | sort | uniq -c | sort -rn | awk 'NR == 1 {{ print $2 }}'",
        moves=(
            Move("How are the lines built?", f"head -n 4 {p['dir']}/{p['file']}"),
            Move(
                "I count the lines of each service [and sort the counts|, most frequent last].",
                f"awk '{{ print $1 }}' {p['dir']}/{p['file']} | sort | uniq -c | sort -n",
            ),
            Move(
                "The last line has the highest count; I print its name alone.",
                f"awk '{{ print $1 }}' {p['dir']}/{p['file']} | sort | uniq -c | sort -n | awk 'END {{ print $2 }}'",
            ),
        ),
        answer=services[0],
    )


@family(
    "text",
    "line",
    {"dir": DIRECTORY, "file": TEXT, "row": number(5, 24)},
    """
    - What does line {row} of {dir}/{file} say?
    - Show me the text on line number {row} in the file {dir}/{file}.
    - Open {dir}/{file} and read out its line {row}.
    - Find the content of row {row} in {file}, a file in {dir} (the first line is number 1).
    - A reviewer refers to "line {row}" of {dir}/{file}. What stands there?
    - Counting from 1, which text is on line {row} of {dir}/{file}?
    - I need line {row} from {dir}/{file}.
    - Somebody marked line {row} in the document {dir}/{file}; look up its wording.
    """,
)
def line_at(p: Params, rng: random.Random) -> Scene:
    """sed -n prints line {row} of {dir}/{file}."""
    text = [" ".join(line) for line in sentences(rng, int(p["row"]) + rng.randint(3, 9))]
    return Scene(
        before=Folder(p["dir"], {p["file"]: lines(*text), **beside(rng, p["file"])}),
        reference=f"sed -n {p['row']}p {p['dir']}/{p['file']}",
        moves=(
            Move("I check that the file is long enough.", f"wc -l {p['dir']}/{p['file']}"),
            Move(
                "It is; [head and tail pick|I cut out] the line.",
                f"head -n {p['row']} {p['dir']}/{p['file']} | tail -n 1",
            ),
        ),
        answer=text[int(p["row"]) - 1],
    )


FAMILIES = (
    matching_lines,
    column_sum,
    total_lines,
    busiest_service,
    line_at,
)
