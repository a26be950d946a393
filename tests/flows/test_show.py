"""One row whole: found by the beginning of its id, an episode with its turns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from commands.show import find_row, say_row
from commands.terminal import say_conversation, say_table, spell
from reports.funnel import TableOf
from schemas.episode import Call, Episode, Solver, Turn
from schemas.errors import ConfigError
from schemas.message import Message, ToolCall
from warehouse.warehouse import Warehouse


def episode(id_: str, try_number: int = 1, landing: str = "l") -> Episode:
    return Episode(
        episode_id=id_,
        task_id="task",
        environment="os",
        origin="own",
        solver=Solver(kind="teacher", solver_id="s"),
        world_id="w",
        build=1,
        attempt=1,
        try_number=try_number,
        outcome="finished" if try_number > 1 else "environment_error",
        verdict="passed" if try_number > 1 else "unknown",
        reward=1.0,
        n_turns=1,
        landing=landing,
    )


def turn(id_: str, landing: str, **fields: Any) -> Turn:
    given = {"observation": "seen", "thought": "I look.", "thought_source": "teacher", "action": "ls"}
    return Turn(**{"episode_id": id_, "landing": landing, "index": 0, "action_kind": "bash", **given, **fields})


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "home")


@pytest.fixture
def shown(warehouse: Warehouse, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    def show(beginning: str) -> str:
        say_row(warehouse, *find_row(warehouse, beginning))
        return capsys.readouterr().out

    return show


def test_of_an_episode_that_was_tried_again_the_last_try_is_shown_with_its_own_turns(
    warehouse: Warehouse, shown: Callable[[str], str]
) -> None:
    warehouse.land("turns", [turn("abc", "one", action="cut off")], key="1")
    warehouse.land("episodes", [episode("abc", 1, "one")], key="1")
    warehouse.land("turns", [turn("abc", "two", action="made it")], key="2")
    warehouse.land("episodes", [episode("abc", 2, "two")], key="2")
    said = shown("ab")
    assert "made it" in said and "cut off" not in said and said.count("── turn") == 1


def test_an_action_that_was_not_understood_or_was_snapped_says_so(
    warehouse: Warehouse, shown: Callable[[str], str]
) -> None:
    turns = [
        turn("abc", "l", valid=False, action="??", action_kind="invalid"),
        turn("abc", "l", index=1, action="go north", action_raw="go nroth", thought=None, thought_source=None),
    ]
    warehouse.land("turns", turns, key="1")
    warehouse.land("episodes", [episode("abc")], key="1")
    said = shown("abc")
    assert "invalid: ??  (not understood)" in said and "go north  (snapped from 'go nroth')" in said


def test_calls_what_each_gave_and_reasoning_are_shown(warehouse: Warehouse, shown: Callable[[str], str]) -> None:
    look = {"name": "bash", "action_kind": "bash"}
    calls = (
        Call(call_id="c1", arguments='{"command":"ls"}', action="ls", observation="a [b]", **look),
        Call(call_id="c2", arguments='{"command":"rm"}', action="rm", **look),
    )
    warehouse.land("turns", [turn("abc", "l", calls=calls, reasoning="The user wants [files].")], key="1")
    warehouse.land("episodes", [episode("abc")], key="1")
    said = shown("abc")
    assert "reasoning" in said and "The user wants [files]." in said and "thought and calls" in said
    assert 'bash({"command":"ls"})' in said and "what bash gave (c1)" in said and "a [b]" in said
    assert 'bash({"command":"rm"})  (not carried out)' in said and "(c2)" not in said


def test_a_conversation_shows_its_calls_and_its_reasoning(capsys: pytest.CaptureFixture[str]) -> None:
    call = ToolCall(call_id="c1", name="bash", arguments='{"command":"ls"}')
    said = Message(role="assistant", content="I look.", train=True, tool_calls=(call,), reasoning_content="Hm.")
    gave = Message(role="tool", content="a b", tool_call_id="c1")
    of_sql = {"role": "user", "content": "As SQL gives it.", "train": False, "tool_calls": None, "tool_call_id": None}
    say_conversation([said.model_dump(mode="json"), gave.model_dump(mode="json"), of_sql])
    out = capsys.readouterr().out
    for words in ("assistant · trained · reasoning", "Hm.", "I look.", 'bash({"command":"ls"})', "tool", "a b"):
        assert words in out
    assert "As SQL gives it." in out


def test_brackets_in_what_was_seen_are_shown_as_they_are(warehouse: Warehouse, shown: Callable[[str], str]) -> None:
    warehouse.land("turns", [turn("abc", "l", observation="[(1,)] [bold]x[/bold] [/]")], key="1")
    warehouse.land("episodes", [episode("abc")], key="1")
    said = shown("abc")
    assert "[(1,)] [bold]x[/bold] [/]" in said and "\n── turn 0 ──\n" in said


def test_a_beginning_that_several_ids_share_is_told_with_some_of_them(warehouse: Warehouse) -> None:
    warehouse.land("episodes", [episode(f"ab{n}") for n in range(8)], key="1")
    with pytest.raises(ConfigError, match=r"8 ids begin with 'ab'; give more .*ab0 \(episodes\).*, \.\.\.$"):
        find_row(warehouse, "ab")
    assert find_row(warehouse, "ab3")[1]["episode_id"] == "ab3"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "not set"),
        ("as it is", "as it is"),
        (("a", "b"), '["a","b"]'),
        ({"os": 8}, '{"os":8}'),
        (True, "True"),
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02 03:04:05 UTC"),
    ],
)
def test_values_are_spelled_for_people(value: object, text: str) -> None:
    assert spell(value) == text


def test_a_table_keeps_titles_ids_and_brackets_whole(capsys: pytest.CaptureFixture[str]) -> None:
    title = "What was turned away, and why, over all builds of this home"
    say_table(title, TableOf(("id", "n"), [("a" * 64, 12345), ("[bold]", None)]))
    said = capsys.readouterr().out
    assert said.startswith(title + "\n") and "a" * 64 in said and "12,345" in said and "[bold]" in said
    say_table(title, TableOf(("id",), []))
    assert "nothing yet" in capsys.readouterr().out
