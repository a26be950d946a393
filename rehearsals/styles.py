"""The dress of a reply: the same words as models of several families write them (benchmarks/replies_corpus/).

The offline teacher draws one for each request, so that whoever runs the demo reads replies as they really come. A
reply with a planted fault stays as it was planned.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_HEADING = re.compile(r"^### (\w[\w ]*)$", re.MULTILINE)
_LABEL = re.compile(r"^(Think|Act|Action|Final Answer): ?", re.MULTILINE)
_FENCE = re.compile(r"^```(bash|sql)$", re.MULTILINE)
_OTHER_FENCES = {"bash": "```sh", "sql": "```SQL "}


def plain(reply: str) -> str:
    """Leave it as the prompt asks for it."""
    return reply


def bold(reply: str) -> str:
    """Set headings and labels in bold."""
    return _LABEL.sub(r"**\1:** ", _HEADING.sub(r"**\1**", reply))


def after_thinking(reply: str) -> str:
    """Think aloud before, in tags."""
    return f"<think>\nI read what is asked once more before I write.\n</think>\n\n{reply}"


def in_other_fences(reply: str) -> str:
    """Name the language of a block otherwise, and leave a blank behind it."""
    return _FENCE.sub(lambda found: _OTHER_FENCES[found[1]], reply)


def with_carriage_returns(reply: str) -> str:
    """End lines as on Windows."""
    return reply.replace("\n", "\r\n")


def unclosed(reply: str) -> str:
    """Forget the last fence."""
    return reply.removesuffix("```").rstrip()


def with_a_remark(reply: str) -> str:
    """Say a word more after all is said."""
    return f"{reply}\n\nLet me know if anything else is needed."


STYLES: tuple[Callable[[str], str], ...] = (
    plain,
    bold,
    after_thinking,
    in_other_fences,
    with_carriage_returns,
    unclosed,
    with_a_remark,
)


def labelled(thought: str) -> str:
    """Say what it is."""
    return f"**Thought:** {thought}"


def quoted(thought: str) -> str:
    """Set it in quotation marks."""
    return f'"{thought}"'


THOUGHT_STYLES: tuple[Callable[[str], str], ...] = (plain, labelled, quoted, after_thinking)


def dress(reply: str, dice: random.Random) -> str:
    """Word a task or a turn in a style that the dice choose."""
    return dice.choice(STYLES)(reply)


def dress_thought(thought: str, dice: random.Random) -> str:
    """Word a thought likewise."""
    return dice.choice(THOUGHT_STYLES)(thought)
