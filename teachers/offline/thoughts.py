"""Backfilled thoughts of the offline teacher: read off the prompt's conversation and action, and nothing else.

Its words are its own or the action's, so a clean thought cannot give away what comes later.
"""

from __future__ import annotations

import random
import re

_HEAD, _ACTION, _TAIL = "\n# Conversation\n", "\n# Next action\n", "Write the thought and nothing else."
_ROLE = re.compile(r"^\[(?:system|user|assistant)\]$", re.MULTILINE)
_FAILED = re.compile(r"\b(error|no such|not found|denied|cannot|syntax|failed|incorrect)\b", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:from|join|into|update|table)\s+(?:[`\"\[]([^`\"\]]+)|(\w+))", re.IGNORECASE)
_NAMED_QUERY = re.compile(r"\b(\w+)\s+as\s*\(", re.IGNORECASE)
_FENCE = re.compile(r"```(?:bash|sh|sql)?\s*\n(.*?)```", re.DOTALL)
_STATEMENT = re.compile(r"^\s*(select|with|insert|update|delete|create|alter|drop|pragma|explain)\b", re.IGNORECASE)
_ANSWER = re.compile(r"(final answer|act:\s*(answer|finish)|^answer\b|^finish\b)", re.IGNORECASE | re.MULTILINE)
_COMMAND = re.compile(r"(?:^|[|;&(\n])\s*(?:(?:do|then|else|sudo|if|while)\s+)*([a-z][\w.-]*)")

_PURPOSES = {
    "ls": "see what is there",
    "find": "find the files that are meant",
    "grep": "pick out the lines that matter",
    "wc": "count them",
    "cat": "read what is written there",
    "head": "look at the beginning",
    "tail": "look at the end",
    "sort": "put them in order",
    "uniq": "fold repeated lines",
    "cut": "keep only the field I need",
    "awk": "work on the fields of each line",
    "sed": "change the text in place or cut out a part",
    "du": "see how much space is used",
    "stat": "look at the details of the file",
    "chmod": "set the permissions",
    "chown": "set the owner",
    "mkdir": "make the directory",
    "mv": "move it where it belongs",
    "cp": "make a copy",
    "rm": "remove what should go",
    "ln": "make the link",
    "tar": "handle the archive",
    "gzip": "compress it",
    "ps": "look at the processes",
    "kill": "end the process",
    "echo": "write the text down",
    "printf": "write the text down",
    "touch": "make the file",
    "python3": "do the calculation in a short script",
}
_OPENINGS = {
    "first": (
        "Before anything else I need",
        "A good first step is",
        "The task does not tell me the result, so I have",
        "I start from what is asked and want",
        "The direct way is",
    ),
    "failed": (
        "That did not work, so I have",
        "The last attempt ran into an error; I need",
        "Since that failed, the thing to do is",
        "The message tells me what went wrong, and now I want",
    ),
    "next": (
        "With that in hand I want",
        "Now that I have seen this, the next step is",
        "That helps; what remains is",
        "This fits what I expected, so I go on",
        "From here I need",
    ),
}
_ANSWERS = (
    "The output above settles what was asked, so I can give the answer now.",
    "I have what the task asks for in the last result and nothing is left to check. I answer with it.",
    "That result is what the question is about, so I report it as it stands.",
    "I compared the last output with the question and they fit; it is time to answer.",
    "Nothing more needs to be looked up. I take the answer from what I have just seen.",
)
_DONE = (
    "The change was made and nothing in the output speaks against it, so the work is finished.",
    "What was asked for has been carried out, and I can say that it is done.",
    "The last step went through without an error. That was all the task wanted, so I finish here.",
    "I have made the change that was asked for; there is nothing left to do.",
)
_CLOSINGS = (
    "",
    "",
    " That should bring me closer.",
    " I will read the output before I go on.",
    " Then I can judge it.",
)
_LEAKS = (
    "The reference solution says that this is the way to go, so I follow it.",
    "Since the given answer must be reached in the end, this action leads straight to it.",
    "The expected answer is known to me already, so I only need to take this step to match it.",
    "The solution was given to me together with the task, so I carry out its next step.",
    "According to the provided solution the next thing is exactly this.",
)


def is_backfill(prompt: str) -> bool:
    """Whether a text is the prompt that asks for the thought behind an action."""
    return prompt.rstrip().endswith(_TAIL) and _HEAD in prompt and _ACTION in prompt


def write_thought(prompt: str, rng: random.Random, fault: str | None) -> str:
    """Write one or two sentences in the first person that lead to the action; the fault `leak` speaks of a given
    solution."""
    if fault == "leak":
        return rng.choice(_LEAKS)
    conversation, _, rest = prompt.partition(_HEAD)[2].rpartition(_ACTION)
    action = rest.strip().removesuffix(_TAIL).strip()
    fenced = _FENCE.search(action)
    command = fenced.group(1) if fenced else action
    if not fenced and _ANSWER.search(action):
        return _conclude(action, rng)
    statement = _STATEMENT.match(command)
    plan = _plan_sql(command, statement.group(1).lower(), rng) if statement else _plan_shell(command, rng)
    return f"{rng.choice(_OPENINGS[_moment(conversation)])} {plan}.{rng.choice(_CLOSINGS)}"


def _moment(conversation: str) -> str:
    """Say where in the work the action stands: at its start, after an error, or on the way."""
    last = _ROLE.split(conversation)[-1].strip()
    if last.startswith(("The output of the OS", "[")) or (len(last) < 200 and _FAILED.search(last)):
        return "failed" if _FAILED.search(last) else "next"
    return "first"


def _conclude(action: str, rng: random.Random) -> str:
    done = re.search(r"finish|\bdone\b", action, re.IGNORECASE)
    return rng.choice(_DONE if done else _ANSWERS)


def _plan_sql(statement: str, verb: str, rng: random.Random) -> str:
    named = {name.lower() for name in _NAMED_QUERY.findall(statement)}
    found = (quoted or bare for quoted, bare in _TABLE.findall(statement))
    tables = [name for name in dict.fromkeys(found) if name.lower() not in named]
    where = f"the {tables[0]} table" if len(tables) == 1 else "the tables " + " and ".join(tables[:3])
    if not tables:
        where = "the database"
    if verb == "insert":
        return f"to add the new row to {where} with the values from the task"
    if verb == "update":
        return f"to change {where}, only in the rows that the task describes"
    if verb == "delete":
        return f"to take out of {where} exactly the rows that the task names"
    if verb not in ("select", "with"):
        return f"to look at how {where} is built"
    return f"to {rng.choice(('read', 'query', 'look in'))} {where}{_shape(statement)}"


def _shape(statement: str) -> str:
    """Name the last thing that a query does with its rows."""
    text = statement.lower()
    parts = []
    if " join " in text:
        parts.append("joined on their common key")
    if " where " in text or "\nwhere " in text:
        parts.append("keeping only the rows that meet the condition")
    if "group by" in text:
        parts.append("grouped as the question asks")
    elif re.search(r"\b(count|sum|avg|min|max)\s*\(", text):
        parts.append("summed up into one figure")
    if "order by" in text:
        parts.append("in the order that decides the answer")
    return "".join(f", {part}" for part in parts[:2])


def _plan_shell(command: str, rng: random.Random) -> str:
    names = [name for name in dict.fromkeys(_COMMAND.findall(command)) if name in _PURPOSES]
    if not names:
        return rng.choice(("to run this and see what it says", "to try this command and read its output"))
    if len(names) == 1:
        return f"to use {names[0]} to {_PURPOSES[names[0]]}"
    first, last = names[0], names[-1]
    return f"to use {first} to {_PURPOSES[first]} and {last} to {_PURPOSES[last]}"
