"""Which release holds a row can be asked, of releases of earlier versions too; and so can ten other questions."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.release import Release
from schemas.views_of_runs import QUESTIONS
from tasks.publish.mixture import publish_release
from tasks.publish.release_members import land_members_of_before
from tasks.workshop import Workshop
from warehouse.build_log import log_builds


async def test_every_row_of_a_release_is_found_where_it_stands(old_shop: Workshop) -> None:
    release = await publish_release.fn(1, [])
    where = "SELECT count(*), count(DISTINCT row_id), sum((split = 'validation')::INT) FROM release_rows"
    counted = old_shop.warehouse.sql(f"{where} WHERE release_id = '{release.release_id}'")[1]
    assert counted == [(release.rows, release.rows, release.validation_rows)]
    assert release.validation_rows > 0
    unknown = (
        "SELECT count(*) FROM release_rows WHERE row_id NOT IN (SELECT trajectory_id FROM trajectories "
        "UNION ALL SELECT conversation_id FROM conversations)"
    )
    assert old_shop.warehouse.sql(unknown)[1] == [(0,)]
    before = [one for one in old_shop.warehouse.read("releases") if one.release_id != release.release_id]
    assert before, "the home has a release of an earlier version"
    for one in before:
        sql = f"SELECT count(*) FROM release_rows WHERE release_id = '{one.release_id}'"
        assert old_shop.warehouse.sql(sql)[1] == [(one.rows,)]


def test_a_release_whose_folder_is_gone_is_passed_over(old_shop: Workshop) -> None:
    shutil.rmtree(old_shop.home / "releases")
    assert land_members_of_before(old_shop.warehouse) == 0


@pytest.fixture
async def published(built: Any, open_shop: Callable[..., Workshop], tmp_path: Path) -> tuple[Workshop, Release]:
    home = tmp_path / "copy"
    shutil.copytree(built.home, home)
    shop = open_shop(home=home, mixture__curation_id=built.curation_id)
    log_builds(shop.warehouse, shop.state)
    shop.progress.begin("publish_mixture")
    return shop, await publish_release.fn(1, [])


async def test_the_ten_questions_are_one_query_each(published: tuple[Workshop, Release]) -> None:
    shop, release = published
    answers = {question: shop.warehouse.sql(sql) for question, sql in QUESTIONS.items()}
    assert len(answers) >= 11, "ten, and which release holds a row"
    assert not [question for question, (_, rows) in answers.items() if not rows and "nobody solved" not in question]
    by_question = {
        question: [dict(zip(columns, row, strict=True)) for row in rows]
        for question, (columns, rows) in answers.items()
    }
    (night,) = by_question["What do nights yield, over time?"]
    assert (night["build"], night["status"], night["release_rows"]) == (1, "finished", release.rows)
    assert night["kept"] == shop.warehouse.query("SELECT count(DISTINCT episode_id) FROM trajectories")[0][0]
    assert {row["reason"] for row in by_question["Why do attempts fail?"]} & {
        "check_says_no",
        "wrong_rows",
        "wrong_state",
    }
    assert not [row for row in by_question["Why do attempts fail?"] if row["reason"] == "unsaid"]
    copies = by_question["Which rows were copies, and of what?"]
    assert {row["stage"] for row in copies} >= {"curate", "ingest"}
    assert not [row for row in copies if row["original"] is None], "each has its original"
    held = by_question["And which release holds a row?"]
    assert len(held) == release.rows and {tuple(row["releases"]) for row in held} == {(release.release_id,)}
    backfilled = by_question["How many rows have thoughts that were filled in afterwards?"]
    assert {row["build"] for row in backfilled} == {1}


def test_the_questions_stand_on_the_page() -> None:
    page = (Path(__file__).parents[3] / "docs" / "tables.md").read_text(encoding="utf-8")
    assert not [question for question, sql in QUESTIONS.items() if f"{question}\n\n```sql\n{sql}\n```" not in page]
