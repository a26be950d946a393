"""Most chats are cleaned without a record of a message, and come out as by the long way."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from formats.chats.chat import as_message
from schemas.cleaning import CleaningConfig
from schemas.message import Role
from schemas.rejection import Refusal
from tasks.ingest import clean_chat as module
from tasks.ingest.clean_chat import CleanChat, clean_chat

PIECES = st.sampled_from(
    (
        *(
            "",
            " \n",
            "Hello",
            "1 / 2\nSo",
            "<p>two <b>bold</b> words</p>",
            "```\npythonCopy codeprint(1)",
            "a < b",
            "x" * 16,
        ),
        *("\n1. one\n1. ", "\n1. one\n2. two", "OpenAI", "Too many requests in 1 hour. Try again later!", "111111111"),
    )
)
TEXTS = st.lists(PIECES, max_size=3).map("".join)
IN_TURNS = st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3).map(
    lambda pairs: [said for asked, told in pairs for said in (("user", asked), ("assistant", told))]
)
ROLES: tuple[Role, ...] = ("system", "user", "assistant")
ANY = st.lists(st.tuples(st.sampled_from(ROLES), TEXTS), max_size=5)
RULES = st.sampled_from(
    (
        CleaningConfig(),
        CleaningConfig(html=False, fences=False, leftovers=False, wrong_lists=False),
        CleaningConfig(blocked_phrases=("openai",), repeated_digits=True),
    )
)


@settings(deadline=None, max_examples=400)
@given(said=IN_TURNS | ANY, rules=RULES)
def test_a_plain_chat_comes_out_as_by_the_long_way(said: list[tuple[Role, str]], rules: CleaningConfig) -> None:
    short, long = clean_chat(said, rules), module._clean_any(said, rules)
    if isinstance(short, Refusal) or isinstance(long, Refusal):
        assert short == long
    else:
        assert [as_message(one) for one in short.messages] == list(long.messages)
        assert short.done == long.done


def test_what_needs_nothing_is_handed_on_as_it_stands() -> None:
    said: list[tuple[Role, str]] = [("user", "How long does it rise?"), ("assistant", "About an hour.")]
    clean = clean_chat(said, CleaningConfig())
    assert isinstance(clean, CleanChat)
    assert clean == (said, ())
