"""The household's rules: admissible is what does something, in both grammars, and the experts win."""

import random

import pytest

from environments.alfworld.engine import NOTHING, Household
from environments.alfworld.game_files import read_problem, write_problem
from environments.alfworld.generator import make_game
from environments.alfworld.goal import read_goal
from environments.alfworld.home import Grammar, Home, read_home
from environments.alfworld.planner import shortest_plan
from environments.alfworld.play import wins
from environments.alfworld.wanted import KINDS, read_wanted

GAMES = [make_game(11, number) for number in range(24)]


@pytest.mark.parametrize("grammar", ["put", "move"])
def test_admissible_commands_do_something_and_no_other_does(grammar: Grammar) -> None:
    rng = random.Random(grammar)
    for game in GAMES[:6]:
        household = Household(game.home.model_copy(update={"grammar": grammar}))
        for _ in range(60):
            admissible = household.admissible()
            assert list(admissible) == sorted(set(admissible))
            for other in ("dance", "", admissible[0].upper(), f"{admissible[0]}.", "go to", "take mug 1"):
                assert household.step(other) == NOTHING
            assert household.admissible() == admissible
            assert household.step(rng.choice(admissible)) != NOTHING


@pytest.mark.parametrize("number", range(len(GAMES)))
def test_both_experts_win_every_game_with_their_last_action(number: int) -> None:
    game = GAMES[number]
    goal = game.wanted.goal()
    assert game.wanted.kind == KINDS[number % len(KINDS)]
    assert wins(game.home, goal, game.walkthrough) and wins(game.home, goal, game.plan)
    assert len(game.plan) <= len(game.walkthrough) <= 35
    assert not read_goal(goal).is_reached(Household(game.home))


def test_a_game_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert make_game(11, 3) == GAMES[3] != make_game(12, 3)


def test_a_problem_and_a_state_are_read_as_they_were_written() -> None:
    for game in GAMES:
        goal = game.wanted.goal()
        assert read_problem(write_problem(game.home, goal), "put") == (game.home, goal)
        assert read_wanted(goal) == game.wanted
        assert read_home(game.home.to_text()) == game.home


def state_of(household: Household) -> tuple[object, ...]:
    lying = {(place, thing) for place, things in household.within.items() for thing in things}
    became = {(state, thing) for state, things in household.flags.items() for thing in things}
    return household.location, household.held, frozenset(household.opened), frozenset(lying), frozenset(became)


def after(home: Home, commands: tuple[str, ...]) -> Household:
    household = Household(home)
    for command in commands:
        household.step(command)
    return household


def search(home: Home, goal: str, most: int) -> int | None:
    """Return the actions of a shortest way by trying all of them, level by level."""
    level: list[tuple[str, ...]] = [()]
    seen: set[object] = set()
    for depth in range(most + 1):
        following: list[tuple[str, ...]] = []
        for commands in level:
            household = after(home, commands)
            if read_goal(goal).is_reached(household):
                return depth
            if state_of(household) not in seen:
                seen.add(state_of(household))
                acts = (one for one in household.admissible() if not one.startswith(("look", "inv", "exam")))
                following += [(*commands, one) for one in acts]
        level = following
    return None


def test_no_way_is_shorter_than_the_planner_s() -> None:
    tried = 0
    for number in range(200):
        game = make_game(31, number)
        if len(game.plan) > 3:
            continue
        tried += 1
        assert search(game.home, game.wanted.goal(), len(game.plan)) == len(game.plan)
        if tried == 3:
            break
    assert tried == 3 and shortest_plan(GAMES[0].home, GAMES[0].wanted) == GAMES[0].plan
