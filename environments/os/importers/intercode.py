"""InterCode-Bash: NL2Bash questions with gold commands on small file systems, and recorded episodes on them.

Source: formats/logs/intercode.py; envs/bash/bash_env.py there says how commands were run, a recording holds them so:

- `docker exec` took `/bin/bash -c "COMMAND"`, cut into words by `shlex`: double quotes inside a command are lost (and
  cut it where blanks stand between them), the gold's as well;
- each command had a bash of its own; a plain `cd FOLDER` was carried over, nothing else;
- `git clean -fd` before each episode had taken the folders that the manifest has and that hold no file;
- what stood last was compared with what the gold prints and leaves behind.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from formats.catalogue import Given, Importer, Option
from formats.logs.intercode import (
    LICENSE,
    REASONS,
    TASKS,
    InterCodeEpisode,
    InterCodeTask,
    LogLine,
    read_lines,
    read_recording,
)
from schemas.bounded_reading import NotJson, parse_json, read_file
from schemas.errors import InputError
from schemas.invalid_values import explain
from schemas.recording import Recorded, RecordedTurn
from schemas.rejection import Rejection
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

AGE = "1 day ago"
"""Of entries without a time: the recorder's image was some days old, and `-mmin +5` and `-mtime +7` were asked."""
MOST_SCRIPT_BYTES = 1 << 20
"""Every task carries its file system as a script; the known ones take 5 KB."""
NOT_RUN = "Error executing query: Your last `execute` action"
"""eval_react.py says this of a text in which it found no command."""
_CARRIES = re.compile(
    r"(?<![\w-])(?:cd|pushd|popd|export|declare|typeset|readonly|alias|unset|set|shopt|source|eval|exit|exec|trap|umask)\b"
    r"|(?:^|[;&|(]\s*)(?:\w+=|\.\s)|&\s*$"
)
"""What a shell that goes on would remember."""
_PLAIN_CD = re.compile(r"cd\s+[\w./~+-]+")


class Entry(BaseModel):
    """One path of a manifest."""

    path: str
    type: Literal["dir", "file"]
    mode: str = Field(pattern=r"^(0o)?[0-7]{1,7}$")
    """Octal."""
    text: str | None = None
    base64: str | None = None
    mtime: int | None = None
    """Seconds since 1970; None = not told, then it is `AGE` old."""


class Manifest(BaseModel):
    root: str
    entries: list[Entry]


@dataclass(frozen=True)
class _Known:
    manifest: Manifest
    specs: dict[int, TaskSpec] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    """Number -> why it is none."""


def read_recordings(episodes: Iterable[Path], tasks: Path, filesystem: Path) -> Iterator[Recorded | Rejection]:
    """Yield every episode as a recording with its task, and every line that cannot be used as a rejection.

    Raises:
        InputError: a file cannot be read at all, or the manifest is none.
    """
    known = _Known(_read_manifest(filesystem))
    init = Script(code=setup_script(known.manifest))
    for row in read_lines(tasks, InterCodeTask):
        yield from _take_task(row, known, init)
    for path in episodes:
        lines = list(read_lines(path, InterCodeEpisode))
        was_missing = any(_lacks(line.value, known.manifest.root) for line in lines if not isinstance(line, Rejection))
        for line in lines:
            yield line if isinstance(line, Rejection) else _recorded(line, known, was_missing)


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate(parse_json(read_file(path)))
    except (NotJson, ValidationError) as error:
        problem = explain(error, Manifest) if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{path} is no manifest of a file system (root, entries): {problem}") from error


def setup_script(manifest: Manifest) -> str:
    """Return bash that builds the file system, without folders that hold no file.

    Raises:
        InputError: it is too large to be carried by every task.
    """
    files = [entry for entry in manifest.entries if entry.type == "file"]
    folders = [e for e in manifest.entries if e.type == "dir" and any(f.path.startswith(f"{e.path}/") for f in files)]
    lines = [f"mkdir -p {' '.join(shlex.quote(folder.path) for folder in folders)}", *map(_write, files)]
    lines += [f"chmod {int(entry.mode, 8):o} {shlex.quote(entry.path)}" for entry in (*folders, *files)]
    lines += [f"touch -d {_time(entry)} {shlex.quote(entry.path)}" for entry in (*files, *reversed(folders))]
    script = "\n".join(["set -e", *lines])
    if len(script.encode()) > MOST_SCRIPT_BYTES:
        raise InputError(f"the file system takes {len(script.encode()):,} bytes, at most {MOST_SCRIPT_BYTES:,} can be")
    return script


def _write(entry: Entry) -> str:
    target = shlex.quote(entry.path)
    if entry.base64 is not None:
        return f"base64 -d <<< {shlex.quote(entry.base64)} > {target}"
    return f"printf %s {shlex.quote(entry.text or '')} > {target}"


def _time(entry: Entry) -> str:
    return shlex.quote(AGE if entry.mtime is None else f"@{entry.mtime}")


def _take_task(row: LogLine[InterCodeTask] | Rejection, known: _Known, init: Script) -> Iterator[Rejection]:
    if isinstance(row, Rejection):
        yield row
        return
    gold = command_as_run(row.value.gold)
    if gold is None:
        known.refused[row.value.task_id] = f"{row.source}: its gold could not be run"
        yield row.reject("bad_gold", f"the recorder could not cut it into words: {row.value.gold!r}")
        return
    known.specs[row.value.task_id] = _spec(row, gold, init)


def _spec(row: LogLine[InterCodeTask], gold: str, init: Script) -> TaskSpec:
    published = row.value.gold.strip()
    return TaskSpec.make(
        environment="os",
        instruction=row.value.query,
        setup=Setup(init=(init,), cwd="/"),
        reference=(Script(code=gold),),
        check=Check(kind="changes"),
        origin="recorded",
        family="nl2bash",
        explanation=None if gold == published else f"The gold as published, before its recorder cut it: {published}",
        labels=() if gold == published else ("gold_as_its_recorder_ran_it",),
        license=LICENSE,
        provenance=Provenance(source=row.source),
    )


def _recorded(line: LogLine[InterCodeEpisode], known: _Known, was_missing: bool) -> Recorded | Rejection:
    episode = line.value
    spec = known.specs.get(episode.task_id)
    if episode.env != "bash":
        return line.reject("other_world", f"`env` is {episode.env!r}; an episode of InterCode-Bash says 'bash'")
    if spec is None:
        why = known.refused.get(episode.task_id, f"no line of --tasks has the task_id {episode.task_id}")
        return line.reject("no_task", why)
    if spec.instruction != episode.query:
        asked = f"task {episode.task_id} asks {spec.instruction!r}, the episode {episode.query!r}"
        return line.reject("other_question", asked)
    if was_missing:
        root = known.manifest.root
        return line.reject("no_file_system", f"recorded where there was no {root}: first commands of the file say so")
    if not episode.turns:
        return line.reject("no_turns", "nothing was done")
    recording = read_recording(line, spec.task_id, spec.environment, "bash")
    turns = tuple(_as_run(turn) for turn in recording.turns)
    fields = recording.model_dump(exclude={"recording_id", "turns"})
    return Recorded(recording.make(**fields, turns=turns), spec)


def _lacks(episode: InterCodeEpisode, root: str) -> bool:
    """Tell whether the first command, before which nothing can have been removed, finds no root."""
    first = episode.turns[0].observation if episode.turns else None
    return re.search(rf"(?<![\w/]){re.escape(root)}/?'?: No such file or directory", first or "") is not None


def _as_run(turn: RecordedTurn) -> RecordedTurn:
    if turn.action_kind != "bash":
        return turn
    run = None if (turn.observation or "").startswith(NOT_RUN) else command_as_run(turn.action)
    if run is None:
        run = "\n".join(f"# not run by the recorder: {part}" for part in turn.action.strip().split("\n"))
    return turn.model_copy(update={"action": run})


def command_as_run(command: str) -> str | None:
    """Return what the recorder's `/bin/bash -c "COMMAND"` did as a command of a shell that goes on; None = nothing."""
    command = command.strip()
    if _PLAIN_CD.fullmatch(command):
        return command
    try:
        words = shlex.split(f'/bin/bash -c "{command}"')
    except ValueError:  # a quotation without its end
        return None
    if len(words) == 3 and not _CARRIES.search(words[2]):
        return words[2] or None
    return shlex.join(words) if len(words) > 2 else None


def _read(paths: Sequence[Path], given: Given) -> Iterator[Recorded | Rejection]:
    return read_recordings(paths, Path(given["tasks"]), Path(given["filesystem"]))


IMPORTER = Importer(
    name="intercode-bash",
    kind="logs",
    summary="InterCode's recorded episodes in a shell",
    page="recorded-episodes.md",
    options=(
        TASKS,
        Option("filesystem", "the manifest of the files that they are about", metavar="FILE", required=True),
    ),
    read=_read,
    reasons=REASONS
    | {
        "bad_gold": "has a gold command that its recorder could not run",
        "no_file_system": "was recorded where the files of the manifest were missing",
    },
)
