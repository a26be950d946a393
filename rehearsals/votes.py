"""The offline teacher as an aggregator: it reads the proposals off the prompt and says what most of them say."""

from __future__ import annotations

import re
from collections import Counter

_PROPOSAL = re.compile(
    r"^\[Proposal \d+ of \d+\]\n(.*?)\n\n(?=\[Proposal \d+ of \d+\]$|\[End of the proposals\]$)", re.M | re.S
)


def proposals_in(prompt: str) -> list[str]:
    """Return the proposals that a prompt holds; none where it does not ask for one reply out of several."""
    return [found.strip() for found in _PROPOSAL.findall(prompt)]


def vote(proposals: list[str]) -> str:
    """Return what most proposals say, the first of them where it is a draw."""
    return Counter(proposals).most_common(1)[0][0]
