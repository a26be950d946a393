"""How a conversation in the shop is written and read: AgentBench's protocol, a thought and one search or click a turn.

Source: THUDM/AgentBench @578c5e9f webshop/task.py and its first prompt. `react` reads what models write, `agentbench`
what the benchmark's own pattern finds and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from environments.base import Action, Reading
from environments.dialects.forms import CUT, Form, NoAct
from environments.dialects.prompted import in_turn
from environments.dialects.react import ReAct
from environments.dialects.text import TextDialect
from schemas.message import Message
from schemas.task_spec import TaskSpec

_OPENING = re.compile(r"\s*[*_`]*\s*[:：]?\s*([\[(（【])")
_CLOSING = {"[": "]", "(": ")", "（": "）", "【": "】"}
_LED = re.compile(r"[\s:：=*_`]+|(?:for|on|the button)\b|value|keywords?|query", re.IGNORECASE)
_QUOTES = "\"'`“”‘’"
_ACTION = re.compile(r"[Aa]ction: *\n *((search|click)\[.+?])")
"""The benchmark's own pattern."""
_LABEL = re.compile(r"\A\s*Thought:\s*", re.IGNORECASE)


class ShopText(TextDialect):
    """Words turns in the shop: everything but the reading."""

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        """Return the instructions, the acknowledgement and a purchase as an example."""
        *before, _ = self.prompt.sections(observation="", world=self.told)
        return in_turn(before)

    def observe(self, observation: str, index: int) -> str:
        """Word a page; the first one is worded like the others."""
        return f"Observation:\n{observation}"

    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a turn as the benchmark asks for it."""
        lead = f"Thought:\n{thought}\n\n" if thought else ""
        return f"{lead}Action:\n{action.kind}[{action.text}]"


class ShopReAct(ShopText, ReAct):
    """The protocol as models write it."""

    forms: ClassVar[tuple[Form, ...]] = (
        Form(
            "search",
            frozenset(["search", "searchaction", "searchfor", "query", "find"]),
            ("keywords", "query", "search", "text", "value", "keyword", "input"),
        ),
        Form(
            "click",
            frozenset(["click", "clickaction", "clickon", "press", "select", "choose"]),
            ("value", "click", "button", "element", "text", "target", "input"),
        ),
    )
    invented: ClassVar[tuple[str, ...]] = ("Observation:", "Available Actions:")
    missing = "no `Action:` with search[keywords] or click[value]"

    def answer_of(self, region: Sequence[str], *, is_cut: bool) -> str:
        """Return what is searched for or clicked: what stands in the brackets, or the rest of the line."""
        line = next((line for line in region if line.strip()), "")
        bracketed = _in_brackets(line)
        if bracketed is None and is_cut and line == region[-1]:
            raise NoAct(CUT)
        text = line if bracketed is None else bracketed
        while bracketed is None and (led := _LED.match(text)) and led.end():
            text = text[led.end() :]
        text = re.sub(r"^\s*(?:value|keywords?|query)\s*[=:]\s*", "", text).strip().strip(_QUOTES).strip("*").strip()
        if not text:
            raise NoAct("search or click came without its text: search[keywords], click[value]")
        return text


def _in_brackets(line: str) -> str | None:
    """Return what stands in the brackets that a line begins with, up to the one that closes them; None = in none."""
    opening = _OPENING.match(line)
    if opening is None:
        return None
    mark, depth = opening[1], 0
    for place in range(opening.end() - 1, len(line)):
        depth += (line[place] == mark) - (line[place] == _CLOSING[mark])
        if not depth:
            return line[opening.end() : place]
    return None


class AgentBenchShop(ShopText):
    """The benchmark's reading."""

    name = "agentbench"

    def read_text(self, reply: str) -> Reading:
        """Read a reply; the first action on a line of its own behind `Action:` counts."""
        found = _ACTION.search(reply)
        if found is None:
            return Reading(None, (), "no `Action:` and, on the line below, search[...] or click[...]", reply.strip())
        thought = _LABEL.sub("", reply[: found.start()]).strip() or None
        kind, _, text = found[1].partition("[")
        return Reading(thought, (Action(kind, text.removesuffix("]")),))
