"""A table whose files a crash has spoiled: always told with the file's name, never fewer rows and never a traceback."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from commands.cli import run
from schemas.errors import WarehouseError
from schemas.rejection import Rejection
from warehouse.warehouse import Warehouse


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return the folder of a table of five landings."""
    warehouse = Warehouse(tmp_path / "home")
    for n in range(5):
        row = Rejection.make(stage="import", reason="not_json", detail="d", source=f"a:{n}", raw="x")
        warehouse.land("rejections", [row], key=f"k{n}")
    return Path(shutil.move(tmp_path / "home", tmp_path / "spoiled")) / "tables" / "rejections"


SPOILS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "blank lines": lambda path: path.write_bytes(b"\n\n"),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "something else": lambda path: path.write_bytes(b"junk" * 100),
    "deep": lambda path: path.write_bytes(b'{"add":' + b"[" * 200_000 + b"]" * 200_000 + b"}"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link to nothing": lambda path: (path.unlink(), path.symlink_to("nowhere")),
}


@pytest.mark.parametrize("spoil", [name for name in SPOILS if name != "a link to nothing"])
@pytest.mark.parametrize("which", [0, 3, 5])
def test_a_spoiled_log_is_told(table: Path, spoil: str, which: int) -> None:
    path = table / "_delta_log" / f"{which:020}.json"
    SPOILS[spoil](path)
    with pytest.raises(WarehouseError, match=f"{path.name} is damaged"):
        Warehouse(table.parents[1]).count("rejections")


@pytest.mark.parametrize("spoil", [name for name in SPOILS if name != "blank lines"])
@pytest.mark.parametrize("which", [0, 4])
def test_a_spoiled_file_of_rows_is_told(table: Path, spoil: str, which: int) -> None:
    path = sorted(table.glob("*.parquet"))[which]
    SPOILS[spoil](path)
    warehouse = Warehouse(table.parents[1])
    reads: tuple[Callable[[], object], ...] = (
        lambda: warehouse.read("rejections"),
        lambda: warehouse.count("rejections"),
        lambda: warehouse.sql("FROM rejections"),
        warehouse.write_catalog,
    )
    for read in reads:
        with pytest.raises(WarehouseError, match=path.name):
            read()


def test_a_table_without_its_log_is_told(table: Path) -> None:
    shutil.rmtree(table / "_delta_log")
    with pytest.raises(WarehouseError, match="its rows are there, its log is not"):
        Warehouse(table.parents[1]).count("rejections")


@pytest.mark.parametrize("pattern", ["*.parquet", "_delta_log/*3.json"])
def test_the_command_line_tells_it(table: Path, pattern: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(table.glob(pattern))
    path.write_bytes(b"")
    assert run(["status", "--home", str(table.parents[1])]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("trajmill: WarehouseError: ") and path.name in said.err and "Traceback" not in said.err
