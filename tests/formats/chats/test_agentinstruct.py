"""AgentInstruct's form and ours are inverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.chats.agentinstruct import read_messages, write_messages
from schemas.errors import InputError
from schemas.message import Message, ToolCall

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


def test_calls_are_text_and_what_a_turn_s_calls_gave_is_one_human_turn() -> None:
    call = ToolCall(call_id="c", name="bash", arguments="{}")
    messages = [
        Message(role="assistant", content="I look.", train=True, tool_calls=(call, call), reasoning_content="Hm."),
        Message(role="tool", content="a", tool_call_id="c"),
        Message(role="tool", content="b", tool_call_id="c"),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="c", tool_call_id="c"),
    ]
    assert write_messages(messages) == [
        {"from": "gpt", "value": "I look.\n\nbash({})\nbash({})", "loss": True},
        {"from": "human", "value": "a\n\nb", "loss": None},
        {"from": "gpt", "value": "bash({})", "loss": False},
        {"from": "human", "value": "c", "loss": None},
    ]


def test_a_reply_without_a_loss_is_trained_on() -> None:
    assert read_messages([{"from": "gpt", "value": "b"}]) == (Message(role="assistant", content="b", train=True),)


@pytest.mark.parametrize("item", [{"from": "bot", "value": "b"}, {"from": "gpt", "value": None}, {"value": "b"}])
def test_what_agentinstruct_does_not_have_is_refused(item: dict[str, object]) -> None:
    with pytest.raises(InputError, match="from is one of system, human, gpt"):
        read_messages([item])
