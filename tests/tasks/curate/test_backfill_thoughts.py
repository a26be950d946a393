"""Backfilling: what was asked, as it stands in the ledger, and what becomes of thoughts that give something away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

import prompts
from environments.base import Action
from environments.db.dialect import DbDialect
from schemas.completion import CompletionRequest
from schemas.episode import Episode, Solver, Turn
from schemas.errors import TeacherError
from schemas.message import Message
from schemas.run_config import CurateConfig
from schemas.task_spec import Check, Provenance, Setup, TaskSpec
from tasks.curate.backfill_thoughts import PROMPT, Backfilled, Leak, backfill_thoughts
from teachers.scripted import Scripted

if TYPE_CHECKING:
    from tests.small_build import Built, Played

DIALECT = DbDialect(prompts.load("solve_db"))
SPEC = TaskSpec.make(
    environment="db",
    instruction="How many cats are there?",
    setup=Setup(),
    check=Check(kind="label", expected=("412",)),
    origin="own",
    provenance=Provenance(source="test"),
)
SEEN = ("How many cats are there?", "[('pets',), ('owners',)]", "[(412,)]")
DONE = (("sql", "SHOW TABLES"), ("sql", "SELECT COUNT(*) FROM pets WHERE kind = 'cat'"), ("answer", '["412"]'))


def make_turns(*thoughts: str | None) -> list[Turn]:
    return [
        Turn(
            episode_id="e",
            landing="l",
            index=index,
            observation=SEEN[index],
            thought=thought,
            thought_source="teacher" if thought else None,
            action=DONE[index][1],
            action_kind=DONE[index][0],
        )
        for index, thought in enumerate(thoughts)
    ]


EPISODE = Episode(
    episode_id="e",
    task_id=SPEC.task_id,
    environment="db",
    origin="own",
    solver=Solver(kind="reference", solver_id="s"),
    world_id="w",
    build=1,
    attempt=1,
    outcome="finished",
    verdict="passed",
    reward=1.0,
    answer='["412"]',
    n_turns=3,
    landing="l",
)


def ask(messages: tuple[Message, ...], draw: int) -> CompletionRequest:
    return CompletionRequest(purpose="curate_trajectories", teacher="t", model="m", messages=messages, attempt=draw)


async def fill(teacher: Scripted, *thoughts: str | None, retries: int = 2, **curate: bool) -> Backfilled | Leak:
    config = CurateConfig(backfill_retries=retries, **curate)
    return await backfill_thoughts(SPEC, EPISODE, make_turns(*thoughts), DIALECT, teacher, ask, config)


@pytest.mark.parametrize(
    "said", ["Think: Think: I count them.", "**Thought:** I count them.", 'Here is one:\n\n"I count them."']
)
async def test_a_thought_is_kept_without_what_stands_around_it(said: str) -> None:
    filled = await fill(Scripted([said.format("I count them.")]), "First the tables.", None, "That is it.")
    assert isinstance(filled, Backfilled)
    assert filled.turns[1].thought == "I count them."


async def test_a_reply_without_a_thought_is_asked_again() -> None:
    teacher = Scripted(["Thought:", "Could you share the action?", "I count them."])
    filled = await fill(teacher, "First the tables.", None, "That is it.")
    assert isinstance(filled, Backfilled) and len(teacher.requests) == 3
    empty = await fill(Scripted(["Thought:"]), "First the tables.", None, "That is it.", retries=0)
    assert isinstance(empty, Leak) and empty.reason == "thought_empty"


@pytest.mark.parametrize(("wanted", "asked"), [(True, 3), (False, 2)])
async def test_a_setting_says_whether_the_answer_needs_a_thought(wanted: bool, asked: int) -> None:
    teacher = Scripted(["I look at the tables.", "Then I count.", "Now I can answer."])
    filled = await fill(teacher, None, None, None, answer_thoughts=wanted)
    assert isinstance(filled, Backfilled)
    assert len(teacher.requests) == asked and (filled.turns[2].thought is not None) == wanted


async def test_only_turns_without_a_thought_are_asked_about_and_marked() -> None:
    teacher = Scripted(["I count\nthem."])
    filled = await fill(teacher, "First the tables.", None, "That is it.")
    assert isinstance(filled, Backfilled)
    assert [t.thought for t in filled.turns] == ["First the tables.", "I count them.", "That is it."]
    assert [t.thought_source for t in filled.turns] == ["teacher", "backfilled", "teacher"]
    assert filled.completion_ids == (teacher.requests[0].request_hash,)


async def test_each_prompt_shows_the_thoughts_filled_in_before_it() -> None:
    teacher = Scripted(["Tables first.", "Then the count.", "Now the answer."])
    await fill(teacher, None, None, None)
    texts = [request.messages[0].content for request in teacher.requests]
    assert ["Tables first." in text for text in texts] == [False, True, True]
    assert ["Then the count." in text for text in texts] == [False, False, True]


async def test_a_prompt_holds_what_was_visible_and_this_turns_action_and_nothing_later() -> None:
    teacher = Scripted(["Tables first.", "Then the count.", "Now the answer."])
    await fill(teacher, None, None, None)
    texts = [request.messages[0].content for request in teacher.requests]
    assert [[seen in text for seen in SEEN] for text in texts] == [
        [True, False, False],
        [True] * 2 + [False],
        [True] * 3,
    ]
    assert [[done in text for _, done in DONE] for text in texts] == [
        [True, False, False],
        [True] * 2 + [False],
        [True] * 3,
    ]


async def test_a_leak_is_asked_again_and_the_clean_draw_counts() -> None:
    teacher = Scripted(["There are 412 cats.", "The reference solution counts.", "I look at the tables first."])
    filled = await fill(teacher, None, "I count.", "Done.")
    assert isinstance(filled, Backfilled)
    assert filled.turns[0].thought == "I look at the tables first."
    assert [request.attempt for request in teacher.requests] == [1, 2, 3]
    assert len({request.request_hash for request in teacher.requests}) == 3
    assert filled.completion_ids == (teacher.requests[2].request_hash,)


async def test_two_retries_are_all_there_are() -> None:
    teacher = Scripted(lambda request: "There are 412 cats.")
    filled = await fill(teacher, None, "I count.", None)
    assert isinstance(filled, Leak)
    assert (filled.index, len(teacher.requests)) == (0, 3)
    assert "the number 412 was not visible yet" in filled.detail


async def test_a_leak_at_a_later_turn_names_its_turn() -> None:
    teacher = Scripted(
        lambda request: "It must be '[\"412\"]'." if "SELECT COUNT" in request.messages[0].content else "I look."
    )
    filled = await fill(teacher, None, None, "Done.")
    assert isinstance(filled, Leak)
    assert filled.index == 1 and filled.detail.startswith("turn 1, 3 draws")


async def test_an_empty_thought_is_no_thought() -> None:
    filled = await fill(Scripted([" \n "] * 3), None, "I count.", "Done.")
    assert isinstance(filled, Leak) and "empty" in filled.detail


async def test_what_the_answer_turn_says_was_seen_by_then() -> None:
    filled = await fill(Scripted(["The count came out as 412, so I answer with it."]), "a", "b", None)
    assert isinstance(filled, Backfilled)


async def test_a_teacher_that_breaks_is_told_not_swallowed() -> None:
    with pytest.raises(TeacherError, match="the script has 0 replies"):
        await fill(Scripted([]), None, "I count.", "Done.")


def backfilled_turns(built: Built) -> Iterator[tuple[Played, int, list[str], CompletionRequest]]:
    """Yield each backfilled turn of the build's trajectories: episode, index, thoughts before it, stored request."""
    played = {p.episode.episode_id: p for p in built.played}
    for trajectory in built.trajectories:
        receipts, thoughts = iter(trajectory.completion_ids), []
        for turn in played[trajectory.episode_id].turns:
            if turn.thought:
                thoughts.append(turn.thought)
                continue
            receipt = next(receipts)
            yield played[trajectory.episode_id], turn.index, list(thoughts), built.ledger.request(receipt)
            thoughts.append(" ".join(str(completion_reply(built, receipt)).split()))


def completion_reply(built: Built, completion_id: str) -> str:
    found = built.ledger.find(completion_id)
    assert found is not None
    return found.reply


def words(*texts: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", " ".join(texts)))


TEMPLATE = words(prompts.load(PROMPT).render(visible=[], action=""), "user assistant")
PROTOCOL = words(*(DIALECT.write_text("", Action(kind)) for kind in ("sql", "answer")))


def test_stored_requests_hold_no_word_that_was_not_visible_at_their_turn(built: Built) -> None:
    """Every word of a request stands in the prompt file, in what was seen by then, or in what was done and thought."""
    asked = list(backfilled_turns(built))
    assert len(asked) >= 60
    for played, index, thoughts, request in asked:
        turns = played.turns[: index + 1]
        known = words(*(t.observation for t in turns), *(t.action for t in turns), *thoughts) | TEMPLATE | PROTOCOL
        (message,) = request.messages
        assert words(message.content) <= known, (played.episode.episode_id, index)


def test_what_comes_later_would_have_been_noticed(built: Built) -> None:
    """The proof above has teeth: later observations and answers bring words that no request of their turn holds."""
    later = 0
    for played, index, thoughts, request in backfilled_turns(built):
        turns = played.turns[: index + 1]
        known = words(*(t.observation for t in turns), *(t.action for t in turns), *thoughts) | TEMPLATE | PROTOCOL
        new = words(*(t.observation + " " + t.action for t in played.turns[index + 1 :]), played.episode.answer or "")
        later += bool(new - known)
        assert not (new - known) & words(request.messages[0].content)
    assert later >= 20


def test_every_stored_request_is_one_of_a_backfilled_turn(built: Built) -> None:
    proven = {request.messages for _, _, _, request in backfilled_turns(built)}
    rows = built.warehouse.query("SELECT completion_id FROM completions WHERE purpose = 'curate_trajectories'")
    stored = {built.ledger.request(row[0]).messages for row in rows}
    assert len(rows) > len(proven)  # leaks of the stand-in were asked again
    assert stored == proven


def test_backfilled_trajectories_say_so(built: Built) -> None:
    assert {t.backfilled for t in built.trajectories} == {True, False}
    assert all(t.backfilled == bool(t.completion_ids) for t in built.trajectories)
