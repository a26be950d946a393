from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from schemas.release import Release, SourceDigest
from warehouse import warehouse as in_blocks
from warehouse.warehouse import Warehouse


def release(version: int, seconds: float, digest: str = "d") -> Release:
    return Release(
        release_id="r",
        recipe="{}",
        curation_id="c",
        sources=(SourceDigest(table="episodes", digest=digest, version=version),),
        shares=(),
        rows=0,
        files=(),
        build=1,
        created_at=datetime.now(UTC),
        path="/somewhere",
        seconds=seconds,
        cost_usd=0.0,
    )


def test_a_digest_knows_no_order_of_landing_and_no_file_layout(tmp_path: Path, make: SimpleNamespace) -> None:
    one, other = Warehouse(tmp_path / "one"), Warehouse(tmp_path / "other")
    rows = [make.conversation(number) for number in range(6)]
    one.land("conversations", rows, key="all")
    for row in reversed(rows):
        other.land("conversations", [row], key=row.conversation_id)
    before = other.digest("conversations")
    assert one.digest("conversations") == before
    other.gc()
    assert other.digest("conversations") == before


def test_a_digest_leaves_out_what_two_equal_builds_may_differ_in(tmp_path: Path, make: SimpleNamespace) -> None:
    one, other = Warehouse(tmp_path / "one"), Warehouse(tmp_path / "other")
    for warehouse, landing, seconds in ((one, "a", 1.0), (other, "b", 2.0)):
        warehouse.land("turns", make.turns(1, landing), key=landing)
        warehouse.land("episodes", [make.episode(1, landing, seconds=seconds)], key="one")
        warehouse.land("releases", [release(version=int(seconds), seconds=seconds)], key="one")
    for table in ("turns", "episodes", "releases"):
        assert one.digest(table) == other.digest(table), table


def test_turns_of_two_tries_have_one_digest_whichever_landing_id_sorts_first(
    tmp_path: Path, make: SimpleNamespace
) -> None:
    digests = set()
    for name, first, second in (("one", "a", "z"), ("other", "z", "a")):
        warehouse = Warehouse(tmp_path / name)
        broken = make.episode(1, first, outcome="teacher_error", verdict="unknown", n_turns=1)
        warehouse.land("turns", [*make.turns(1, first, count=1), *make.turns(1, second, count=3)], key="one")
        warehouse.land("episodes", [broken, make.episode(1, second, try_number=2, n_turns=3)], key="one")
        digests.add(warehouse.digest("turns"))
    assert len(digests) == 1


def test_a_digest_sees_every_lasting_value(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("rejections", [make.rejection(1)], key="one")
    before = warehouse.digest("rejections")
    warehouse.land("rejections", [make.rejection(1)], key="two")
    assert warehouse.digest("rejections") != before, "a row twice is not a row once"


def test_a_nested_lasting_value_changes_the_digest(tmp_path: Path) -> None:
    one, other = Warehouse(tmp_path / "one"), Warehouse(tmp_path / "other")
    one.land("releases", [release(1, 1.0, "x")], key="one")
    other.land("releases", [release(1, 1.0, "y")], key="one")
    assert one.digest("releases") != other.digest("releases")


def test_turns_that_do_not_count_are_in_no_digest(warehouse: Warehouse, make: SimpleNamespace) -> None:
    empty = warehouse.digest("turns")
    warehouse.land("turns", make.turns(1, "lost"), key="one")
    assert warehouse.digest("turns") == empty


def test_the_digest_of_an_earlier_version_can_be_asked_for(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("rejections", [make.rejection(1)], key="one")
    version, digest = warehouse.versions()["rejections"], warehouse.digest("rejections")
    warehouse.land("rejections", [make.rejection(2)], key="two")
    assert warehouse.digest("rejections", version) == digest != warehouse.digest("rejections")
    assert warehouse.digest("conversations", -1) == warehouse.digest("conversations")


@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_a_table_is_digested_in_blocks_as_it_is_in_one(
    warehouse: Warehouse, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    warehouse.land("episodes", [make.episode(n, tried) for n in range(5) for tried in ("one", "two")], key="some")
    warehouse.land("turns", [turn for n in range(5) for turn in make.turns(n, "one")], key="some")
    whole = [warehouse.digest(table) for table in ("episodes", "turns", "rejections")]
    monkeypatch.setattr(in_blocks, "_BLOCK_ROWS", rows)
    assert [warehouse.digest(table) for table in ("episodes", "turns", "rejections")] == whole
    assert warehouse.digest("turns", of="SELECT * FROM turns WHERE index = 0") != whole[1]
