"""Admits general chats: one row of a file becomes a Conversation or a Rejection, never nothing.

Follows FastChat's clean_sharegpt where it drops (leading replies, trailing questions, short chats, the service's own
error texts) and departs from it where it drops too much: it merges messages of one role that follow each other, and
does not turn a chat away for naming a company. docs/mixture.md lists the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from formats.chats.chat import UNREADABLE, Chat, ChatRow, Unreadable
from schemas.message import Message, Role, approximate_tokens
from schemas.record import digest
from schemas.rejection import Rejection
from schemas.trajectory import Conversation
from tasks.ingest.judge_language import UNDETERMINED, judge_language

ADMISSION: Mapping[str, str] = {
    "not_alternating": "has a system message in the middle",
    "empty_message": "has a message without text",
    "too_short": "has no exchange left after repairs, or fewer than 16 characters",
    "service_error": "has the service's own error text for a reply",
    "language": "is not in English",
    "duplicate": "is there already: same messages, same source model",
}
"""Reasons for which a chat that could be read is turned away, in the order in which they are looked for."""
REASONS = (*UNREADABLE, *ADMISSION)
"""Those before it as well; a format may have more of its own."""
MIN_CHARACTERS = 16
"""FastChat clean_sharegpt.py: fewer characters in all messages is too short."""
_SERVICE_ERROR = "Too many requests in 1 hour. Try again later"
"""The text that ChatGPT's page showed in place of a reply (FastChat clean_sharegpt.py)."""

_Messages = list[tuple[Role, str]]


def admit_conversations(
    rows: Iterable[ChatRow | Rejection], *, license: str, source_model: str | None = None, seen: Iterable[str] = ()
) -> Iterator[Conversation | Rejection]:
    """Admit rows in order; a conversation whose id stands in `seen`, or came before, is a duplicate.

    Args:
        license: SPDX name for all rows, `unknown` where nobody knows.
        source_model: normalised name for rows that do not name their model; None = leave it open.
        seen: ids of the conversations that are already there.
    """
    known = set(seen)
    for row in rows:
        result = row if isinstance(row, Rejection) else admit_row(row, license=license, source_model=source_model)
        if isinstance(result, Conversation) and isinstance(row, ChatRow):
            if result.conversation_id in known:
                result = _reject(row, "duplicate", f"the same chat is there as {result.conversation_id}")
            else:
                known.add(result.conversation_id)
        yield result


def admit_row(row: ChatRow, *, license: str, source_model: str | None = None) -> Conversation | Rejection:
    """Judge one row by itself: repair, check, name its language."""
    chat = row.chat
    if isinstance(chat, Unreadable):
        return _reject(row, chat.reason, chat.detail)
    messages, repaired = _repair(chat.messages)
    if fault := _find_fault(messages):
        return _reject(row, fault.reason, fault.detail)
    language, score = judge_language(text for _, text in messages)
    if language not in ("en", UNDETERMINED):
        return _reject(row, "language", f"the prose is {language} (score {score:.2f}); English is kept")
    return _conversation(row, chat, messages, repaired, (language, score), license, chat.model or source_model)


def _reject(row: ChatRow, reason: str, detail: str) -> Rejection:
    return Rejection.make(stage="ingest", reason=reason, detail=detail, source=row.source, raw=row.raw)


def _repair(messages: _Messages) -> tuple[_Messages, tuple[str, ...]]:
    """Make a chat that begins with the person and ends with the reply; return it and what was done."""
    repaired: list[str] = []
    system = messages[:1] if messages[0][0] == "system" else []
    rest = messages[len(system) :]
    if system and not system[0][1].strip():
        system = []
        repaired.append("dropped_empty_system")
    start = next((i for i, (role, _) in enumerate(rest) if role != "assistant"), len(rest))
    end = next((i for i in range(len(rest), start, -1) if rest[i - 1][0] != "user"), start)
    if start:
        repaired.append("dropped_leading_reply")
    if end < len(rest):
        repaired.append("dropped_trailing_question")
    merged = _merge(rest[start:end])
    if len(merged) < end - start:
        repaired.append("merged_same_role")
    return system + merged, tuple(repaired)


def _merge(messages: _Messages) -> _Messages:
    groups = ((role, [text for _, text in group]) for role, group in groupby(messages, key=lambda m: m[0]))
    return [(role, "\n\n".join(texts)) for role, texts in groups]


def _find_fault(messages: _Messages) -> Unreadable | None:
    for index, (role, text) in enumerate(messages):
        if role == "system" and index:
            return Unreadable("not_alternating", f"a system message stands in the middle, as message {index}")
        if not text.strip():
            return Unreadable("empty_message", f"message {index} ({role}) is empty")
        if role == "assistant" and text.lstrip().startswith(_SERVICE_ERROR):
            return Unreadable("service_error", f"message {index} is the service's own error text")
    characters = sum(len(text) for _, text in messages)
    if not any(role == "assistant" for role, _ in messages) or characters < MIN_CHARACTERS:
        return Unreadable("too_short", f"{len(messages)} messages, {characters} characters after repairs")
    return None


def _conversation(
    row: ChatRow,
    chat: Chat,
    messages: _Messages,
    repaired: tuple[str, ...],
    language: tuple[str, float],
    license: str,
    model: str | None,
) -> Conversation:
    made = tuple(Message(role=role, content=text, train=role == "assistant") for role, text in messages)
    trained = [approximate_tokens(m.content) for m in made if m.train]
    return Conversation(
        conversation_id=digest("conversation", messages, model),
        messages=made,
        n_trained=len(trained),
        tokens=sum(trained) + sum(approximate_tokens(m.content) for m in made if not m.train),
        trained_tokens=sum(trained),
        language=language[0],
        language_score=language[1],
        source_model=model,
        repaired=repaired,
        source_id=chat.row_id,
        source_file=row.file,
        source_line=row.line,
        license=license,
    )
