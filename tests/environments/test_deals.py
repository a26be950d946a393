"""Deals cover a world's table evenly, are the same again, and say on the task what they were."""

from __future__ import annotations

from collections import Counter

import pytest

from environments.db.author import OPERATIONS
from environments.db.author import SKILLS as DB
from environments.deals import Skills
from environments.os.author import SKILLS as OS
from environments.os.author import TOPICS

TABLES = {"os": (OS, TOPICS), "db": (DB, OPERATIONS)}


@pytest.mark.parametrize("world", TABLES)
def test_a_table_has_forty_skills_of_different_names_with_subtopics_and_situations(world: str) -> None:
    table, topics = TABLES[world]
    names = [skill.name for skill in table.skills]
    assert len(names) == len(set(names)) >= 40 and {skill.topic for skill in table.skills} == set(topics)
    assert all(len(set(skill.subtopics)) == len(skill.subtopics) >= 3 for skill in table.skills)
    assert len(set(table.situations)) == len(table.situations) >= 24


@pytest.mark.parametrize("seed", [0, 1, 7])
@pytest.mark.parametrize("world", TABLES)
def test_every_skill_comes_before_one_comes_twice_and_so_do_subtopics_and_situations(world: str, seed: int) -> None:
    table, topics = TABLES[world]
    for topic in topics:
        skills = [skill for skill in table.skills if skill.topic == topic]
        dealt = [table.deal(topic, seed, number) for number in range(len(skills) * 6)]
        for start in range(0, len(dealt), len(skills)):
            assert {one.skill for one in dealt[start : start + len(skills)]} == {skill.name for skill in skills}
        for skill in skills:
            mine = [one.subtopic for one in dealt if one.skill == skill.name]
            assert set(mine[: len(skill.subtopics)]) == set(skill.subtopics)
        assert len({one.situation for one in dealt[: len(table.situations)]}) == len(table.situations)
        counts = Counter(one.difficulty for one in dealt)
        assert set(counts) == {1, 2, 3} and max(counts.values()) - min(counts.values()) <= len(skills)


def test_a_deal_is_the_same_again_and_another_by_seed() -> None:
    def dealt(table: Skills, seed: int) -> list[object]:
        return [table.deal("files", seed, number) for number in range(20)]

    assert dealt(OS, 3) == dealt(OS, 3) != dealt(OS, 4)
