"""A task runs on the engine of its dialect; a server is there only once a task needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.admission import admit
from environments.db.sqlite_engine import SqliteEngine
from environments.db.store import store_dump
from environments.db.world import DbWorld
from schemas.errors import ConfigError, EnvironmentFault, InputError
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "intercode"
TABLE = TableData(name="pets", columns=(Column(name="name"),), rows=(("Rex",), ("Ada",)))
DUMP = """CREATE USER 'admin'@'%' IDENTIFIED BY 'admin';
CREATE DATABASE IF NOT EXISTS `shelter`;
USE `shelter`;
CREATE TABLE `pets` (`name` text);
INSERT INTO `pets` VALUES ('Rex; USE it'),('it''s');
CREATE DATABASE IF NOT EXISTS `Shop`;
USE `Shop`;
CREATE TABLE `goods` (`price` decimal(6,2));
"""


def task(dialect: str, sql: str = "DELETE FROM pets WHERE name = 'Rex'") -> TaskSpec:
    return TaskSpec.make(
        environment="db",
        instruction="Let Rex go.",
        setup=Setup(dialect=dialect, tables=(TABLE,), database_name="shelter"),
        reference=(Script(code=sql),),
        check=Check(kind="state"),
        origin="own",
        provenance=Provenance(source="test"),
    )


async def test_no_server_starts_for_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("environments.db.server.mariadb_engine.PROGRAM_PATH", str(tmp_path))
    async with DbWorld.on_engines(tmp_path, {}) as world:
        assert all(probe.passed for probe in await admit(world, task("sqlite")))
        assert await world.world_id_of(task("sqlite")) == world.world_id
        assert world.world_id == DbWorld(SqliteEngine(tmp_path)).world_id
        with pytest.raises(ConfigError, match="apt install mariadb-server"):
            await world.world_id_of(task("mysql"))
        with pytest.raises(EnvironmentFault, match="no engine for the dialect 'oracle'"):
            await world.engine.open(task("oracle").setup)


@pytest.mark.engines
async def test_a_task_in_mysql_s_dialect_is_admitted_on_mariadb_and_says_so(tmp_path: Path) -> None:
    async with DbWorld.on_engines(tmp_path, {}) as world:
        probes = await admit(world, task("mysql"))
        assert all(probe.passed for probe in probes), probes
        assert await world.world_id_of(task("mysql")) != world.world_id == await world.world_id_of(task("sqlite"))
        assert world.describe(task("mysql"))["image"].startswith("mariadb 1")
        assert world.describe(task("mysql"))["sandbox"] == "jailed server, a login of its own"
        assert world.describe(task("sqlite")) == world.describe()
        refused = await admit(world, task("mysql", "UPDATE shelter.pets SET name = 'Rex' WHERE name = 'rex'"))
        assert (refused[-1].name, refused[-1].passed) == ("nothing_fails", False)


@pytest.mark.engines
async def test_a_partition_is_a_part_of_its_table(tmp_path: Path) -> None:
    async with DbWorld.on_engines(tmp_path, {}) as world:
        database = await world.engine.open(task("postgres").setup)
        for sql in (
            "CREATE TABLE years (year int, note text) PARTITION BY RANGE (year)",
            "CREATE TABLE nineties PARTITION OF years FOR VALUES FROM (1990) TO (2000)",
            "INSERT INTO years VALUES (1995, 'a')",
        ):
            assert (await database.execute(sql)).error is None, sql
        state = await database.state()
        assert (list(state.tables), state.tables["years"][0]) == (["pets", "years"], 1)
        assert "table nineties" not in state.objects
        await database.close()


@pytest.mark.engines
async def test_a_database_of_a_dump_is_opened_by_name_with_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "dump.sql").write_text(DUMP)
    sha256 = store_dump(tmp_path / "dump.sql", tmp_path / "databases")
    async with DbWorld.on_engines(tmp_path / "databases", {}) as world:
        setup = Setup(dialect="mysql", database=sha256, database_name="shelter")
        database, again = await world.engine.open(setup), await world.engine.open(setup)
        assert (await database.execute("SELECT name FROM shelter.pets")).rows == (("Rex; USE it",), ("it's",))
        assert (await database.execute("DELETE FROM shelter.pets")).error is None
        assert (await again.execute("SELECT count(*), DATABASE() FROM pets")).rows == ((2, "shelter"),)
        assert "denied" in str((await again.execute("SELECT * FROM Shop.goods")).error)
        for opened in (database, again):
            await opened.close()
        shop = await world.engine.open(setup.model_copy(update={"database_name": "shop"}))
        assert shop.tables == ("goods",)
        with pytest.raises(EnvironmentFault, match="holds no database 'zoo'; it holds shelter, shop"):
            await world.engine.open(setup.model_copy(update={"database_name": "zoo"}))


@pytest.mark.engines
@pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/intercode is absent")
async def test_intercode_s_dump_loads_as_it_is(tmp_path: Path) -> None:
    sha256 = store_dump(DATA / "sql_databases.mysql.sql", tmp_path)
    async with DbWorld.on_engines(tmp_path, {}) as world:
        database = await world.engine.open(Setup(dialect="mysql", database=sha256, database_name="world_1"))
        assert database.tables == ("city", "country", "countrylanguage")
        # Not every column that is shown is grouped by: MariaDB's ONLY_FULL_GROUP_BY would refuse it.
        sql = "SELECT c.Name, count(*) FROM country c JOIN city t ON t.CountryCode = c.Code GROUP BY c.Code LIMIT 1"
        result = await database.execute(sql)
        assert result.error is None and result.tables == ("city", "country")


def test_a_dump_that_cannot_be_run_as_it_is_is_refused(tmp_path: Path) -> None:
    for text, why in (("hello", "no SQL dump"), ("CREATE TABLE t (a int);\nDELIMITER ;;\n", "DELIMITER")):
        (tmp_path / "dump.sql").write_text(text)
        with pytest.raises(InputError, match=why):
            store_dump(tmp_path / "dump.sql", tmp_path / "databases")
    with pytest.raises(InputError, match="cannot be read"):
        store_dump(tmp_path / "missing.sql", tmp_path / "databases")
    assert not (tmp_path / "databases").exists()
