"""Tells chats that are nearly the same: MinHash over five-word shingles (Broder 1997), with rensa's hashes.

Candidates come from bands of hashes and are compared by their whole signatures, so what bands find too much is dropped;
what they miss is measured in tests: recall at the threshold, and above it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from rensa import RMinHash

from schemas.message import Message

PERMUTATIONS = 128
"""Hashes of a signature: its estimate of likeness has a standard error of 0.044 at most."""
_ROWS = 4
"""Hashes of a band: two chats alike by 0.7 share one of 32 bands with a chance of 0.9998."""
_SHINGLE = 5
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|\w+")
_SEED = 42


class NearDuplicates:
    """The signatures of the chats so far, by band."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._bands: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
        self._names: list[str] = []
        self._signatures: list[bytes] = []

    def find(self, messages: Sequence[Message], name: str) -> tuple[str, float] | None:
        """Return name and likeness of an earlier chat at least as like as the threshold, or keep this one and return
        None."""
        signature = sign(messages)
        keys = [(at, *signature[at : at + _ROWS]) for at in range(0, PERMUTATIONS, _ROWS)]
        for other in dict.fromkeys(one for key in keys for one in self._bands.get(key, ())):
            likeness = self._compare(signature, other)
            if likeness >= self._threshold:
                return self._names[other], likeness
        for key in keys:
            self._bands[key].append(len(self._names))
        self._names.append(name)
        self._signatures.append(_pack(signature))
        return None

    def _compare(self, signature: Sequence[int], other: int) -> float:
        theirs = memoryview(self._signatures[other]).cast("I")
        return sum(mine == its for mine, its in zip(signature, theirs, strict=True)) / PERMUTATIONS


def sign(messages: Sequence[Message]) -> list[int]:
    """Return the MinHash of a chat's shingles; a chat of fewer words than a shingle is one."""
    words = _WORD.findall(" ".join(message.content for message in messages).lower())
    shingles = [" ".join(words[at : at + _SHINGLE]) for at in range(max(1, len(words) - _SHINGLE + 1))]
    made = RMinHash(num_perm=PERMUTATIONS, seed=_SEED)
    made.update(shingles)
    digest: list[int] = made.digest()
    return digest


def _pack(signature: Sequence[int]) -> bytes:
    return b"".join(one.to_bytes(4, "little") for one in signature)
