"""InterCode-Bash, run again behind bubblewrap: figures, and every verdict that differs with its reason.

The recorder (princeton-nlp/intercode, intercode/envs/bash/bash_env.py) gave a third each for the paths that `git
status` names, for the content of added ones, and for the likeness of the output as words (TF-IDF, in which single
characters are none).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.recorded.agreement import UNEXPLAINED, Case, Group, cases, code, replay
from environments.os.changes import is_same_output
from environments.os.importers.intercode import NOT_RUN

NAME = "bash"
LEAST = 0.93
"""Share of verdicts that must agree, on both file systems together."""
FILES = {
    1: ("bash_gpt-3.5_multiturn_fs1.jsonl", "bash_gpt-3.5_react_fs1.jsonl"),
    2: ("bash_gpt-4_multiturn_fs2.jsonl", "bash_gpt-3.5_react_fs2.jsonl"),
}

WORDS = Group("their bug", "likeness of words", "sizes and counts of one digit are no words: leaving them out is free")
GOLD = Group("their bug", "another gold", "the reward is not what their own formula gives for the gold as published")
CONTAINER = Group("their bug", "files outside the manifest", "`*.html`, quotes lost, met an /index.html of theirs")
DATES = Group("dates", "times that git does not keep", "earlier episodes had removed the old files; they came back new")
TOOLS = Group("tools", "a missing program", "the gold needs one that this machine does not have (`tree`, `cpio`)")
RACE = Group("tools", "a race", "`tee >(wc -l)` ends before its count is printed, or after")

EXPLAINED = {
    "bash_gpt-3.5_multiturn_fs1.jsonl": {30: GOLD, 33: GOLD, 36: GOLD, 49: WORDS, 50: WORDS},
    "bash_gpt-3.5_react_fs1.jsonl": {26: CONTAINER, 33: GOLD},
    "bash_gpt-4_multiturn_fs2.jsonl": {11: RACE, 33: DATES},
}
"""File -> line -> group, found by hand; a verdict that differs anywhere else is `ours`."""
_CUT = "\n[truncated because"


def measure(data: Path, home: Path) -> tuple[list[str], list[str]]:
    """Run all recordings again in a new home; return the page's section and the goals that were missed."""
    told: Counter[str] = Counter()
    for number, names in FILES.items():
        tasks, manifest = data / f"bash_tasks_fs{number}.jsonl", data / f"bash_filesystem_fs{number}.json"
        files = {"tasks": str(tasks), "filesystem": str(manifest)}
        told += replay("intercode-bash", [data / name for name in names], files, "os")
    found = cases(home, "os", agrees)
    return render(found, told), missed(found)


def agrees(theirs: str, ours: str) -> bool:
    """Compare observations: lines in any order, bash by its name alone, what we cut as far as it is shown."""
    if theirs.startswith(NOT_RUN):
        return not ours
    mine, cut, _ = _plain(ours).partition(_CUT)
    said = _plain(theirs)
    return said.startswith(mine) if cut else is_same_output(mine, said, ordered=False)


def _plain(text: str) -> str:
    for theirs, plain in (("/bin/bash:", "bash:"), ("\u2018", "'"), ("\u2019", "'")):  # quotes as the locale has them
        text = text.replace(theirs, plain)
    return text


def group_of(case: Case) -> Group | None:
    """Return why a verdict differs; None = it does not."""
    if case.verdict_agrees:
        return None
    if "127: a command of it was not found" in case.episode.verdict_detail:
        return TOOLS
    file, _, line = case.recording.source.rpartition(":")
    return EXPLAINED.get(file, {}).get(int(line), UNEXPLAINED)


def render(found: Sequence[Case], told: Counter[str]) -> list[str]:
    """Render the section: figures, what the import told, and every verdict that differs."""
    lines = [
        "| file system | recordings | episodes | all observations agree | verdict agrees |",
        "|---|---|---|---|---|",
    ]
    for number, names in FILES.items():
        lines += [_figures(str(number), code(name), _of(found, [name])) for name in names if _of(found, [name])]
    lines += [_figures("1, 2", "all", found)]
    refused = ", ".join(f"{count} {reason}" for reason, count in sorted(told.items()) if reason != "kept")
    lines += ["", f"The import took {told['kept']} episodes and told of the rest: {refused or 'none'}.", ""]
    lines += ["| episode | theirs | ours | class | why |", "|---|---|---|---|---|"]
    return lines + [_differs(case, group) for case in found if (group := group_of(case))]


def _of(found: Sequence[Case], names: Sequence[str]) -> list[Case]:
    return [case for case in found if case.recording.source.rpartition(":")[0] in names]


def _figures(number: str, name: str, mine: Sequence[Case]) -> str:
    same = sum(not case.differences for case in mine)
    agreed = sum(case.verdict_agrees for case in mine)
    shares = (f"{part} ({part / len(mine):.1%})" for part in (same, agreed))
    return f"| {number} | {name} | {len(mine)} | {' | '.join(shares)} |"


def _differs(case: Case, group: Group) -> str:
    cells = (code(case.recording.source), str(case.recording.reward), case.episode.verdict, group.kind)
    return f"| {' | '.join(cells)} | **{group.name}**: {group.says} |"


def missed(found: Sequence[Case]) -> list[str]:
    """Say which file system is below its goal, and what no group explains."""
    said = [f"{c.recording.source}: no group explains it" for c in found if group_of(c) == UNEXPLAINED]
    if sum(case.verdict_agrees for case in found) < LEAST * len(found) or not found:
        said.append(f"verdicts agree in less than {LEAST:.0%} of {len(found)} episodes")
    return said
