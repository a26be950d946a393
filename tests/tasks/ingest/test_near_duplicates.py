"""Near-duplicates by MinHash, against the likeness that they have: what is found, and what is not."""

from __future__ import annotations

import random
from typing import Any

from formats.chats.chat import Chat, ChatRow
from schemas.cleaning import CleaningConfig
from schemas.message import Message
from schemas.rejection import Rejection
from tasks.ingest.admit import admit_conversations
from tasks.ingest.near_duplicates import NearDuplicates, sign

WORDS = [f"word{number}" for number in range(3000)]


def talk(words: list[str]) -> list[Message]:
    return [Message(role="user", content=" ".join(words))]


def varied(rng: random.Random, words: list[str], changes: int) -> list[str]:
    other = list(words)
    for place in rng.sample(range(len(words)), changes):
        other[place] = rng.choice(WORDS)
    return other


def likeness(one: list[str], other: list[str]) -> float:
    a, b = ({tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in (one, other))
    return len(a & b) / len(a | b)


def test_recall_above_the_threshold_and_false_alarms_below_it() -> None:
    rng, found, counted = random.Random(4), {"above": 0, "below": 0}, {"above": 0, "below": 0}
    for number in range(200):
        words = rng.choices(WORDS, k=200)
        other = varied(rng, words, number % 16)
        true = likeness(words, other)
        where = "above" if true >= 0.8 else "below" if true <= 0.6 else None
        if where:
            near = NearDuplicates(0.7)
            near.find(talk(words), "first")
            counted[where] += 1
            found[where] += near.find(talk(other), "second") is not None
    assert min(counted.values()) > 30
    assert found["above"] / counted["above"] >= 0.99 and found["below"] / counted["below"] <= 0.05


def test_a_signature_is_of_the_words_alone() -> None:
    assert sign(talk(["A", "b."])) == sign(talk(["a", "B"])) != sign(talk(["c"]))


def test_the_later_of_two_is_turned_away_where_the_rule_is_on() -> None:
    words = random.Random(1).choices(WORDS, k=120)
    texts = [" ".join(words), " ".join([*words[:-1], "other"])]
    rows = [
        ChatRow("f", n, b"", Chat(None, None, [("user", "Say it, please."), ("assistant", t)]))
        for n, t in enumerate(texts)
    ]

    def reasons(**rules: Any) -> list[str | None]:
        told = CleaningConfig(languages=(), **rules)
        made = admit_conversations(rows, license="MIT", rules=told)
        return [one.reason if isinstance(one, Rejection) else None for one in made]

    assert reasons() == [None, None]
    assert reasons(near_duplicates=0.8) == [None, "near_duplicate"]
