"""How a problem of our families is solved, turn by turn, well or with a planted fault."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from environments.os.families.catalogue import Found
from rehearsals.base import Move


@dataclass(frozen=True)
class Position:
    """Where a conversation stands."""

    problem: str
    turn: int
    """Replies given so far on this problem."""
    observation: str
    """What the last command printed; "" where it printed nothing or none was run."""


def solve_known(at: Position, found: Found, fault: str | None) -> Move:
    """Return the next move on a problem of our families."""
    return _FAULTS[fault](at, found) if fault in _FAULTS else _next(at, found)


def solve_unknown(at: Position, fault: str | None) -> Move:
    """Return the next move on any other problem: a look around, then an honest failure."""
    look = Move("I look around first.", "bash", "pwd; ls -A | head -n 20")
    if fault == "malformed":
        return replace(look, raw="I would start by looking at the files.")
    if fault == "gives_up":
        return Move("This is beyond me, so I do not try.", "finish")
    path = re.search(r"(?:~|/[\w.-]+)(?:/[\w.-]*\w)+", at.problem)
    if at.turn == 0 or fault == "repeats":
        return look
    if at.turn == 1 and path:
        return Move(f"I look at {path[0]}.", "bash", f"ls -Ad {path[0]}; ls -A {path[0]} | head -n 20")
    return _STUCK


_STUCK = Move("Nothing useful came out of this; I give up.", "finish")


def _next(at: Position, found: Found, word: Callable[[str], str] = str) -> Move:
    """Take the next move, or end; `word` words the value that was found."""
    if at.turn < len(found.scene.moves):
        return found.scene.moves[at.turn]
    if found.family.kind == "change":
        return Move("The commands went through, so the change is made.", "finish")
    printed = at.observation.strip().splitlines()
    if not printed:
        return _STUCK
    return Move("The last output shows what was asked for.", "answer", word(printed[-1].strip()))


def _wrong_value(at: Position, found: Found) -> Move:
    return _next(at, found, another)


def another(value: str) -> str:
    """Return a value of the same looks that is not `value`."""
    if value.isdigit():
        return str(int(value) + 1)
    words = value.split()
    if len(words) > 1:
        return " ".join(words[:-1])
    stem, dot, extension = value.partition(".")
    return f"{stem}-2{dot}{extension}"


def _no_action(at: Position, found: Found) -> Move:
    return Move("I know this without looking.", "answer", found.scene.answer or "")


def _claimed_write(at: Position, found: Found) -> Move:
    if at.turn == 0:
        return found.scene.moves[0]
    return Move("I have made the change as asked, everything is in place.", "finish")


def _extra_write(at: Position, found: Found) -> Move:
    if at.turn != len(found.scene.moves):
        return _next(at, found)
    path = f"{found.scene.before.root}/done.txt"
    return Move("I leave a note of what I did beside it.", "bash", f"echo 'changed as asked' > {path}")


def _rolled_back(at: Position, found: Found) -> Move:
    folder, moves = found.scene.before.root, found.scene.moves
    keep = Move("I keep a copy, to be safe.", "bash", f"cp -a {folder} /tmp/kept && ls {folder}")
    restore = Move("I clean up.", "bash", f"cd && rm -rf {folder} && cp -a /tmp/kept {folder}")
    plan = (keep, *moves, restore, Move("The change is made, and I have cleaned up behind me.", "finish"))
    return plan[min(at.turn, len(plan) - 1)]


def _other_form(at: Position, found: Found) -> Move:
    return _next(at, found, lambda value: other_form(value, found.family.unit, random.Random(at.problem)))


def other_form(value: str, unit: tuple[str, str], rng: random.Random) -> str:
    """Return the value in a form that says the same."""
    forms = [f'"{value}"', f"'{value}'", f"`{value}`", f" {value} ", f"{value}\\n", f'"{value}\\n"']
    if value.isdigit() and unit[0]:
        forms = [*forms[:1], forms[4], f"{value} {unit[value != '1']}", f"{int(value):,} {unit[value != '1']}"]
    if value.isdigit() and int(value) >= 1000:
        forms = [*forms[1:], f"{int(value):,}"]
    return rng.choice(forms)


def _repeats(at: Position, found: Found) -> Move:
    return found.scene.moves[0]


def _malformed(at: Position, found: Found) -> Move:
    if at.turn < len(at.problem) % 2:
        return found.scene.moves[0]
    move = found.scene.moves[-1]
    raw = (
        f"The next thing to do is to run `{move.text.splitlines()[0]}` and to see what comes back.",
        "Think: the next step is clear.\n\nAct: look around",
        "Think: I should look at the files before I decide anything.",
    )
    return replace(move, raw=random.Random(at.problem).choice(raw))


def _gives_up(at: Position, found: Found) -> Move:
    thought = "I do not see how this could be done, so I give up."
    if found.family.kind == "change" or len(at.problem) % 2:
        return Move(thought, "finish")
    return Move(thought, "answer", "I don't know")


_FAULTS: dict[str | None, Callable[[Position, Found], Move]] = {
    "wrong_value": _wrong_value,
    "no_action": _no_action,
    "claimed_write": _claimed_write,
    "extra_write": _extra_write,
    "rolled_back": _rolled_back,
    "other_form": _other_form,
    "repeats": _repeats,
    "malformed": _malformed,
    "gives_up": _gives_up,
}
_ANY = ("repeats", "malformed", "gives_up")


def faults_of(found: Found | None) -> tuple[str, ...]:
    """Name the faults that an episode on a problem can show."""
    if found is None:
        return _ANY
    if found.grown_from not in (None, "change"):  # it writes one file, and what else is there is not looked at
        return ("claimed_write", *_ANY)
    if found.family.kind == "change":
        return ("claimed_write", "extra_write", "rolled_back", *_ANY)
    return ("wrong_value", "no_action", "other_form", *_ANY)
