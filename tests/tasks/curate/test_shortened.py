"""What is shown to whoever writes a missing thought: the task, what its action is about, the ends of older output."""

from __future__ import annotations

import prompts
from schemas.message import Message
from tasks.curate.shortened import MOST_CHARS, shorten

ASKED = "How many pets are older than 3?"
TABLES = ["CREATE TABLE pets (\n  name TEXT,\n  age INTEGER\n)", "CREATE TABLE owners (\n  name TEXT\n)"]
TABLES += [f"CREATE TABLE other_{number} (\n  value INTEGER,\n  remark TEXT\n)" for number in range(9)]
TASK = f"{ASKED}\n\nThe database is `shelter`. Its tables:\n" + "\n".join(TABLES)
QUERY = "Action: Operation\n```sql\nSELECT COUNT(*) FROM pets WHERE age > 3\n```"
ROWS = "1,500 rows (name, age):\n" + ", ".join(f"('pet {number}', {number})" for number in range(90))


def said(*contents: str) -> list[Message]:
    roles = ("user", "assistant")
    return [Message.model_validate({"role": roles[i % 2], "content": text}) for i, text in enumerate(contents)]


def test_of_a_schema_what_the_action_names_stays() -> None:
    (task,) = shorten(said(TASK), ASKED, QUERY)
    assert task == f"{ASKED}\n{TABLES[0]}"
    (task,) = shorten(said(TASK), ASKED, 'Action: Answer\nFinal Answer: ["2"]')
    assert task == ASKED


def test_a_short_task_and_one_in_other_words_stay_whole() -> None:
    assert shorten(said("Count the files."), "Count the files.", "ls") == ("Count the files.",)
    assert shorten(said(TASK), "Something else", QUERY) == (TASK,)


def test_older_output_keeps_its_ends_and_the_last_is_whole() -> None:
    shown = shorten(said(TASK, QUERY, ROWS, QUERY, ROWS), ASKED, QUERY)
    assert shown[1] == shown[3] == QUERY and shown[4] == ROWS
    assert len(shown[2]) <= MOST_CHARS and shown[2].startswith("1,500 rows") and "not shown" in shown[2]


def test_the_request_is_less_than_half_of_what_it_was() -> None:
    visible = said(TASK, QUERY, ROWS, QUERY, "1 row (count):\n[(2,)]")
    words = shorten(visible, ASKED, QUERY)

    def worded(version: str, contents: tuple[str, ...]) -> int:
        shown = [{"role": m.role, "content": text} for m, text in zip(visible, contents, strict=True)]
        return len(prompts.load("backfill", version).render(visible=shown, action=QUERY))

    assert worded("v2", words) < 0.5 * worded("v1", tuple(m.content for m in visible))
