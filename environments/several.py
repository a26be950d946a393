"""Requests for several tasks: which positions share one, what is taken, what is grown, how replies are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from environments.base import Draw, Part
from environments.deals import Order
from environments.task_parts import Piece, cut_tasks, match_numbers
from environments.task_text import Sections
from schemas.record import digest
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec

MOST_TAKEN = 6
"""Problems that a prompt names as taken."""
_TAKEN_CHARS = 110
_GROWN = 2
"""Times that a task is grown from one that was grown, at most."""
Read = Callable[[str, int], TaskSpec | Refusal]
"""Reads the text of one task, by its number in the request."""


def in_requests(positions: range, generate: GenerateConfig) -> list[range]:
    """Cut a round's positions into those that share a request."""
    most = generate.tasks_per_request
    return [positions[i : i + most] for i in range(0, len(positions), most)]


def parents_to_grow(draw: Draw, key: str, count: int, suits: Callable[[TaskSpec], bool]) -> list[TaskSpec]:
    """Return proven tasks that a request is to grow: none where it is no such request, or too few are there.

    Each is grown once; those that nobody grew yet come first to be grown again, `_GROWN` times at most.
    """
    if int(digest("grow", key)[:8], 16) >= draw.generate.grow * 2**32:
        return []
    by_id = {spec.task_id: spec for spec in draw.machine_made}
    grown = {spec.parent for spec in draw.machine_made}
    left = [spec for spec in draw.machine_made if spec.task_id not in grown and suits(spec)]
    ripe = [(depth, spec) for spec in left if (depth := _depth(spec, by_id)) <= _GROWN]
    chosen = sorted(ripe, key=lambda pair: (pair[0], digest(key, "parent", pair[1].task_id)))
    return [spec for _, spec in chosen[:count]] if len(chosen) >= count else []


def _depth(spec: TaskSpec, by_id: Mapping[str, TaskSpec]) -> int:
    depth = 0
    while spec.parent is not None and depth <= _GROWN:
        depth += 1
        if spec.parent not in by_id:
            break
        spec = by_id[spec.parent]
    return depth


def taken_problems(draw: Draw, orders: Sequence[Order]) -> list[str]:
    """Return the problems of the newest tasks of the same skills, each cut: what is not to be asked for again."""
    skills = {order.skill for order in orders}
    mine = [spec for spec in draw.machine_made if spec.skill in skills and spec.skill is not None]
    newest = sorted(mine, key=lambda spec: (-(spec.build or 0), digest(spec.task_id)))[:MOST_TAKEN]
    return [_cut(" ".join(spec.instruction.split())) for spec in newest]


def _cut(text: str) -> str:
    return text if len(text) <= _TAKEN_CHARS else f"{text[:_TAKEN_CHARS].rsplit(' ', 1)[0]} ..."


def read_parts(reply: str, sections: Sections, count: int, numbers: Sequence[int], read: Read) -> list[Part]:
    """Read a reply as the tasks that `numbers` name, each by `read(text, number)`; one that is not there is refused.

    Of a request for one task the whole reply is read, as ever. What is too many comes behind them, refused.
    """
    if count == 1:
        return [Part(_read_one(reply, sections, read), reply)]
    pieces, extra = match_numbers(cut_tasks(sections, reply, len(numbers)), numbers)
    if not pieces:  # its reason says more than that nothing is there
        told = read(reply, numbers[0])
        return [Part(told if isinstance(told, Refusal) else _absent(0, numbers), reply) for _ in numbers]
    parts = [_part(pieces.get(number), number, len(pieces), numbers, read) for number in numbers]
    return parts + [Part(Refusal("not_asked_for", f"{len(numbers)} were asked for"), piece.text) for piece in extra]


def _read_one(reply: str, sections: Sections, read: Read) -> TaskSpec | Refusal:
    told = read(reply, 0)
    pieces = cut_tasks(sections, reply, 1) if isinstance(told, Refusal) else []
    again = read(pieces[-1].text, 0) if pieces else told
    return told if isinstance(again, Refusal) else again


def _part(piece: Piece | None, number: int, there: int, numbers: Sequence[int], read: Read) -> Part:
    return Part(_absent(there, numbers), "") if piece is None else Part(read(piece.text, number), piece.text)


def _absent(there: int, numbers: Sequence[int]) -> Refusal:
    return Refusal("missing_task", f"the reply holds {there} of the {len(numbers)} tasks that were asked for")
