"""The rounds, as AgentBench plays them: who is asked about, who goes on, what is predicted, and what it is worth."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.base import UNCHANGED, Action, Step, judge_episode
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.dialect import CHOOSE
from environments.mind2web.episode import PageEnvironment
from environments.mind2web.reward import REWARDS, THRESHOLD, Measured, element_f1, f1, step_success, trajectory
from environments.mind2web.tournament import arrange, constant_winner, is_reachable, play
from environments.mind2web.world import Mind2WebWorld
from schemas.episode import Verdict
from schemas.errors import EnvironmentFault
from schemas.task_spec import TaskSpec

Make = Callable[..., TaskSpec]
NAMES = [str(100 + n) for n in range(10)]


async def say(world: Mind2WebWorld, spec: TaskSpec, *replies: str) -> tuple[Verdict, list[str], str]:
    """Give these replies, one a round, the last one again and again."""
    async with world.open(spec) as environment:
        step, seen = await environment.reset(), list[str]()
        for number in range(40):
            if step.terminated:
                break
            seen.append(step.observation)
            step = await environment.step(Action(CHOOSE, replies[min(number, len(replies) - 1)]))
        return await judge_episode(environment), seen, await environment.fingerprint()


def letters_of(seen: str) -> list[str]:
    return [line[0] for line in seen.split("None of the above\n")[1].splitlines() if line[1:2] == "."]


async def test_five_are_asked_about_at_a_time_and_the_chosen_meet_again(world: Mind2WebWorld, make: Make) -> None:
    _, seen, _ = await say(world, make(), "Answer: B.\nAction: CLICK")
    assert [letters_of(one) for one in seen] == [list("BCDEF"), list("BCDEF"), list("BC")]


async def test_choices_stand_in_the_order_of_the_page(world: Mind2WebWorld, make: Make) -> None:
    _, seen, _ = await say(world, make(), "Answer: A.")
    for one in seen:
        numbers = [int(line.split("number ")[1].partition("<")[0]) for line in one.splitlines() if line[1:4] == ". <"]
        assert numbers == sorted(numbers) and len(numbers) == 5


async def test_each_round_says_its_task_and_the_last_five_actions(world: Mind2WebWorld, make: Make) -> None:
    spec = make()
    state = spec.setup.state or ""
    told = state.replace('"previous":[]', '"previous":["one","two","three","four","five","six"]')
    spec = spec.model_copy(update={"setup": spec.setup.model_copy(update={"state": told})})
    _, seen, _ = await say(world, spec, "Answer: A.")
    assert all(f"Task: {spec.instruction}\nPrevious actions:\ntwo\nthree\nfour\nfive\nsix\nWhat" in one for one in seen)


@pytest.mark.parametrize(
    ("replies", "reward", "detail"),
    [
        (("Answer: A.",), 0.0, "no element"),  # nothing was ever chosen
        ((*["Answer: B.\nAction: CLICK"] * 2, "Answer: A."), 0.0, "no element"),  # all chosen away
        (("Answer: G.\nAction: CLICK",), 0.0, "no element"),  # a letter that the round does not have
        (("I do not know.",), 0.0, "no element"),  # what is no choice is none of them
    ],
)  # fmt: skip
async def test_who_chooses_nobody_predicts_nothing(
    replies: tuple[str, ...], reward: float, detail: str, world: Mind2WebWorld, make: Make
) -> None:
    verdict, _, _ = await say(world, make(), *replies)
    assert (verdict.name, verdict.reward) == ("failed", reward) and detail in verdict.detail


def test_the_last_of_the_line_is_never_asked_about_alone() -> None:
    asked: list[list[str]] = []
    assert play(NAMES[:6], 5, lambda some: asked.append(some)) is None  # type: ignore[func-returns-value]
    assert asked == [NAMES[:5]]
    assert not is_reachable(NAMES[:6], "105") and is_reachable(NAMES[:6], "104")


def test_the_last_choice_is_the_prediction_while_somebody_is_left() -> None:
    names = [str(100 + n) for n in range(11)]
    picks = iter(["100", None, None])
    assert play(names, 5, lambda some: next(picks)) is None  # 110 and 100 met, and neither was chosen
    picks = iter(["100", None, "110"])
    assert play(names, 5, lambda some: next(picks)) == "110"


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(0, 10**6), st.integers(2, 8))
def test_an_arranged_line_reaches_what_is_right(count: int, seed: int, per_round: int) -> None:
    names = [str(n) for n in range(count)]
    wanted = random.Random(seed).choice(names)
    order = arrange(names, [wanted], str(seed), names)
    assert sorted(order) == sorted(names) and is_reachable(order, wanted)


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_no_letter_alone_wins_an_arranged_line_of_ten(seed: int) -> None:
    """But B where the first of the page is right: it is B in every round, and admission turns such a click away."""
    wanted = random.Random(seed).choice(NAMES[1:])
    order = arrange(NAMES, [wanted], str(seed), NAMES)
    assert constant_winner(order, NAMES, NAMES[:1]) == "B" or NAMES[0] not in order
    assert constant_winner(order, NAMES, [wanted]) is None


def test_the_same_key_arranges_the_same() -> None:
    orders = [arrange(NAMES, ["103"], key, NAMES) for key in ("a", "a", "b", "c")]
    assert orders[0] == orders[1] and len(set(orders)) > 1


@pytest.mark.parametrize(
    ("said", "wanted", "worth"),
    [
        ("CLICK", "CLICK", 1.0),
        ("CLICK Go", "CLICK", 2 / 3),
        ("TYPE New York", "TYPE New York", 1.0),
        ("TYPE York New", "TYPE New York", 1.0),  # sets of words: order does not count
        ("TYPE New Orleans", "TYPE New York", 2 / 3),
        ("TYPE new york", "TYPE New York", 1 / 3),  # letters count as they are
        ("TYPE", "TYPE Oslo", 2 / 3),
        ("a b c", "SELECT a b c", 6 / 7),  # an operation that is unknown
        ("SELECT x", "TYPE x", 1 / 2),
        ("", "CLICK", 0.0),
        ("", "", 1.0),
        ("TYPE a", "CLICK", 0.0),
    ],
)
def test_actions_are_compared_as_sets_of_words(said: str, wanted: str, worth: float) -> None:
    assert f1(said, wanted) == pytest.approx(worth)


def test_a_reward_has_a_name_and_trajectory_is_ours() -> None:
    right, half, other = Measured(1, 1), Measured(1, 2 / 3), Measured(0, 1)
    assert trajectory([half]) == element_f1([half]) == pytest.approx(THRESHOLD)
    assert trajectory([right, half, other]) == step_success([right, half, other]) == pytest.approx(1 / 3)
    values = {name: of([right, half, other]) for name, of in REWARDS.items()}
    assert values == pytest.approx(
        {"trajectory": 1 / 3, "step_success": 1 / 3, "element_f1": 5 / 9, "element": 2 / 3, "action_f1": 8 / 9}
    )
    assert all(of([]) == 0 for of in REWARDS.values())


async def gold(environment: PageEnvironment) -> list[str]:
    await environment.reset()
    return [action.text for action, _ in await environment.follow()]


async def test_the_configuration_names_the_reward_and_its_parts_are_told(make: Make) -> None:
    wanted = {"elements": ("103",), "op": "TYPE", "value": "New York"}
    spec, rewards = make(wanted), {}
    for name in ("trajectory", "step_success", "element", "action_f1"):
        world = Mind2WebWorld(Mind2WebConfig.model_validate({"reward": name}))
        async with world.open(spec) as environment:
            right = await gold(environment)
        replies = [text.replace("York", "Orleans") for text in right]
        verdict, _, _ = await say(world, spec, *replies)
        rewards[name] = verdict.reward
        assert verdict.name == "failed" and {part.name for part in verdict.parts} == {
            "element", "action_f1", "step_success",
        }  # fmt: skip
    assert rewards == pytest.approx({"trajectory": 2 / 3, "step_success": 0, "element": 1, "action_f1": 2 / 3})
    assert rewards["trajectory"] >= Mind2WebWorld.threshold


async def test_several_steps_follow_each_other_whatever_was_chosen(world: Mind2WebWorld, make: Make) -> None:
    spec = make({"elements": ("103",), "op": "CLICK"}, {"elements": ("105", "101"), "op": "CLICK"})
    async with world.open(spec) as environment:
        right = await gold(environment)
        first, verdict = await environment.fingerprint(), await judge_episode(environment)
    assert (verdict.reward, first) == (1.0, '[["103","CLICK"],["105","CLICK"]]')
    wrong = ["Answer: A.", "Answer: A.", *right[2:]]
    verdict, seen, _ = await say(world, spec, *wrong)
    assert verdict.reward == 0.5 and len(seen) == len(right)


async def test_any_of_the_right_elements_is_right(world: Mind2WebWorld, make: Make) -> None:
    spec = make({"elements": ("105", "101"), "op": "CLICK"})
    arguments = (spec.check.arguments or "").replace('["105","101"]', '["101","105"]')
    other = spec.model_copy(update={"check": spec.check.model_copy(update={"arguments": arguments})})
    async with world.open(other) as environment:
        await gold(environment)
        assert (await judge_episode(environment)).reward == 1.0


async def test_an_episode_that_is_not_over_fails_and_one_that_chose_nothing_left_nothing(
    world: Mind2WebWorld, make: Make
) -> None:
    async with world.open(make()) as environment:
        await environment.reset()
        assert (await judge_episode(environment)).name == "failed"
        await environment.step(Action(CHOOSE, "Answer: A."))
        assert await environment.fingerprint() == UNCHANGED


async def test_an_action_after_the_end_ends_again(world: Mind2WebWorld, make: Make) -> None:
    async with world.open(make()) as environment:
        await gold(environment)
        assert await environment.step(Action(CHOOSE, "Answer: B.\nAction: CLICK")) == Step("", terminated=True)
        assert (await judge_episode(environment)).reward == 1.0


async def test_a_task_without_a_reference_is_not_followed(world: Mind2WebWorld, make: Make) -> None:
    async with world.open(make().model_copy(update={"reference": ()})) as environment:
        await environment.reset()
        with pytest.raises(EnvironmentFault, match="no reference"):
            await environment.follow()
