"""How a problem of our families is solved, turn by turn, well or with a planted fault."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from environments.os.families.catalogue import Found
from environments.os.families.family import Move
from environments.os.families.phrasing import Phrase, phrases

_DONE = phrases("""
- The commands went through, so the change is [made|in place].
- That was [all that was asked|everything]; the rest is untouched.
- The folder now looks the way it was wanted.
""")
_KNOWN = phrases("""
- The last output [holds|shows] what was asked for, so I answer with it.
- That is the result; I can answer now.
- The command printed exactly the value in question.
""")
_STUCK = phrases("""
- I could not find [out|what was asked for], so I [stop here|end this honestly without a result].
- Nothing useful came out of this; I [stop|give up].
""")


@dataclass(frozen=True)
class Position:
    """Where a conversation stands."""

    problem: str
    turn: int
    """Replies given so far on this problem."""
    observation: str
    """What the last command printed; "" where it printed nothing or none was run."""

    def rng(self) -> random.Random:
        """Return the source of the words of this turn."""
        return random.Random(f"{self.turn}:{self.problem}")


def solve_known(at: Position, found: Found, fault: str | None) -> str:
    """Return the next reply on a problem of our families."""
    if fault in _FAULTS:
        return _FAULTS[fault](at, found)
    return _next(at, found, lambda value: value)


def solve_unknown(at: Position, fault: str | None) -> str:
    """Return the next reply on any other problem: a look around, then an honest failure."""
    if fault == "repeats":
        return say_bash("I look around.", "ls -A")
    if fault == "malformed":
        return "I would start by looking at the files."
    if fault == "gives_up":
        return say_finish("This is beyond me, so I do not try.")
    if at.turn == 0:
        return say_bash("I look around first.", "pwd; ls -A | head -n 20")
    path = re.search(r"(?:~|/[\w.-]+)(?:/[\w.-]*\w)+", at.problem)
    if at.turn == 1 and path:
        return say_bash(
            f"The problem speaks of {path[0]}; I look at it.", f"ls -Ad {path[0]}; ls -A {path[0]} | head -n 20"
        )
    return say_finish(at.rng().choice(_STUCK).write(at.rng(), {}))


def say_bash(thought: str, command: str) -> str:
    """Word a turn that runs a command."""
    return f"Think: {thought}\n\nAct: bash\n\n```bash\n{command}\n```"


def say_answer(thought: str, value: str) -> str:
    """Word the answer to a question."""
    return f"Think: {thought}\n\nAct: answer({value})"


def say_finish(thought: str) -> str:
    """Word the end of a change."""
    return f"Think: {thought}\n\nAct: finish"


def _move(at: Position, move: Move) -> str:
    return say_bash(Phrase(move.thought).write(at.rng(), {}), move.command)


def _next(at: Position, found: Found, word: Callable[[str], str]) -> str:
    """Take the next move, or end; `word` words the value that was found."""
    if at.turn < len(found.scene.moves):
        return _move(at, found.scene.moves[at.turn])
    rng = at.rng()
    if found.family.kind == "change":
        return say_finish(rng.choice(_DONE).write(rng, {}))
    printed = at.observation.strip().splitlines()
    if not printed:
        return say_finish(rng.choice(_STUCK).write(rng, {}))
    return say_answer(rng.choice(_KNOWN).write(rng, {}), word(printed[-1].strip()))


def _wrong_value(at: Position, found: Found) -> str:
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


def _no_action(at: Position, found: Found) -> str:
    return say_answer("I know this without looking.", found.scene.answer or "")


def _claimed_write(at: Position, found: Found) -> str:
    if at.turn == 0:
        return _move(at, found.scene.moves[0])
    return say_finish("I have made the change as asked, everything is in place.")


def _extra_write(at: Position, found: Found) -> str:
    if at.turn != len(found.scene.moves):
        return _next(at, found, lambda value: value)
    folder = found.scene.before.root
    note = random.Random(at.problem).choice(("done.txt", "notes.old", "summary.md", ".changed"))
    return say_bash("I leave a note of what I did beside it.", f"echo 'changed as asked' > {folder}/{note}")


def _rolled_back(at: Position, found: Found) -> str:
    folder, moves = found.scene.before.root, found.scene.moves
    if at.turn == 0:
        return say_bash("I keep a copy of the folder, to be safe.", f"cp -a {folder} /tmp/kept && ls {folder}")
    if at.turn <= len(moves):
        return _move(at, moves[at.turn - 1])
    if at.turn == len(moves) + 1:
        return say_bash("I clean up.", f"cd && rm -rf {folder} && cp -a /tmp/kept {folder}")
    return say_finish("The change is made, and I have cleaned up behind me.")


def _other_form(at: Position, found: Found) -> str:
    return _next(at, found, lambda value: other_form(value, found.family.unit, random.Random(at.problem)))


def other_form(value: str, unit: tuple[str, str], rng: random.Random) -> str:
    """Return the value in a form that says the same."""
    forms = [f'"{value}"', f"'{value}'", f"`{value}`", f" {value} ", f"{value}\\n", f'"{value}\\n"']
    if value.isdigit() and unit[0]:
        forms = [*forms[:1], forms[4], f"{value} {unit[value != '1']}", f"{int(value):,} {unit[value != '1']}"]
    if value.isdigit() and int(value) >= 1000:
        forms = [*forms[1:], f"{int(value):,}"]
    return rng.choice(forms)


def _repeats(at: Position, found: Found) -> str:
    move = found.scene.moves[0]
    return say_bash("I look at the files.", move.command)


def _malformed(at: Position, found: Found) -> str:
    if at.turn < len(at.problem) % 2:
        return _move(at, found.scene.moves[0])
    command = found.scene.moves[-1].command
    return random.Random(at.problem).choice(
        (
            f"I would run the following:\n\n```bash\n{command}\n```",
            f"Think: the next step is clear.\n\nAction: bash\n\n```bash\n{command}\n```",
            "Think: I should look at the files before I decide anything.",
            command,
        )
    )


def _gives_up(at: Position, found: Found) -> str:
    thought = "I do not see how this could be done, so I give up."
    if found.family.kind == "change" or len(at.problem) % 2:
        return say_finish(thought)
    return say_answer(thought, "I don't know")


_FAULTS: dict[str, Callable[[Position, Found], str]] = {
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
    if found.family.kind == "change":
        return ("claimed_write", "extra_write", "rolled_back", *_ANY)
    return ("wrong_value", *(("no_action",) if found.scene.answer else ()), "other_form", *_ANY)
