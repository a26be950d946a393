"""The rollout on a scripted world that lists its admissible actions, and on one that takes any text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from environments.base import Action
from schemas.completion import Completion, CompletionRequest
from schemas.episode import Episode, Solver, Turn, make_episode_id
from schemas.errors import BudgetError, CheckError, ContextOverflow, EnvironmentFault, SandboxError, TeacherError
from schemas.message import Message
from schemas.task_spec import SOFTWARE, Check, Provenance, Script, Setup, TaskSpec
from tasks.collect.journal import NoJournal
from tasks.collect.roll_out import Attempt, Rules, replay_reference, roll_out
from teachers.scripted import Scripted, receipt
from tests.tasks.collect.house import ACTIONS, HouseWorld, Memory

SOLVER = Solver(kind="teacher", model="m", solver_id="solver")


class Broken:
    """A teacher that only fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def complete(self, request: CompletionRequest) -> Completion:
        raise self.error

    async def close(self) -> None: ...


class Ending(Scripted):
    """Says one thing, with a finish reason of its own."""

    def __init__(self, text: str, finish_reason: str) -> None:
        super().__init__([text])
        self.finish_reason = finish_reason

    async def complete(self, request: CompletionRequest) -> Completion:
        return (await super().complete(request)).model_copy(update={"finish_reason": self.finish_reason})


SPEC = TaskSpec.make(
    environment="house",
    instruction="Put the mug in the sink.",
    setup=Setup(),
    reference=(Script(code="walk"),),
    check=Check(kind="match", answer="yes"),
    origin="own",
    provenance=Provenance(source="test"),
)
RULES = Rules(
    solver=SOLVER,
    request=lambda messages, attempt: CompletionRequest(
        purpose="collect_episodes", teacher="t", model="m", messages=messages, attempt=attempt
    ),
    dialect=HouseWorld().dialects["react"],
    max_turns=6,
    max_tokens=2000,
)
FIRST = Attempt(build=3, attempt=1, try_number=1, landing="landing")
Rolled = tuple[Episode, list[Turn]]


async def roll(
    replies: Sequence[str] | Any, world: HouseWorld | None = None, journal: Any = None, **rules: Any
) -> Rolled:
    teacher = Scripted(replies) if isinstance(replies, list) or callable(replies) else replies
    return await roll_out(
        SPEC,
        world or HouseWorld(),
        teacher,
        replace(RULES, **rules),
        FIRST,
        journal or NoJournal(),
    )


def act(*actions: str) -> list[str]:
    return [f"THOUGHT: next\nACTION: {action}" for action in actions]


async def test_an_episode_that_reaches_its_end_is_judged_and_keeps_every_turn() -> None:
    episode, turns = await roll(act(ACTIONS[0], ACTIONS[2], ACTIONS[3]))
    assert (episode.outcome, episode.verdict, episode.reward, episode.n_turns) == ("finished", "passed", 1.0, 3)
    assert [turn.action for turn in turns] == [ACTIONS[0], ACTIONS[2], ACTIONS[3]]
    assert [turn.observation for turn in turns] == [
        "Put the mug in the sink.",
        f"You did: {ACTIONS[0]}",
        f"You did: {ACTIONS[2]}",
    ]
    assert {turn.thought for turn in turns} == {"next"} and {turn.thought_source for turn in turns} == {"teacher"}
    assert episode.usage.requests == 3 and episode.usage.completion_tokens == sum(t.completion_tokens for t in turns)


async def test_an_episode_says_who_made_it_and_on_what() -> None:
    episode, turns = await roll(act(ACTIONS[3]))
    assert episode.episode_id == make_episode_id(SPEC.task_id, "solver", "house-world", 1)
    assert (episode.build, episode.attempt, episode.try_number, episode.landing) == (3, 1, 1, "landing")
    assert (episode.solver, episode.image, episode.sandbox) == (SOLVER, "house-image", "none")
    assert (episode.software, episode.state_digest) == (SOFTWARE, "house after 1 actions")
    assert {(t.episode_id, t.landing) for t in turns} == {(episode.episode_id, "landing")}


async def test_the_teacher_sees_instructions_and_every_observation_with_its_own_replies() -> None:
    teacher = Scripted(act(ACTIONS[0], ACTIONS[3]))
    await roll(teacher)
    assert [(m.role, m.content) for m in teacher.requests[1].messages] == [
        ("user", "Rules."),
        ("assistant", "Understood."),
        ("user", "[0] Put the mug in the sink."),
        ("assistant", f"THOUGHT: next\nACTION: {ACTIONS[0]}"),
        ("user", f"[1] You did: {ACTIONS[0]}"),
    ]


async def test_a_slip_is_snapped_to_the_closest_admissible_action_and_the_raw_one_is_kept() -> None:
    world = HouseWorld()
    episode, turns = await roll(act("take the mug 1 from the shelf 1", ACTIONS[3]), world)
    assert turns[0].action == ACTIONS[2] and turns[0].action_raw == "take the mug 1 from the shelf 1"
    assert turns[0].valid and world.house is not None and world.house.acted[0].text == ACTIONS[2]
    assert turns[1].action_raw is None and episode.verdict == "passed"


async def test_a_reply_without_an_action_is_snapped_where_actions_are_listed() -> None:
    _, turns = await roll(["I will put mug 1 in sink 1"])
    assert turns[0].action == ACTIONS[3] and turns[0].action_raw == "I will put mug 1 in sink 1"


async def test_a_reply_that_resembles_no_admissible_action_is_an_invalid_action() -> None:
    episode, turns = await roll(["zebra"])
    assert (episode.outcome, episode.outcome_reason, episode.verdict) == ("invalid_action", "no ACTION", "failed")
    assert not turns[0].valid and turns[0].action == "zebra" and turns[0].reply == "zebra"


async def test_a_malformed_reply_is_an_invalid_action_where_nothing_is_listed() -> None:
    world = HouseWorld(listed=())
    episode, turns = await roll(["put mug 1 in sink 1"], world)
    assert (episode.outcome, episode.verdict, len(turns)) == ("invalid_action", "failed", 1)
    assert world.house is not None and not world.house.acted and world.house.closed


async def test_three_identical_outputs_in_a_row_end_it_as_repeated() -> None:
    world = HouseWorld()
    episode, turns = await roll(act(*[ACTIONS[0]] * 6), world)
    assert (episode.outcome, episode.n_turns, episode.verdict) == ("repeated", 3, "failed")
    assert world.house is not None and len(world.house.acted) == 2  # the third is recorded, not carried out
    assert len(turns) == 3


async def test_two_identical_outputs_and_another_between_are_no_repetition() -> None:
    a, b = ACTIONS[0], ACTIONS[1]
    episode, _ = await roll(act(a, a, b, a, a, ACTIONS[3]))
    assert episode.outcome == "finished"


async def test_the_turn_limit_ends_it_without_a_verdict_of_success() -> None:
    episode, turns = await roll(act(ACTIONS[0], ACTIONS[1], ACTIONS[0], ACTIONS[3]), max_turns=3)
    assert (episode.outcome, episode.outcome_reason, episode.verdict) == ("turn_limit", "3 turns", "failed")
    assert len(turns) == 3 and episode.is_final


async def test_a_conversation_that_grows_over_the_limit_ends_as_token_limit_before_it_is_sent() -> None:
    teacher = Scripted(act("go to shelf 1 " * 40, ACTIONS[3]))
    episode, _ = await roll(teacher, HouseWorld(listed=()), max_tokens=200)
    assert (episode.outcome, len(teacher.requests)) == ("token_limit", 1)


async def test_a_reply_that_was_cut_before_its_action_is_a_token_limit() -> None:
    episode, turns = await roll(Ending("THOUGHT: I should first th", "length"), HouseWorld(listed=()))
    assert (episode.outcome, turns[0].valid) == ("token_limit", False)


async def test_a_reply_that_was_cut_after_its_action_still_counts() -> None:
    episode, _ = await roll(Ending(act(ACTIONS[3])[0], "length"))
    assert (episode.outcome, episode.verdict) == ("finished", "passed")


@pytest.mark.parametrize(("reason", "outcome"), [("content_filter", "refused"), ("empty", "empty")])
async def test_a_refusal_and_an_empty_reply_have_outcomes_of_their_own(reason: str, outcome: str) -> None:
    world = HouseWorld()
    episode, _ = await roll(Ending("", reason), world)
    assert (episode.outcome, episode.verdict, episode.is_final) == (outcome, "failed", True)
    assert world.house is not None and not world.house.acted


class Narrow(Scripted):
    """Has a context for so many messages."""

    def __init__(self, messages: int) -> None:
        super().__init__(act(ACTIONS[0], ACTIONS[1], ACTIONS[3]))
        self._room = messages

    async def complete(self, request: CompletionRequest) -> Completion:
        if len(request.messages) > self._room:
            raise ContextOverflow("longer than the context of m")
        return await super().complete(request)


async def test_a_conversation_that_outgrows_the_model_s_context_is_a_token_limit_not_an_outage() -> None:
    episode, _ = await roll(Narrow(messages=5))
    assert (episode.outcome, episode.verdict, episode.n_turns, episode.is_final) == ("token_limit", "failed", 2, True)
    assert episode.outcome_reason == "longer than the context of m"


async def test_a_context_that_holds_not_even_the_task_is_no_attempt_of_the_solver() -> None:
    episode, _ = await roll(Narrow(messages=2))
    assert (episode.outcome, episode.verdict, episode.is_final) == ("teacher_error", "unknown", False)


async def test_a_teacher_that_fails_is_no_failure_of_the_solver() -> None:
    episode, turns = await roll(Broken(TeacherError("the line is dead")))
    assert (episode.outcome, episode.outcome_reason) == ("teacher_error", "the line is dead")
    assert (episode.verdict, episode.is_final, turns) == ("unknown", False, [])


async def test_a_teacher_that_fails_midway_leaves_the_turns_so_far() -> None:
    episode, turns = await roll(act(ACTIONS[0]))  # the script ends after one reply
    assert (episode.outcome, episode.n_turns, len(turns)) == ("teacher_error", 1, 1)


@pytest.mark.parametrize("error", [EnvironmentFault("the house fell"), SandboxError("no walls")])
@pytest.mark.parametrize("where", ["reset", ACTIONS[0]])
async def test_a_world_that_breaks_is_an_environment_error_and_nobody_s_failure(error: Exception, where: str) -> None:
    world = HouseWorld(**{where: error})
    episode, _ = await roll(act(ACTIONS[0], ACTIONS[3]), world)
    assert (episode.outcome, episode.outcome_reason) == ("environment_error", type(error).__name__)
    assert (episode.verdict, episode.verdict_detail, episode.is_final) == ("unknown", str(error), False)
    assert world.house is not None and world.house.closed


async def test_a_check_that_cannot_run_is_unknown_never_reward_0_for_good() -> None:
    episode, _ = await roll(act(ACTIONS[3]), HouseWorld(verify=CheckError("the check died")))
    assert (episode.outcome, episode.verdict, episode.verdict_detail) == ("finished", "unknown", "the check died")
    assert not episode.is_final


async def test_a_check_that_does_not_end_is_ended_and_unknown() -> None:
    world = HouseWorld(judge_seconds=0.1)
    episode, _ = await roll(act(ACTIONS[3]), world)
    assert (episode.outcome, episode.outcome_reason, episode.verdict) == ("finished", "check_error", "unknown")
    assert "did not end within 0.1 s" in episode.verdict_detail and "judge_seconds" in episode.verdict_detail
    assert world.house is not None and world.house.closed
    assert not episode.is_final


async def test_a_used_up_budget_is_raised_not_recorded() -> None:
    world = HouseWorld()
    with pytest.raises(BudgetError, match="used up"):
        await roll(Broken(BudgetError("used up")), world)
    assert world.house is not None and world.house.closed


async def test_the_answer_is_what_the_solver_answered_and_none_where_it_gave_none() -> None:
    world = HouseWorld(listed=())
    answered, turns = await roll(act("answer in the sink"), world)
    assert (answered.answer, turns[0].action_kind) == ("in the sink", "answer")
    silent, _ = await roll(act(ACTIONS[3]))
    assert silent.answer is None


async def test_every_observation_is_journalled_with_its_action() -> None:
    journal = Memory()
    await roll(act(ACTIONS[0], ACTIONS[3]), journal=journal)
    assert journal.added == [(0, ACTIONS[0], f"You did: {ACTIONS[0]}"), (1, ACTIONS[3], f"You did: {ACTIONS[3]}")]


async def test_a_replay_that_sees_the_same_goes_on_where_the_journal_ends() -> None:
    journal = Memory({0: f"You did: {ACTIONS[0]}"})
    episode, _ = await roll(act(ACTIONS[0], ACTIONS[3]), journal=journal)
    assert episode.outcome == "finished" and [entry[0] for entry in journal.added] == [1]


async def test_a_replay_that_sees_something_else_is_not_reproducible_and_planned_anew() -> None:
    journal = Memory({0: "You did it at 12:00:07"})
    episode, _ = await roll(act(ACTIONS[0], ACTIONS[3]), journal=journal)
    assert (episode.outcome, episode.outcome_reason) == ("environment_error", "not_reproducible")
    assert not episode.is_final and ACTIONS[0] in episode.verdict_detail and "turn 0" in episode.verdict_detail


async def test_attempts_of_one_task_are_different_requests_and_different_episodes() -> None:
    asked: list[CompletionRequest] = []

    def answer(request: CompletionRequest) -> str:
        asked.append(request)
        return act(ACTIONS[3])[0]

    for number in (1, 2):
        await roll_out(SPEC, HouseWorld(), Scripted(answer), RULES, replace(FIRST, attempt=number), NoJournal())
    assert asked[0].request_hash != asked[1].request_hash
    ids = {make_episode_id(SPEC.task_id, "solver", "house-world", number) for number in (1, 2)}
    assert len(ids) == 2


async def test_a_try_of_ours_is_the_same_episode_again() -> None:
    again = replace(FIRST, try_number=2)
    first, _ = await roll(act(ACTIONS[3]))
    second, _ = await roll_out(SPEC, HouseWorld(), Scripted(act(ACTIONS[3])), RULES, again, NoJournal())
    assert first.episode_id == second.episode_id and (first.try_number, second.try_number) == (1, 2)


async def test_the_reference_runs_as_an_episode_without_a_word_of_a_model() -> None:
    world = HouseWorld()
    world.script = [Action("act", ACTIONS[0]), Action("act", ACTIONS[3])]
    episode, turns = await replay_reference(SPEC, world, RULES, FIRST)
    assert (episode.outcome, episode.verdict, episode.usage.requests) == ("finished", "passed", 0)
    assert [(t.action, t.observation) for t in turns] == [
        (ACTIONS[0], "Put the mug in the sink."),
        (ACTIONS[3], f"You did: {ACTIONS[0]}"),
    ]
    assert {(t.thought, t.thought_source, t.reply, t.completion_id) for t in turns} == {(None, None, None, None)}


async def test_a_reference_that_never_ends_its_episode_does_not_pass() -> None:
    world = HouseWorld()
    world.script = [Action("act", ACTIONS[0])]
    episode, _ = await replay_reference(SPEC, world, RULES, FIRST)
    assert (episode.outcome, episode.verdict) == ("turn_limit", "failed")


def test_a_receipt_names_the_request() -> None:
    request = RULES.request((Message(role="user", content="?"),), 1)
    assert receipt(request, "!").completion_id == request.request_hash


async def test_a_verdict_stands_where_the_state_cannot_be_digested() -> None:
    episode, _ = await roll(act(ACTIONS[3]), HouseWorld(fingerprint=SandboxError("gone")))
    assert (episode.outcome, episode.verdict, episode.state_digest) == ("finished", "passed", None)
