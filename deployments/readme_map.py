"""The README's map of the code, made from each package's first line: `--write` puts it there, `--check` compares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKS = re.compile(
    r"(<!-- map: python deployments/readme_map.py --write -->\n\n).*?(\n\n<!-- end of map -->)", re.DOTALL
)


def render_map() -> str:
    """Return the table, highest layer first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    packages = [name.strip() for layer in layers for name in layer.split("|")]
    rows = [f"| `{name}/` | {_first_line(name)} |" for name in packages]
    return "\n".join(("| folder | what lives there |", "|---|---|", *rows))


def _first_line(package: str) -> str:
    module = ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))
    said = ast.get_docstring(module)
    if not said:
        raise SystemExit(f"{package}/__init__.py says nothing: its first line stands in the README's map")
    return said.split("\n")[0]


def main(arguments: list[str]) -> int:
    page = ROOT / "README.md"
    text = page.read_text(encoding="utf-8")
    made = MARKS.sub(lambda found: f"{found[1]}{render_map()}{found[2]}", text)
    if arguments == ["--write"]:
        page.write_text(made, encoding="utf-8")
    elif made != text or not MARKS.search(text):
        sys.stderr.write("README.md's map is not what the packages say. Run: make docs\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
