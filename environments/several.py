"""Requests for several tasks: which positions share one, what is taken, what is grown, how replies are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from environments.author import Draw, Part
from environments.deals import Order
from environments.task_parts import TaskText, cut_tasks, match_numbers
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


class ToGrow:
    """The proven tasks that a round may grow: each once, those that were not grown from others first."""

    def __init__(self, draw: Draw, world: str) -> None:
        by_id = {spec.task_id: spec for spec in draw.machine_made}
        grown = {spec.parent for spec in draw.machine_made}
        ripe = [(depth_of(spec, by_id), spec) for spec in draw.machine_made if spec.task_id not in grown]
        key = f"seed {draw.seed} build {draw.build} {world} round {draw.index} parents"
        ripe.sort(key=lambda pair: (pair[0], digest(key, pair[1].task_id)))
        self._left = [spec for depth, spec in ripe if depth <= _GROWN]
        self._share = draw.generate.grow

    def is_due(self, key: str) -> bool:
        """Whether the request of this key is one of those that grow."""
        return int(digest("grow", key)[:8], 16) < self._share * 2**32

    def take(self, count: int, suits: Callable[[TaskSpec], bool]) -> list[TaskSpec]:
        """Take tasks that suit, out of what is left; none where there are too few."""
        found = [spec for spec in self._left if suits(spec)][:count]
        if len(found) < count:
            return []
        self._left = [spec for spec in self._left if spec not in found]
        return found


def depth_of(spec: TaskSpec, by_id: Mapping[str, TaskSpec]) -> int:
    """Count how often a task was grown, one from the other."""
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


def _part(piece: TaskText | None, number: int, there: int, numbers: Sequence[int], read: Read) -> Part:
    return Part(_absent(there, numbers), "") if piece is None else Part(read(piece.text, number), piece.text)


def _absent(there: int, numbers: Sequence[int]) -> Refusal:
    return Refusal("missing_task", f"the reply holds {there} of the {len(numbers)} tasks that were asked for")
