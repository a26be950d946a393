"""Plays the episode that docs/worlds/webshop.md shows, turn by turn: `python -m benchmarks.webshop_episode --write`.

It is the gold solver's, on the first goal of the built-in shop; nothing of it is written by hand.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from benchmarks.page import Marks, table_line
from environments.base import judge_episode
from environments.webshop.actions import write_action
from environments.webshop.world import WebShopWorld
from schemas.task_spec import TaskSpec

PAGE = Path(__file__).resolve().parents[1] / "docs" / "worlds" / "webshop.md"
EPISODE = Marks("<!-- episode: python -m benchmarks.webshop_episode --write -->", "<!-- end of episode -->")


def play(home: Path) -> str:
    """Return the episode as Markdown: what was seen, what was done, and the reward with its parts."""
    return asyncio.run(_play(WebShopWorld(home)))


async def _play(world: WebShopWorld) -> str:
    assert world.author is not None
    first = await anext(aiter(world.author.derive(frozenset())))
    assert isinstance(first, TaskSpec)
    async with world, world.open(first) as visit:
        seen = [(await visit.reset()).observation]
        turns = await visit.follow()
        seen += [step.observation for _, step in turns]
        verdict = await judge_episode(visit)
    said = [f"```\n{page}\n```\n\n`{write_action(action)}`\n" for page, (action, _) in zip(seen, turns, strict=False)]
    parts = [table_line(("part", "value")), "|---|---|"]
    parts += [table_line((f"`{part.name}`", f"{part.value:g}")) for part in verdict.parts]
    return "\n".join([*said, f"Reward {verdict.reward:g}: {verdict.detail}.\n", *parts])


def main(arguments: list[str]) -> None:
    """Print the episode, or write it into its page."""
    with tempfile.TemporaryDirectory() as folder:
        episode = play(Path(folder))
    if "--write" in arguments:
        PAGE.write_text(EPISODE.put(PAGE.read_text(encoding="utf-8"), episode), encoding="utf-8")
    else:
        print(episode)


if __name__ == "__main__":
    main(sys.argv[1:])
