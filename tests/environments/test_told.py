"""What a solver is told of its world: the limits as they are configured, the commands as they are in the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import prompts
from environments.base import Action, Dialect
from environments.db.engine import Result
from environments.db.episode import counted_observation
from environments.db.world import DbWorld
from environments.os.world import OsWorld
from sandboxes.base import Image
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.image_paths import programs_in
from sandboxes.images import host_image
from schemas.settings import default_cache
from schemas.task_spec import Check, Provenance, Setup, TaskSpec

MOST_TOKENS = 250
"""That the rules may add to each request."""
TASK = TaskSpec.make(
    environment="os",
    instruction="Count.",
    setup=Setup(),
    check=Check(kind="match", answer="1"),
    origin="own",
    provenance=Provenance(source="test"),
)


@pytest.fixture(scope="module")
def image() -> Image:
    return host_image(default_cache())


@pytest.fixture
def shell(image: Image) -> OsWorld:
    return OsWorld(Bubblewrap(image), image.digest, command_timeout=7.5, max_turns=5)


@pytest.fixture
def database(tmp_path: Path) -> DbWorld:
    return DbWorld.on_sqlite(tmp_path, statement_timeout=3.0, max_turns=9)


def opening(dialect: Dialect, **told: Any) -> str:
    dialect = dialect.knowing(told) if told else dialect
    return "\n".join(message.content for message in dialect.render(TASK, (), "Count."))


@pytest.mark.parametrize("name", ["react", "tools"])
def test_the_limits_are_those_of_the_configuration(name: str, shell: OsWorld, database: DbWorld) -> None:
    said = opening(shell.dialects[name], **shell.told, tokens=777)
    assert "You have 5 turns, 7.5 s a command, 777 tokens a reply" in said and "800 characters" in said
    said = opening(database.dialects[name], **database.told, tokens=777)
    assert "You have 9 turns, 3 s a statement, 777 tokens a reply" in said and "800 characters" in said
    assert "tokens a reply" not in opening(database.dialects[name], **database.told), "a replay writes no reply"


@pytest.mark.parametrize("name", ["react", "tools"])
def test_the_rules_cost_less_than_a_page(name: str, shell: OsWorld, database: DbWorld) -> None:
    for world in (shell, database):
        bare, told = opening(world.dialects[name]), opening(world.dialects[name], **world.told, tokens=1024)
        assert "Rules:" not in bare and 200 < len(told) - len(bare) < MOST_TOKENS * 4


async def test_the_commands_that_are_told_are_those_that_its_shell_finds(shell: OsWorld) -> None:
    told = shell.told
    here, missing = (told[key].split(", ") for key in ("here", "missing"))
    front = prompts.load("solve_os").front
    assert {*here, *missing} == {*front["notable"], *(name for name in front["basic"] if name in missing)}
    async with shell, shell.open(TASK) as episode:
        await episode.reset()
        names = " ".join([*front["notable"], *front["basic"]])
        found = await episode.step(Action("bash", f"for n in {names}; do type -P $n >/dev/null && echo -n $n,; done"))
    assert set(here) <= set(found.observation.split(",")) and not set(missing) & set(found.observation.split(","))


def test_a_program_is_what_a_shell_would_run(tmp_path: Path) -> None:
    for name, mode in (("usr/bin/a", 0o755), ("usr/bin/b", 0o644), ("usr/local/bin/c", 0o755), ("opt/d", 0o755)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode)
    (tmp_path / "usr/bin/e").symlink_to("a")
    (tmp_path / "usr/bin/f").symlink_to("/usr/bin/gone")
    (tmp_path / "usr/bin/g").symlink_to("../../../outside")
    (tmp_path / "usr/bin/h").mkdir()
    assert programs_in(Image("d", str(tmp_path), "directory"), "abcdefgh") == {"a", "c", "e"}


def test_nothing_is_told_where_a_build_began_before_or_a_benchmark_is_played(image: Image, tmp_path: Path) -> None:
    old = dict.fromkeys(("solve_os", "solve_db", "solve_os_tools", "solve_db_tools"), "v2")
    with prompts.keeping(old):
        worlds = [OsWorld(Bubblewrap(image), "d"), DbWorld.on_sqlite(tmp_path)]
    engine = DbWorld.on_sqlite(tmp_path).engine
    worlds += [OsWorld(Bubblewrap(image), "d", is_benchmark=True), DbWorld(engine, is_benchmark=True)]
    assert [dict(world.told) for world in worlds] == [{}] * 4
    assert [world.dialects["agentbench"].prompt.version for world in worlds] == ["v2"] * 4
    assert OsWorld(None).dialects["agentbench"].prompt.version == "v2"


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (Result(columns=("n",), rows=((1,), (2,))), "2 rows (n):\n[(1,), (2,)]"),
        (Result(columns=("a", "b"), rows=()), "0 rows (a, b)"),
        (Result(changed=0, wrote=True), "0 rows changed"),
        (Result(changed=1, wrote=True), "1 row changed"),
        (Result(columns=("id",), rows=((7,),), changed=1), "1 row changed; 1 row (id):\n[(7,)]"),
        (Result(wrote=True), "Done."),
        (Result(error="no such table: t"), "Error: no such table: t"),
    ],
)
def test_a_result_says_its_columns_and_what_it_counts(result: Result, said: str) -> None:
    assert counted_observation(result, 800) == said


def test_of_a_long_result_the_first_and_the_last_rows_are_shown() -> None:
    whole = Result(columns=("n", "word"), rows=tuple((n, f"word {n}") for n in range(1500)))
    shown = counted_observation(whole, 800)
    assert shown.startswith("1,500 rows (n, word), ") and len(shown) <= 800
    assert "[(0, 'word 0'), (1, 'word 1')" in shown and shown.endswith("(1499, 'word 1499')]")
    cut = counted_observation(Result(columns=("n",), rows=((1,),), truncated=True), 800)
    assert cut.startswith("more than 1 row (n)")
    wide = counted_observation(Result(columns=("text",), rows=(("x" * 5000,), ("y",))), 800)
    assert len(wide) <= 800 and "characters not shown" in wide and "1 rows ..." in wide
