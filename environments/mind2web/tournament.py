"""The order of rounds: five candidates at a time, whoever is chosen joins the end of the line, until one is left.

As AgentBench's Mind2Web task does it (THUDM/AgentBench@4717ba1 task.py): the last choice is the prediction; there is
none where the line ran empty or the answer was always A. The last one of the line is never asked about alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

LETTERS = "BCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Of the choices of a round; A is none of them."""
NONE_OF_THEM = "A"
PER_ROUND = 5
TOP = 10
"""Candidates of a step: those whose rank is less."""
_TRIES = 40


@dataclass
class Line:
    """Candidates that wait, and who was chosen last."""

    waiting: list[str]
    per_round: int = PER_ROUND
    asked: list[str] = field(default_factory=list)
    """Those of the round at hand."""
    chosen: str | None = None

    def ask(self) -> bool:
        """Take the next candidates out of the line; False = at most one is left, so that nothing is asked."""
        if len(self.waiting) <= 1:
            self.asked = []
            return False
        self.asked, self.waiting = self.waiting[: self.per_round], self.waiting[self.per_round :]
        return True

    def choose(self, element: str) -> None:
        """Let one of the asked go on."""
        self.waiting.append(element)
        self.chosen = element

    @property
    def prediction(self) -> str | None:
        """The element that was chosen last, once the rounds are over; None where the line ran empty."""
        return self.chosen if self.waiting else None


def play(order: Sequence[str], per_round: int, choose: Callable[[list[str]], str | None]) -> str | None:
    """Play all rounds and return the prediction; `choose` picks one of those that are asked about, or none."""
    line = Line(list(order), per_round)
    while line.ask():
        if (picked := choose(line.asked)) is not None:
            line.choose(picked)
    return line.prediction


def is_reachable(order: Sequence[str], wanted: str, per_round: int = PER_ROUND) -> bool:
    """Whether who chooses `wanted` wherever it is asked about ends with it."""
    return play(order, per_round, lambda asked: wanted if wanted in asked else None) == wanted


def constant_winner(
    order: Sequence[str], places: Sequence[str], wanted: Sequence[str], per_round: int = PER_ROUND
) -> str | None:
    """Return the letter that wins when it is said in every round, whatever the page; None = none does.

    `places` are the candidates in the order of the page, in which a round lists them.
    """
    rank = {name: number for number, name in enumerate(places)}

    def at(number: int) -> Callable[[list[str]], str | None]:
        def choose(asked: list[str]) -> str | None:
            listed = sorted(asked, key=lambda name: rank.get(name, len(rank)))
            return listed[number] if number < len(listed) else None

        return choose

    for number in range(per_round):
        if play(order, per_round, at(number)) in wanted:
            return LETTERS[number]
    return None


def arrange(candidates: Sequence[str], wanted: Sequence[str], key: str, places: Sequence[str]) -> tuple[str, ...]:
    """Shuffle candidates by `key`, so that the first wanted one is reached and no letter alone wins where that can be.

    The original shuffles once, whatever comes of it (seed 123).
    """
    orders = [_shuffled(candidates, f"{key}/{number}") for number in range(_TRIES)]
    fair = [order for order in orders if is_reachable(order, wanted[0])]
    return next((one for one in fair if constant_winner(one, places, wanted) is None), (fair or orders)[0])


def _shuffled(candidates: Sequence[str], key: str) -> tuple[str, ...]:
    order = list(candidates)
    random.Random(key).shuffle(order)
    return tuple(order)
