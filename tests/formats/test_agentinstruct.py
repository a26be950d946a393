"""AgentInstruct's form and ours are inverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.agentinstruct import read_messages, write_messages
from schemas.errors import InputError
from schemas.trajectory import Message

MESSAGES = st.lists(
    st.builds(Message, role=st.sampled_from(["system", "user"]), content=st.text())
    | st.builds(Message, role=st.just("assistant"), content=st.text(), train=st.booleans())
)


@given(MESSAGES)
def test_reading_is_the_inverse_of_writing(messages: list[Message]) -> None:
    assert read_messages(write_messages(messages)) == tuple(messages)


def test_loss_is_null_on_human_false_on_context_true_on_what_is_trained() -> None:
    messages = [
        Message(role="user", content="a"),
        Message(role="assistant", content="Ok.", train=False),
        Message(role="assistant", content="b", train=True),
    ]
    assert write_messages(messages) == [
        {"from": "human", "value": "a", "loss": None},
        {"from": "gpt", "value": "Ok.", "loss": False},
        {"from": "gpt", "value": "b", "loss": True},
    ]


def test_a_reply_without_a_loss_is_trained_on() -> None:
    assert read_messages([{"from": "gpt", "value": "b"}]) == (Message(role="assistant", content="b", train=True),)


@pytest.mark.parametrize("item", [{"from": "bot", "value": "b"}, {"from": "gpt", "value": None}, {"value": "b"}])
def test_what_agentinstruct_does_not_have_is_refused(item: dict[str, object]) -> None:
    with pytest.raises(InputError, match="from is one of system, human, gpt"):
        read_messages([item])
