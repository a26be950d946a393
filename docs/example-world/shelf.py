"""Shelf: a whole world in one file, to copy. Numbers stand on a shelf under names; a task asks for a change.

docs/architecture.md walks through it. It is spoken to with native tools, in one conversation or in rounds.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import prompts
from environments.base import (
    Action,
    Ask,
    Author,
    Dialect,
    Draw,
    Environment,
    Honest,
    Step,
    World,
    judge_episode,
    no_action,
)
from environments.dialects.rounds import Rounds
from environments.dialects.tool_calls import ToolCalls
from environments.self_instruct import request_key
from schemas.completion import Completion
from schemas.episode import Verdict
from schemas.message import Message
from schemas.record import Record, digest
from schemas.rejection import Refusal
from schemas.task_spec import Check, Probe, Provenance, Setup, TaskSpec

SOLVE = prompts.from_file(Path(__file__).with_name("shelf_solve.md"))
GENERATE = prompts.from_file(Path(__file__).with_name("shelf_generate.md"))


class ShelfConfig(Record):
    """`[worlds.shelf]` of a configuration."""

    requests: int = 12


class ShelfEnvironment(Environment):
    """A shelf of its own for one episode."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    async def reset(self) -> Step:
        """Fill the shelf from the task's state, which this world alone reads."""
        self.shelf, self.is_done = json.loads(self.spec.setup.state or "{}"), False
        return Step(self.spec.instruction)

    async def step(self, action: Action) -> Step:
        if action.kind == "look":
            return Step(json.dumps(self.shelf, sort_keys=True))
        if action.kind == "put":
            put = action.arguments or {}
            if not isinstance(put.get("value"), int):
                return Step("put takes a name and a whole number")
            self.shelf[str(put["name"])] = put["value"]
            return Step("ok")
        if action.kind == "done":
            self.is_done = True
            return Step("", terminated=True)
        raise no_action(self.spec.environment, action.kind, "look, put, done")

    async def follow(self) -> tuple[tuple[Action, Step], ...]:
        """Put what the reference puts, then be done."""
        puts = [Action.of("put", json.loads(script.code)) for script in self.spec.reference]
        return tuple([(action, await self.step(action)) for action in (*puts, Action("done"))])

    async def verify(self) -> Verdict:
        right = ShelfEnvironment(self.spec)
        await right.reset()
        await right.follow()
        passed = self.is_done and self.shelf == right.shelf
        return Verdict(name="passed" if passed else "failed", reward=float(passed), detail=await self.fingerprint())

    async def fingerprint(self) -> str:
        return json.dumps(self.shelf, sort_keys=True)


class ShelfAuthor(Author):
    async def asks(self, draw: Draw) -> list[Ask]:
        """Ask for a change that has to do with a number, so that no two requests are the same."""
        keys = [request_key(draw, "shelf", i) for i in self.positions(draw.generate, draw.index)]
        texts = [GENERATE.render(number=int(digest(key)[:6], 16)) for key in keys]
        return [Ask((Message(role="user", content=t),), GENERATE, k) for t, k in zip(texts, keys, strict=True)]

    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        try:
            made = json.loads(completion.reply)
            return TaskSpec.make(
                environment="shelf",
                instruction=made["problem"],
                setup=Setup(state=json.dumps(made["shelf"], sort_keys=True)),
                reference=[{"code": json.dumps({"name": n, "value": v})} for n, v in made["puts"].items()],
                check=Check(kind="shelf"),
                origin="self_instruct",
                provenance=Provenance(source=ask.key),
            )
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            return Refusal("not_a_task", f"{error!r} in {completion.reply[:200]!r}")


class ShelfWorld(World):
    name, max_turns, Config = "shelf", 6, ShelfConfig
    dialects: Mapping[str, Dialect] = {"tools": ToolCalls(SOLVE), "rounds": Rounds(ToolCalls(SOLVE))}

    @property
    def author(self) -> ShelfAuthor:
        return ShelfAuthor(self.config.requests)

    def open(self, spec: TaskSpec) -> ShelfEnvironment:
        return ShelfEnvironment(spec)

    def claim(self, spec: TaskSpec) -> Action:
        return Action("done")

    async def probes(self, spec: TaskSpec, honest: Honest) -> AsyncIterator[Probe]:
        """Cheat: do the work, and put something else beside it."""
        async with self.open(spec) as shelf:
            await shelf.reset()
            await shelf.step(Action.of("put", {"name": "left behind", "value": 1}))
            await shelf.follow()
            verdict = await judge_episode(shelf)
        yield Probe(name="left_behind_fails", passed=verdict.name == "failed", detail=verdict.detail)
