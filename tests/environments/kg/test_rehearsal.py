"""The stand-in asks sound questions and answers them from what it is shown; a planted fault is what its name says."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from environments.admission import admit
from environments.base import Dialect, Draw, Step, judge_episode
from environments.kg.author import KgAuthor, derived_spec, inventor
from environments.kg.config import KgConfig
from environments.kg.rehearsal import FAULTS, FAULTS_UNKNOWN, TASK_FAULTS, KgRehearsal
from environments.kg.world import KgWorld
from rehearsals.orders import for_one
from rehearsals.plan import SOLVER_FAULTS
from rehearsals.plan import TASK_FAULTS as ALL_TASK_FAULTS
from schemas.completion import CompletionRequest
from schemas.episode import Call, Turn, Verdict
from schemas.message import Message, ToolCall
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec
from teachers.scripted import receipt

ACTOR = KgRehearsal()
QUESTIONS = range(18)


def spec_of(number: int) -> TaskSpec:
    return derived_spec(inventor().question(11, number), f"question {number}", "interact")


async def play(spec: TaskSpec, dialect_name: str, fault: str | None) -> tuple[Verdict, list[str], int]:
    """Let the stand-in work through a dialect; return the verdict, what it did, and how many turns were unreadable."""
    async with KgWorld() as world, world.open(spec) as played:
        dialect = world.dialects[dialect_name].knowing(world.told)
        step, turns, unread = await played.reset(), list[Turn](), 0
        for index in range(world.max_turns):
            messages = dialect.render(spec, turns, step.observation)
            reply = _say(ACTOR, messages, dialect, fault, index)
            request = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=messages)
            made = receipt(request, reply.content).model_copy(update={"tool_calls": reply.tool_calls})
            reading = dialect.read(made)
            if not reading.actions:
                unread += 1
                break
            observation, step = step.observation, await played.step(reading.actions[0])
            turns.append(_turn(index, observation, reply, reading.actions[0].kind, reading.actions[0].text, step))
            if step.terminated or len([t for t in turns[-3:] if t.reply == reply.content]) == 3:
                break
        return await judge_episode(played), [turn.action_kind for turn in turns], unread


def _say(actor: KgRehearsal, messages: Sequence[Message], dialect: Dialect, fault: str | None, index: int) -> Message:
    move = actor.solve(messages, fault)
    if not dialect.tools() or move.raw is not None:
        return Message(role="assistant", content=actor.say(move))
    name, argument = actor.tool_of(move.kind)
    arguments = move.arguments or f'{{"{argument}": "{move.text}"}}'
    call = ToolCall(call_id=f"c{index}", name=name, arguments=arguments)
    return Message(role="assistant", content=move.thought or "", tool_calls=(call,))


def _turn(index: int, observation: str, reply: Message, kind: str, action: str, step: Step) -> Turn:
    calls = tuple(
        Call(
            call_id=call.call_id,
            name=call.name,
            arguments=call.arguments,
            action_kind=kind,
            action=action,
            observation=step.observation,
        )
        for call in reply.tool_calls
    )
    return Turn(
        episode_id="e",
        landing="l",
        index=index,
        observation=observation,
        thought=None,
        thought_source=None,
        action=action,
        action_kind=kind,
        reply=reply.content,
        calls=calls,
    )


@pytest.mark.parametrize("dialect", ["react", "tools"])
@pytest.mark.parametrize("number", QUESTIONS)
async def test_it_answers_each_shape_of_question(number: int, dialect: str) -> None:
    verdict, acts, unread = await play(spec_of(number), dialect, None)
    assert (verdict.name, unread) == ("passed", 0) and acts[-1] == "answer"


@pytest.mark.parametrize("fault", ["wrong_value", "gives_up"])
@pytest.mark.parametrize("number", QUESTIONS)
async def test_what_is_planted_to_be_wrong_is_wrong(number: int, fault: str) -> None:
    verdict, acts, _ = await play(spec_of(number), "react", fault)
    assert (verdict.name, acts[-1]) == ("failed", "answer") and len(acts) > 2


@pytest.mark.parametrize("dialect", ["react", "tools"])
@pytest.mark.parametrize("number", range(6))
async def test_another_form_of_a_right_answer_is_right(number: int, dialect: str) -> None:
    verdict, acts, _ = await play(spec_of(number), dialect, "other_form")
    plain = (await play(spec_of(number), dialect, None))[1]
    assert verdict.name == "passed" and acts != plain


@pytest.mark.parametrize("number", range(6))
async def test_what_repeats_or_cannot_be_read_does_not_pass(number: int) -> None:
    repeated = await play(spec_of(number), "react", "repeats")
    assert (repeated[0].name, repeated[1]) == ("failed", ["get_relations"] * 3)
    unread = await play(spec_of(number), "react", "malformed")
    assert (unread[0].name, unread[2]) == ("failed", 1)


@pytest.mark.parametrize("number", range(6))
async def test_an_unknown_question_gets_an_honest_attempt(number: int) -> None:
    known = spec_of(number)
    strange = known.model_copy(update={"instruction": f"Pray tell me: {known.instruction}"})
    verdict, acts, unread = await play(strange, "react", None)
    assert verdict.name in ("passed", "failed") and acts[-1] == "answer" and not unread
    assert ACTOR.solver_faults(strange.instruction) == FAULTS_UNKNOWN


def test_its_faults_are_of_the_plan() -> None:
    assert {*FAULTS, *FAULTS_UNKNOWN} <= set(SOLVER_FAULTS) and set(TASK_FAULTS) <= set(ALL_TASK_FAULTS)


async def drafted(fault: str | None) -> list[object]:
    """Return what the author reads of the stand-in's drafts for nine requests of its own."""
    author = KgAuthor(KgConfig(requests=9))
    asks = await author.asks(Draw(GenerateConfig(rounds=1), 1, 1, 0, ()))
    read: list[object] = []
    for ask in asks:
        prompt = ask.messages[0].content
        assert ACTOR.drafts(prompt)
        texts = [f"## Task {n}\n{ACTOR.draft(for_one(prompt, n), random.Random(n), fault)}" for n in (1, 2, 3)]
        request = CompletionRequest(purpose="generate_tasks", teacher="t", model="m", messages=ask.messages)
        read += [part.told for part in author.read_all(receipt(request, "\n\n".join(texts)), ask, range(3))]
    return read


async def test_its_drafts_are_admitted() -> None:
    specs = await drafted(None)
    async with KgWorld() as world:
        for spec in specs:
            assert isinstance(spec, TaskSpec), spec
            assert [probe for probe in await admit(world, spec) if not probe.passed] == []
            assert ACTOR.solver_faults(spec.instruction) == FAULTS, "it knows what it asked"


async def test_a_draft_with_a_planted_fault_is_turned_away_in_its_trials() -> None:
    async with KgWorld() as world:
        for spec in await drafted("reference_fails"):
            assert isinstance(spec, TaskSpec), spec
            *_, last = await admit(world, spec)
            assert (last.name, last.passed) == ("reference_passes_1", False)


def test_other_conversations_are_not_its_own() -> None:
    for content in ("A new problem: x", "Now, my problem is:\n\nhow many?", ""):
        assert ACTOR.problem((Message(role="user", content=content),)) is None
    with pytest.raises(ValueError, match="no question"):
        ACTOR.solve((Message(role="user", content="hello"),), None)
    assert not ACTOR.drafts("You write practice tasks for an assistant that changes a database")
    with pytest.raises(KeyError):
        ACTOR.expected("Who won?")
