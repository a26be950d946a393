"""The tasks that a generation prompt asks for, as its last lines say: `- Task 2 (archives): tar, ...`.

All worlds word them alike, so that a reply is put together here, task by task, each with a fault of its own or none.
"""

from __future__ import annotations

import re

_ORDER = re.compile(r"^- Task (\d+) \(([^)\n]*)\).*\n?", re.MULTILINE)
_LAST = re.compile(r"^Write .*:$", re.MULTILINE)
_UNREAD = re.compile(r"^- Task (\d+): ", re.MULTILINE)
_REPAIRS = ("That reply could not be read as a task", "Of that reply these could not be read as tasks")
"""How prompts/repair_task begins."""


def numbers_in(prompt: str) -> list[int]:
    """Return the numbers of the tasks that a prompt asks for; none where it asks for one and says no more."""
    return [int(number) for number, _ in _ORDER.findall(_end(prompt))]


def topic_in(prompt: str) -> str:
    """Return the topic of the first task that a prompt asks for, "" where it names none."""
    found = _ORDER.search(_end(prompt))
    return found[2] if found else ""


def for_one(prompt: str, number: int) -> str:
    """Return the prompt as if it asked for this task alone."""
    end = _end(prompt)
    alone = _ORDER.sub(lambda found: found[0] if int(found[1]) == number else "", end)
    return prompt[: len(prompt) - len(end)] + alone


def parent_in(prompt: str) -> str | None:
    """Return the problem that the first task asked for is to be grown from; None = it is to be a new one."""
    found = _ORDER.search(_end(prompt))
    mark = f"\n## Parent of task {found[1]}\n### Problem\n" if found else ""
    if not found or mark not in prompt:
        return None
    return prompt.partition(mark)[2].partition("\n### Explanation\n")[0]


def is_repair(text: str) -> bool:
    """Whether a message asks once more for tasks that could not be read."""
    return text.startswith(_REPAIRS)


def unread_in(text: str) -> list[int]:
    """Return the numbers of the tasks that a repair asks for; none where it asks for the only one."""
    return [int(number) for number in _UNREAD.findall(text)]


def _end(prompt: str) -> str:
    starts = [found.start() for found in _LAST.finditer(prompt)]
    return prompt[starts[-1] :] if starts else ""
