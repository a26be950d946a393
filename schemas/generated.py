"""Files of docs/ that are generated from the records: written by `make docs`, checked by `make check`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_or_check(module: str, arguments: list[str], text: str) -> int:
    """Do as `python -m MODULE --write FILE` or `--check FILE` says; the exit code says whether the file stands."""
    action, path = arguments[0], Path(arguments[1])
    if action == "--write":
        path.write_text(text, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{path} is not what the records say. Run: make docs, or python -m {module} --write {path}\n")
    return 1


BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
"""Marks of a page that is written by hand but for what stands between them."""


def fill_or_check(module: str, arguments: list[str], text: str) -> int:
    """Do as `write_or_check`, for what stands between the marks of a page."""
    head, _, rest = Path(arguments[1]).read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    return write_or_check(module, arguments, f"{head}{BEGIN}\n\n{text}\n{END}{tail}")


def render_schema(schema: Mapping[str, Any], title: str) -> str:
    """Return a JSON schema as it is published."""
    published = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
    return json.dumps(published, indent=2, ensure_ascii=False) + "\n"
