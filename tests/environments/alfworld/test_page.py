"""The page shows an episode as it is played."""

from __future__ import annotations

from pathlib import Path

from environments.alfworld.engine import Household
from environments.alfworld.episode import shown
from environments.alfworld.generator import make_game

PAGE = Path(__file__).resolve().parents[3] / "docs" / "worlds" / "alfworld.md"
BEGIN, END = "<!-- episode -->\n", "<!-- /episode -->"
SEED, NUMBER = 7, 3


def episode() -> str:
    """Play a game with its expert, and word it turn by turn."""
    game = make_game(SEED, NUMBER)
    household = Household(game.home)
    lines = [household.intro(), f"Your task is to: {game.sentence}"]
    for command in game.walkthrough:
        lines += ["", f"> {command}", shown(household.step(command))]
    return "```\n" + "\n".join(lines) + "\n```\n"


def test_the_page_shows_an_episode_as_it_is_played() -> None:
    text = PAGE.read_text(encoding="utf-8")
    told = text.partition(BEGIN)[2].partition(END)[0]
    assert told == episode()
    assert "You are in the middle of a room." in told and told.count("\n> ") > 6
