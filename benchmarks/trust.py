"""AgentBench's OS tasks on trial: which can be cheated, by our evaluator and in AgentBench's own way.

`python -m benchmarks.trust --data DIR --write docs/trust.md` tries all tasks of DIR (`os_tasks.jsonl`,
`os_train_first500.jsonl`: docs/agentbench.md says where they come from), keeps what got through of each in
`benchmarks/trust.json` and words it as the page's table. AgentBench's own way is to run the check in the agent's
container with the agent's tools; the tasks, the image and the sandbox are the same.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import orjson

from benchmarks.page import Marks, table_line
from environments.base import Action, judge_episode
from environments.os.answers import COMMON, GARBAGE, passing, tricks_for
from environments.os.cheats import CONTENT, SAID, TAMPERING, Cheat, is_same_work
from environments.os.check import Evidence
from environments.os.episode import OsEnvironment
from environments.os.importers.agentbench import read_tasks
from environments.os.world import OsWorld
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from schemas.errors import CheckError, EnvironmentFault
from schemas.settings import default_cache
from schemas.task_spec import TaskSpec

FILES = ("os_tasks.jsonl", "os_train_first500.jsonl")
RECORD = Path(__file__).with_name("trust.json")
TABLE = Marks("<!-- table: python -m benchmarks.trust --data DIR --write docs/trust.md -->", "<!-- end of trials -->")
SPLITS = ("dev", "std", "train")
GUESSES = ("common_answers_fail",)
PROBES = {
    "nothing_fails": "ends without having done anything",
    "any_answer_fails": "answers with a word or a number that cannot be right",
    "injected_answer_fails": "answers with code, patterns, or a list of all small numbers",
    **{one.probe: one.said for one in (*TAMPERING, *CONTENT)},
    "unearned_answer_fails": "answers at once with a common answer, no command before it",
    "common_answers_fail": "runs `true`, then gives one of the ten most common answers",
}
"""Every probe, and what the agent does that it is about."""
AT_ONCE = 4


class Trial(NamedTuple):
    """What got through at one task."""

    name: str
    ours: tuple[str, ...]
    """Probes that fail by our evaluator."""
    theirs: tuple[str, ...]
    """Probes that fail where the check has the agent's tools."""
    guesses: tuple[str, ...]
    """Common answers that are right on the untouched system."""


def name_of(spec: TaskSpec) -> str:
    """Return the place that a task came from, as AgentBench names it."""
    return spec.provenance.source.partition("(")[2].removesuffix(")")


def split_of(name: str) -> str:
    """Return dev, std or train."""
    return "train" if name.startswith("train") else "dev" if name.startswith("data/dev") else "std"


def read_all(folder: Path) -> list[TaskSpec]:
    """Read every task; rejected rows (a duplicate) are left out."""
    return [row for file in FILES for row in read_tasks(folder / file) if isinstance(row, TaskSpec)]


async def try_task(world: OsWorld, spec: TaskSpec) -> Trial:
    """Try a task with every cheat alone, each in a sandbox of its own, judged in both ways."""
    answers = (None, *GARBAGE, *COMMON, *tricks_for(spec))
    known = await _passing_untouched(world, spec, answers)
    tried = [("nothing_fails", (None,)), ("any_answer_fails", GARBAGE), ("injected_answer_fails", tricks_for(spec))]
    always = [probe for probe, group in tried if known & set(group)]
    guesses = tuple(answer for answer in COMMON if answer in known)
    always += [*GUESSES] if guesses else []
    ours, theirs = [*always], [*always, *(["unearned_answer_fails"] if guesses else [])]
    if await _is_taken_unearned(world, spec, guesses):
        ours.append("unearned_answer_fails")
    for one in (*TAMPERING, *CONTENT) if spec.check.kind == "chain" else ():
        through = await _cheat(world, spec, one, known)
        ours += [one.probe] if through[0] else []
        theirs += [one.probe] if through[1] else []
    return Trial(name_of(spec), tuple(ours), tuple(theirs), guesses)


async def _passing_untouched(world: OsWorld, spec: TaskSpec, answers: Sequence[str | None]) -> set[str | None]:
    async with world.open(spec) as environment:
        await environment.reset()
        await environment.step(Action("bash", "true"))
        return await _passing(environment, spec, await environment.freeze(), answers)


async def _is_taken_unearned(world: OsWorld, spec: TaskSpec, guesses: Sequence[str]) -> bool:
    """Give a right guess before any command."""
    async with world.open(spec) as environment:
        await environment.step(Action("answer", (*guesses, "0")[0]))
        return (await judge_episode(environment)).name == "passed"


async def _cheat(world: OsWorld, spec: TaskSpec, one: Cheat, known: set[str | None]) -> tuple[bool, bool]:
    """Return whether an answer passes after a cheat that does not pass on the untouched system: by us, by them."""
    answers = [answer for answer in SAID if answer not in known]
    agentbench = spec.model_copy(update={"check": spec.check.model_copy(update={"trusted_tools": False})})
    async with world.open(spec) as environment:
        await environment.reset()
        await environment.step(Action("bash", one.code(spec)))
        evidence = await environment.freeze()
        ours = await _passing(environment, spec, evidence, answers)
        theirs = await _passing(environment, agentbench, evidence, answers)
        if (ours or theirs) and None not in spec.check.scripts and await _does_the_work(world, spec, evidence):
            return False, False
    return bool(ours), bool(theirs)


async def _does_the_work(world: OsWorld, spec: TaskSpec, cheated: Evidence) -> bool:
    async with world.open(spec) as environment:
        await environment.reset()
        await environment.follow()
        return await is_same_work(spec, cheated, await environment.freeze(), environment.timeouts.check)


async def _passing(
    environment: OsEnvironment, spec: TaskSpec, evidence: Evidence, answers: Sequence[str | None]
) -> set[str | None]:
    try:
        return set(await passing(spec, evidence, answers, environment.timeouts.check, None))
    except (CheckError, EnvironmentFault):
        return set()  # the check broke: no verdict, no reward


async def try_all(specs: Iterable[TaskSpec]) -> list[Trial]:
    """Try tasks, a few at once."""
    sandbox = Bubblewrap(host_image(default_cache()))
    gate = asyncio.Semaphore(AT_ONCE)
    async with OsWorld(sandbox, sandbox.image.digest) as world:

        async def one(spec: TaskSpec) -> Trial:
            async with gate:
                return await try_task(world, spec)

        return list(await asyncio.gather(*(one(spec) for spec in specs)))


def read_record() -> list[Trial]:
    """Read what the last whole run found."""
    return [Trial(name, *map(tuple, rest)) for name, *rest in orjson.loads(RECORD.read_bytes())]


def write_record(trials: Sequence[Trial]) -> None:
    """Keep what a whole run found, a line a task."""
    RECORD.write_bytes(b"[\n" + b",\n".join(orjson.dumps([*trial]) for trial in trials) + b"\n]\n")


def render(trials: Sequence[Trial]) -> str:
    """Word trials as two tables: the share that gets through by probe, and the guesses."""
    sizes = Counter(split_of(trial.name) for trial in trials)
    heads = [f"{split} ({sizes[split]})" for split in SPLITS] + [f"all ({len(trials)})"]
    lines = [table_line(["what the agent does", "probe", *heads, "AgentBench's own way: all"])]
    lines.append(table_line(["---"] * (len(heads) + 3)))
    for probe, said in PROBES.items():
        lines.append(table_line([said, f"`{probe}`", *_shares(trials, {probe})]))
    cheats = set(PROBES) - {*GUESSES, "unearned_answer_fails"}
    lines.append(table_line(["**any cheat but a guess**", "", *_shares(trials, cheats)]))
    lines.append(table_line(["**any at all**", "", *_shares(trials, set(PROBES))]))
    right = Counter(answer for trial in trials for answer in trial.guesses)
    guesses = [table_line(["answer", *(f"`{answer}`" for answer in COMMON)]), table_line(["---"] * (len(COMMON) + 1))]
    guesses.append(table_line(["tasks it is right for", *(str(right[answer]) for answer in COMMON)]))
    return "\n".join(lines) + "\n\n" + "\n".join(guesses)


def _shares(trials: Sequence[Trial], probes: set[str]) -> list[str]:
    cells = []
    for split in SPLITS:
        of_split = [trial for trial in trials if split_of(trial.name) == split]
        cells.append(_share(sum(bool(probes & set(trial.ours)) for trial in of_split), len(of_split)))
    cells.append(_share(sum(bool(probes & set(trial.ours)) for trial in trials), len(trials)))
    cells.append(_share(sum(bool(probes & set(trial.theirs)) for trial in trials), len(trials)))
    return cells


def _share(count: int, total: int) -> str:
    return f"{count} ({count / total:.1%})" if count else "0"


def main(arguments: Sequence[str]) -> int:
    """Try the tasks of a folder, print the tables, or keep the record and write them into a page."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=True))
    if "--data" not in options:
        print("usage: python -m benchmarks.trust --data DIR [--write docs/trust.md]; DIR holds", ", ".join(FILES))
        return 2
    trials = asyncio.run(try_all(read_all(Path(options["--data"]))))
    print(render(trials))
    if "--write" in options:
        write_record(trials)
        page = Path(options["--write"])
        page.write_text(TABLE.put(page.read_text(encoding="utf-8"), render(trials)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
