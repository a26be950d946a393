"""What an audit looks for, by name; and a row as it looks at it, whoever's it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from schemas.message import Message

DEFECTS: Mapping[str, str] = {
    "empty_turn": "has a turn that says and calls nothing",
    "leaked_markup": "has marks of a chat template, of calls or of thoughts among an agent's words",
    "control_codes": "has codes that steer a terminal (colours, titles) in its text",
    "broken_arguments": "has a call whose arguments are no JSON object",
    "calls_without_tools": "calls a function that it does not declare",
    "unanswered_call": "ends in the middle of an action, or has a call whose result is missing",
    "stray_result": "has a result that answers no call",
    "wrong_role": "has a turn under a role that it does not play: a call that is none, a result as the user's words",
    "repeated_call_id": "has several calls under one id",
    "second_task": "goes on with another task after one was finished, and trains on both",
    "unshown_success": "claims success, and no step of it shows any",
    "unlike_request": "notices that what it takes is not what was asked for, and takes it",
    "foreign_thought": "has a thought that is about nothing that was asked or seen: another task's",
    "secret": "holds what looks like a key, a token or a password",
    "repeated_id": "has the id of another row",
    "duplicate": "says and does the same as another row",
    "repeated_prefix": "begins with the same trained turns as rows of other tasks: an example or a greeting",
    "no_provenance": "says neither which model acted nor under which licence it is",
}
"""Defect -> the row that has it: a half sentence that begins with a verb."""
OF_THE_SET = ("no_provenance",)
"""Defects that are told once, of the set as a whole."""


class AuditedRow(NamedTuple):
    """A row as it is audited."""

    place: str
    """File and line, or the id of a release's row."""
    messages: tuple[Message, ...]
    tools: str | None = None
    row_id: str | None = None
    task: str | None = None
    """Names the task where several rows may be attempts at one; None = the row is a task of its own."""
    environment: str | None = None
    model: str | None = None
    license: str | None = None
    claims_success: bool = False
    losses: tuple[str, ...] = ()
    """What its reader could not represent."""
    unread_parts: str | None = None
    """Digest of the parts of what was said that it could not represent; None = there are none."""
    is_chat: bool = False
    """Whether it is known to be general chat: no agent acts in it."""


class DefectFound(NamedTuple):
    defect: str
    place: str
    detail: str
    """What was found, with the value."""
