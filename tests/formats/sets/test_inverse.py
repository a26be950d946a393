"""Readers are inverse to exporters: what a release says of its turns is what comes back of the files that it wrote."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.registry import importers
from formats.chats.agentinstruct import write_messages
from formats.releases import adp, agent_flan, atif, openai_tuning
from formats.releases.fold import fold_context
from formats.releases.release_folder import ReleaseRow
from schemas.foreign_row import ForeignRow
from schemas.message import Message, ToolCall
from schemas.record import canonical_json

TOOL = {"type": "function", "function": {"name": "bash", "description": "Run.", "parameters": {"type": "object"}}}
TOOLS = canonical_json([TOOL]).decode()
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12).filter(
    str.strip
)
arguments = st.dictionaries(st.sampled_from("ab"), texts, max_size=2).map(lambda given: canonical_json(given).decode())


@st.composite
def episodes(draw: st.DrawFn, *, calls: bool, thoughts: bool) -> tuple[Message, ...]:
    """Draw a system message or none, a task, and rounds of a reply and what it gave; the last may have no answer."""
    said = [Message(role="system", content=draw(texts))] if draw(st.booleans()) else []
    said.append(Message(role="user", content=draw(texts)))
    rounds = draw(st.integers(1, 3))
    number = 0
    for at in range(rounds):
        thought = draw(st.none() | texts) if thoughts else None
        several = draw(st.integers(0 if at == rounds - 1 else 1, 2)) if calls else 0
        made = [
            ToolCall(call_id=f"call_{number + n}", name="bash", arguments=draw(arguments))
            for n in range(1, several + 1)
        ]
        number += several
        words = draw(texts) if not made else draw(st.just("") | texts)
        said.append(
            Message(role="assistant", content=words, train=True, tool_calls=tuple(made), reasoning_content=thought)
        )
        if made and (at < rounds - 1 or draw(st.booleans())):
            said += [Message(role="tool", content=draw(texts), tool_call_id=call.call_id) for call in made]
        elif at < rounds - 1:
            said.append(Message(role="user", content=draw(texts)))
    return tuple(said)


def row_of(messages: tuple[Message, ...]) -> ReleaseRow:
    has_calls = any(message.tool_calls for message in messages)
    row = ReleaseRow("r_1", "agent", "shop", "own", "MIT", messages, TOOLS if has_calls else None)
    return row._replace(task_id="t", model="m", reward=1.0)


def read_back(format_: str, document: Any, beside: dict[str, Any] | None = None) -> ForeignRow:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        path.write_text(json.dumps(document) + "\n")
        if beside:
            (path.parent / adp.METADATA).write_text(json.dumps(beside))
        (made,) = importers(installed=False)[format_].rows([path], {"license": "unknown"})
    assert isinstance(made, ForeignRow), made
    return made


@settings(max_examples=40, deadline=None)
@given(episodes(calls=True, thoughts=True))
def test_atif_comes_back(messages: tuple[Message, ...]) -> None:
    row = row_of(messages)
    made = read_back("atif", atif.render_row(row))
    assert (made.messages, made.tools, made.source_id) == (messages, row.tools, "r_1")
    assert (made.environment, made.model, made.license, made.claimed_reward) == ("shop", "m", "MIT", 1.0)


@settings(max_examples=40, deadline=None)
@given(episodes(calls=True, thoughts=True))
def test_adp_comes_back_with_the_tools_of_its_metadata(messages: tuple[Message, ...]) -> None:
    row = row_of(messages)
    made = read_back("adp", adp.render_row(row), {"custom_tools": [TOOL]})
    assert (made.messages, made.tools) == (messages, row.tools)
    assert (made.environment, made.model, made.license, made.claimed_reward) == ("shop", "m", "MIT", 1.0)


@settings(max_examples=30, deadline=None)
@given(episodes(calls=True, thoughts=False))
def test_openais_messages_come_back(messages: tuple[Message, ...]) -> None:
    row = row_of(messages)
    made = read_back("openai", openai_tuning.render_row(row, "native"))
    assert (made.messages, made.tools) == (messages, row.tools)


@settings(max_examples=30, deadline=None)
@given(episodes(calls=False, thoughts=False), st.booleans())
def test_words_with_a_loss_on_each_reply_come_back(messages: tuple[Message, ...], is_context: bool) -> None:
    if is_context:
        messages = (*messages, messages[-1].model_copy(update={"train": False}))
    made = read_back("agentflan", agent_flan.render_row(row_of(messages)))
    assert made.messages == messages
    again = read_back("agentinstruct", {"id": "r_1", "conversations": write_messages(messages)})
    assert again.messages == messages


@pytest.mark.parametrize("format_", ["atif", "adp"])
def test_what_was_folded_or_copied_as_context_is_trained_on_nowhere(format_: str) -> None:
    shown = (Message(role="assistant", content="Ok."), Message(role="user", content="Go on."))
    messages = (Message(role="user", content="Why?"), *shown, Message(role="assistant", content="So.", train=True))
    row = row_of(messages)
    made = read_back(format_, atif.render_row(row) if format_ == "atif" else adp.render_row(row))
    assert [m.content for m in made.messages if m.train] == ["So."]
    assert made.messages == (messages if format_ == "atif" else fold_context(messages))
