"""The household world's part of the offline teacher: makes up tasks in a home and plays them, from prompts alone.

It plays as the explorer does (`explorer.py`), who knows no more than the conversation shows.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path

import orjson

import prompts
from environments.alfworld.brief import is_brief, read_brief, topic_of
from environments.alfworld.dialect import PUT, AlfworldDialect
from environments.alfworld.drafts import faults_for, write_draft
from environments.alfworld.engine import ACT
from environments.alfworld.explorer import Choice, Explorer
from environments.alfworld.home import Grammar
from environments.alfworld.sentences import read_sentence
from environments.alfworld.wanted import KINDS, Wanted
from rehearsals.base import Move, find_tool
from schemas.message import Message

PROMPT, TOOLS = "solve_alfworld", "solve_alfworld_tools"
SOLVER_FAULTS = ("claimed_write", "gives_up", "malformed", "other_form", "repeats")
_SLOT = "\0"
_TASK = "Your task is to: "


class AlfworldRehearsal:
    """Drafts tasks in the home of a prompt, and plays games turn by turn."""

    @cached_property
    def _asking(self) -> str:
        inputs = {"put": PUT["put"], "kind": KINDS[0], "world": {}}
        return prompts.load(PROMPT).sections(problem=_SLOT, **inputs)[-1].partition(_SLOT)[0]

    @cached_property
    def _system(self) -> str:
        """Return how the tools' system message begins, up to where it differs."""
        return prompts.load(TOOLS).text.partition("{{")[0]

    @cached_property
    def _reader(self) -> AlfworldDialect:
        return AlfworldDialect(prompts.load(PROMPT))

    def drafts(self, prompt: str) -> bool:
        """Whether the text is the household world's generation prompt."""
        return is_brief(prompt)

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        """Write a generation reply: something that can be done in the home of the prompt, or with a planted fault not.

        Raises:
            ValueError: it is no generation prompt of this world.
        """
        return write_draft(read_brief(prompt), topic_of(prompt), rng, fault)

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        """Name the task faults that a draft for this prompt can show."""
        return faults_for(read_brief(prompt), topic_of(prompt))

    def problem(self, messages: Sequence[Message]) -> str | None:
        """Return the task where this is the household world's solver conversation, else None."""
        at = self._asked_at(messages)
        return None if at is None else messages[at].content.removeprefix(self._asking)

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        """Name the solver faults that an episode on this problem can show."""
        known = read_sentence(problem.rpartition(_TASK)[2])
        return SOLVER_FAULTS if known else tuple(fault for fault in SOLVER_FAULTS if fault != "other_form")

    def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
        """Make the solver's next move, from the task and what was shown since.

        Raises:
            ValueError: this is not the household world's solver conversation.
        """
        at = self._asked_at(messages)
        if at is None:
            raise ValueError("no household in this conversation; `problem` says whether there is one")
        said = self._said(messages[at + 1 :])
        if fault in ("gives_up", "claimed_write") and (fault == "gives_up" or said):
            word = "given_up" if fault == "gives_up" else "claimed"
            return Move(_words("stuck", word), ACT, "give up" if fault == "gives_up" else "done")
        if fault == "malformed" and len(said) >= len(messages[at].content) % 3:
            return Move(None, ACT, raw=f"THOUGHT: {_words('stuck', 'malformed')}")
        intro, _, sentence = messages[at].content.rpartition(_TASK)
        wanted, put = read_sentence(sentence), self._grammar(messages[:at])
        if wanted is None:
            return Move(_words("stuck", "unknown"), ACT, "look")
        move = self._move(Explorer(wanted, put, intro), [] if fault == "repeats" else said)
        if fault != "other_form":
            return move
        in_words = any("ACTION:" in message.content for message in messages[:at])
        return _otherwise(move, in_words)

    def _move(self, player: Explorer, said: Sequence[tuple[str, str]]) -> Move:
        for command, shown in said:
            player.saw(command, shown)
        choice = player.choose()
        if choice is None:
            return Move(_words("stuck", "given_up"), ACT, "give up")
        return Move(thought_for(choice, player.wanted, is_first=not said), ACT, choice.command)

    def _said(self, messages: Sequence[Message]) -> list[tuple[str, str]]:
        """Return what was done so far, each with what it showed."""
        done: list[tuple[str, str]] = []
        command = ""
        for message in messages:
            if message.role == "assistant":
                command = self._command(message)
            else:
                done.append((command, message.content))
        return done

    def _command(self, message: Message) -> str:
        if message.tool_calls:
            given = orjson.loads(message.tool_calls[0].arguments or "{}")
            return str(given.get("action", "")).strip() if isinstance(given, dict) else ""
        actions = self._reader.read_text(message.content).actions
        return actions[0].text if actions else ""

    def _grammar(self, messages: Sequence[Message]) -> Grammar:
        told = "\n".join(message.content for message in messages)
        return "move" if PUT["move"] in told else "put"

    def say(self, move: Move) -> str:
        """Word a move as `environments/alfworld/dialect.py` reads it."""
        if move.raw is not None:
            return move.raw
        return f"THOUGHT: {move.thought}\nACTION: {move.text}" if move.thought else f"ACTION: {move.text}"

    def tool_of(self, kind: str) -> tuple[str, str | None]:
        """Name the tool for a kind of action, and the argument that carries its text."""
        return find_tool(TOOLS, kind)

    def _asked_at(self, messages: Sequence[Message]) -> int | None:
        """Return where the task stands: after the tools' system message, or behind the words of the text prompt."""
        if len(messages) > 1 and messages[0].role == "system" and messages[0].content.startswith(self._system):
            return 1
        places = range(len(messages))
        asked = (i for i in places if messages[i].role == "user" and messages[i].content.startswith(self._asking))
        return next(asked, None)


def thought_for(choice: Choice, wanted: Wanted, *, is_first: bool) -> str:
    """Return what is thought before an action."""
    known = {"thing": wanted.thing, "place": wanted.place, "lamp": wanted.lamp, "about": choice.about}
    if is_first:
        return _words("plan", wanted.kind).format(**known)
    if choice.command.startswith("go to "):
        return _words("go", choice.purpose).format(**known)
    verb = choice.command.partition(" ")[0]
    is_open = verb == "open" and choice.purpose != "search"
    return _words("do", "open" if is_open else "examine" if verb == "examine" else choice.purpose).format(**known)


def _otherwise(move: Move, in_words: bool) -> Move:
    """Word a putting down as people do: in words the nearest command is meant, and of a call's argument all but its
    blanks is taken as it stands."""
    return Move(move.thought, move.kind, move.text.replace(" in/on ", " on ") if in_words else f" {move.text} ")


def _words(part: str, name: str) -> str:
    return _thoughts()[part][name]


@cache
def _thoughts() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(Path(__file__).with_name("thoughts.toml").read_text(encoding="utf-8"))
