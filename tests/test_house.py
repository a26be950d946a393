"""Rules of the house that no other tool checks: tiers, licences, prompts, names, paths of one machine."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jinja2.meta
import pytest

import prompts

REPO = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
BANNED = {"utils", "helpers", "common", "manager"}

GPL_ONLY = re.compile(r"(?<!L)(?<!Lesser )\bA?GPL|(?<!Lesser )General Public License", re.IGNORECASE)
OTHER_CHOICE = {"text-unidecode": "Artistic License, GPL or GPLv2+: the Artistic License is chosen"}
"""Distributions that name the GPL beside a licence of another kind, and which one is taken."""


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("the sources are no git checkout, so nothing says which files are ours")
    return [REPO / name for name in listed.stdout.split("\0") if name and (REPO / name).is_file()]


def markers(node: ast.AST) -> set[str]:
    """Return the names in every `pytest.mark.NAME` below a node."""
    found = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "pytest.mark"}
    return found


def marked_functions(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield every test function of a file with the markers that hold for it."""
    module = ast.parse(path.read_text(encoding="utf-8"))
    everywhere = {
        m for n in module.body if isinstance(n, ast.Assign) and "pytestmark" in ast.unparse(n) for m in markers(n)
    }
    for scope in [module, *(n for n in module.body if isinstance(n, ast.ClassDef))]:
        above = {m for d in getattr(scope, "decorator_list", ()) for m in markers(d)} | everywhere
        for node in scope.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name, above | {m for d in node.decorator_list for m in markers(d)}


def tiers() -> dict[str, str]:
    """Return the marker expression of each tier in the Makefile."""
    makefile = (REPO / "Makefile").read_text(encoding="utf-8")
    tier = r"^(test[a-z-]*):.*\n.*pytest (?:\$\(PARALLEL\) |-rs )?-m \"?([a-z ]+?)\"?(?: \|\||$)"
    return dict(re.findall(tier, makefile, re.MULTILINE))


def is_run(expression: str, marked: set[str]) -> bool:
    names = set(re.findall(r"[a-z]+", expression)) - {"not", "and", "or"}
    return bool(eval(expression, {"__builtins__": {}}, {name: name in marked for name in names}))


def test_the_makefile_has_the_five_tiers() -> None:
    assert list(tiers()) == ["test", "test-slow", "test-engines", "test-trainers", "test-eft"]


def test_every_test_is_run_by_a_tier() -> None:
    forgotten = [
        f"{path.relative_to(REPO)}::{name}"
        for path in (REPO / "tests").rglob("*.py")
        for name, marked in marked_functions(path)
        if not path.name.startswith("test_")
        or marked & {"skip", "xfail"}
        or not any(is_run(expression, marked) for expression in tiers().values())
    ]
    assert not forgotten, "no tier runs these (a file is named test_*.py, a reason to skip is found at run time)"


def test_continuous_integration_runs_check_test_and_test_slow() -> None:
    script = (REPO / ".ci" / "run").read_text(encoding="utf-8")
    assert re.findall(r"^make ([a-z-]+)$", script, re.MULTILINE) == ["check", "test", "test-slow"]


def test_no_tracked_file_names_a_path_of_this_machine() -> None:
    here = {str(REPO), str(REPO.parent / "shared"), sys.prefix, sys.base_prefix} - {"/usr", "/usr/local"}
    found = [
        f"{path.relative_to(REPO)}: {place}"
        for path in tracked()
        for place in here
        if place.encode() in path.read_bytes()
    ]
    assert not found


def test_no_distribution_is_available_only_under_the_gpl() -> None:
    found = {}
    for distribution in importlib.metadata.distributions():
        meta = distribution.metadata
        said = [meta.get("License-Expression") or "", *(c for c in meta.get_all("Classifier") or [] if "License" in c)]
        if not any(said):
            said = [(meta.get("License") or "").partition("\n")[0]]
        if GPL_ONLY.search(" ".join(said)) and distribution.name not in OTHER_CHOICE:
            found[distribution.name] = said
    assert not found, "look for another licence they offer and say it in OTHER_CHOICE, or do without them"


@pytest.mark.parametrize(
    ("licence", "is_gpl"),
    [
        ("GPL-3.0-only", True),
        ("AGPL-3.0", True),
        ("License :: OSI Approved :: GNU General Public License v2 (GPLv2)", True),
        ("LGPL-2.0-or-later", False),
        ("License :: OSI Approved :: GNU Library or Lesser General Public License (LGPL)", False),
        ("Apache-2.0", False),
    ],
)
def test_the_gpl_is_told_from_the_lgpl(licence: str, is_gpl: bool) -> None:
    assert bool(GPL_ONLY.search(licence)) == is_gpl


@pytest.mark.parametrize("path", sorted((REPO / "prompts").glob("*/v*.md")), ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_prompt_loads_and_its_inputs_are_those_it_uses(path: Path) -> None:
    prompt = prompts.load(path.parent.name, path.stem)
    assert {"purpose", "inputs", "source", "changed_because"} <= set(prompt.front)
    declared = {name.strip() for name in re.sub(r"\([^)]*\)", "", prompt.front["inputs"]).split(",")}
    assert declared == jinja2.meta.find_undeclared_variables(jinja2.Environment(autoescape=True).parse(prompt.text))


def test_one_list_of_packages_holds_everywhere() -> None:
    tool = PROJECT["tool"]
    contracts = tool["importlinter"]["contracts"]
    layers = [name.strip() for line in contracts[0]["layers"] for name in line.split("|")]
    assert sorted(PACKAGES) == sorted(layers) == sorted(tool["mypy"]["packages"])
    assert sorted(PACKAGES) == sorted(tool["importlinter"]["root_packages"])
    assert sorted(PACKAGES) == sorted(tool["ruff"]["lint"]["isort"]["known-first-party"])


def test_no_module_has_a_name_that_says_nothing_or_is_taken() -> None:
    taken = {*sys.stdlib_module_names, *PACKAGES, *BANNED, *importlib.metadata.packages_distributions()}
    modules = [p for name in PACKAGES for p in (REPO / name).rglob("*.py") if not p.name.startswith("__")]
    clashing = [
        str(p.relative_to(REPO)) for p in modules if p.parent.parent == REPO and p.stem in taken - {p.parent.name}
    ]
    assert not clashing


def test_the_body_of_a_function_has_at_most_35_lines() -> None:
    sources = [path for name in PACKAGES for path in (REPO / name).rglob("*.py")]
    long = [
        f"{path.relative_to(REPO)}:{node.lineno} {node.name}"
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > 35
    ]
    assert not long


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Debian 12's Python 3.11.2 gets them wrong (gh-106052, mended in 3.11.5): rows were lost without a word."""
    sources = [path for name in PACKAGES for path in (REPO / name).rglob("*.py")]
    assert not [p for p in sources if re.search(r"\)[*+?}]\+(?!\+)|\(\?>", p.read_text(encoding="utf-8"))]
