"""A turn that cannot be read is answered with why: it costs tokens and no turn, and nobody trains on it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.completion import Completion, CompletionRequest
from schemas.episode import Episode, Turn
from schemas.message import ToolCall
from tasks.collect.journal import NoJournal
from tasks.collect.repairs import understood
from tasks.collect.roll_out import Attempt, roll_out
from teachers.scripted import Scripted
from tests.tasks.collect.house import ACTIONS, HouseWorld
from tests.tasks.collect.test_roll_out import RULES, SPEC

GO, TAKE, PUT = (f"THOUGHT: I see.\nACTION: {ACTIONS[i]}" for i in (0, 2, 3))
BAD = "I will go to the shelf now."


class Cut(Scripted):
    """Breaks its first reply off at the maximum."""

    async def complete(self, request: CompletionRequest) -> Completion:
        made = await super().complete(request)
        return made.model_copy(update={"finish_reason": "length"}) if len(self.requests) == 1 else made


async def rolled(
    teacher: Scripted, repairs: int = 1, world: HouseWorld | None = None, max_turns: int = 6, dialect: str = "react"
) -> tuple[Episode, list[Turn]]:
    world = world or HouseWorld(listed=())
    rules = replace(RULES, dialect=world.dialects[dialect], repairs=repairs, max_turns=max_turns)
    return await roll_out(SPEC, world, teacher, rules, Attempt(1, 1, 1, "landing"), NoJournal())


def shown(request: CompletionRequest) -> list[str]:
    return [message.content for message in request.messages]


async def test_it_is_told_why_once_and_the_repair_costs_tokens_and_no_turn() -> None:
    teacher = Scripted([GO, BAD, TAKE, PUT])
    episode, turns = await rolled(teacher, max_turns=3)
    assert (episode.outcome, episode.verdict) == ("finished", "passed"), "three turns were enough"
    assert [turn.valid for turn in turns] == [True, False, True, True]
    assert [turn.index for turn in turns] == [0, 1, 2, 3] and episode.n_turns == 4
    assert episode.usage.requests == 4 and turns[1].reply == BAD and turns[1].completion_tokens > 0
    assert episode.usage.completion_tokens == sum(turn.completion_tokens for turn in turns)
    *_, said, why = shown(teacher.requests[2])
    assert said == BAD and why.startswith("Your last reply could not be used: no ACTION. Nothing was done.")


async def test_what_is_said_later_and_trained_on_does_not_hold_it() -> None:
    teacher = Scripted([GO, BAD, TAKE, PUT])
    _, turns = await rolled(teacher)
    calm = Scripted([GO, TAKE, PUT])
    _, undisturbed = await rolled(calm)
    assert shown(teacher.requests[3]) == shown(calm.requests[2]), "the next turn is asked as if nothing had been"
    dialect = HouseWorld().dialects["react"]
    assert dialect.conversations(SPEC, understood(turns)) == dialect.conversations(SPEC, undisturbed)
    assert BAD not in str(dialect.conversations(SPEC, understood(turns)))


@pytest.mark.parametrize("repairs", [0, 1, 2])
async def test_an_episode_whose_repair_fails_ends_as_it_would_have(repairs: int) -> None:
    replies = [f"{BAD} {number}" for number in range(1 + repairs)]
    teacher = Scripted([GO, *replies])
    episode, turns = await rolled(teacher, repairs)
    assert (episode.outcome, episode.outcome_reason, episode.verdict) == ("invalid_action", "no ACTION", "failed")
    assert len(teacher.requests) == 2 + repairs and [turn.valid for turn in turns] == [True] + (1 + repairs) * [False]


async def test_a_reply_that_was_cut_is_told_as_cut() -> None:
    teacher = Cut(["THOUGHT: first I", GO, TAKE, PUT])
    episode, _ = await rolled(teacher)
    assert episode.verdict == "passed"
    most = teacher.requests[0].sampling.max_tokens
    assert f"it was cut at the maximum of {most} tokens" in shown(teacher.requests[1])[-1]
    assert (await rolled(Cut(["THOUGHT: first I", "and"])))[0].outcome == "invalid_action"
    assert (await rolled(Cut(["THOUGHT: first I"]), repairs=0))[0].outcome == "token_limit"


async def test_a_text_that_is_near_no_admissible_action_is_told() -> None:
    teacher = Scripted(["?", GO, TAKE, PUT])
    episode, _ = await rolled(teacher, world=HouseWorld())
    assert episode.verdict == "passed" and "could not be used" in shown(teacher.requests[1])[-1]


async def test_a_broken_call_is_told_as_text() -> None:
    class Calling(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            made = await super().complete(request)
            call = ToolCall(call_id="1", name="bash", arguments='{"script": ')
            return (
                made.model_copy(update={"reply": "", "finish_reason": "stop", "tool_calls": (call,)})
                if len(self.requests) == 1
                else made
            )

    teacher = Calling(["", "nothing"])
    await rolled(teacher, dialect="tools")
    said, why = teacher.requests[1].messages[-2:]
    assert not said.tool_calls and said.content == 'bash({"script": )'
    assert "the arguments of bash are no JSON" in why.content


@pytest.mark.parametrize("reason", ["content_filter", "empty"])
async def test_a_refusal_and_silence_end_it_as_before(reason: str) -> None:
    class Refusing(Scripted):
        async def complete(self, request: CompletionRequest) -> Completion:
            return (await super().complete(request)).model_copy(update={"finish_reason": reason, "reply": ""})

    teacher = Refusing([BAD])
    episode, _ = await rolled(teacher)
    assert episode.outcome == {"content_filter": "refused", "empty": "empty"}[reason] and len(teacher.requests) == 1
