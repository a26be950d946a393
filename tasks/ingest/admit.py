"""Admits general chats: one row of a file becomes Conversations or a Rejection, never nothing.

Follows FastChat's cleaning (clean_sharegpt, optional_clean, filter_wrong_format, split_long_conversation), rule by rule
(`schemas/cleaning.py`), and departs from it where it drops too much: it merges messages of one role that follow each
other, and does not turn a chat away for naming a company. docs/mixture.md lists the reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from formats.chats.chat import UNREADABLE, Chat, ChatRow, Unreadable, as_message
from schemas.cleaning import CleaningConfig
from schemas.message import Message
from schemas.record import digest
from schemas.rejection import Refusal, Rejection
from schemas.trajectory import Conversation
from tasks.ingest.clean_chat import clean_chat
from tasks.ingest.decontaminate import load_benchmarks
from tasks.ingest.judge_language import DETECTOR, UNDETERMINED, judge_language
from tasks.ingest.mend import hide_private
from tasks.ingest.near_duplicates import NearDuplicates
from tasks.ingest.split_chat import counter, split_chat
from tasks.privacy.placeholders import LOOKED_BY

ADMISSION: Mapping[str, str] = {
    "not_alternating": "has a system message in the middle",
    "empty_message": "has a message without text",
    "too_short": "has no exchange left after repairs, or fewer than 16 characters",
    "service_error": "has the service's own error text for a reply",
    "nothing_to_train": "has masks that leave no reply to train on",
    "blocked_phrase": "holds a phrase that the configuration blocks",
    "wrong_format": "has a numbered list that begins anew at 1",
    "repeated_digits": "has one digit nine times in a row, where the configuration turns such away",
    "personal_data": "holds secrets or personal data that the configuration turns away, or that no placeholder fits",
    "language": "is not in a language that the configuration takes (by default: is not in English)",
    "contaminated": "covers most of an item of a benchmark that the configuration names",
    "duplicate": "is there already: same messages, same source model",
    "duplicate_id": "has the id of an earlier row of its file, and other messages",
    "near_duplicate": "is nearly the same as an earlier one, where the configuration turns such away",
}
"""Reasons for which a chat that could be read is turned away, in the order in which they are looked for."""
REASONS = (*UNREADABLE, *ADMISSION)
"""Those before it as well; a format may have more of its own."""
CONTRACT = 3
"""Raised by hand when the same rules mend or turn away otherwise; part of what an import is known by."""


class Unchanged(NamedTuple):
    """A conversation that an earlier reading of the same file gave as well."""

    conversation_id: str


class Admitted(NamedTuple):
    """What became of one row: its conversations, or why there are none."""

    row: ChatRow | None
    """None where it could not even be cut out."""
    results: tuple[Conversation | Rejection | Unchanged, ...]


@dataclass
class Admission:
    """What is known while the rows of one file are admitted."""

    license: str = "unknown"
    """SPDX name for all rows, `unknown` where nobody knows."""
    source_model: str | None = None
    """Normalised name for rows that do not name their model; None = leave it open."""
    rules: CleaningConfig = field(default_factory=CleaningConfig)
    seen: set[str] = field(default_factory=set)
    """Ids of the conversations that are already there."""
    before: set[str] = field(default_factory=set)
    """Those of them that an earlier reading of this file gave, and this one has not given yet."""
    marks: Mapping[str, str | None] = field(default_factory=dict)
    """What every conversation says of its import: `import_id`, `reading`."""
    _ids: set[tuple[str, str]] = field(default_factory=set)
    _near: NearDuplicates | None = None

    def __post_init__(self) -> None:
        self._near = NearDuplicates(self.rules.near_duplicates) if self.rules.near_duplicates else None

    def know(self, messages: Sequence[Message], name: str) -> None:
        """Take note of a conversation that is there already, for what is nearly the same."""
        if self._near:
            self._near.find(messages, name)

    def admit(self, row: ChatRow | Rejection) -> Admitted:
        """Admit the next row; a conversation that is there already, or came before, is a duplicate."""
        if isinstance(row, Rejection):
            return Admitted(None, (row,))
        made = admit_row(row, license=self.license, source_model=self.source_model, rules=self.rules, marks=self.marks)
        if isinstance(made, Rejection):
            return Admitted(row, (made,))
        return Admitted(row, self._settle(row, made))

    def _settle(self, row: ChatRow, made: Sequence[Conversation]) -> tuple[Conversation | Rejection | Unchanged, ...]:
        news: list[Conversation | Unchanged] = []
        for one in made:
            if one.conversation_id in self.before:
                news.append(Unchanged(one.conversation_id))
            elif one.conversation_id not in self.seen:
                news.append(one)
        named = (row.file, made[0].source_id or "")
        if not news:
            return (reject(row, "duplicate", f"the same chat is there as {made[0].conversation_id}"),)
        if self.rules.duplicate_ids and named[1] and named in self._ids:
            return (reject(row, "duplicate_id", f"an earlier row of {row.file} has the id {named[1][:200]!r}"),)
        fresh = [one for one in news if isinstance(one, Conversation)]
        if self._near and fresh and (other := self._near.find(fresh[0].messages, fresh[0].conversation_id)):
            return (reject(row, "near_duplicate", f"it is like {other[0]} by {other[1]:.2f}"),)
        self._ids.add(named)
        self.seen.update(one.conversation_id for one in news)
        self.before.difference_update(one.conversation_id for one in news)
        return tuple(news)


def admit_conversations(
    rows: Iterable[ChatRow | Rejection],
    *,
    license: str,
    source_model: str | None = None,
    seen: Iterable[str] = (),
    rules: CleaningConfig | None = None,
) -> Iterator[Conversation | Rejection]:
    """Admit rows in order; a conversation whose id stands in `seen`, or came before, is a duplicate.

    Args:
        license: SPDX name for all rows, `unknown` where nobody knows.
        source_model: normalised name for rows that do not name their model; None = leave it open.
        seen: ids of the conversations that are already there.
        rules: how they are cleaned; None = by the default rules.
    """
    admission = Admission(license, source_model, rules or CleaningConfig(), set(seen))
    for row in rows:
        yield from (one for one in admission.admit(row).results if not isinstance(one, Unchanged))


def admit_row(
    row: ChatRow,
    *,
    license: str,
    source_model: str | None = None,
    rules: CleaningConfig | None = None,
    marks: Mapping[str, str | None] | None = None,
) -> list[Conversation] | Rejection:
    """Judge one row by itself: repair, clean, check, name its language; a long one comes in several parts."""
    chat, rules = row.chat, rules or CleaningConfig()
    if isinstance(chat, Unreadable):
        return reject(row, chat.reason, chat.detail)
    clean = clean_chat(chat.messages, rules)
    if isinstance(clean, Refusal):
        return reject(row, clean.reason, clean.detail)
    private = hide_private([as_message(one) for one in clean.messages], chat.tools, rules)
    if isinstance(private, Refusal):
        return reject(row, private.reason, private.detail)
    messages, tools, kinds = private
    language, score = judge_language(message.content for message in messages)
    if rules.languages and language not in (*rules.languages, UNDETERMINED):
        takes = "English is kept" if rules.languages == ("en",) else f"{', '.join(rules.languages)} are kept"
        return reject(row, "language", f"the prose is {language} (score {score:.2f}); {takes}")
    overlap = load_benchmarks(rules.benchmarks).overlap(m.content for m in messages) if rules.benchmarks else None
    if overlap and overlap.share >= rules.dirty:
        return reject(row, "contaminated", f"it covers {overlap.share:.0%} of the tokens of {overlap.item}")
    parts = split_chat(messages, rules.max_tokens, counter(rules.tokenizer))
    trained = [(number, part) for number, part in enumerate(parts) if any(message.train for message in part)]
    repaired = (*clean.done, *(("split",) if len(parts) > 1 else ()))
    said = {
        "source_model": chat.model or source_model,
        "repaired": repaired + (("dropped_untrained_part",) if len(trained) < len(parts) else ()),
        "language": language,
        "language_score": score,
        "language_detector": DETECTOR,
        "license": license,
        "hidden": kinds,
        "looked_at": LOOKED_BY,
        "overlap": None if overlap is None else round(overlap.share, 4),
        **(marks or {}),
    }
    chat = chat._replace(tools=tools)
    return [_conversation(row, chat, part, number, said) for number, part in trained]


def reject(row: ChatRow, reason: str, detail: str) -> Rejection:
    """Turn a row away."""
    return Rejection.make(stage="ingest", reason=reason, detail=detail, source=row.source, raw=row.raw)


def _conversation(
    row: ChatRow, chat: Chat, messages: Sequence[Message], part: int, said: Mapping[str, Any]
) -> Conversation:
    tokens = [message.tokens for message in messages]
    trained = [count for message, count in zip(messages, tokens, strict=True) if message.train]
    calls = any(message.tool_calls for message in messages)
    return Conversation(
        conversation_id=_identify(messages, said["source_model"], chat.tools if calls else None),
        messages=tuple(messages),
        n_trained=len(trained),
        tokens=sum(tokens),
        trained_tokens=sum(trained),
        source_id=chat.row_id,
        source_file=row.file,
        source_line=row.line,
        tools=chat.tools if calls else None,
        part=part,
        **said,
    )


def _identify(messages: Sequence[Message], model: str | None, tools: str | None) -> str:
    """Return h(messages, model); what plain chats have not counts only where it is there."""
    plain = [(message.role, message.content) for message in messages]
    more = [
        (index, message)
        for index, message in enumerate(messages)
        if message.train != (message.role == "assistant")
        or message.tool_calls
        or message.tool_call_id is not None
        or message.reasoning_content is not None
    ]
    return digest("conversation", plain, model, *((more, tools) if more or tools else ()))
