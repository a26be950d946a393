"""What of a chat is mended, and what is wrong with the rest: repairs of its turns, rules on its texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from schemas.cleaning import CleaningConfig
from schemas.message import Message
from schemas.rejection import Refusal
from tasks.ingest.markup import MENDERS
from tasks.privacy.placeholders import Unhideable, hide_messages, hide_text

MIN_CHARACTERS = 16
"""FastChat clean_sharegpt.py: fewer characters in all messages is too short."""
_SERVICE_ERROR = "Too many requests in 1 hour. Try again later"
"""The text that ChatGPT's page showed in place of a reply (FastChat clean_sharegpt.py)."""
_WRONG_LIST = re.compile(r"\n1\. [^2]*\n1\. ")
"""FastChat filter_wrong_format.py."""
_REPEATED_DIGITS = re.compile(r"(\d)\1{8}")
"""FastChat optional_clean.py."""


def repair(messages: Sequence[Message]) -> tuple[list[Message], tuple[str, ...]]:
    """Make a chat that begins with the person and ends with the reply; return it and what was done."""
    repaired: list[str] = []
    leading = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
    said = [message for message in messages[:leading] if message.content.strip()]
    system = [Message(role="system", content="\n\n".join(message.content for message in said))] if said else []
    if leading and not said:
        repaired.append("dropped_empty_system")
    rest = messages[leading:]
    start = next((i for i, message in enumerate(rest) if message.role != "assistant"), len(rest))
    end = next((i for i in range(len(rest), start, -1) if rest[i - 1].role != "user"), start)
    if any(message.tool_calls for message in rest[:start]):
        start = 0  # what these calls gave would have no call
    if start:
        repaired.append("dropped_leading_reply")
    if end < len(rest):
        repaired.append("dropped_trailing_question")
    merged = _merge(rest[start:end])
    if len(merged) < end - start or len(said) > 1:
        repaired.append("merged_same_role")
    return system + merged, tuple(repaired)


def _merge(messages: Sequence[Message]) -> list[Message]:
    merged: list[Message] = []
    for role, group in groupby(messages, key=lambda message: message.role):
        some = list(group)
        if role == "tool" or len(some) == 1:
            merged += some
            continue
        reasons = [message.reasoning_content for message in some if message.reasoning_content]
        both = {
            "content": "\n\n".join(message.content for message in some),
            "train": all(message.train for message in some),
            "tool_calls": tuple(call for message in some for call in message.tool_calls),
            "reasoning_content": "\n\n".join(reasons) or None,
        }
        merged.append(some[0].model_copy(update=both))
    return merged


def mend_messages(messages: Sequence[Message], rules: CleaningConfig) -> tuple[list[Message], tuple[str, ...]]:
    """Return the chat with its texts mended, and what was done. What tools gave and were told stays as it is."""
    texts, done = mend_texts([message.content for message in messages if message.role != "tool"], rules)
    better = iter(texts)
    mended = (message.content if message.role == "tool" else next(better) for message in messages)
    return [
        message if text is message.content else message.model_copy(update={"content": text})
        for message, text in zip(messages, mended, strict=True)
    ], done


def mend_texts(texts: Sequence[str], rules: CleaningConfig) -> tuple[list[str], tuple[str, ...]]:
    """Return texts mended, and what was done; one that needs nothing is the very same."""
    menders = [(name, mend) for rule, (name, mend) in MENDERS.items() if getattr(rules, rule)]
    mended, done = [], []
    for text in texts:
        for name, mend in menders:
            if (better := mend(text)) != text:
                done.append(name)
                text = better
        mended.append(text)
    return mended, tuple(dict.fromkeys(done))


def hide_private(
    messages: Sequence[Message], tools: str | None, rules: CleaningConfig
) -> tuple[list[Message], str | None, tuple[str, ...]] | Refusal:
    """Return messages and tools with placeholders for secrets and personal data, and the kinds that were found."""
    try:
        hidden = hide_messages(messages)
        plain = hide_text(tools) if tools else tools
    except Unhideable as error:
        return Refusal("personal_data", str(error))
    if rules.personal == "reject" and (hidden.kinds or plain != tools):
        return Refusal("personal_data", f"it holds {', '.join(hidden.kinds) or 'some in its tools'}")
    return list(hidden.messages), plain, hidden.kinds


def find_fault(messages: Sequence[Message], rules: CleaningConfig) -> Refusal | None:
    """Return the first reason to turn a chat away, if there is one."""
    for index, message in enumerate(messages):
        if message.role == "system" and index:
            return Refusal("not_alternating", f"a system message stands in the middle, as message {index}")
        if not message.content.strip() and not message.tool_calls and message.role != "tool":
            return Refusal("empty_message", f"message {index} ({message.role}) is empty")
        if message.role == "assistant" and is_service_error(message.content):
            return Refusal("service_error", f"message {index} is the service's own error text")
    characters = sum(len(message.content) for message in messages)
    replies = [message for message in messages if message.role == "assistant"]
    if not replies or (characters < MIN_CHARACTERS and not any(reply.tool_calls for reply in replies)):
        return Refusal("too_short", f"{len(messages)} messages, {characters} characters after repairs")
    if not any(reply.train for reply in replies):
        return Refusal("nothing_to_train", f"none of {len(replies)} replies is trained on, say the row's masks")
    return find_words([message.content for message in messages], rules)


def is_service_error(reply: str) -> bool:
    """Whether a reply is what the service said in its place."""
    return _SERVICE_ERROR in reply and reply.lstrip().startswith(_SERVICE_ERROR)


def find_words(texts: Sequence[str], rules: CleaningConfig) -> Refusal | None:
    """Return the first reason to turn a chat away that its words give, if there is one."""
    blocked = _blocked(rules.blocked_phrases)
    for index, text in enumerate(texts):
        if blocked and (found := blocked.search(text)):
            return Refusal("blocked_phrase", f"message {index} says {found[0]!r}")
        if rules.wrong_lists and "\n1. " in text and _WRONG_LIST.search(text):
            return Refusal("wrong_format", f"message {index} has a numbered list that begins anew at 1")
        if rules.repeated_digits and (found := _REPEATED_DIGITS.search(text)):
            return Refusal("repeated_digits", f"message {index} has {found[0]!r}")
    return None


def _blocked(phrases: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(re.escape, phrases)), re.IGNORECASE) if phrases else None
