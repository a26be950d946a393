"""SQL attacks on servers: each is a list of statements, the last of which decides.

`{other}` is another episode's database, `{folder}` a folder that the server may write, `{victim}` another session's
number, `{login}` the agent's own login.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """Statements that a naive login runs to its end, and a slot's login does not."""

    name: str
    sql: tuple[str, ...]
    shows: str = ""
    """Text that stands in the last result where the attack got through; empty = it is enough that it ran."""
    undo: tuple[str, ...] = ()
    """What the naive login takes back."""


def _one(name: str, *sql: str, shows: str = "", undo: tuple[str, ...] = ()) -> Attack:
    return Attack(name, sql, shows, undo)


MARIADB = (
    _one("reads a file", "SELECT LOAD_FILE('{folder}/data/mysql_upgrade_info') IS NOT NULL", shows="1"),
    _one("writes a file", "SELECT 'x' INTO OUTFILE '{folder}/outfile'"),
    _one("dumps a file", "SELECT 'x' INTO DUMPFILE '{folder}/dumpfile'"),
    _one("loads a file of the server", "LOAD DATA INFILE '{folder}/data/mysql_upgrade_info' INTO TABLE pets (name)"),
    _one("loads a file of the client", "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE pets (name)"),
    _one("reads the logins", "SELECT user FROM mysql.user", shows="root"),
    _one("opens the logins by handler", "HANDLER mysql.global_priv OPEN", undo=("HANDLER global_priv CLOSE",)),
    _one("reads another database", "SELECT name FROM `{other}`.pets", shows="Rex"),
    _one("writes another database", "UPDATE `{other}`.pets SET age = 0 WHERE name = 'Nobody'"),
    _one("moves into another database", "USE `{other}`"),
    _one(
        "moves its table there", "RENAME TABLE pets TO `{other}`.moved", undo=("RENAME TABLE `{other}`.moved TO pets",)
    ),
    _one("sees other databases", "SELECT schema_name FROM information_schema.schemata", shows="mysql"),
    _one("makes a database", "CREATE DATABASE evil", undo=("DROP DATABASE evil",)),
    _one("makes a login", "CREATE USER evil", undo=("DROP USER evil",)),
    _one("gives itself rights", "GRANT SELECT ON *.* TO {login}", undo=("REVOKE SELECT ON *.* FROM {login}",)),
    _one("changes root's password", "SET PASSWORD FOR root@localhost = ''"),
    _one("becomes another by a definer", "CREATE DEFINER=root@localhost VIEW v AS SELECT user FROM mysql.user"),
    _one("makes a definer's routine", "CREATE DEFINER=root@localhost PROCEDURE p() SELECT 1"),
    _one("changes the server", "SET GLOBAL max_connections = 60"),
    _one("turns the log on", "SET GLOBAL general_log = 0"),
    _one("sees other sessions", "SELECT user FROM information_schema.processlist", shows="root"),
    _one("kills another's session", "KILL {victim}"),
    _one("leaves an event", "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM pets"),
    _one("installs a plugin", "INSTALL SONAME 'auth_ed25519'", undo=("UNINSTALL SONAME 'auth_ed25519'",)),
    _one("names a foreign server", "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')"),
    _one("stops everybody's writes", "FLUSH TABLES WITH READ LOCK", undo=("UNLOCK TABLES",)),
    _one("locks another's table", "LOCK TABLES `{other}`.pets READ", undo=("UNLOCK TABLES",)),
    _one(
        "hangs a trigger on another's", "CREATE TRIGGER `{other}`.t BEFORE INSERT ON `{other}`.pets FOR EACH ROW DO 0"
    ),
    _one("goes without a log", "SET SESSION sql_log_bin = 0"),
    _one("forgets the statistics", "FLUSH STATUS"),
)

POSTGRES = (
    _one("reads a file", "SELECT pg_read_file('PG_VERSION')"),
    _one("lists files", "SELECT pg_ls_dir('.')", shows="base"),
    _one("copies a file in", "COPY pets (name) FROM '{folder}/data/PG_VERSION'"),
    _one("copies a file out", "COPY pets TO '{folder}/copied'"),
    _one("copies from a program", "COPY pets (name) FROM PROGRAM 'echo hacked'"),
    _one("copies to a program", "COPY pets TO PROGRAM 'cat > /dev/null'"),
    _one("imports a file as large object", "SELECT lo_import('{folder}/data/PG_VERSION')"),
    _one("makes a large object", "SELECT lo_create(4242)", undo=("SELECT lo_unlink(4242)",)),
    _one("exports a large object", "SELECT lo_from_bytea(4243, 'x')", "SELECT lo_export(4243, '{folder}/exported')"),
    _one("reads passwords", "SELECT count(*) FROM pg_authid"),
    _one("makes a login", "CREATE ROLE trajmill_evil", undo=("DROP ROLE trajmill_evil",)),
    _one("gives itself rights", "ALTER ROLE {login} SUPERUSER", undo=("ALTER ROLE {login} NOSUPERUSER",)),
    _one("joins a powerful role", "GRANT pg_read_all_data TO {login}", undo=("REVOKE pg_read_all_data FROM {login}",)),
    _one("becomes another", "SET ROLE {other}a", undo=("RESET ROLE",)),
    _one("becomes another at once", "SET SESSION AUTHORIZATION {other}a", undo=("RESET SESSION AUTHORIZATION",)),
    _one("makes a database", "CREATE DATABASE trajmill_evil", undo=("DROP DATABASE trajmill_evil",)),
    _one("renames another's database", "ALTER DATABASE {other} CONNECTION LIMIT 90"),
    _one("makes a schema", "CREATE SCHEMA evil", undo=("DROP SCHEMA evil",)),
    _one("writes the catalogue", "UPDATE pg_catalog.pg_class SET relname = relname WHERE relname = 'pets'"),
    _one("changes the server", "ALTER SYSTEM SET work_mem = '4MB'", undo=("ALTER SYSTEM RESET work_mem",)),
    _one("reloads the server", "SELECT pg_reload_conf()", shows="True"),
    _one("kills another's session", "SELECT pg_terminate_backend({victim})"),
    _one("loads a library", "LOAD 'auto_explain'"),
    _one("takes a library of its own", "SET session_preload_libraries = 'auto_explain'"),
    _one("makes a C function", "CREATE FUNCTION c() RETURNS int AS 'plpgsql', 'plpgsql_call_handler' LANGUAGE c"),
    _one("brings dblink", "CREATE EXTENSION dblink", undo=("DROP EXTENSION dblink",)),
    _one("names a foreign server", "CREATE FOREIGN DATA WRAPPER w", undo=("DROP FOREIGN DATA WRAPPER w",)),
    _one("lifts the limit of temporary files", "SET temp_file_limit = -1"),
    _one("hides from the log", "SET log_statement = 'none'"),
    _one("publishes", "CREATE PUBLICATION p FOR ALL TABLES", undo=("DROP PUBLICATION p",)),
    _one("leaves an event trigger", "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
         "CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION e()", undo=("DROP EVENT TRIGGER t",)),
)  # fmt: skip

MARIADB_BOMBS = (
    _one("sleeps", "SELECT SLEEP(20)"),
    _one("lifts the time-out and sleeps", "SET max_statement_time = 0", "SELECT SLEEP(20)"),
    _one("lifts it for one statement", "SET STATEMENT max_statement_time = 0 FOR SELECT SLEEP(20)"),
    _one("computes", "SET max_statement_time = 0", "SELECT BENCHMARK(2000000000, SHA2('x', 512))"),
    _one("joins", "SET max_statement_time = 0",
         "SELECT COUNT(*) FROM seq_1_to_100000 a, seq_1_to_100000 b, seq_1_to_100000 c"),
    _one("recurses", "SET max_statement_time = 0, max_recursive_iterations = 4294967295",
         "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT COUNT(*) FROM c"),
    _one("loops in a routine", "SET max_statement_time = 0",
         "CREATE PROCEDURE forever() BEGIN LOOP DO 1; END LOOP; END", "CALL forever()"),
    _one("loops with results", "SET max_statement_time = 0",
         "CREATE PROCEDURE chatter() BEGIN LOOP SELECT 1; END LOOP; END", "CALL chatter()"),
    _one("executes what it prepared", "SET max_statement_time = 0", "PREPARE s FROM 'SELECT SLEEP(20)'", "EXECUTE s"),
    _one("fills the disk", "SET max_statement_time = 0", "CREATE TABLE heap (a LONGTEXT)",
         "INSERT INTO heap SELECT REPEAT('x', 1000000) FROM seq_1_to_100000"),
    _one("fills memory", "SET max_statement_time = 0, max_heap_table_size = 100000000000",
         "CREATE TABLE heap (a CHAR(255)) ENGINE = MEMORY",
         "INSERT INTO heap SELECT REPEAT('x', 255) FROM seq_1_to_4000000000"),
    _one("fills a temporary table", "SET max_statement_time = 0", "CREATE TEMPORARY TABLE heap (a LONGTEXT)",
         "INSERT INTO heap SELECT REPEAT('x', 1000000) FROM seq_1_to_100000000"),
)  # fmt: skip

POSTGRES_BOMBS = (
    _one("sleeps", "SELECT pg_sleep(20)"),
    _one("lifts the time-out and sleeps", "SET statement_timeout = 0", "SELECT pg_sleep(20)"),
    _one("counts", "SET statement_timeout = 0", "SELECT count(*) FROM generate_series(1, 100000000000)"),
    _one("joins", "SET statement_timeout = 0",
         "SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 9999) c"),
    _one("recurses", "SET statement_timeout = 0",
         "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"),
    _one("loops in a block", "SET statement_timeout = 0", "DO 'BEGIN LOOP END LOOP; END'"),
    _one("catches its own end", "SET statement_timeout = 0",
         "DO 'BEGIN LOOP BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN END; END LOOP; END'"),
    _one("executes what it prepared", "SET statement_timeout = 0", "PREPARE s AS SELECT pg_sleep(20)", "EXECUTE s"),
    _one("fills the disk", "SET statement_timeout = 0", "CREATE TABLE heap (a text)",
         "ALTER TABLE heap ALTER a SET STORAGE EXTERNAL",
         "INSERT INTO heap SELECT repeat('x', 1000000) FROM generate_series(1, 100000)"),
    _one("fills a temporary table", "SET statement_timeout = 0", "CREATE TEMPORARY TABLE heap (a text)",
         "ALTER TABLE heap ALTER a SET STORAGE EXTERNAL",
         "INSERT INTO heap SELECT repeat('x', 1000000) FROM generate_series(1, 100000)"),
    _one("sorts without end", "SET statement_timeout = 0",
         "SELECT max(x) FROM (SELECT x FROM generate_series(1, 100000000000) x ORDER BY random()) s"),
    _one("waits for a lock of its own making", "SET statement_timeout = 0",
         "SELECT count(*) FROM generate_series(1, 20) WHERE pg_sleep(1) IS NOT NULL"),
)  # fmt: skip
