"""Tells chats that are nearly the same: MinHash over five-word shingles (Broder 1997), with rensa's hashes.

Candidates come from bands of hashes and are compared by their whole signatures, so what bands find too much is dropped;
what they miss is measured in tests: recall at the threshold, and above it.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence

from rensa import RMinHash, RMinHashLSH

from schemas.message import Message

PERMUTATIONS = 128
"""Hashes of a signature: its estimate of likeness has a standard error of 0.044 at most."""
_BANDS = 32
"""Of four hashes each: two chats alike by 0.7 share one with a chance of 0.9998."""
_SHINGLE = 5
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+")
_SEED = 42
_NO_WORDS = str.maketrans({chr(code): " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "_")})
"""What stands between the words of ASCII."""


class NearDuplicates:
    """The signatures of the chats so far."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._index = RMinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, num_bands=_BANDS)
        self._names: list[str] = []
        self._signatures: list[bytes] = []

    def find(self, messages: Sequence[Message], name: str) -> tuple[str, float] | None:
        """Return name and likeness of an earlier chat at least as like as the threshold, or keep this one and return
        None."""
        made = _hash(messages)
        signature = array("I", made.digest())
        for other in sorted(self._index.query(made)):
            likeness = self._compare(signature, other)
            if likeness >= self._threshold:
                return self._names[other], likeness
        self._index.insert(len(self._names), made)
        self._names.append(name)
        self._signatures.append(signature.tobytes())
        return None

    def _compare(self, signature: Sequence[int], other: int) -> float:
        theirs = memoryview(self._signatures[other]).cast("I")
        return sum(mine == its for mine, its in zip(signature, theirs, strict=True)) / PERMUTATIONS


def sign(messages: Sequence[Message]) -> list[int]:
    """Return the MinHash of a chat's shingles; a chat of fewer words than a shingle is one."""
    digest: list[int] = _hash(messages).digest()
    return digest


def _hash(messages: Sequence[Message]) -> RMinHash:
    text = " ".join(message.content for message in messages).lower()
    words = text.translate(_NO_WORDS).split() if text.isascii() else _WORD.findall(text)
    shingles = [" ".join(some) for some in zip(*(words[at:] for at in range(_SHINGLE)), strict=False)]
    made = RMinHash(num_perm=PERMUTATIONS, seed=_SEED)
    made.update(shingles or [" ".join(words)])
    return made
