"""What people and models read of the world is what it does: the page's episode and the prompt's example, made again."""

from __future__ import annotations

import re
from pathlib import Path

import prompts
from environments.base import judge_episode
from environments.kg.author import derived_spec, inventor
from environments.kg.calls import find_call
from environments.kg.config import KgConfig
from environments.kg.graphs import built_in
from environments.kg.importers.agentbench import IMPORTER
from environments.kg.tools import TOOLS, Workbench
from environments.kg.world import KgWorld
from schemas.message import Message

PAGE = Path(__file__).resolve().parents[3] / "docs" / "worlds" / "kg.md"
SHOWN = 27
"""The built-in question whose episode the page shows."""


async def episode_shown() -> str:
    """Word the episode as its solver sees and says it."""
    spec = derived_spec(inventor().question(0, SHOWN), "page", "replay")
    said: list[str] = []
    async with KgWorld() as world, world.open(spec) as played:
        react = world.dialects["react"].knowing(world.told)
        seen = (await played.reset()).observation
        for index, (action, step) in enumerate(await played.follow()):
            said += [react.observe(seen, index), react.write_text(None, action)]  # type: ignore[attr-defined]
            seen = step.observation
        verdict = await judge_episode(played)
    parts = ", ".join(f"{part.name} {part.value:g}" for part in verdict.parts)
    return "\n\n".join([*said, f"{verdict.name}, reward {verdict.reward:g} ({parts}): {verdict.detail}"])


async def test_the_page_shows_an_episode_as_it_goes() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert f"```text\n{await episode_shown()}\n```" in page


def test_the_page_names_every_setting_tool_and_reason() -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = [*KgConfig.model_fields, *TOOLS, *IMPORTER.reasons, "f1", "exact_match", "executability"]
    assert [name for name in wanted if f"`{name}" not in page] == []


async def test_the_prompt_s_example_is_what_the_graph_says() -> None:
    spec = derived_spec(inventor().question(0, SHOWN), "page", "replay")
    messages: tuple[Message, ...] = KgWorld().dialects["react"].render(spec, (), "?")
    roles = [message.role for message in messages]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] and len(roles) > 15
    ids = {name: thing for thing, name in inventor().facts.names.items()}
    listed = re.search(r"Entities: \[(.*)\]", messages[2].content)
    assert listed is not None
    bench = Workbench(built_in(), {name: ids[name] for name in listed[1].split(", ")})
    for said, answered in zip(messages[3:-2:2], messages[4:-1:2], strict=True):
        call = find_call(said.content.rpartition("Action: ")[2])
        assert call is not None
        assert answered.content == f"Observation: {await bench.call(call.name, call.arguments)}"
    assert messages[-2].content.endswith(f"Final Answer: #{len(bench.variables) - 1}")
    assert await bench.values_of(bench.variables[-1].program)


def test_both_prompts_offer_the_same_tools() -> None:
    declared = [tool["name"] for tool in prompts.load("solve_kg_tools").front["tools"]]
    numbered = re.findall(r"^\d\. (\w+)\(", prompts.load("solve_kg").text, re.MULTILINE)
    assert declared == [*TOOLS, "answer"] and numbered == list(TOOLS)
    for tool in prompts.load("solve_kg_tools").front["tools"][:-1]:
        assert tuple(tool["parameters"]["properties"]) == TOOLS[tool["name"]].parameters


def test_the_prompt_says_how_many_turns_there_are() -> None:
    dialect = KgWorld(max_turns=7).dialects["react"].knowing(KgWorld(max_turns=7).told)
    spec = derived_spec(inventor().question(0, 0), "page", "replay")
    assert "at most 7 actions" in dialect.render(spec, (), "?")[0].content
