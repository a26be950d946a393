"""Several tasks in one reply are told apart however they are set; a bad one costs only itself."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.task_parts import TaskText, cut_tasks, match_numbers
from environments.task_text import Sections
from schemas.rejection import Refusal

SECTIONS = Sections(("problem", "explanation", "reference"), code=("reference",), may_be_blank=("explanation",))
WORDS = ("Count the apples.", "Weigh the pears.", "Name the plums.")


def task(word: str, code: str = "", level: str = "###", number: str = "") -> str:
    code = code or f"ls {word.split()[-1].rstrip('.')}"
    return (
        f"{level} Problem{number}\n{word}\n{level} Explanation{number}\nEasy.\n"
        f"{level} Reference{number}\n```bash\n{code}\n```"
    )


def bold(word: str) -> str:
    return (
        task(word)
        .replace("### ", "**")
        .replace("\n", "**\n", 1)
        .replace("Explanation", "Explanation**")
        .replace("Reference", "Reference**")
    )


def as_object(word: str) -> dict[str, str]:
    return {"problem": word, "explanation": "Easy.", "reference": f"ls {word.split()[-1].rstrip('.')}"}


def joined(mark: str, *, between: str = "\n", of=task) -> str:  # type: ignore[no-untyped-def]
    names = ("one", "two", "three")
    marks = [mark.format(n=i + 1, word=names[i], letter="ABC"[i], title="Fruit in the store") for i in range(3)]
    return between.join(f"{m}\n{of(word)}" for m, word in zip(marks, WORDS, strict=True))


OBJECTS = [as_object(word) for word in WORDS]
REPLIES = {
    "task heading": joined("## Task {n}"),
    "task heading with a title": joined("## Task {n}: {title}"),
    "one hash": joined("# Task {n}"),
    "the parts' own level": joined("### Task {n}"),
    "bold": joined("**Task {n}**"),
    "bold with a title": joined("**Task {n}: {title}**"),
    "of n": joined("## Task {n} of 3"),
    "of n, short": joined("## Task {n}/3"),
    "letters": joined("## Task {letter}"),
    "words": joined("## Task {word}"),
    "hash number": joined("Task #{n}"),
    "plain with a colon": joined("Task {n}:"),
    "equals signs": joined("=== Task ==="),
    "equals signs, numbered": joined("=== Task {n} ==="),
    "dashes, numbered": joined("--- Task {n} ---"),
    "tags": joined("<task>").replace("\n<task>", "\n</task>\n<task>") + "\n</task>",
    "tags with an id": joined('<task id="{n}">'),
    "numbers alone": joined("## {n}"),
    "list numbers alone": joined("{n}."),
    "exercise": joined("## Exercise {n}"),
    "rules": joined("", between="\n\n---\n\n"),
    "beginning again": joined(""),
    "words before and after": "Sure, here are three tasks.\n\n" + joined("## Task {n}") + "\n\nLet me know!",
    "thoughts before": "<think>\n## Task 1\nI would\n</think>\n" + joined("## Task {n}"),
    "numbers on the parts": "\n".join(task(word, number=f" {i + 1}") for i, word in enumerate(WORDS)),
    "numbers on the parts, with hashes": "\n".join(task(word, number=f" #{i + 1}") for i, word in enumerate(WORDS)),
    "numbers in brackets": "\n".join(task(word, number=f" (Task {i + 1})") for i, word in enumerate(WORDS)),
    "of task n": "\n".join(task(word, number=f" of task {i + 1}") for i, word in enumerate(WORDS)),
    "task n before each part": "\n".join(
        task(word).replace("### ", f"### Task {i + 1}: ") for i, word in enumerate(WORDS)
    ),
    "deep numbers": "\n".join(
        task(word).replace("### P", f"### {i}.1 P").replace("### E", f"### {i}.2 E").replace("### R", f"### {i}.3 R")
        for i, word in enumerate(WORDS, 1)
    ),
    "the mark is the first heading": "\n".join(
        task(word).replace("### Problem", f"## Task {i}") for i, word in enumerate(WORDS, 1)
    ),
    "the mark holds the problem": "\n".join(
        task(word).replace("### Problem\n", f"## Task {i}: ") for i, word in enumerate(WORDS, 1)
    ),
    "bold parts": joined("## Task {n}", of=bold),
    "carriage returns": joined("## Task {n}").replace("\n", "\r\n"),
    "in a markdown fence": "````markdown\n" + joined("## Task {n}") + "\n````",
    "unclosed blocks": joined("## Task {n}").replace("\n```\n", "\n"),
    "JSON list": json.dumps(OBJECTS),
    "JSON list, pretty and fenced": "Here:\n```json\n" + json.dumps(OBJECTS, indent=2) + "\n```\nEnjoy!",
    "JSON object with a list": json.dumps({"tasks": OBJECTS}),
    "JSON by name": json.dumps({f"task_{i}": one for i, one in enumerate(OBJECTS, 1)}),
    "JSON lines": "\n".join(map(json.dumps, OBJECTS)),
    "JSON, one fence each": "\n".join(
        f"## Task {i}\n```json\n{json.dumps(one)}\n```" for i, one in enumerate(OBJECTS, 1)
    ),
    "JSON with lines and capitals": json.dumps(
        [{"Problem": o["problem"], "Explanation": "", "Reference": [o["reference"]]} for o in OBJECTS]
    ),
    "JSON with the language said": json.dumps(
        [{**one, "reference": {"language": "bash", "code": one["reference"]}} for one in OBJECTS]
    ),
    "JSON with fenced code": json.dumps([{**one, "reference": f"```bash\n{one['reference']}\n```"} for one in OBJECTS]),
}


def read(text: str, count: int = 3) -> list[tuple[str, str] | str]:
    found = [SECTIONS.read(piece.text) for piece in cut_tasks(SECTIONS, text, count)]
    return [
        one.reason if isinstance(one, Refusal) else (one["problem"].code.strip(), one["reference"].code)
        for one in found
    ]


@pytest.mark.parametrize("style", REPLIES)
def test_three_tasks_are_read_however_they_are_set_apart(style: str) -> None:
    assert read(REPLIES[style]) == [(word, f"ls {word.split()[-1].rstrip('.')}") for word in WORDS]


BAD = {
    "a part is missing": ("### Reference\n```bash\nls pears\n```", "", "missing_section"),
    "its first part is missing": ("### Problem\nWeigh the pears.\n", "", "missing_section"),
    "it was refused": (task(WORDS[1]), "I cannot write this one.", "missing_section"),
    "a part is empty": ("Weigh the pears.", "", "empty_section"),
    "two blocks": ("ls pears\n```", "ls pears\n```\n```bash\nls\n```", "several_blocks"),
    "a block is never closed": ("ls pears\n```", "ls pears", None),
}


@pytest.mark.parametrize("mark", ["## Task {n}", "=== Task {n} ===", "**Task {n}**"])
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_one_costs_only_itself(fault: str, mark: str) -> None:
    old, new, reason = BAD[fault]
    first, second, third = read(joined(mark).replace(old, new))
    assert (first[0], third[0]) == (WORDS[0], WORDS[2])
    assert second == reason or (reason is None and second[0] == WORDS[1])


def test_headings_and_marks_within_code_are_code() -> None:
    code = "cat > notes.md <<'EOF'\n## Task 2\n### Problem\nEOF"
    text = "\n".join(f"## Task {i}\n{task(word, code)}" for i, word in enumerate(WORDS, 1))
    assert read(text) == [(word, code) for word in WORDS]


def test_a_sentence_about_a_task_is_no_mark() -> None:
    words = ("Task 2 of the list in todo.txt is late. Which day is it due?", "Count the tasks.", "Name task 3.")
    text = "\n".join(f"## Task {i}\n{task(word, 'ls')}" for i, word in enumerate(words, 1))
    assert read(text) == [(word, "ls") for word in words]


def test_what_is_cut_off_at_the_end_leaves_the_others() -> None:
    whole = joined("## Task {n}")
    found = read(whole[: whole.rindex("### Explanation")])
    assert [one[0] for one in found[:2]] == list(WORDS[:2]) and found[2] == "missing_section"


@pytest.mark.parametrize(
    ("numbers", "wanted", "places", "extra"),
    [
        ((1, 2, 3), (0, 1, 2), {0: 0, 1: 1, 2: 2}, 0),
        ((1, 3), (0, 1, 2), {0: 0, 2: 1}, 0),
        ((3, 1, 2), (0, 1, 2), {2: 0, 0: 1, 1: 2}, 0),
        ((None, None), (0, 1, 2), {0: 0, 1: 1}, 0),
        ((2,), (1,), {1: 0}, 0),
        ((1,), (1,), {1: 0}, 0),
        ((1, 2, 3, 4), (0, 1, 2), {0: 0, 1: 1, 2: 2}, 1),
        ((1, 2, 3), (1,), {1: 1}, 2),
        ((None, None, None, None), (0, 1, 2), {0: 1, 1: 2, 2: 3}, 1),
        ((1, 1), (0, 1), {0: 0, 1: 1}, 0),
        ((), (0,), {}, 0),
    ],
)
def test_pieces_go_by_their_numbers_and_else_in_order(
    numbers: tuple[int | None, ...], wanted: tuple[int, ...], places: dict[int, int], extra: int
) -> None:
    pieces = [TaskText(str(i), number) for i, number in enumerate(numbers)]
    found, over = match_numbers(pieces, wanted)
    assert {number: int(piece.text) for number, piece in found.items()} == places and len(over) == extra


@given(st.text(alphabet="#*`=-<>/{}[]\"':, \n1aTProblemtask", max_size=200))
def test_no_reply_breaks_the_cutter(reply: str) -> None:
    read = [SECTIONS.read(piece.text) for piece in cut_tasks(SECTIONS, reply, 3)]
    assert all(isinstance(one, dict | Refusal) for one in read)


@pytest.mark.parametrize("marks", ["(", "#", "-", "=", "- ", "*_", "[ ("])
def test_a_line_of_many_marks_is_read_at_once(marks: str) -> None:
    """Within the tests' own limit of time: a pattern that tries every way to part them would never end."""
    assert cut_tasks(SECTIONS, marks * 2000, 3) == []
