"""Rules of the house that no other tool checks: tiers, licences, prompts, names, paths of one machine."""

from __future__ import annotations

import ast
import functools
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


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return a file's tree, read once for all the rules."""
    return ast.parse(path.read_text(encoding="utf-8"))


def markers(node: ast.AST) -> set[str]:
    """Return the names in every `pytest.mark.NAME` below a node."""
    return {
        n.attr
        for n in ast.walk(node)
        if isinstance(n, ast.Attribute)
        and isinstance(n.value, ast.Attribute)
        and n.value.attr == "mark"
        and isinstance(n.value.value, ast.Name)
        and n.value.value.id == "pytest"
    }


def marked_functions(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Yield every test function of a file with the markers that hold for it."""
    module = parsed(path)
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


def test_the_makefile_has_the_six_tiers() -> None:
    assert list(tiers()) == ["test", "test-slow", "test-nightly", "test-engines", "test-trainers", "test-eft"]


def test_no_test_is_run_by_two_tiers_of_the_everyday() -> None:
    everyday = [tiers()[name] for name in ("test", "test-slow", "test-nightly")]
    for marked in (set[str](), {"slow"}, {"nightly"}, {"slow", "nightly"}):
        assert sum(is_run(expression, marked) for expression in everyday) == 1, marked


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


def test_a_judge_is_only_asked_where_its_time_is_limited() -> None:
    asked = re.compile(r"await \w+\.verify\(\)")
    askers = {
        str(path.relative_to(REPO))
        for path in tracked()
        if path.suffix in (".py", ".md") and "tests" not in path.parts and asked.search(path.read_text("utf-8"))
    }
    assert askers == {"environments/environment.py"}, "judge_episode limits how long a judge may take"


Function = ast.FunctionDef | ast.AsyncFunctionDef
CLOCK = re.compile(
    r"\b(?:time\.(?:time|monotonic|perf_counter|process_time|thread_time)(?:_ns)?"
    r"|\w*loop(?:\(\))?\.time|getrusage|datetime\.now)\("
)
SPANS = {"seconds", "elapsed", "took", "wall", "cpu", "duration"}
"""Names that hold a span whatever was assigned to them."""
SIMULATED = "simulate"
"""The fixture of a clock that nothing but the test moves."""


def files_of_tests() -> Iterator[tuple[str, dict[str, Function]]]:
    """Yield every file of tests with its functions by name, inner ones too."""
    for path in sorted((REPO / "tests").rglob("test_*.py")):
        module = parsed(path)
        functions = {node.name: node for node in ast.walk(module) if isinstance(node, Function)}
        yield str(path.relative_to(REPO)), functions


def holds_time(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression reads a clock, or what stands under one of the names."""
    used = {
        n.id if isinstance(n, ast.Name) else n.attr for n in ast.walk(node) if isinstance(n, ast.Name | ast.Attribute)
    }
    return bool(used & names or CLOCK.search(ast.unparse(node)))


def times_in(function: Function, names: set[str]) -> set[str]:
    """Return these names and those of a function that hold a time or a span, by what was assigned to them."""
    assigned = [n for n in ast.walk(function) if isinstance(n, ast.Assign | ast.AnnAssign | ast.NamedExpr) and n.value]
    known = set[str]()
    while known != names:
        known = names
        for node in assigned:
            if node.value and holds_time(node.value, names):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = names | {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return known


def limits_on_time(functions: dict[str, Function]) -> Iterator[ast.Assert]:
    """Yield the assertions that compare a time or a span with a limit."""
    timers = {
        name
        for name, function in functions.items()
        for n in ast.walk(function)
        if isinstance(n, ast.Return | ast.Yield) and n.value and holds_time(n.value, times_in(function, set()))
    }
    for function in functions.values():
        names = times_in(function, SPANS | timers)
        asserted = [n for n in ast.walk(function) if isinstance(n, ast.Assert)]
        if SIMULATED not in {argument.arg for argument in function.args.args}:
            yield from (node for node in asserted if any(is_limit(n, names) for n in ast.walk(node.test)))


def is_limit(node: ast.AST, names: set[str]) -> bool:
    """Whether a node says that a time is less or more than something."""
    orders = ast.Lt | ast.LtE | ast.Gt | ast.GtE
    return (
        isinstance(node, ast.Compare)
        and any(isinstance(op, orders) for op in node.ops)
        and any(holds_time(side, names) for side in (node.left, *node.comparators))
    )


def test_no_test_asserts_on_the_clock() -> None:
    found = {f"{path}:{node.lineno}" for path, functions in files_of_tests() for node in limits_on_time(functions)}
    assert not found, "a busy machine fails these: assert order, counts or states; speed is measured in benchmarks/"


def claims(function: Function) -> bool:
    """Whether a function holds an assertion of its own."""
    return any(
        isinstance(n, ast.Assert)
        or (isinstance(n, ast.Raise) and "AssertionError" in ast.unparse(n))
        or (isinstance(n, ast.Call) and ast.unparse(n.func) in ("pytest.raises", "pytest.fail"))
        for n in ast.walk(function)
    )


def test_every_test_asserts_something() -> None:
    silent = []
    for path, functions in files_of_tests():
        known, claiming = set[str](), {name for name, function in functions.items() if claims(function)}
        while known != claiming:
            known = claiming
            claiming = known | {name for name, function in functions.items() if calls(function) & known}
        silent += [f"{path}::{name}" for name in functions if name.startswith("test_") and name not in claiming]
    assert not silent, "neither these nor the functions of their file that they call assert anything"


def calls(function: Function) -> set[str]:
    """Return the last names of what a function calls."""
    return {ast.unparse(n.func).rpartition(".")[2] for n in ast.walk(function) if isinstance(n, ast.Call)}


@pytest.mark.parametrize(
    ("body", "is_found"),
    [
        ("began = time.monotonic()\n    work()\n    assert time.monotonic() - began < 1", True),
        ("until = loop.time() + 5\n    later = until + 1\n    assert now() < later", True),
        ("assert ended.seconds < 5", True),
        ("assert measured() <= 3", True),
        ("assert min(took) < 1", True),
        ("assert counts['seconds'] == 3 and len(rows) < 4", False),
        ("began = time.monotonic()\n    work(began)\n    assert len(rows) < 4", False),
    ],
)
def test_assertions_on_the_clock_are_found(body: str, is_found: bool) -> None:
    source = f"def measured():\n    return time.process_time()\n\ndef test_it():\n    {body}\n"
    functions = {node.name: node for node in ast.parse(source).body if isinstance(node, Function)}
    assert bool(list(limits_on_time(functions))) == is_found


def test_the_long_files_are_there() -> None:
    module = ast.parse((REPO / "tests" / "conftest.py").read_text(encoding="utf-8"))
    (long,) = [n.value for n in module.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "LONG"]
    assert not [name for name in ast.literal_eval(long) if not (REPO / "tests" / name).is_file()]


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
        for node in ast.walk(parsed(path))
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


def test_no_file_outside_a_world_names_one() -> None:
    """Configurations and documentation apart: a third world is a folder, and no line elsewhere."""
    worlds = [path.parent for path in (REPO / "environments").glob("*/world.py")]
    names = "|".join(world.name for world in worlds)
    naming = re.compile(rf"""["']({names})["']|environments\.({names})\b|environments/({names})/""")
    sources = [path for name in PACKAGES for path in (REPO / name).rglob("*.py")]
    found = [
        f"{path.relative_to(REPO)}:{number}: {line.strip()}"
        for path in sources
        if not any(world in path.parents for world in worlds)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if naming.search(line)
    ]
    assert not found


def test_no_class_name_stands_twice_outside_the_worlds() -> None:
    worlds = [path.parent for path in (REPO / "environments").glob("*/world.py")]
    found: dict[str, list[str]] = {}
    for path in (path for name in PACKAGES for path in (REPO / name).rglob("*.py")):
        if not any(world in path.parents for world in worlds):
            for node in parsed(path).body:
                if isinstance(node, ast.ClassDef):
                    found.setdefault(node.name, []).append(str(path.relative_to(REPO)))
    assert not {name: places for name, places in found.items() if len(places) > 1}


SHIPPED = {
    "commands/entry.py": "the command",
    "commands/dashboard/server.py": "run by `up`",
    "commands/dashboard/serving.py": "run by `up`",
    "environments/dialects/rounds.py": "for worlds without memory: docs/example-world",
    "rehearsals/quirks.py": "the double of servers that people run themselves: docs/own-model.md",
}
"""Modules that no other one names, and who does."""


def test_every_module_is_imported_by_another_or_run() -> None:
    sources = {path: path.read_text(encoding="utf-8") for name in PACKAGES for path in (REPO / name).rglob("*.py")}
    places = [REPO / "deployments" / "prefect.yaml", REPO / "deployments" / "check.sh"]
    text = sources | {path: path.read_text(encoding="utf-8") for path in places}
    lonely = set()
    for path in sources:
        dotted = ".".join(path.relative_to(REPO).with_suffix("").parts)
        package, _, name = dotted.rpartition(".")
        ways = (
            re.escape(dotted),
            rf"from {re.escape(package)} import \(?[^()=]*?\b{name}",
            rf"{name}\.py",
            f'"{name}"',
        )
        wanted = re.compile(rf"(?:{'|'.join(ways)})\b")
        where_named = (other for place, other in text.items() if place != path and name in other)
        is_found_in_its_folder = path.name == "world.py" or re.search("IMPORTER|EXPORTER", sources[path])
        if path.name.startswith("__") or is_found_in_its_folder:
            continue
        if not any(map(wanted.search, where_named)):
            lonely.add(str(path.relative_to(REPO)))
    assert lonely - set(SHIPPED) == set()
