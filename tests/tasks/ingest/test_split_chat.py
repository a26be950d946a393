"""A long chat comes in parts that fit, and no exchange is lost."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from formats.chats.chat import as_message
from schemas.message import Message, approximate_tokens
from tasks.ingest.split_chat import split_chat

LENGTHS = st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), min_size=1, max_size=12)


def exchanges(lengths: list[tuple[int, int]]) -> list[Message]:
    return [
        Message(role=role, content=f"{number}" + "x" * length, train=role == "assistant")  # type: ignore[arg-type]
        for number, pair in enumerate(lengths)
        for role, length in zip(("user", "assistant"), pair, strict=True)
    ]


@settings(deadline=None, max_examples=150)
@given(lengths=LENGTHS, most=st.integers(64, 400), has_system=st.booleans())
def test_the_parts_are_the_chat_and_only_one_exchange_alone_is_too_long(
    lengths: list[tuple[int, int]], most: int, has_system: bool
) -> None:
    head = [Message(role="system", content="Be brief.")] if has_system else []
    chat = [*head, *exchanges(lengths)]
    parts = split_chat(chat, most, approximate_tokens)
    assert [message for part in parts for message in part[len(head) :]] == chat[len(head) :]
    assert all(part[: len(head)] == head and part[len(head)].role == "user" for part in parts)
    for part in parts:
        tokens = sum(approximate_tokens(message.content) + 6 for message in part)
        assert tokens <= most or len(part) == len(head) + 2
    assert len(parts) > 1 or sum(approximate_tokens(m.content) + 6 for m in chat) <= most or len(lengths) == 1


def test_the_last_exchange_stays_where_it_makes_the_chat_too_long() -> None:
    chat = exchanges([(40, 200), (40, 200), (40, 900)])
    assert split_chat(chat, 160, approximate_tokens) == [chat[:4], chat[4:]]


def test_a_call_stays_with_what_it_gave() -> None:
    chat = exchanges([(40, 200), (40, 200)])
    given_ = [chat[0], chat[1], Message(role="tool", content="x" * 90), chat[1], *chat[2:]]
    assert split_chat(given_, 150, approximate_tokens) == [given_[:4], given_[4:]]


def test_a_chat_that_fits_and_one_without_a_limit_stay_whole() -> None:
    chat = exchanges([(900, 900)] * 5)
    assert split_chat(chat, None, approximate_tokens) == split_chat(chat, 10_000, approximate_tokens) == [chat]


@settings(deadline=None, max_examples=150)
@given(lengths=LENGTHS, most=st.integers(64, 1200), word=st.sampled_from(["x", "ü", "\U0001f600"]))
def test_pairs_are_cut_where_messages_are_and_a_chat_is_counted_only_where_it_may_not_fit(
    lengths: list[tuple[int, int]], most: int, word: str
) -> None:
    chat = [
        message.model_copy(update={"content": message.content.replace("x", word)}) for message in exchanges(lengths)
    ]
    pairs = [(message.role, message.content) for message in chat]
    counted: list[str] = []

    def count(text: str) -> int:
        counted.append(text)
        return len(text.encode())

    parts = split_chat(pairs, most, count)
    assert [[as_message(one) for one in part] for part in parts] == split_chat(chat, most, count)
    assert counted or len(parts) == 1
