"""What exports as JSON lines share: every row is written, or left out for a reason that is counted; a file a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from formats.catalogue import Exported
from formats.releases.release_folder import ReleaseFolder, ReleaseRow
from formats.releases.split_files import open_json_lines

Line = Mapping[str, Any] | str
"""What one line holds, or the reason why there is none."""


def write_jsonl(release: ReleaseFolder, folder: Path, render: Callable[[ReleaseRow], Line]) -> Exported:
    """Write `<split>.jsonl` of what `render` makes of each row; where it returns a reason, the row is left out."""
    return write_lines(release, folder, lambda split: map(render, release.rows(split)))


def write_lines(release: ReleaseFolder, folder: Path, lines_of: Callable[[str], Iterable[Line]]) -> Exported:
    """Write `<split>.jsonl` of the lines of each split, and count the reasons among them."""
    left_out: Counter[str] = Counter()
    written = 0
    for split in release.splits:
        with open_json_lines(folder / f"{split}.jsonl") as append:
            for made in lines_of(split):
                if isinstance(made, str):
                    left_out[made] += 1
                else:
                    append(made)
                    written += 1
    return Exported(written, left_out)
