"""How an agent's turns are read where nobody says what they are: does it act, finish, acknowledge, claim?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reports.audit.defects import AuditedRow
from schemas.message import Message

FINISHING_TEXT = re.compile(
    r"\bAct(?:ion)?:\s*(?:answer|finish)\b|\bFinal Answer:|<finish>|<solution>|<function=finish>", re.IGNORECASE
)
FINISHING_NAME = re.compile(r"finish|answer|submit|final|complet|done|terminate|stop|exit", re.IGNORECASE)
CLAIM = re.compile(
    r"\b(?:has|have|was|were) (?:now )?(?:been )?(?:successfully )?"
    r"(?:created|added|inserted|updated|deleted|removed|installed|changed|saved|fixed|completed)\b"
    r"|\b(?:record|row|file|table) (?:created|added|inserted|updated|deleted)\b|\bsuccessfully\b"
    r"|^(?:updated|inserted|added|created|deleted|removed) the\b",
    re.IGNORECASE | re.MULTILINE,
)
ACTION = re.compile(r"\b(?:Act|Action|Answer|Operation)\s*:|```|<function=|<execute_", re.IGNORECASE)
"""Where the words of a thought end and what is done begins."""
_AGENT_S = re.compile(r"\bAct(?:ion)?s?\s*:|\bFinal Answer\b|\btools?\b.*\bcall|<execute_|<function=", re.IGNORECASE)
_ACKNOWLEDGING = re.compile(
    r"\s*(?:ok(?:ay)?|sure|understood|got it|yes|alright|i(?:'ve| have)? understood?|i(?:'ll| will) follow|ready)\b",
    re.IGNORECASE,
)
_SHORT = 120
"""Characters of an acknowledgement at most."""


def is_agents(row: AuditedRow) -> bool:
    """Whether an agent acts in a row, as far as it can be told: general chat claims nothing that a step could show."""
    if row.is_chat:
        return False
    told = any(_AGENT_S.search(message.content) for message in row.messages if message.role in ("system", "user"))
    return told or row.tools is not None or row.claims_success or any(message.tool_calls for message in row.messages)


def replies(row: AuditedRow) -> list[tuple[int, Message]]:
    """Return an agent's trained turns with their places, acknowledgements apart."""
    said = [(at, one) for at, one in enumerate(row.messages) if one.role == "assistant" and one.train]
    return [(at, one) for at, one in said if not is_acknowledgement(one)]


def is_acknowledgement(message: Message) -> bool:
    """Whether a turn says no more than that it heard."""
    short = len(message.content) <= _SHORT and not message.tool_calls and not ACTION.search(message.content)
    return short and _ACKNOWLEDGING.match(message.content) is not None


def is_finishing(message: Message) -> bool:
    """Whether a turn hands in an answer, or says that it is done."""
    if any(FINISHING_NAME.search(call.name) for call in message.tool_calls):
        return True
    return FINISHING_TEXT.search(message.content) is not None


def acts(message: Message) -> bool:
    """Whether a turn does something, in a call or in words, that hands in nothing."""
    return not is_finishing(message) and (bool(message.tool_calls) or ACTION.search(message.content) is not None)


def words_of(message: Message) -> str:
    """Return what a turn says and thinks, calls apart."""
    return "\n".join(part for part in (message.reasoning_content, message.content) if part)


def thought_of(message: Message) -> str:
    """Return the thought of a turn that acts; empty where it does nothing or thinks nothing."""
    if message.tool_calls:
        return words_of(message)
    found = ACTION.search(message.content)
    return f"{message.reasoning_content or ''}\n{message.content[: found.start()]}".strip() if found else ""


def observations(row: AuditedRow) -> list[str]:
    """Return what was shown after the agent first acted."""
    acted = replies(row)
    first = acted[0][0] if acted else len(row.messages)
    return [one.content for one in row.messages[first:] if one.role in ("user", "tool")]


def texts(messages: Sequence[Message]) -> Iterator[str]:
    """Yield every text of a row: words, thoughts and arguments."""
    for message in messages:
        yield message.content
        yield message.reasoning_content or ""
        yield from (call.arguments for call in message.tool_calls)
