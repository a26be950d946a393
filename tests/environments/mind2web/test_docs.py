"""The world's page shows an episode; here it is made again.

`python tests/environments/mind2web/test_docs.py` writes it anew.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from benchmarks.page import Marks
from environments.mind2web.author import PageAuthor
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.rehearsal import PageRehearsal
from environments.mind2web.sample import flow_steps
from environments.mind2web.world import Mind2WebWorld
from schemas.completion import CompletionRequest
from teachers.scripted import receipt

PAGE = Path(__file__).resolve().parents[3] / "docs" / "worlds" / "mind2web.md"
MARKS = Marks("<!-- made by tests/environments/mind2web/test_docs.py -->", "<!-- end of episode -->")


async def word_episode() -> str:
    """Play a built-in step with the offline teacher and word what was said, and what came of it."""
    world, teacher, parts = Mind2WebWorld(), PageRehearsal(), list[str]()
    step = next(one for one in flow_steps() if one.site.name == "ferrywise" and one.gold.op == "SELECT")
    spec, dialect = PageAuthor(Mind2WebConfig()).derived(step, "interact"), world.dialects["rounds"]
    async with world.open(spec) as environment:
        seen = await environment.reset()
        while not seen.terminated:
            messages = dialect.render(spec, (), seen.observation)
            said = teacher.say(teacher.solve(messages, None))
            parts += [
                f"Round {len(parts) // 4 + 1} shows:",
                f"```\n{seen.observation}\n```",
                "The solver:",
                f"```\n{said}\n```",
            ]
            asked = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=messages)
            seen = await environment.step(dialect.read(receipt(asked, said)).actions[0])
        verdict = await world.judge_reference(environment, 1)
    return "\n\n".join([*parts, f"Verdict: {verdict.name}, reward {verdict.reward:g}."])


async def test_the_episode_on_the_page_is_what_happens() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert MARKS.put(page, await word_episode()) == page


if __name__ == "__main__":
    PAGE.write_text(MARKS.put(PAGE.read_text(encoding="utf-8"), asyncio.run(word_episode())), encoding="utf-8")
