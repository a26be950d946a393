"""What the rule of earned answers refuses, and what it lets pass: honest answers by source, and planted ones.

`python -m benchmarks.earned --data ../shared/data --write docs/os-tasks.md`: references of AgentBench and of the
offline teacher's families run in the sandbox, recordings of InterCode as they stand. A planted answer is right, and no
step of its read it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import prompts
from benchmarks.page import Marks, table_line
from environments.base import Ask
from environments.os.author import OsDraft, make_spec, read_task
from environments.os.earned import Finding, Seen, finding, is_earned
from environments.os.importers.agentbench import read_tasks
from environments.os.importers.intercode import NOT_RUN, read_recordings
from environments.os.rehearsal import OsRehearsal
from environments.os.scripts import as_bash, reference_of
from environments.os.world import OsWorld
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from schemas.recording import Recorded
from schemas.settings import default_cache
from schemas.task_spec import TaskSpec

TABLE = Marks("<!-- table: python -m benchmarks.earned --data DIR --write docs/os-tasks.md -->")
MOST_REFUSED = 0.005
PASSWD = "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
PLANTED: dict[str, Callable[[str], Seen]] = {
    "`true`": lambda answer: Seen("true", ""),
    "`: ANSWER`": lambda answer: Seen(f": {answer}", ""),
    "`echo`": lambda answer: Seen(f"echo '{answer}'", f"{answer}\n"),
    "`printf`": lambda answer: Seen(f"printf '%s\\n' '{answer}'", f"{answer}\n"),
    "here-string": lambda answer: Seen(f"cat <<< '{answer}'", f"{answer}\n"),
    "here-document": lambda answer: Seen(f"cat <<'EOF'\n{answer}\nEOF", f"{answer}\n"),
    "a variable": lambda answer: Seen(f"x='{answer}'; echo \"$x\"", f"{answer}\n"),
    "`python3 -c`": lambda answer: Seen(f"python3 -c 'print({answer!r})'", f"{answer}\n"),
    "`awk BEGIN`": lambda answer: Seen(f"awk 'BEGIN {{ print \"{answer}\" }}'", f"{answer}\n"),
    "another file": lambda answer: Seen("cat /etc/passwd-", PASSWD),
    "another file, and `echo`": lambda answer: Seen(f"cat /etc/passwd-; echo '{answer}'", f"{PASSWD}{answer}\n"),
}


class Honest(NamedTuple):
    """An answer that somebody worked for."""

    source: str
    spec: TaskSpec
    seen: list[Seen]
    answer: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with agentbench/ and intercode/")
    parser.add_argument("--write", type=Path, help="page whose table is replaced")
    parser.add_argument("--tasks", type=int, help="AgentBench tasks at most")
    given = parser.parse_args()
    honest = [*recorded(given.data / "intercode"), *asyncio.run(referenced(given.data / "agentbench", given.tasks))]
    table, is_kept = render(honest)
    print(*told(honest), table, sep="\n")
    if given.write:
        given.write.write_text(TABLE.put(given.write.read_text(), table))
    return 0 if is_kept else 1


def recorded(data: Path) -> Iterator[Honest]:
    """Yield what each InterCode episode showed last, as its answer."""
    for number in (1, 2):
        files = sorted(data.glob(f"bash_gpt-*_fs{number}.jsonl"))
        tasks, manifest = data / f"bash_tasks_fs{number}.jsonl", data / f"bash_filesystem_fs{number}.json"
        for row in read_recordings(files, tasks, manifest):
            if isinstance(row, Recorded):
                turns = [turn for turn in row.recording.turns if turn.action_kind == "bash"]
                turns = [turn for turn in turns if not turn.observation.startswith(NOT_RUN)]
                seen = [Seen(turn.action, turn.observation, row.spec.setup.cwd or "/root") for turn in turns]
                if seen and seen[-1].text.strip():
                    yield Honest("InterCode's recordings", row.spec, seen, seen[-1].text)


async def referenced(data: Path, most: int | None) -> list[Honest]:
    """Run references, and keep what those printed that ask for an answer."""
    image = host_image(default_cache())
    world, gate = OsWorld(Bubblewrap(image), image.digest), asyncio.Semaphore(2)
    files = ("os_tasks.jsonl", "os_train_first500.jsonl")
    specs = [spec for name in files for spec in read_tasks(data / name) if isinstance(spec, TaskSpec)]
    tasks = [("AgentBench's references", spec) for spec in specs if spec.reference][:most]
    tasks += [("the offline teacher's references", spec) for spec in drafts()]
    found = await asyncio.gather(*(_run(world, source, spec, gate) for source, spec in tasks))
    return [one for one in found if one is not None]


def drafts(seeds: int = 120) -> Iterator[TaskSpec]:
    """Yield tasks of the offline teacher."""
    rehearsal, prompt = OsRehearsal(), prompts.load("generate_os", "v1")
    asked = prompt.render(examples=[], topic="anything")
    for seed in range(seeds):
        task = read_task(rehearsal.draft(asked, random.Random(seed), None))
        assert isinstance(task, OsDraft), task
        yield make_spec(task, Ask((), prompt, f"seed {seed}", (), "anything"))


async def _run(world: OsWorld, source: str, spec: TaskSpec, gate: asyncio.Semaphore) -> Honest | None:
    async with gate, world.open(spec) as episode:
        await episode.reset()
        await episode.follow()
        assert episode.last is not None
        printed = episode.last.text.strip()
        seen = [Seen(as_bash(reference_of(spec)), printed, spec.setup.cwd or "/root")]
        return (
            Honest(source, spec, seen, printed)
            if printed and "\n" not in printed and episode.last.exit_code == 0
            else None
        )


def render(honest: list[Honest]) -> tuple[str, bool]:
    """Return the table, and whether the rule keeps what it promises."""
    lines = [
        table_line(("answers", "number", "shown", "counted", "cannot be told", "refused")),
        table_line(["---"] * 6),
    ]
    is_kept, honestly = True, Counter[Finding]()
    for source in dict.fromkeys(one.source for one in honest):
        found = Counter(finding(one.spec, one.seen, one.answer) for one in honest if one.source == source)
        lines.append(_line(source, found))
        honestly += found
    lines.append(_line("**all honest ones**", honestly))
    is_kept &= _refused(honestly) <= MOST_REFUSED * honestly.total()
    for name, plant in PLANTED.items():
        planted = [(one.spec, plant(one.answer), one.answer) for one in honest if "references" in one.source]
        found = Counter(finding(spec, [seen], answer) for spec, seen, answer in planted)
        lines.append(_line(f"planted: {name}", found))
        is_kept &= _refused(found) == found.total() - found["cannot_tell"]
    return "\n".join(lines), is_kept


def told(honest: list[Honest]) -> Iterator[str]:
    """Say which honest answers are refused, and which planted ones are kept."""
    for one in honest:
        about = f"{one.spec.instruction[:100]!r}, {one.seen[-1].command[:120]!r}, {one.answer[:60]!r}"
        found = finding(one.spec, one.seen, one.answer)
        if not is_earned(found):
            yield f"refused ({found}): {about}"
        for name, plant in PLANTED.items():
            found = finding(one.spec, [plant(one.answer)], one.answer)
            if is_earned(found) and "references" in one.source:
                yield f"kept {name} ({found}): {about}"


def _refused(found: Counter[Finding]) -> int:
    return sum(count for name, count in found.items() if not is_earned(name))


def _line(name: str, found: Counter[Finding]) -> str:
    counts = (found.total(), found["shown"], found["counted"], found["cannot_tell"], _refused(found))
    return table_line((name, *(f"{count:,}" for count in counts)))


if __name__ == "__main__":
    raise SystemExit(main())
