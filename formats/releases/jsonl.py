"""What exports as JSON lines share: every row is written, or left out for a reason that is counted; a file a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from formats.catalogue import Exported
from formats.releases.release_folder import ReleaseFolder, ReleaseRow


def write_jsonl(
    release: ReleaseFolder, folder: Path, render: Callable[[ReleaseRow], Mapping[str, Any] | str]
) -> Exported:
    """Write `<split>.jsonl` of what `render` makes of each row; where it returns a reason, the row is left out."""
    left_out: Counter[str] = Counter()
    written = 0
    for split in release.splits:
        with (folder / f"{split}.jsonl").open("wb") as file:
            for row in release.rows(split):
                made = render(row)
                if isinstance(made, str):
                    left_out[made] += 1
                else:
                    file.write(orjson.dumps(made) + b"\n")
                    written += 1
    return Exported(written, left_out)
