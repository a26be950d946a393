"""One contract for every world: ours, and what an installed package announces.

A world is tried on honest tasks, one TaskSpec a line: ours stand beside this file as `<name>.jsonl`; one from outside
is named with its file:

    TRAJMILL_CONFORMANCE=shelf=docs/example-world/shelf_tasks.jsonl pytest tests/environments/conformance
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from environments.admission import admit
from environments.agreement import find_agreements
from environments.base import Action, Dialect, Draw, Place, Reading, World, answer_in, judge_episode
from environments.endings import Ending
from environments.registry import make_world, world_names
from schemas.completion import Completion, CompletionRequest
from schemas.episode import Episode, Solver, Turn
from schemas.errors import ConfigError, EnvironmentFault
from schemas.message import Message, ToolCall
from schemas.record import digest
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig, RunConfig
from schemas.settings import default_cache
from schemas.task_spec import TaskSpec
from tasks.collect.journal import NoJournal
from tasks.collect.roll_out import Attempt, Rules, replay_reference, roll_out
from tasks.verify.episode import verify_episode
from teachers.scripted import receipt

LONG_REPLY = 16_000
USER = Message(role="user", content="?")
GARBAGE = ("", "I cannot do that.", "{}", "### Problem\n", "null", "```", "[1, 2]", '{"problem": 1}')
NAMED = dict(pair.split("=", 1) for pair in os.environ.get("TRAJMILL_CONFORMANCE", "").split(",") if pair)
FILES = {name: Path(__file__).with_name(f"{name}.jsonl") for name in world_names()} | {
    n: Path(f) for n, f in NAMED.items()
}
SAMPLES = [
    pytest.param(name, line, id=f"{name}-{number}")
    for name, path in FILES.items()
    if path.is_file() and (not NAMED or name in NAMED)
    for number, line in enumerate(path.read_bytes().splitlines())
]
WORLDS = list(dict.fromkeys(sample.values[0] for sample in SAMPLES))


def test_every_world_is_tried() -> None:
    wanted = {name: path for name, path in FILES.items() if not NAMED or name in NAMED}
    untried = {name: str(path) for name, path in wanted.items() if name not in WORLDS}
    assert not untried, "no tasks in these files: one TaskSpec a line (docs/architecture.md)"


@pytest.fixture
def make(tmp_path: Path) -> Any:
    def make_one(name: str, **section: Any) -> World:
        config = RunConfig.model_validate({"worlds": {name: section}})
        return make_world(name, Place(config, tmp_path, default_cache()))

    return make_one


@pytest.fixture
async def world(name: str, make: Any) -> AsyncIterator[World]:
    async with make(name) as opened:
        yield opened


@pytest.fixture
def spec(name: str, line: bytes) -> TaskSpec:
    fields = orjson.loads(line)
    made = TaskSpec.make(**{"provenance": {"source": "conformance"}, "origin": "own", **fields})
    assert made.environment == name, f"a task of the world {made.environment!r} is no sample of {name!r}"
    return made


# What is known of a world before anything is opened.


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_is_looked_at_without_being_opened(name: str, make: Any) -> None:
    world = make(name)
    assert world.name == name and world.max_turns > 0 and 0 < world.threshold <= 1
    for word, dialect in world.dialects.items():
        assert dialect.name == word and dialect.contract >= 1 and len(dialect.prompt.sha256) == 64
        for tool in dialect.tools():
            assert tool.name and tool.description and orjson.loads(tool.parameters)["type"] == "object"


@pytest.mark.parametrize("name", WORLDS)
def test_an_unknown_key_of_its_section_is_told(name: str, make: Any) -> None:
    with pytest.raises(ConfigError, match="no_such_key"):
        make(name, no_such_key=1)


@pytest.mark.parametrize("name", WORLDS)
async def test_its_id_is_the_same_whoever_opens_it(name: str, make: Any) -> None:
    async with make(name) as one, make(name) as other:
        assert one.world_id == other.world_id == digest("world", one.card)


# Its environments.


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_the_reference_ends_the_episode_and_passes_twice_alike(world: World, spec: TaskSpec) -> None:
    seen = []
    for _ in range(2):
        async with world.open(spec) as environment:
            first = await environment.reset()
            turns = await environment.follow()
            verdict = await judge_episode(environment)
            assert verdict.name == "passed" and verdict.reward == 1.0, verdict.detail
            assert [step.terminated for _, step in turns] == [False] * (len(turns) - 1) + [True]
            shown = [step.observation for _, step in turns]
            seen.append((first.observation, shown, answer_in(turns), await environment.fingerprint()))
            await environment.close()
            await environment.close()
    assert seen[0] == seen[1]
    assert spec.instruction in seen[0][0]


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_nothing_is_shared_and_a_claim_alone_fails(world: World, spec: TaskSpec) -> None:
    async with world.open(spec) as worker, world.open(spec) as idler:
        await worker.reset()
        await idler.reset()
        await worker.follow()
        await idler.step(world.claim(spec))
        assert (await judge_episode(worker)).name == "passed"
        assert (await judge_episode(idler)).name == "failed"


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_it_tells_whether_two_attempts_ended_alike(world: World, spec: TaskSpec) -> None:
    endings = []
    for is_idle in (False, False, True):
        async with world.open(spec) as environment:
            await environment.reset()
            claim = world.claim(spec)
            turns = ((claim, await environment.step(claim)),) if is_idle else await environment.follow()
            endings.append(Ending(answer_in(turns), await environment.work() or await environment.fingerprint()))
    first, second, idle = endings
    assert await world.same_outcome(spec, first, second)
    assert not await world.same_outcome(spec, first, idle) and not await world.same_outcome(spec, idle, first)
    found = await find_agreements(world, spec, [first, second, idle, idle])
    assert found.groups == (), "who ends as the reference does, or did nothing, is no second opinion"


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_an_action_that_it_does_not_have_is_the_caller_s_fault(world: World, spec: TaskSpec) -> None:
    async with world.open(spec) as environment:
        await environment.reset()
        with pytest.raises(EnvironmentFault, match="no_such_action") as caught:
            await environment.step(Action("no_such_action", "x"))
        assert not caught.value.transient


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_an_honest_task_is_let_in(world: World, spec: TaskSpec) -> None:
    assert world.problem_of(spec) is None
    failed = [probe for probe in await admit(world, spec) if not probe.passed]
    assert not failed


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_a_task_without_a_reference_is_not(world: World, spec: TaskSpec) -> None:
    *_, last = await admit(world, spec.model_copy(update={"reference": ()}))
    assert (last.name, last.passed) == ("has_reference", False)


# Its dialects.


class Sayer:
    """A teacher that says what a dialect writes of given turns, as an endpoint would."""

    def __init__(self, dialect: Dialect, turns: list[Turn]) -> None:
        self.said = iter([dialect.write(turn) for turn in turns])
        self.requests: list[CompletionRequest] = []

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        return completion_of(next(self.said), request)

    async def close(self) -> None: ...


def completion_of(message: Message, request: CompletionRequest) -> Completion:
    made = receipt(request, message.content)
    return made.model_copy(update={"tool_calls": message.tool_calls, "finish_reason": "stop"})


def rules_of(world: World, dialect: Dialect) -> Rules:
    def ask(messages: tuple[Message, ...], attempt: int) -> CompletionRequest:
        asked = {"messages": messages, "tools": dialect.tools(), "attempt": attempt}
        return CompletionRequest(purpose="collect_episodes", teacher="t", model="m", **asked)

    solver = Solver(kind="teacher", model="m", solver_id="s", dialect=dialect.name)
    return Rules(solver, ask, dialect, max(world.max_turns, 12), 100_000)


async def referred(world: World, spec: TaskSpec, dialect: Dialect) -> tuple[Episode, list[Turn]]:
    return await replay_reference(spec, world, rules_of(world, dialect), Attempt(1, 1, 1, "landing"))


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_each_dialect_words_a_turn_and_reads_it_back(world: World, spec: TaskSpec) -> None:
    for dialect in world.dialects.values():
        _, turns = await referred(world, spec, dialect)
        for turn in (one.model_copy(update={"thought": "I know what to do."}) for one in turns):
            assert dialect.reads_back(turn)
            request = rules_of(world, dialect).request((Message(role="user", content="?"),), 1)
            reading = dialect.read(completion_of(dialect.write(turn), request))
            assert [(one.kind, one.text) for one in reading.actions] == [(turn.action_kind, turn.action)]
            assert reading.thought == turn.thought


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_the_loop_plays_each_dialect_and_the_proof_runs_again(world: World, spec: TaskSpec) -> None:
    for dialect in world.dialects.values():
        reference, turns = await referred(world, spec, dialect)
        assert reference.verdict == "passed", reference.verdict_detail
        teacher, rules = Sayer(dialect, turns), rules_of(world, dialect)
        episode, played = await roll_out(spec, world, teacher, rules, Attempt(1, 1, 1, "landing"), NoJournal())
        assert (episode.outcome, episode.verdict) == ("finished", "passed"), episode.verdict_detail
        assert [(t.action_kind, t.action, t.observation) for t in played] == [
            (t.action_kind, t.action, t.observation) for t in turns
        ]
        assert not (await verify_episode(spec, world, episode, played)).differences
        for conversation in dialect.conversations(spec, played):
            check_conversation(conversation, has_tools=bool(dialect.tools()))


def check_conversation(messages: tuple[Message, ...], *, has_tools: bool) -> None:
    """Whether trainers and chat templates can take it: roles in turn, calls answered, only replies trained on."""
    assert messages[-1].role == "assistant" and messages[-1].train
    assert {message.role for message in messages if message.train} == {"assistant"}
    assert all(not message.tool_calls for message in messages if message.role != "assistant")
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if message.role == "tool":
            assert message.tool_call_id == waiting.pop(0)
        else:
            assert not waiting and (message.role != "system" or index == 0)
        waiting += [call.call_id for call in message.tool_calls]
        assert all(isinstance(orjson.loads(call.arguments), dict) for call in message.tool_calls)
    assert bool(messages[-1].tool_calls) == has_tools


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_what_cannot_be_read_is_told_and_never_run(world: World, spec: TaskSpec) -> None:
    for dialect in world.dialects.values():
        request = rules_of(world, dialect).request((Message(role="user", content="?"),), 1)
        reading = dialect.read(receipt(request, "I would rather talk about the weather."))
        assert reading.actions == () and reading.problem


@pytest.mark.parametrize(("name", "line"), SAMPLES)
async def test_arguments_of_any_type_break_no_episode(world: World, spec: TaskSpec) -> None:
    """A model may write anything where a schema asks for something: it is the solver's fault, or the world takes it."""
    for dialect in world.dialects.values():
        for tool in dialect.tools():
            for value in ([], {"a": 1}, None, True, 7, "x", 1e9):
                arguments = dict.fromkeys(orjson.loads(tool.parameters).get("properties", {}), value)
                call = ToolCall(call_id="1", name=tool.name, arguments=orjson.dumps(arguments).decode())
                request = rules_of(world, dialect).request((Message(role="user", content="?"),), 1)
                reading = dialect.read(receipt(request, "").model_copy(update={"tool_calls": (call,)}))
                async with world.open(spec) as environment:
                    await environment.reset()
                    seen = [await environment.step(action) for action in reading.actions]
                assert seen or reading.problem


LINES = {
    "labels": "Action:",
    "labelled lines": "Thought: x\nAction: look\n",
    "labels without words": "ACTION:\n",
    "blocks that open": "```json\n{",
    "blocks in here-documents": "```bash\ncat <<A\n",
    "blocks with a label": "Act 1: action ```json\n[",
    "brackets": "(",
    "mixed brackets": "[{(",
    "tags": "<tool_call>",
    "thinking": "<think>",
    "braces and quotes": '{"a": "',
    "backslashes": "\\",
    "backquotes": "`",
    "stars": "**Action** ",
    "blanks": " \t",
    "empty lines": "\n",
    "numbered": "1. Action: a ```b``` ",
    "headings": "### Problem\n### Solution\n",
    "calls": "answer(",
    "statements": "SELECT ';' -- ",
}
"""What a reply may repeat; a reader that goes back over it for each one holds every other episode up."""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("repeated", LINES.values(), ids=LINES)
@pytest.mark.parametrize("name", WORLDS)
async def test_a_long_reply_holds_nobody_up(world: World, repeated: str) -> None:
    text = repeated * (LONG_REPLY // len(repeated))
    request = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=(USER,))
    for dialect in world.dialects.values():
        assert isinstance(dialect.read(receipt(request, text)), Reading)
    if world.author is not None:
        draw = Draw(GenerateConfig(rounds=2), seed=3, build=1, index=1, machine_made=())
        ask = (await world.author.asks(draw))[0]
        assert len(world.author.read_all(receipt(request, text), ask, range(ask.tasks))) >= ask.tasks


# Its author.


@pytest.mark.parametrize("name", WORLDS)
async def test_an_author_asks_the_same_twice_and_reads_anything(world: World) -> None:
    if world.author is None:
        pytest.skip(f"the {world.name} world has no author: its tasks are imported")
    draw = Draw(GenerateConfig(rounds=2), seed=3, build=1, index=1, machine_made=())
    asks, again = [await world.author.asks(draw) for _ in range(2)]
    assert sum(ask.tasks for ask in asks) == len(world.author.positions(draw.generate, 1)) > 0
    assert [(ask.key, ask.messages) for ask in asks] == [(ask.key, ask.messages) for ask in again]
    assert len({ask.key for ask in asks}) == len(asks)
    asked = {"messages": asks[0].messages}
    request = CompletionRequest(purpose="generate_tasks", teacher="t", model="m", **asked)
    for garbage in GARBAGE:
        assert isinstance(world.author.read(receipt(request, garbage), asks[0]), Refusal), garbage
        parts = world.author.read_all(receipt(request, garbage), asks[0], range(asks[0].tasks))
        assert [type(part.told) for part in parts] == [Refusal] * asks[0].tasks, garbage
