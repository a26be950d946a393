"""What `trajmill sql` may be asked: the table of statements, those that read and those that would do more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest

from schemas.errors import ConfigError
from warehouse.reading_only import lock_down, require_reading
from warehouse.warehouse import Warehouse

READS = (
    "SELECT count(*) FROM rejections",
    "FROM rejections",
    "(SELECT 1)",
    "VALUES (1)",
    "WITH few AS (FROM rejections LIMIT 3) SELECT count(*) FROM few",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "DESCRIBE rejections",
    "SUMMARIZE rejections",
    "FROM query('SELECT 1')",
    "EXPLAIN SELECT 1",
    "EXPLAIN FROM rejections",
    "explain /* a */ analyze -- b\n SELECT count(*) FROM rejections",
    "EXPLAIN (FORMAT json) SELECT 1",
    "EXPLAIN (ANALYZE, FORMAT json) (SELECT 1)",
    "EXPLAIN (SELECT 1)",
    "SELECT 'ü; COPY x TO y' AS a",
    "SELECT * FROM rejections;",
)
DOES_MORE = (
    "COPY (SELECT 42) TO 'x.csv'",
    "COPY rejections FROM 'secret.txt'",
    "COPY (SELECT 42) TO '{table}' (USE_TMP_FILE false)",
    "EXPLAIN ANALYZE COPY (SELECT 42) TO 'x.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 42) TO '{table}' (USE_TMP_FILE false)",
    "EXPLAIN (ANALYZE) COPY (SELECT 42) TO 'x.csv'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 42) TO 'x.csv'",
    "EXPLAIN /* SELECT 1 */ ANALYZE\nCOPY (SELECT 42) TO 'x.csv'",
    "EXPLAIN -- SELECT 1\nANALYZE COPY (SELECT 42) TO 'x.csv'",
    "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
    "EXPLAIN ANALYZE INSERT INTO rejections SELECT 1",
    "EXPLAIN ANALYZE CREATE VIEW rejections AS SELECT 1",
    "EXPLAIN ANALYZE ATTACH 'x.db'",
    "EXPLAIN ANALYZE EXPORT DATABASE 'out'",
    "EXPLAIN ANALYZE SELECT 1; COPY (SELECT 42) TO 'x.csv'",
    "SELECT 1; SELECT 2",
    "SELECT 1; COPY (SELECT 42) TO 'x.csv'",
    "SELECT 1 UNION ALL SELECT 2; DROP VIEW rejections",
    "SELECT * FROM read_csv('secret.txt')",
    "SELECT * FROM read_text('secret.txt')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_json('secret.txt')",
    "SELECT * FROM read_parquet('{secret}')",
    "SELECT * FROM sniff_csv('secret.txt')",
    "SELECT * FROM glob('*')",
    "SELECT * FROM glob('{folder}/**')",
    "FROM 'secret.txt'",
    "FROM '{secret}'",
    "FROM 'secret.csv'",
    'FROM "{secret}"',
    "FROM parquet_metadata('{secret}')",
    "SELECT * FROM read_text('/proc/self/environ')",
    "SELECT (SELECT content FROM read_text('secret.txt'))",
    "WITH x AS (SELECT * FROM read_text('secret.txt')) FROM x",
    "EXPLAIN ANALYZE SELECT * FROM read_text('secret.txt')",
    "FROM query('SELECT * FROM read_text(''secret.txt'')')",
    "FROM query('COPY (SELECT 1) TO ''x.csv''')",
    "FROM json_execute_serialized_sql('{{}}')",
    "SELECT getenv('HOME')",
    "SELECT * FROM read_csv('http://127.0.0.1:1/x')",
    "FROM 'https://127.0.0.1:1/x.parquet'",
    "FROM 's3://bucket/x.parquet'",
    "ATTACH 'x.db'",
    "ATTACH ':memory:' AS m",
    "DETACH memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "LOAD '{secret}'",
    "FORCE INSTALL httpfs FROM community",
    "UPDATE EXTENSIONS",
    "SET threads = 1",
    "SET enable_external_access = true",
    "RESET lock_configuration",
    "PRAGMA version",
    "PRAGMA enable_profiling",
    "PRAGMA disable_checkpoint_on_shutdown",
    "CALL enable_logging()",
    "CALL pragma_version()",
    "FROM enable_logging()",
    "FROM enable_profiling()",
    "CREATE TABLE t AS SELECT 1",
    "CREATE SECRET s (TYPE http)",
    "CREATE MACRO m() AS 1",
    "DROP VIEW rejections",
    "INSERT INTO rejections SELECT * FROM rejections",
    "DELETE FROM rejections",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "EXPORT DATABASE 'out'",
    "IMPORT DATABASE 'out'",
    "CHECKPOINT",
    "VACUUM",
    "BEGIN",
    "COMMIT",
    "USE memory",
    "FROM duckdb_secrets()",
    "FROM which_secret('s3://x', 's3')",
    "FROM sqlite_scan('x.db', 't')",
    "FROM read_duckdb('x.db')",
    "SELECT * FROM local_frame",
    "SELECT FROM WHERE",
    "",
    ";",
)


@pytest.fixture
def home(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    Warehouse(folder).land("rejections", [make.rejection(1)], key="k")
    monkeypatch.chdir(tmp_path)
    for name in ("secret.txt", "secret.csv"):
        (tmp_path / name).write_text("hush,hush\n1,2\n")
    return folder


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _ask(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    """What `Warehouse.sql` does, on one connection for the whole table: a fresh one takes a while."""
    require_reading(query)
    return connection.execute(query).fetchall()


@pytest.fixture
def connection(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    warehouse = Warehouse(home)
    with warehouse.connect() as opened:
        lock_down(opened, [str(path) for path in (home / "tables" / "rejections").glob("*.parquet")])
        yield opened


def test_what_reads_is_read(connection):
    for query in READS:
        assert _ask(connection, query), query


def test_what_would_do_more_is_refused_and_leaves_nothing_behind(home, connection, tmp_path):
    (table,) = (home / "tables" / "rejections").glob("*.parquet")
    before = _contents(tmp_path)
    local_frame = pandas.DataFrame({"hush": [1]})
    assert len(local_frame) == 1
    for query in DOES_MORE:
        asked = query.format(table=table, secret=tmp_path / "secret.txt", folder=tmp_path)
        with pytest.raises((ConfigError, duckdb.Error)) as caught:
            pytest.fail(f"{asked}: {_ask(connection, asked)}")
        assert "hush" not in str(caught.value), query
    assert _contents(tmp_path) == before
    assert _ask(connection, "SELECT count(*) FROM rejections") == [(1,)]


def test_the_command_says_so_in_a_sentence(home, tmp_path):
    warehouse, before = Warehouse(home), _contents(tmp_path)
    for query, said in (("EXPLAIN ANALYZE COPY (SELECT 42) TO 'x.csv'", "read-only"), ("FROM glob('*')", "disabled")):
        with pytest.raises(ConfigError, match=said):
            warehouse.sql(query)
    assert _contents(tmp_path) == before
    assert warehouse.sql("SELECT value FROM duckdb_settings() WHERE name = 'temp_directory'")[1] in ([("",)], [(None,)])
    assert _contents(tmp_path) == before


@pytest.mark.parametrize("query", [one for one in DOES_MORE if one.startswith(("EXPLAIN", "COPY"))])
def test_what_an_explain_would_run_is_looked_at_before_duckdb_is_asked(query):
    if "read_text" in query:
        require_reading(query)  # reading is what it does: the file is out of its reach
        return
    with pytest.raises((ConfigError, duckdb.ParserException), match=r"read-only|syntax error"):
        require_reading(query.format(table="t", secret="s", folder="f"))
