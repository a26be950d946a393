"""Grown tasks: a problem of a family with a further step, which needs what came of the first.

A question's answer is written down instead of told; after a change the files are counted.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import replace

from environments.os.families import words
from environments.os.families.family import Family, Scene, folder_check
from rehearsals.base import Move

_OUT = r"(?P<out>~/[a-z]+-[a-z]+\.txt)"
_TELL = "{problem} Do not tell it: write it as the first line of {out}, and how many characters it has below it."
_COUNT = "{problem} Then write into {out} how many files lie below {root} now, at any depth."
_SLOTS = {"problem": "(?P<inner>.+)", "out": _OUT, "root": r"~/\S+"}
_PATTERNS = tuple(
    re.compile("".join(_SLOTS.get(part, re.escape(part)) for part in re.split(r"[{}]", text)))
    for text in (_TELL, _COUNT)
)


def grow(problem: str, family: Family, scene: Scene, rng: random.Random) -> str | None:
    """Word the grown problem of one that was recognised; None where it cannot be grown.

    What a check does not look at may not be changed: a check of a family's own stays, and so does a job's output file.
    """
    if "out" in family.slots:
        return None
    out = f"~/{rng.choice(words.STEMS)}-{rng.choice(words.CITIES)}.txt"
    if family.kind != "change":
        return _TELL.format(problem=problem, out=out)
    return None if scene.check else _COUNT.format(problem=problem, out=out, root=scene.before.root)


def split(problem: str) -> tuple[str, str] | None:
    """Return the parent's problem and the file of a grown one; None where it is not grown."""
    found = next((found for pattern in _PATTERNS if (found := pattern.fullmatch(problem))), None)
    return (found["inner"], found["out"]) if found else None


def grown_family(family: Family) -> Family:
    """Return what the grown problem is: a change."""
    return replace(family, name=f"{family.name}_grown", kind="change")


def grown_scene(scene: Scene, out: str) -> Scene:
    """Return a scene with the further step in it."""
    if scene.answer is not None:
        return _written_down(scene, scene.answer, out)
    assert scene.after is not None
    count = f"find {scene.before.root} -type f | wc -l > {out}"
    move = Move("Now I count the files and write the number down.", "bash", f"{count}; cat {out}")
    check = f"{folder_check(scene.after, scene.modes)} || exit 1\n{_says(out, f'{len(scene.after.files)}')}"
    return replace(scene, reference=f"{scene.reference}\n{count}", moves=(*scene.moves, move), check=check)


def _written_down(scene: Scene, answer: str, out: str) -> Scene:
    write = f'printf \'%s\\n%d\\n\' "$found" "${{#found}}" > {out}'
    last = f"found=$({{ {scene.moves[-1].text}\n}} | tail -n 1)"
    move = Move("I write down what came out, and how long it is.", "bash", f"{last}\n{write}\ncat {out}")
    return replace(
        scene,
        reference=f"found=$({scene.reference}\n)\n{write}",
        moves=(*scene.moves, move),
        answer=None,
        after=scene.before,
        check=_says(out, answer, str(len(answer))),
    )


def _says(out: str, *lines: str) -> str:
    content = "".join(f"{line}\n" for line in lines)
    return f"[ \"$(sha256sum < {out})\" = '{hashlib.sha256(content.encode()).hexdigest()}  -' ]"
