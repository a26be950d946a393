"""What of a conversation is shown to whoever writes a missing thought: all that the action is about, and no more.

A schema is told to a solver whole, and output as it came; for one sentence about one action that would be paid again at
every turn. What may be known at a turn is still judged by the whole conversation (`find_leaks`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from environments.observing import head_and_tail
from schemas.message import Message

MOST_CHARS = 240
"""Of a message that is not the last one."""
_WORD = re.compile(r"[^\W\d]\w{2,}")


def shorten(visible: Sequence[Message], instruction: str, action: str) -> tuple[str, ...]:
    """Return the messages' words; the task keeps what it asks, the last message all.

    What a task shows beside its instruction comes in blocks, a first line and those indented below it; a block stays
    where its first line names what the action names.
    """
    said = [message.spelled for message in visible]
    *older, last = range(len(said))
    words = [said[i] if visible[i].role == "assistant" else head_and_tail(said[i], MOST_CHARS) for i in older]
    words.append(said[last])
    words[0] = _about(said[0], instruction, action)
    return tuple(words)


def _about(task: str, instruction: str, action: str) -> str:
    before, found, after = task.partition(instruction)
    if not found or len(after) <= MOST_CHARS:
        return task
    named = {word.lower() for word in _WORD.findall(action)}
    kept = [block for block in _blocks(after) if named & {word.lower() for word in _WORD.findall(block.split("\n")[0])}]
    return "\n".join([f"{before}{instruction}", *kept])


def _blocks(text: str) -> Iterator[str]:
    block: list[str] = []
    for line in text.strip("\n").split("\n"):
        if block and line[:1] not in ("", " ", "\t", ")", "}"):
            yield "\n".join(block)
            block = []
        block.append(line)
    if block:
        yield "\n".join(block)
