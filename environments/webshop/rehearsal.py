"""The shop's part of the offline teacher: wishes for products that a prompt shows, and a shopper who knows the shop.

Implements `rehearsals.base.Rehearsal`. The shopper knows the built-in shelves by heart, as nobody else does; in another
shop it looks at titles. What it is shown stands in the conversation alone.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import prompts
from environments.webshop import shopper, wishing
from rehearsals.base import Move, find_tool
from schemas.message import Message

TASK_FAULTS = ("reference_fails",)


class WebShopRehearsal:
    """Words wishes and buys."""

    def drafts(self, prompt: str) -> bool:
        """Whether the text is the shop's generation prompt."""
        return prompt.startswith(prompts.load("generate_webshop").text.partition("{{")[0])

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        """Write a wish for the product that the prompt shows; the fault is a highest price below the product's."""
        return wishing.write_draft(prompt, rng, fault)

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        """Name the task faults that a draft can show."""
        return TASK_FAULTS

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Return the wish where this is the shop's solver conversation, else None."""
        visit = shopper.locate(messages)
        return None if visit is None else visit.wish

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode can show."""
        return shopper.FAULTS if shopper.recognise(problem) else shopper.FAULTS_UNKNOWN

    def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
        """Make the shopper's next move.

        Raises:
            ValueError: this is not the shop's solver conversation.
        """
        visit = shopper.locate(messages)
        if visit is None:
            raise ValueError("no wish in this conversation; `problem` says whether there is one")
        return shopper.move(visit, fault)

    def say(self, move: Move) -> str:
        """Word a move as `environments/webshop/dialect.py` reads it."""
        if move.raw is not None:
            return move.raw
        lead = f"Thought:\n{move.thought}\n\n" if move.thought else ""
        return f"{lead}Action:\n{move.kind}[{move.text}]"

    def tool_of(self, kind: str) -> tuple[str, str | None]:
        """Name the tool for a kind of action, and the argument that carries its text."""
        return find_tool("solve_webshop_tools", kind)
