"""A full disk is told in words, whoever met it first; any other error keeps its traceback."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from commands.last_words import is_full_disk, tell_unforeseen


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (RuntimeError('IO Error: Could not write file "x": No space left on device'), True),
        (caused(RuntimeError("500 Internal Server Error"), OSError(errno.ENOSPC, "full")), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (RuntimeError("space"), False),
    ],
)
def test_a_full_disk_is_known_by_its_number_or_its_words(error: Exception, full: bool) -> None:
    assert is_full_disk(error) == full


def test_a_full_disk_is_told_with_the_home_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path))
    error = OSError(errno.ENOSPC, "No space left on device", "part-1.parquet")
    tell_unforeseen(type(error), error, None)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"the disk under {tmp_path} is full" in said and "run the same command" in said


def test_what_nobody_foresaw_keeps_its_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "not" / "yet"))
    try:
        raise KeyError("a slip of ours")
    except KeyError as error:
        tell_unforeseen(type(error), error, error.__traceback__)
    said = capsys.readouterr().err
    assert "Traceback" in said and "a slip of ours" in said
