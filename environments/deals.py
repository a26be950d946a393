"""What each made-up task is to be about: skill, sub-topic, situation and difficulty, dealt from a world's table.

Dealt by seed, build and position alone, so that a build asks the same again; every skill of a topic comes once before
one comes twice, and likewise sub-topics and situations.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from schemas.record import digest
from schemas.task_spec import TaskSpec

HARDEST = 3
T = TypeVar("T", str, "Skill")


class Skill(NamedTuple):
    """A row of a table."""

    topic: str
    name: str
    subtopics: tuple[str, ...]


class Skills(NamedTuple):
    """A world's table, `skills.toml`."""

    skills: tuple[Skill, ...]
    situations: tuple[str, ...]

    def deal(self, topic: str, seed: int, number: int) -> Order:
        """Deal task `number` of a topic, counted over all builds."""
        mine = [skill for skill in self.skills if skill.topic == topic]
        skill = _dealt(mine, f"{seed} {topic} skills", number)
        turn = number // len(mine)
        subtopic = _dealt(skill.subtopics, f"{seed} {skill.name} subtopics", turn)
        situation = _dealt(self.situations, f"{seed} {topic} situations", number)
        topics = list(dict.fromkeys(skill.topic for skill in self.skills))
        difficulty = 1 + (number + turn + topics.index(topic)) % HARDEST  # a request's tasks differ in it, too
        return Order(topic, skill.name, subtopic, situation, difficulty)


class Order(NamedTuple):
    """One task that a request asks for."""

    topic: str
    skill: str | None = None
    subtopic: str | None = None
    situation: str | None = None
    difficulty: int | None = None
    parent: TaskSpec | None = None
    """The task that it is to be grown from."""

    @classmethod
    def to_grow(cls, topic: str, parent: TaskSpec) -> Order:
        """Return the order of a harder version of a task."""
        harder = min(HARDEST, (parent.difficulty or 1) + 1)
        return cls(topic, parent.skill, parent.subtopic, parent.situation, harder, parent)

    @property
    def on_task(self) -> dict[str, Any]:
        """What the task says of it."""
        parent = self.parent.task_id if self.parent else None
        said = {"skill": self.skill, "subtopic": self.subtopic, "situation": self.situation}
        return {**said, "difficulty": self.difficulty, "parent": parent}


def _dealt(cards: Sequence[T], key: str, number: int) -> T:
    """Deal all cards before one comes again, in another order each time."""
    turn, place = divmod(number, len(cards))
    names = [card if isinstance(card, str) else card.name for card in cards]
    order = sorted(range(len(cards)), key=lambda i: digest(key, turn, names[i]))
    return cards[order[place]]


@cache
def read_skills(path: Path) -> Skills:
    """Read a world's table."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    skills = tuple(Skill(row["topic"], row["name"], tuple(row["subtopics"])) for row in table["skill"])
    return Skills(skills, tuple(table["situations"]))
