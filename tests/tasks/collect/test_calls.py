"""The rollout with native tool calls, on a real database: several calls a turn, broken ones, ends in the middle."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from environments.base import World
from environments.db.world import DbWorld
from schemas.completion import CompletionRequest
from schemas.episode import Call, Episode, Solver, Turn
from schemas.message import Message, ToolCall
from schemas.recording import RecordedTurn, Recording
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec
from tasks.collect.journal import Journal, NoJournal
from tasks.collect.roll_out import Attempt, Rules, replay_recording, replay_reference, roll_out
from tasks.verify.episode import verify_episode
from teachers.scripted import Said, Scripted
from tests.tasks.collect.house import ACTIONS, HouseWorld, Memory

SPEC = TaskSpec.make(
    environment="db",
    instruction="Which plants are taller than 100 cm?",
    setup=Setup(
        tables=(
            TableData(
                name="plants",
                columns=(Column(name="name"), Column(name="cm", type="INTEGER")),
                rows=(("fern", 40), ("palm", 900)),
            ),
        )
    ),
    reference=(Script(code="SELECT name FROM plants WHERE cm > 100"),),
    check=Check(kind="rows"),
    origin="own",
    provenance=Provenance(source="test"),
)
FIRST = Attempt(build=1, attempt=1, try_number=1, landing="l")
TALL = "SELECT name FROM plants WHERE cm > 100"
PALM, ONE, TWO = "1 row (name):\n[('palm',)]", "1 row (1):\n[(1,)]", "1 row (2):\n[(2,)]"
Rolled = tuple[Episode, list[Turn]]


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path / "databases", workers=1) as world:
        yield world


def rules(world: World, dialect: str = "tools") -> Rules:
    spoken = world.dialects[dialect]

    def ask(messages: tuple[Message, ...], attempt: int) -> CompletionRequest:
        return CompletionRequest(
            purpose="collect_episodes",
            teacher="t",
            model="m",
            messages=messages,
            attempt=attempt,
            tools=spoken.tools(),
        )

    solver = Solver(kind="teacher", model="m", solver_id="s", dialect=dialect)
    return Rules(solver, ask, spoken, max_turns=6, max_tokens=4000)


def sql(statement: str, call_id: str = "c") -> ToolCall:
    return ToolCall(call_id=call_id, name="execute_sql", arguments=f'{{"sql":"{statement}"}}')


def answer(text: str, call_id: str = "a") -> ToolCall:
    escaped = text.replace('"', '\\"')
    return ToolCall(call_id=call_id, name="answer", arguments=f'{{"answer":"{escaped}"}}')


async def roll(world: World, replies: Sequence[str | Said], journal: Journal | None = None) -> Rolled:
    return await roll_out(SPEC, world, Scripted(replies), rules(world), FIRST, journal or NoJournal())


def given(turn: Turn) -> list[tuple[str, str | None]]:
    return [(call.action_kind, call.observation) for call in turn.calls]


async def test_a_turn_of_one_call_is_carried_out_and_keeps_words_reasoning_and_what_it_gave(db: DbWorld) -> None:
    teacher = Scripted(
        [Said("I look.", (sql(TALL, "c1"),), "There is one table."), Said("Done.", (answer('["palm"]', "c2"),))]
    )
    episode, turns = await roll_out(SPEC, db, teacher, rules(db), FIRST, NoJournal())
    assert (episode.outcome, episode.verdict, episode.answer) == ("finished", "passed", '["palm"]')
    assert episode.solver.dialect == "tools"
    assert (turns[0].thought, turns[0].reasoning, turns[0].thought_source) == (
        "I look.",
        "There is one table.",
        "teacher",
    )
    assert (turns[0].action_kind, turns[0].action, turns[0].reply) == ("sql", TALL, "I look.")
    assert turns[0].calls == (
        Call(
            call_id="c1",
            name="execute_sql",
            arguments=f'{{"sql":"{TALL}"}}',
            action_kind="sql",
            action=TALL,
            observation=PALM,
        ),
    )
    assert turns[1].observation == PALM
    assert {tool.name for tool in teacher.requests[0].tools} == {"execute_sql", "answer"}
    *_, task, said, tool = teacher.requests[1].messages
    assert (task.role, said.content, said.tool_calls[0].call_id) == ("user", "I look.", "c1")
    assert said.reasoning_content is None, "a model's reasoning is not shown to it again"
    assert (tool.role, tool.tool_call_id, tool.content) == ("tool", "c1", PALM)


async def test_each_of_several_calls_keeps_what_it_gave_and_the_next_turn_saw_all_of_it(db: DbWorld) -> None:
    both = Said("I look at both.", (sql("SELECT 1", "c1"), sql("SELECT 2", "c2")))
    teacher = Scripted([both, Said("", (answer('["palm"]'),))])
    episode, turns = await roll_out(SPEC, db, teacher, rules(db), FIRST, NoJournal())
    assert episode.outcome == "finished" and episode.n_turns == 2
    assert given(turns[0]) == [("sql", ONE), ("sql", TWO)]
    assert turns[0].action == "SELECT 1" and turns[1].observation == f"{ONE}\n{TWO}"
    assert [(m.tool_call_id, m.content) for m in teacher.requests[1].messages if m.role == "tool"] == [
        ("c1", ONE),
        ("c2", TWO),
    ]


async def test_what_follows_an_end_in_the_middle_of_calls_is_not_carried_out(db: DbWorld) -> None:
    calls = (sql(TALL, "c1"), answer('["palm"]', "c2"), sql("DELETE FROM plants", "c3"))
    episode, turns = await roll(db, [Said("All at once.", calls)])
    assert (episode.outcome, episode.verdict, episode.answer) == ("finished", "passed", '["palm"]')
    assert given(turns[0]) == [("sql", PALM), ("answer", ""), ("sql", None)]
    assert (await verify_episode(SPEC, db, episode, turns)).is_same


async def test_three_different_calls_in_the_same_words_are_no_repetition_and_three_equal_ones_are(db: DbWorld) -> None:
    apart = [Said("I look.", (sql(f"SELECT {number}"),)) for number in range(3)]
    other, _ = await roll(db, [*apart, Said("I look.", (answer('["palm"]'),))])
    assert other.outcome == "finished"
    alike = [Said("I look.", (sql("SELECT 1", f"call-{number}"),)) for number in range(3)]
    episode, turns = await roll(db, alike)
    assert (episode.outcome, episode.n_turns) == ("repeated", 3), "the id that is drawn for each makes no difference"
    assert [given(turn) for turn in turns] == [[("sql", ONE)], [("sql", ONE)], [("sql", None)]]
    assert (await verify_episode(SPEC, db, episode, turns)).is_same


BROKEN = {
    "no JSON": (ToolCall(call_id="c", name="execute_sql", arguments='{"sql": "SELECT'), "no JSON"),
    "no object": (ToolCall(call_id="c", name="execute_sql", arguments="[1]"), "are no object"),
    "no text": (ToolCall(call_id="c", name="execute_sql", arguments="{}"), "lacks sql"),
    "no tool": (ToolCall(call_id="c", name="rm", arguments="{}"), "there is no tool 'rm'"),
}


@pytest.mark.parametrize("way", BROKEN)
async def test_a_broken_call_is_an_invalid_action_that_is_kept_and_nothing_is_carried_out(
    way: str, db: DbWorld
) -> None:
    broken, told = BROKEN[way]
    episode, turns = await roll(db, [Said("Both.", (sql("DELETE FROM plants", "c0"), broken))])
    assert (episode.outcome, episode.verdict) == ("invalid_action", "failed") and told in episode.outcome_reason
    assert not turns[0].valid and turns[0].action_kind == "invalid"
    assert [(c.name, c.arguments) for c in turns[0].calls][1] == (broken.name, broken.arguments)
    assert given(turns[0]) == [("invalid", None), ("invalid", None)]
    assert episode.state_digest == "as set up"
    assert (await verify_episode(SPEC, db, episode, turns)).is_same


async def test_words_without_a_call_are_an_invalid_action(db: DbWorld) -> None:
    episode, turns = await roll(db, ["It is the palm."])
    assert (episode.outcome, episode.outcome_reason) == ("invalid_action", "no tool was called")
    assert (turns[0].action, turns[0].calls) == ("It is the palm.", ())


async def test_calls_without_words_have_no_thought(db: DbWorld) -> None:
    _, turns = await roll(db, [Said("", (answer('["palm"]'),))])
    assert (turns[0].thought, turns[0].thought_source, turns[0].valid) == (None, None, True)


async def test_every_call_of_a_turn_is_journalled_on_its_own(db: DbWorld) -> None:
    journal = Memory()
    both = Said("", (sql("SELECT 1", "c1"), sql("SELECT 2", "c2")))
    replies = [both, Said("", (answer('["palm"]'),))]
    await roll(db, replies, journal)
    assert journal.added == [(0, "SELECT 1", ONE), (1, "SELECT 2", TWO), (2, '["palm"]', "")]
    again = Memory({0: ONE})
    episode, turns = await roll(db, replies, again)
    assert episode.outcome == "finished" and [entry[0] for entry in again.added] == [1, 2], (
        "cut in mid-turn, it goes on"
    )
    assert given(turns[0]) == [("sql", ONE), ("sql", TWO)]


async def test_a_second_call_that_shows_something_else_after_an_interruption_is_not_reproducible(db: DbWorld) -> None:
    both = Said("", (sql("SELECT 1", "c1"), sql("SELECT 2", "c2")))
    episode, _ = await roll(db, [both], Memory({0: ONE, 1: "1 row (2):\n[(3,)]"}))
    assert (episode.outcome, episode.outcome_reason) == ("environment_error", "not_reproducible")
    assert "turn 0: 'SELECT 2'" in episode.verdict_detail


async def test_an_episode_of_calls_is_verified_call_by_call(db: DbWorld) -> None:
    both = Said("", (sql("SELECT 1", "c1"), sql(TALL, "c2")))
    episode, turns = await roll(db, [both, Said("", (answer('["palm"]'),))])
    assert (await verify_episode(SPEC, db, episode, turns)).is_same
    seen = turns[1].model_copy(update={"observation": f"{ONE}\n1 row (name):\n[('oak',)]"})
    found = await verify_episode(SPEC, db, episode, [turns[0], seen])
    assert [difference.where for difference in found.differences] == ["turn 0"]


async def test_a_reference_worded_in_calls_reads_back_as_what_it_did(db: DbWorld) -> None:
    spoken = rules(db)
    reference = replace(spoken, solver=Solver(kind="reference", solver_id="r", dialect="tools"))
    episode, turns = await replay_reference(SPEC, db, reference, FIRST)
    assert episode.verdict == "passed" and {turn.calls for turn in turns} == {()}
    (messages,) = spoken.dialect.conversations(SPEC, turns)
    assert [[call.name for call in m.tool_calls] for m in messages if m.train] == [["execute_sql"], ["answer"]]
    assert [m.tool_call_id for m in messages if m.role == "tool"] == ["call_0"]


async def test_a_list_of_admissible_actions_changes_no_call() -> None:
    world = HouseWorld()
    go = ToolCall(call_id="c", name="bash", arguments=f'{{"command":"{ACTIONS[3]}"}}')
    spec = SPEC.model_copy(update={"environment": "house"})
    episode, turns = await roll_out(spec, world, Scripted([Said("", (go,))]), rules(world), FIRST, NoJournal())
    assert episode.outcome == "finished" and turns[0].action_raw is None and turns[0].action == ACTIONS[3]


def recording(*turns: RecordedTurn) -> Recording:
    return Recording.make(
        task_id=SPEC.task_id, environment="db", model="gpt-4", turns=turns, source="log:1", license="MIT"
    )


def called(*calls: ToolCall, **fields: str) -> RecordedTurn:
    return RecordedTurn.model_validate({"action": "", "action_kind": "calls", "calls": calls, **fields})


async def test_a_recording_with_calls_is_run_again_with_its_thoughts_and_reasoning(db: DbWorld) -> None:
    first = called(sql("SELECT 1", "c1"), sql(TALL, "c2"), thought="Look.", reasoning="Which table?")
    played = recording(first, called(answer('["palm"]', "c3")))
    episode, turns = await replay_recording(SPEC, db, rules(db), FIRST, played)
    assert (episode.outcome, episode.verdict, episode.answer) == ("finished", "passed", '["palm"]')
    assert given(turns[0]) == [("sql", ONE), ("sql", PALM)]
    assert (turns[0].thought, turns[0].thought_source, turns[0].reasoning) == ("Look.", "recorded", "Which table?")
    assert (turns[1].thought, turns[1].reply) == (None, None)


async def test_a_recorded_call_that_cannot_be_read_ends_it_as_invalid_and_is_kept(db: DbWorld) -> None:
    played = recording(called(sql(TALL, "c1"), ToolCall(call_id="c2", name="rm", arguments="{}")))
    episode, turns = await replay_recording(SPEC, db, rules(db), FIRST, played)
    assert (episode.outcome, episode.verdict) == ("invalid_action", "failed")
    assert episode.outcome_reason.startswith("turn 0: there is no tool 'rm'")
    assert [(call.name, call.observation) for call in turns[0].calls] == [("execute_sql", None), ("rm", None)]


async def test_calls_are_read_back_where_a_recording_s_row_is_worded_in_text(db: DbWorld) -> None:
    episode, turns = await replay_recording(
        SPEC, db, rules(db, "react"), FIRST, recording(called(sql(TALL), answer('["palm"]')))
    )
    assert episode.verdict == "passed" and given(turns[0]) == [("sql", PALM), ("answer", "")]
