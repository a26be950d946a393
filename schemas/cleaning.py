"""How general chat is cleaned before it comes in: the rules, each with its switch in `[general.cleaning]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.record import Record


class CleaningConfig(Record):
    """Rules of cleaning. What a rule mends stands in a row's `repaired`, what it turns away in its reason."""

    html: bool = True
    """HTML becomes Markdown, in messages that hold prose marked up with it; code is left as it is."""
    fences: bool = True
    """Code fences are mended: what a page's copy button left in them, and one that nothing closes."""
    leftovers: bool = True
    """What a chat page left in its texts is dropped: `2 / 2` before a reply, `Copy120 chars / 20 words`."""
    blocked_phrases: tuple[str, ...] = ()
    """A chat that holds one, in whatever case, is turned away. FastChat's are `openai` and `chatgpt`."""
    wrong_lists: bool = True
    """A chat with a numbered list that begins anew at 1 is turned away (FastChat filter_wrong_format.py)."""
    repeated_digits: bool = False
    """A chat with one digit nine times in a row is turned away (FastChat optional_clean.py --reduce-rep)."""
    duplicate_ids: bool = True
    """Of the chats of one file under one id the first comes in, as in FastChat's clean_sharegpt.py."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes that come in; none named = all do."""
    max_tokens: int | None = Field(default=4096, ge=64)
    """Tokens of a chat from which on it is cut at a person's turn (FastChat prepare_all.py: 4096); None = never."""
    tokenizer: str | None = None
    """Path of the `tokenizer.json` that tokens are counted with; None = UTF-8 bytes / 4."""
    near_duplicates: float | None = Field(default=None, gt=0, lt=1)
    """Jaccard likeness of two chats' five-word shingles, as MinHash estimates it, from which on the later one is turned
    away; None = only the same chat is."""
    personal: Literal["placeholder", "reject"] = "placeholder"
    """What becomes of secrets and personal data: a typed placeholder, or the row is turned away."""
    benchmarks: tuple[str, ...] = ()
    """JSONL or text files whose items no row may hold: one item a line, of an object all its texts."""
    dirty: float = Field(default=0.8, gt=0, le=1)
    """Share of a benchmark item's tokens that a row covers from which on it is turned away."""
