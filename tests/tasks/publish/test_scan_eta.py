"""Eleven mixtures come from one pass over their rows, and each is what it would be if it were published alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from formats.releases.release_folder import read_release
from schemas.errors import ConfigError
from schemas.release import Release
from tasks.publish.mixture import publish_release
from tasks.publish.read_mixture import MixtureReader
from tasks.publish.scan_eta import COLUMNS, ETAS, compare, publish_scan
from tasks.workshop import Workshop


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def ids(release: Release, source: str | None = None) -> list[str]:
    found = read_release(Path(release.path))
    return [row.id for split in found.splits for row in found.rows(split) if source in (None, row.source)]


SOME = (0.0, 0.3, 1.0)


@pytest.mark.parametrize("etas", [SOME, pytest.param(ETAS, marks=pytest.mark.slow)], ids=["three", "eleven"])
async def test_etas_are_published_in_one_pass(
    old_shop: Workshop, open_shop: Callable[..., Workshop], monkeypatch: pytest.MonkeyPatch, etas: tuple[float, ...]
) -> None:
    rendered: list[str] = []
    chunks = MixtureReader.chunks

    def counted(self: MixtureReader, picks: Any, **more: Any) -> Any:
        rendered.extend(pick.name for pick in picks)
        return chunks(self, picks, **more)

    monkeypatch.setattr(MixtureReader, "chunks", counted)
    releases = await publish_scan.fn(1, [], etas)
    assert len(rendered) == len(set(rendered)), "no row is rendered twice"
    table = compare(releases)
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in table.rows]
    assert tuple(row["eta"] for row in rows) == etas
    (total,) = {row["rows"] for row in rows}
    for row in rows:
        assert row["agent"] == round(row["eta"] * total) and row["by rows"] == pytest.approx(
            row["eta"], abs=0.5 / total
        )
    assert not any("ran short" in note for release in releases for note in release.notes)
    by_eta = dict(zip(etas, releases, strict=True))
    assert set(ids(by_eta[0.0], "agent")) < set(ids(by_eta[0.3], "agent")) < set(ids(by_eta[1.0], "agent"))
    assert set(rendered) == set(ids(by_eta[0.0])) | set(ids(by_eta[1.0]))

    overrides = {"mixture__eta": 0.3, "mixture__total": total, "mixture__curation_id": by_eta[0.3].curation_id}
    alone = open_shop(home=old_shop.home, worlds=dict(old_shop.worlds), mixture__validation=0.1, **overrides)
    stood = contents(Path(by_eta[0.3].path))
    shutil.rmtree(by_eta[0.3].path)
    again = await publish_release.fn(1, [])
    assert again.release_id == by_eta[0.3].release_id
    assert contents(Path(again.path)) == stood, "to the last byte"

    rendered.clear()
    alone.config = old_shop.config
    assert [one.release_id for one in await publish_scan.fn(1, [], etas)] == [one.release_id for one in releases]
    assert rendered == [], "what stands is not made again"


async def test_a_scan_needs_rows_on_both_sides(old_shop: Workshop) -> None:
    shutil.rmtree(old_shop.home / "tables" / "conversations")
    with pytest.raises(ConfigError, match="needs agent rows and general rows"):
        await publish_scan.fn(1, [])
