"""Seeds as JSONL: one object a line, whose texts a world asks for by key."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import orjson

from schemas.errors import ConfigError


def read_seed_lines(path: Path, keys: Collection[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield where each object stands (`file:line`) and the object; blank lines are passed over.

    Raises:
        ConfigError: a line is no JSON, or lacks one of the texts.
    """
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise ConfigError(f"the seed {where} is no JSON: {error}") from error
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in keys):
            raise ConfigError(f"the seed {where} needs the texts {', '.join(keys)}")
        yield where, row
