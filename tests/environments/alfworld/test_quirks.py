"""What the real engine does that one would not expect, and this one does, too; and what it does not take."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from environments.alfworld.engine import NOTHING, Household
from environments.alfworld.episode import AlfworldEnvironment
from environments.alfworld.game_files import grammar_of
from environments.alfworld.home import Home, names_of
from environments.base import Action
from schemas.task_spec import TaskSpec

TO_DESK, TO_FRIDGE = "go to desk 1", "go to fridge 1"
BRING_KEY = ("take key 1 from desk 1", "go to cabinet 1", "put key 1 in/on cabinet 1")
COOL_APPLE = [TO_FRIDGE, "open fridge 1", "take apple 1 from fridge 1", "cool apple 1 with fridge 1"]
QUIRKS: dict[str, tuple[list[str], str | None, str]] = {
    "an intro lists places by id, numbers counting down": (
        [],
        None,
        "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet 1, a desk 1, "
        "a fridge 1, a microwave 1, and a sinkbasin 1.",
    ),
    "look in the middle of the room sees nothing": (
        [],
        "look",
        "You are in the middle of a room. Looking quickly around you, you see nothing.",
    ),
    "an arrival names the location, and not the place": (
        [],
        TO_DESK,
        "You arrive at loc 5. On the desk 1, you see a bowl 1, a key 1, and a lamp 1.",
    ),
    "two places at one location are faced together": (
        ["go to cabinet 1"],
        "look",
        "You are facing the cabinet 2, and cabinet 1. Next to it, you see nothing.",
    ),
    "what lay in one and is put in the other of them lies beside": (
        ["go to cabinet 1", "take knife 1 from cabinet 1", "open cabinet 2", "put knife 1 in/on cabinet 2"],
        "look",
        "You are facing the cabinet 2, and cabinet 1. Next to it, you see a knife 1.",
    ),
    "the other place at the same location cannot be gone to": (["go to cabinet 1"], "go to cabinet 2", NOTHING),
    "but looked at without going": (["go to cabinet 1"], "examine cabinet 2", "The cabinet 2 is closed."),
    "only what is held can be examined": ([TO_DESK], "examine key 1", NOTHING),
    "what is held can": (
        [TO_DESK, "take key 1 from desk 1"],
        "examine key 1",
        "There's nothing special about key 1.",
    ),
    "what lies in a thing is said to lie there ever after": (
        [
            TO_DESK,
            "take key 1 from desk 1",
            "go to cabinet 1",
            "put key 1 in/on cabinet 1",
            TO_DESK,
            "take bowl 1 from desk 1",
        ],
        "examine bowl 1",
        "This is a normal bowl 1. In it, you see a key 1.",
    ),
    "cooling needs no open door": (
        [TO_FRIDGE, "open fridge 1", "take apple 1 from fridge 1", "close fridge 1"],
        "cool apple 1 with fridge 1",
        "You cool the apple 1 using the fridge 1.",
    ),
    "what is hot is not cool any more": (
        [
            TO_FRIDGE,
            "open fridge 1",
            "take apple 1 from fridge 1",
            "cool apple 1 with fridge 1",
            "go to microwave 1",
            "heat apple 1 with microwave 1",
        ],
        "examine apple 1",
        "This is a hot apple 1.",
    ),
    "what is cool alone is called cold": (
        COOL_APPLE,
        "examine apple 1",
        "This is a cold apple 1.",
    ),
    "a lamp is turned on again and again": (
        [TO_DESK, "use lamp 1"],
        "use lamp 1",
        "You turn on the lamp 1.",
    ),
    "what lies behind a closed door can be sliced": (
        ["go to cabinet 1", "take knife 1 from cabinet 1", TO_FRIDGE],
        "slice apple 1 with knife 1",
        "You sliced the apple 1 with the knife 1.",
    ),
    "one thing is carried at a time": ([TO_DESK, "take key 1 from desk 1"], "take bowl 1 from desk 1", NOTHING),
    "the old games know no help": ([], "help", NOTHING),
}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk_of_the_real_engine_is_kept(kitchen: Home, quirk: str) -> None:
    before, command, shown = QUIRKS[quirk]
    household = Household(kitchen)
    for one in before:
        assert household.step(one) != NOTHING, one
    assert (household.intro() if command is None else household.step(command)) == shown


REFUSED = {
    "no such verb": "dance",
    "nothing": "",
    "another case": "Go to desk 1",
    "a full stop": "go to desk 1.",
    "no number": "go to desk",
    "a number that is none": "go to desk 7",
    "a place that is far": "open fridge 1",
    "a thing that is far": "take apple 1 from fridge 1",
    "a thing that cannot be taken": "take lamp 1 from desk 1",
    "from where it does not lie": "take key 1 from cabinet 1",
    "the other grammar": "move key 1 to desk 1",
    "put what is not held": "put bowl 1 in/on desk 1",
    "put where it does not belong": "put key 1 in/on fridge 1",
    "open what does not open": "open desk 1",
    "close what is closed": "close cabinet 2",
    "heat without a microwave": "heat key 1 with desk 1",
    "clean what cannot be": "clean key 1 with sinkbasin 1",
    "two at once": "go to desk 1 and take key 1",
    "several lines": "look\nlook",
    "very long": "go to desk 1" + " 1" * 10_000,
    "other script": "去 desk 1",
    "a call": "go_to(desk 1)",
}


@pytest.mark.parametrize("kind", REFUSED)
async def test_what_is_not_admissible_does_nothing(task: Callable[..., TaskSpec], kind: str) -> None:
    async with AlfworldEnvironment(task()) as environment:
        await environment.reset()
        for one in (
            ("go to desk 1", "take key 1 from desk 1") if kind.startswith(("put where", "heat", "clean")) else ()
        ):
            await environment.step(Action("act", one))
        before = await environment.fingerprint()
        step = await environment.step(Action("act", REFUSED[kind]))
        assert (step.observation, step.terminated) == (NOTHING, False)
        assert await environment.fingerprint() == before


def test_help_and_moving_are_the_new_games_words(kitchen: Home) -> None:
    household = Household(kitchen.model_copy(update={"grammar": "move"}))
    assert household.step("help").startswith("Available commands:\n  look: ")
    assert household.step("go to desk 1").startswith("You arrive at desk 1. On the desk 1")
    household.step("take key 1 from desk 1")
    assert household.step("put key 1 in/on desk 1") == NOTHING
    assert household.step("move key 1 to desk 1") == "You move the key 1 to the desk 1."
    assert (grammar_of("put {o} in/on {r}"), grammar_of("move {o} to {r}")) == ("put", "move")


def test_names_count_down_and_basins_are_their_own() -> None:
    ids = ["drawer_bar_1", "drawer_bar_10", "drawer_bar_2", "sink_bar_1", "sink_bar_1_bar_sinkbasin", "agent1"]
    assert list(names_of(ids).values()) == ["agent1", "drawer 3", "drawer 2", "drawer 1", "sink 1", "sinkbasin 1"]
