"""The two experts at work on a household: what they do, played to its end."""

from __future__ import annotations

from collections.abc import Iterable

from environments.alfworld.engine import Household
from environments.alfworld.explorer import Explorer
from environments.alfworld.goal import read_goal
from environments.alfworld.home import Home
from environments.alfworld.wanted import Wanted


def explore(home: Home, wanted: Wanted, most_turns: int, goal_text: str = "") -> tuple[str, ...]:
    """Return the commands by which a player wins who knows only what was seen; empty = not within `most_turns`.

    `goal_text` is the game's own goal, where it is worded otherwise than `wanted` words it.
    """
    household, goal = Household(home), read_goal(goal_text or wanted.goal())
    player = Explorer(wanted, home.grammar, household.intro())
    commands: list[str] = []
    while len(commands) < most_turns and not goal.is_reached(household):
        choice = player.choose(household.admissible())
        if choice is None:
            return ()
        player.saw(choice.command, household.step(choice.command))
        commands.append(choice.command)
    return tuple(commands) if goal.is_reached(household) else ()


def wins(home: Home, goal: str, commands: Iterable[str]) -> bool:
    """Whether commands win a game: the last one, and none before it."""
    household, reached = Household(home), read_goal(goal)
    is_won = False
    for command in commands:
        if is_won:
            return False
        household.step(command)
        is_won = reached.is_reached(household)
    return is_won
