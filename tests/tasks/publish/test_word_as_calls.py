"""An agent row as native calls, whatever it was collected in: its thoughts, its actions, what it saw; or why not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from environments.dialects.rounds import Rounds
from environments.os.config import OsConfig
from environments.os.world import OsWorld
from environments.registry import Worlds
from schemas.episode import Call, Turn
from schemas.message import Message
from schemas.task_spec import Check, Provenance, Setup, TaskSpec
from tasks.publish.word_as_calls import LEFT_OUT, word_as_calls

SPEC = TaskSpec.make(
    environment="os",
    instruction="How many files are in /srv?",
    setup=Setup(),
    check=Check(kind="match", answer="7"),
    origin="own",
    provenance=Provenance(source="test"),
)
DONE = (("bash", "ls /srv | wc -l"), ("bash", "echo ```; ls"), ("answer", "7"))


def make_worlds(**more: Any) -> Worlds:
    world = OsWorld(None, config=OsConfig())
    world.dialects = {**world.dialects, "rounds": Rounds(world.dialects["react"]), **more}
    return Worlds({"os": world}, entered=True)


WORLDS = make_worlds()


def make_turns(thought: str | None, reasoning: str | None = None, *, calls: bool = False) -> list[Turn]:
    turns = []
    for index, (kind, action) in enumerate(DONE):
        arguments = orjson.dumps({"command" if kind == "bash" else "answer": action}).decode()
        call = Call(call_id=f"c{index}", name=kind, arguments=arguments, action_kind=kind, action=action)
        turns.append(
            Turn(
                episode_id="e",
                landing="l",
                index=index,
                observation=SPEC.instruction if index == 0 else f"output {index}",
                thought=thought,
                thought_source=None,
                action=action,
                action_kind=kind,
                reasoning=reasoning,
                calls=(call.model_copy(update={"observation": f"output {index + 1}"}),) if calls else (),
            )
        )
    return turns


def said(dialect: str, turns: list[Turn]) -> list[Message]:
    """Return what an episode's rows train on, as curation words it."""
    rows = WORLDS.dialect("os", dialect).conversations(SPEC, turns)
    return [message for row in rows for message in row if message.train]


@pytest.mark.parametrize("dialect", ["react", "agentbench", "tools", "rounds"])
@pytest.mark.parametrize(
    ("own", "curated", "spoken", "apart"),
    [
        ("Look.", "Look.", "", "Look."),
        (None, "Filled in after the fact.", "", "Filled in after the fact."),
        ("Look.", None, "", None),
        ("Own words.", "Think: Act: others, {x}", "", "Think: Act: others, {x}"),
        (None, "Act: bash", "", "Act: bash"),
        ("", None, "", None),
    ],
)
def test_thought_action_and_what_was_seen_are_those_of_the_row(
    dialect: str, own: str | None, curated: str | None, spoken: str, apart: str | None
) -> None:
    has_calls = dialect == "tools"
    row = said(dialect, make_turns(curated, calls=has_calls))
    worded = word_as_calls(WORLDS, SPEC, dialect, row, make_turns(own, calls=has_calls))
    assert not isinstance(worded, str), worded
    messages, tools = worded
    assert [m.role for m in messages] == ["system", "user", *("assistant", "tool") * 2, "assistant"]
    assert SPEC.instruction in messages[1].content
    assert [m.content for m in messages if m.role == "tool"] == ["output 1", "output 2"]
    trained = [m for m in messages if m.train]
    assert [m.role for m in trained] == ["assistant"] * 3
    assert {(m.content, m.reasoning_content) for m in trained} == {(spoken, apart)}
    did = [(call.name, next(iter(orjson.loads(call.arguments).values()))) for m in trained for call in m.tool_calls]
    assert did == list(DONE)
    answered = [m.tool_call_id for m in messages if m.role == "tool"]
    assert answered == [m.tool_calls[0].call_id for m in trained[:2]]
    assert {tool["function"]["name"] for tool in orjson.loads(tools)} >= {"bash", "answer"}


def test_beside_reasoning_what_was_said_stays_said() -> None:
    turns = make_turns("I say it.", "I think it.", calls=True)
    worded = word_as_calls(WORLDS, SPEC, "tools", said("tools", turns), turns)
    assert {(m.content, m.reasoning_content) for m in worded[0] if m.train} == {("I say it.", "I think it.")}  # type: ignore[union-attr]


def test_a_row_that_cannot_be_worded_so_says_why() -> None:
    turns = make_turns("Look.")
    row = said("react", turns)
    elsewhere = SPEC.model_copy(update={"environment": "mars"})
    textual = make_worlds()
    del textual["os"].dialects["tools"]  # type: ignore[attr-defined]
    strange = [turns[0].model_copy(update={"action_kind": "fly", "action": "home"}), *turns[1:]]
    found = {
        "no_world": word_as_calls(WORLDS, elsewhere, "react", row, turns),
        "no_tools": word_as_calls(textual, SPEC, "react", row, turns),
        "no_turns": word_as_calls(WORLDS, SPEC, "react", row, turns[:2]),
        "no_such_tool": word_as_calls(WORLDS, SPEC, "react", said("react", strange), strange),
    }
    assert found == {reason: reason for reason in found}
    assert word_as_calls(WORLDS, SPEC, "react", row, [turns[0], turns[0], turns[2]]) == "no_turns"
    assert LEFT_OUT.keys() == found.keys() | {"round", "hidden", "recorded_words"}
