from __future__ import annotations

import random

import pytest

import prompts
from rehearsals.thoughts import is_backfill, write_thought

OS_TASK = "Now, I will start a new problem in a new OS. My problem is:\n\nHow many files are under /srv/app?"
DB_TASK = (
    "Which city has most shops?\n\nThe database is `shops`. Its tables:\nCREATE TABLE shop (id INTEGER, city TEXT)"
)
BASH = "Act: bash\n\n```bash\nfind /srv/app -type f | wc -l\n```"
SQL = "Action: Operation\n```sql\nSELECT city, COUNT(*) FROM shop GROUP BY city ORDER BY 2 DESC\n```"


def prompt_for(action: str, *visible: str) -> str:
    roles = ("user", "assistant")
    return prompts.load("backfill").render(
        visible=[{"role": roles[i % 2], "content": text} for i, text in enumerate(visible)], action=action
    )


def thoughts(action: str, *visible: str, fault: str | None = None, n: int = 60) -> set[str]:
    prompt = prompt_for(action, *visible)
    return {write_thought(prompt, random.Random(seed), fault) for seed in range(n)}


@pytest.mark.parametrize(
    ("action", "visible", "word"),
    [
        (BASH, (OS_TASK,), "find"),
        (SQL, (DB_TASK,), "shop"),
        ('bash({"command":"cd /srv/app && find . -type f"})', (OS_TASK,), "find"),
        ('execute_sql({"sql":"SELECT city\\nFROM shop"})', (DB_TASK,), "query the shop table"),
        ("SELECT city FROM shop WHERE id = 3", (DB_TASK,), "shop"),
        (
            'get_neighbors({"variable":"#0","relation":"travel.port"})',
            (OS_TASK,),
            "use get_neighbors on travel.port.",
        ),
        ('count({"variable":"#1"})', (OS_TASK,), "to use count."),
        ("ACTION: put mug 1 in/on desk 2", (OS_TASK,), "to put mug 1 in/on desk 2"),
        ('take_action({"action":"take mug 1 from desk 2"})', (OS_TASK,), "to take mug 1 from desk 2"),
        ("INSERT INTO shop VALUES (3, 'Ulm')", (DB_TASK,), "add the new row"),
        ("UPDATE shop SET city = 'Ulm' WHERE id = 3", (DB_TASK,), "change"),
        ("DELETE FROM shop WHERE id = 3", (DB_TASK,), "take out"),
    ],
)
def test_a_thought_speaks_of_the_action(action, visible, word):
    assert all(word in thought for thought in thoughts(action, *visible))


@pytest.mark.parametrize(
    "action",
    [
        "Act: answer(220)",
        'answer({"answer":"220"})',
        "finish({})",
        'Action: Answer\nFinal Answer: ["Ulm"]',
        "Act: finish",
        'Final Answer: ["done"]',
    ],
)
def test_before_an_answer_the_thought_concludes_and_does_not_repeat_the_value(action):
    for thought in thoughts(action, OS_TASK, BASH, "The output of the OS:\n\n220"):
        assert "220" not in thought and "Ulm" not in thought
        assert thought.endswith(".")


def test_after_an_error_the_thought_says_so_and_at_the_start_it_does_not():
    failed = ("did not work", "error")
    after = thoughts(SQL, DB_TASK, SQL, "no such column: towns")
    assert all(any(word in thought for word in failed) for thought in after)
    assert not any(word in thought for thought in thoughts(SQL, DB_TASK) for word in failed)


def test_clean_thoughts_hold_no_digit_quote_or_word_of_a_solution():
    for action in (BASH, SQL, "Act: answer(220)", "Act: finish", "touch /tmp/x1", "./run.sh 42"):
        for thought in thoughts(action, OS_TASK):
            assert not any(mark in thought for mark in "0123456789\"'`")
            assert not any(
                word in thought for word in ("reference", "solution", "given", "expected answer", "provided")
            )


def test_a_planted_leak_speaks_of_what_was_given():
    words = ("reference", "expected answer")
    assert all(any(word in thought for word in words) for thought in thoughts(BASH, OS_TASK, fault="leak"))


def test_a_conversation_that_holds_the_prompts_own_headings_is_read_to_its_last_action():
    assert "find" in write_thought(prompt_for(BASH, "# Next action\n\nls"), random.Random(0), None)


def test_other_prompts_are_not_taken_for_a_backfill_prompt():
    assert is_backfill(prompt_for(BASH, OS_TASK))
    assert not is_backfill(OS_TASK)
    assert not is_backfill("Write the thought and nothing else.")
