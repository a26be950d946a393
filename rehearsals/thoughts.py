"""Backfilled thoughts of the offline teacher: read off the prompt's conversation and action, and nothing else.

Its words are its own or the action's, so a clean thought cannot give away what comes later.
"""

from __future__ import annotations

import json
import random
import re

_HEAD, _ACTION, _TAIL = "\n# Conversation\n", "\n# Next action\n", "Write the thought and nothing else."
_ROLE = re.compile(r"^\[(?:system|user|assistant|tool)\]$", re.MULTILINE)
_FAILED = re.compile(r"\b(error|no such|not found|denied|cannot|syntax|failed|incorrect)\b", re.IGNORECASE)
_TABLE = re.compile(r"\b(?:from|join|into|update|table)\s+(?:[`\"\[]([^`\"\]]+)|(\w+))", re.IGNORECASE)
_NAMED_QUERY = re.compile(r"\b(\w+)\s+as\s*\(", re.IGNORECASE)
_FENCE = re.compile(r"```(?:bash|sh|sql)?\s*\n(.*?)```", re.DOTALL)
_CALL = re.compile(r"(\w+)\((\{.*\})\)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z_. -]{0,60}")
"""An argument that a thought may say: no number, which might be what was asked for."""
_STATEMENT = re.compile(r"^\s*(select|with|insert|update|delete|create|alter|drop|pragma|explain)\b", re.IGNORECASE)
_ANSWER = re.compile(r"(final answer|act:\s*(answer|finish)|^answer\b|^finish\b)", re.IGNORECASE | re.MULTILINE)
_PROGRAM = re.compile(
    r"(?:^|[|;&(\n])\s*(?:(?:do|then|else|sudo|if|while)\s+)*(awk|cat|chmod|cp|cut|du|find|grep|gzip|head|ls|mkdir|mv"
    r"|ps|rm|sed|sort|stat|tail|tar|touch|uniq|wc)\b"
)
_LABELLED = re.compile(r"ACTION: ([^\n]+)")
_WORDS = re.compile(r"[a-z]+(?: [a-z]+(?:/[a-z]+)?| \d+){2,8}")
"""An action that is said in plain words, as a household's are: `take mug 1 from desk 2`."""

_OPENINGS = {
    "first": ("A good first step is", "The task does not tell me the result, so I have"),
    "failed": ("That did not work, so I have", "The last attempt ran into an error; I need"),
    "next": ("Now that I have seen this, the next step is", "That helps; what remains is"),
}
_ANSWERED = "The output above settles what was asked, so I can give the answer now."
_DONE = "The change was made and nothing in the output speaks against it, so the work is finished."
_LEAKS = (
    "The reference solution says that this is the way to go, so I follow it.",
    "The expected answer is known to me already, so I only need to take this step to match it.",
)
_VERBS = {
    "insert": "to add the new row to {} with the values from the task",
    "update": "to change {}, only in the rows that the task describes",
    "delete": "to take out of {} exactly the rows that the task names",
    "select": "to query {}",
    "with": "to query {}",
}


def is_backfill(prompt: str) -> bool:
    """Whether a text is the prompt that asks for the thought behind an action."""
    return prompt.rstrip().endswith(_TAIL) and _HEAD in prompt and _ACTION in prompt


def write_thought(prompt: str, rng: random.Random, fault: str | None) -> str:
    """Write a sentence in the first person that leads to the action; the fault `leak` speaks of a given solution."""
    if fault == "leak":
        return rng.choice(_LEAKS)
    conversation, _, rest = prompt.partition(_HEAD)[2].rpartition(_ACTION)
    action = rest.strip().removesuffix(_TAIL).strip()
    command = _command_in(action)
    if command is None and _ANSWER.search(action):
        return _DONE if re.search(r"finish|\bdone\b", action, re.IGNORECASE) else _ANSWERED
    command = action if command is None else command
    statement = _STATEMENT.match(command)
    plan = _plan_sql(command, statement.group(1).lower()) if statement else _plan_shell(command)
    return f"{rng.choice(_OPENINGS[_moment(conversation)])} {plan}."


def _command_in(action: str) -> str | None:
    """Return the command or statement of an action: what stands in its fence, or the argument of a call."""
    if fenced := _FENCE.search(action):
        return fenced[1]
    if labelled := _LABELLED.fullmatch(action):
        return labelled[1]
    given = _given_in(_CALL.fullmatch(action))
    return next((str(given[name]) for name in ("command", "sql", "action") if name in given), None)


def _given_in(called: re.Match[str] | None) -> dict[str, object]:
    """Return the arguments of a call; none where there is no call, or they are broken."""
    try:
        return json.loads(called[2]) if called else {}
    except json.JSONDecodeError:
        return {}


def _moment(conversation: str) -> str:
    """Say where in the work the action stands: at its start, after an error, or on the way."""
    last = _ROLE.split(conversation)[-1].strip()
    if last.startswith(("The output of the OS", "[")) or (len(last) < 200 and _FAILED.search(last)):
        return "failed" if _FAILED.search(last) else "next"
    return "first"


def _plan_sql(statement: str, verb: str) -> str:
    named = {name.lower() for name in _NAMED_QUERY.findall(statement)}
    found = (quoted or bare for quoted, bare in _TABLE.findall(statement))
    tables = [name for name in dict.fromkeys(found) if name.lower() not in named]
    where = f"the {' and '.join(tables[:3])} table{'s' * (len(tables) > 1)}" if tables else "the database"
    return _VERBS.get(verb, "to look at how {} is built").format(where)


def _plan_shell(command: str) -> str:
    names = dict.fromkeys(_PROGRAM.findall(command))
    if not names and _WORDS.fullmatch(command.strip()):
        return f"to {command.strip()}"
    if names:
        return f"to work with {' and '.join(names)}"
    if called := _CALL.fullmatch(command):
        on = [value for value in _given_in(called).values() if isinstance(value, str) and _NAME.fullmatch(value)]
        return f"to use {called[1]}" + (f" on {' and '.join(on)}" if on else "")
    return "to run this and read its output"
