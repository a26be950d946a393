"""ForeignRow: one trajectory of somebody else's set, as their file tells it. Nothing of it was executed here."""

from __future__ import annotations

import hashlib
from typing import Literal

from schemas.message import Message
from schemas.record import Record, digest


class LeftOver(Record):
    """Something of the raw row that has no place in its messages."""

    what: str
    """Where it stood (`steps[].metrics`), or what it was."""
    count: int
    """How often."""


class ForeignRow(Record):
    """One trajectory of a foreign set: read, not proven. A mixture takes it only where its recipe names the set."""

    row_id: str
    """h(set, the row's own id, messages, tools, model; where there are any, the parts that were not read)."""
    set: str
    """Name under which the set was imported; recipes name it."""
    format: str
    """Name of the importer that read it."""
    environment: str | None = None
    """World or subset that the row says it is of, in its own words; None = it says none."""
    messages: tuple[Message, ...]
    n_trained: int
    """Messages that the loss counts on."""
    trained_tokens: int
    """Approximate tokens in trained messages (`approximate_tokens`)."""
    tokens: int
    """Approximate tokens in all messages."""
    tools: str | None = None
    """JSON text of the tools that the row declares; None = it declares none."""
    model: str | None = None
    """Model that acted, as the row says; None = it does not say."""
    agent: str | None = None
    """Agent or harness that it acted in, as the row says; None = it does not say."""
    origin: Literal["recorded"] = "recorded"
    """Of every row here."""
    verdict: Literal["unknown"] = "unknown"
    """Ours: nobody has run it. What the row claims stands beside it and is never taken for it."""
    claimed_success: bool | None = None
    """Whether the row takes itself for solved; None = it does not say."""
    claimed_reward: float | None = None
    """Reward that the row claims; None = it does not say."""
    license: str
    """SPDX name of the row's licence, or of the set's."""
    losses: tuple[LeftOver, ...] = ()
    """What of the raw row could not be represented."""
    unread_parts: str | None = None
    """Digest of the parts of what was said that could not be represented, such as pictures; None = there are none."""
    source_id: str | None = None
    """The row's own id."""
    source_file: str
    """File name, without its folder."""
    source_line: int
    """Line (JSONL) or position in the array, from 1; of a session of several lines the first."""
    raw: str
    """The whole row as it stood in the file."""
    raw_sha256: str
    """Of `raw`."""

    @property
    def source(self) -> str:
        """File and line, as rejections name them."""
        return f"{self.source_file}:{self.source_line}"

    @property
    def first_id(self) -> str:
        """The id that it had before parts that were not read told rows apart."""
        return digest("foreign row", self.set, self.source_id, self.messages, self.tools, self.model)

    @classmethod
    def make(cls, *, raw: bytes, messages: tuple[Message, ...], **fields: object) -> ForeignRow:
        """Build a row: its id and counts are computed."""
        trained = [message for message in messages if message.train]
        made = cls.model_validate(
            {
                "row_id": "",
                "messages": messages,
                "n_trained": len(trained),
                "trained_tokens": sum(message.tokens for message in trained),
                "tokens": sum(message.tokens for message in messages),
                "raw": raw.decode("utf-8", "replace"),
                "raw_sha256": hashlib.sha256(raw).hexdigest(),
                **fields,
            }
        )
        id_ = digest(made.first_id, made.unread_parts) if made.unread_parts else made.first_id
        return made.model_copy(update={"row_id": id_})
