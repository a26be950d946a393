"""ALFWorld's games as TaskSpecs: folders with a `game.tw-pddl`, or an `initial_state.pddl`, and a `traj_data.json`.

A file by itself holds games, one or many, as JSON objects.

Source: alfworld's data layout (`json_2.1.1/<split>/<kind>-<thing>-<inner>-<place>-<scene>/trial_*/`, reference/envs.md
1). The reference is our own expert's: the walkthrough that a file brings knows what nobody has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from environments.alfworld.game_files import GameFile, UnreadableGame, read_game, read_problem
from environments.alfworld.goal import UnboundedGoal
from environments.alfworld.home import Grammar
from environments.alfworld.planner import shortest_plan
from environments.alfworld.play import explore, wins
from environments.alfworld.sentences import forms_of, word
from environments.alfworld.task import make_task
from environments.alfworld.wanted import KINDS, Wanted, read_wanted
from formats.catalogue import Given, Importer, Option
from formats.json_values import UNREADABLE_VALUE, Unread, read_values
from schemas.bounded_reading import NotJson, parse_json, read_file
from schemas.errors import InputError
from schemas.rejection import Rejection
from schemas.task_spec import Provenance, TaskSpec

GAME, STATE, TRAJECTORY = "game.tw-pddl", "initial_state.pddl", "traj_data.json"
LICENSE = "MIT"
"""Of alfworld and of ALFRED's data."""
MOST_TURNS = 35
_UNUSED = ("movable", "Sliced")
"""Words in a game's path that ALFWorld and AgentBench leave out."""
_KINDS = {
    "pick_and_place_simple": KINDS[0],
    "pick_clean_then_place_in_recep": KINDS[1],
    "pick_heat_then_place_in_recep": KINDS[2],
    "pick_cool_then_place_in_recep": KINDS[3],
    "look_at_obj_in_light": KINDS[4],
    "pick_two_obj_and_place": KINDS[5],
}
"""ALFRED's task types."""


class _Found(NamedTuple):
    source: str
    """Path of the folder below the one that was given; of a game in a file `file:line`."""
    folder: Path | None = None
    """Where its files are; None = it stands in a file of games."""
    game: Any = None
    """Its JSON value, where it stands in a file of games."""


def read_tasks(path: Path, given: Given) -> Iterator[TaskSpec | Rejection]:
    """Yield every game of a folder in the order of its paths, or of a file, as a task or a rejection of stage `import`.

    Raises:
        InputError: there is no such file or folder, no game in it, or the split cannot be read.
    """
    seen: dict[str, str] = {}
    for found in _games(path, given.get("split")):
        if isinstance(found, Unread):
            yield found.reject(path.name, "import", "alfworld")
            continue
        try:
            specs = list(_specs(found, given))
        except UnreadableGame as error:
            yield _rejected(found, error.reason, str(error))
            continue
        for spec in specs:
            if spec.task_id in seen:
                yield _rejected(found, "duplicate", f"the same task as {seen[spec.task_id]}")
                continue
            seen[spec.task_id] = found.source
            yield spec


def _games(path: Path, split: str | None) -> Iterator[_Found | Unread]:
    if not path.is_dir():
        for row in read_values(path):
            yield row if isinstance(row, Unread) else _Found(f"{path.name}:{row.line}", game=row.value)
    elif split is not None:
        yield from (_Found(listed, path / listed) for listed in _listed(Path(split)))
    else:
        folders = sorted({file.parent for name in (GAME, STATE, TRAJECTORY) for file in path.rglob(name)})
        if not folders:
            raise InputError(f"the folder {path} holds no {GAME}, no {STATE} and no {TRAJECTORY}")
        for folder in folders:
            yield _Found(folder.relative_to(path).as_posix() if folder != path else folder.name, folder)


def _listed(split: Path) -> Iterator[str]:
    """Yield the games of AgentBench's splits: paths by kind, some with the game's file, some without."""
    try:
        table = parse_json(read_file(split))
    except NotJson as error:
        raise InputError(f"the split {split} is no JSON: {error}") from error
    rows = [row for rows in table.values() if isinstance(rows, list) for row in rows] if isinstance(table, dict) else []
    if not rows or not all(isinstance(row, str) for row in rows):
        raise InputError(f"the split {split} is no object of lists of paths by kind")
    for row in rows:
        listed = row.removesuffix(f"/{GAME}").strip("/")
        if ".." in Path(listed).parts:
            raise InputError(f"the split {split} names a path outside its folder: {row}")
        yield listed


def _specs(found: _Found, given: Given) -> Iterator[TaskSpec]:
    unused = next((word for word in _UNUSED if word in found.source), "")
    if unused:
        raise UnreadableGame("not_used", f"its path has {unused!r}: ALFWorld leaves such games out")
    trajectory = _json(found.folder / TRAJECTORY) if found.folder and (found.folder / TRAJECTORY).is_file() else {}
    game = _read(found, cast("Grammar", given.get("grammar", "put")))
    wanted = read_wanted(game.goal)
    said = trajectory.get("task_type")
    if wanted is not None and said is not None and _KINDS.get(str(said)) != wanted.kind:
        raise UnreadableGame("other_goal", f"{TRAJECTORY} says {said!r}, the goal is one of {wanted.kind}")
    commands, expert, shortest = _reference(game, wanted, given.get("expert", "explorer"))
    for sentence in _sentences(game, wanted, trajectory, given.get("sentences", "templates")):
        yield make_task(
            game.home,
            game.goal,
            sentence,
            commands,
            kind=wanted.kind if wanted else None,
            shortest=shortest,
            origin="benchmark",
            labels=(expert,),
            license=LICENSE,
            provenance=Provenance(source=found.source),
        )


def _read(found: _Found, grammar: Grammar) -> GameFile:
    if found.folder is None or (found.folder / GAME).is_file():
        data = _object(found.game, found.source) if found.folder is None else _json(found.folder / GAME)
        if data.get("solvable") is False:
            raise UnreadableGame("not_solvable", f"{GAME} says so")
        return read_game(data)
    if not (found.folder / STATE).is_file():
        raise UnreadableGame("no_game", f"there is no {GAME} and no {STATE}")
    try:
        text = read_file(found.folder / STATE).decode()
    except UnicodeDecodeError as error:
        raise UnreadableGame("unreadable_pddl", f"{STATE} is no UTF-8 text: {error}") from error
    home, goal = read_problem(text, grammar)
    return GameFile(home, goal, "", ())


def _json(path: Path) -> Mapping[str, Any]:
    try:
        return _object(parse_json(read_file(path)), path.name)
    except NotJson as error:
        raise UnreadableGame(error.reason, f"{path.name}: {error}") from error


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableGame("not_a_game", f"{name} is no JSON object")
    return value


def _reference(game: GameFile, wanted: Wanted | None, expert: str) -> tuple[tuple[str, ...], str, int]:
    """Return the commands that win a game, whose they are, and how many a shortest plan takes (0: not known)."""
    plan = (shortest_plan(game.home, wanted) or ()) if wanted else ()
    ways: dict[str, Callable[[], tuple[str, ...]]] = {
        "explorer": lambda: explore(game.home, wanted, MOST_TURNS, game.goal) if wanted else (),
        "planner": lambda: plan,
        "walkthrough": lambda: game.walkthrough,
    }
    for name in dict.fromkeys((expert, *ways)):
        try:
            commands = tuple(ways[name]())
            if commands and wins(game.home, game.goal, commands):
                return commands, name, len(plan)
        except UnboundedGoal as error:
            raise UnreadableGame("unreadable_pddl", str(error)) from error
    raise UnreadableGame("not_won", "neither our experts nor a walkthrough of its own win it")


def _sentences(game: GameFile, wanted: Wanted | None, trajectory: Mapping[str, Any], manner: str) -> Iterator[str]:
    if manner == "human":
        said = [text.strip() for text in _annotations(trajectory) if text.strip()]
        if not said:
            raise UnreadableGame("no_annotation", f"{TRAJECTORY} has no `turk_annotations.anns[].task_desc`")
        yield from (text if text.endswith((".", "!", "?")) else f"{text}." for text in dict.fromkeys(said))
    elif game.sentence:
        yield game.sentence
    elif wanted is not None:
        yield word(wanted, forms_of(wanted.kind)[0])
    else:
        raise UnreadableGame("no_task", "its grammar names no task, and its goal is none of the six kinds")


def _annotations(trajectory: Mapping[str, Any]) -> Iterator[str]:
    turk = trajectory.get("turk_annotations")
    listed = turk.get("anns") if isinstance(turk, dict) else None
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and isinstance(one.get("task_desc"), str):
            yield one["task_desc"]


def _rejected(found: _Found, reason: str, detail: str) -> Rejection:
    return Rejection.make(
        stage="import", reason=reason, detail=detail, source=found.source, raw=found.source, environment="alfworld"
    )


def _read_all(paths: Sequence[Path], given: Given) -> Iterator[TaskSpec | Rejection]:
    for path in paths:
        yield from read_tasks(path, given)


IMPORTER = Importer(
    name="alfworld",
    kind="tasks",
    summary="ALFWorld's games, in both generations of their grammar",
    page="worlds/alfworld.md",
    read=_read_all,
    suffixes=(),
    tried=True,
    options=(
        Option("split", "AgentBench's list of games: those alone are read, in its order", metavar="FILE"),
        Option("expert", "whose way is the reference: explorer (knows what it saw) or planner", default="explorer"),
        Option("sentences", "templates (the game's own) or human (each annotation is a task)", default="templates"),
        Option("grammar", f"of games that have only an {STATE}: put or move", default="put"),
    ),
    reasons={
        **UNREADABLE_VALUE,
        "not_a_game": "is no object with a grammar and a problem",
        "no_game": "has neither a game nor a state",
        "not_used": "has `movable` or `Sliced` in its path",
        "not_solvable": "says that it cannot be solved",
        "unknown_grammar": "speaks neither of the two grammars",
        "unreadable_pddl": "has a problem that is no PDDL of the household",
        "other_goal": "is of another kind by its trajectory than by its goal",
        "not_won": "is won by no expert",
        "no_task": "does not say what is to be done",
        "no_annotation": "has no sentence by a person, where those are asked for",
        "duplicate": "is the same task as one before it",
    },
)
