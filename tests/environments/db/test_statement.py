"""Statements are classified without being changed."""

from __future__ import annotations

import pytest

from environments.db.statement import UnreadableSql, read_statement
from environments.db.static_probes import volatile_part


@pytest.mark.parametrize(
    ("sql", "kind", "ordered", "family"),
    [
        ("SELECT COUNT(*) FROM t", "select", False, "counting"),
        ("SELECT CAST(SUM(a) AS REAL) / COUNT(b) FROM t JOIN u ON t.i = u.i", "select", False, "counting"),
        ("SELECT AVG(a) FROM t WHERE b > 3", "select", False, "aggregation"),
        ("SELECT a FROM t ORDER BY b DESC LIMIT 1", "select", True, "ranking"),
        ("SELECT a FROM t WHERE b BETWEEN 1 AND 2 ORDER BY a", "select", True, "comparison"),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a) AS s", "select", False, "other"),
        ("SELECT t.a FROM t JOIN u ON t.i = u.i", "select", False, "join"),
        ("SELECT a FROM t UNION SELECT b FROM u ORDER BY 1", "select", True, "other"),
        ("WITH s AS (SELECT 1 AS x) SELECT x FROM s", "select", False, "other"),
        ("INSERT INTO t SELECT * FROM u", "insert", False, "insert"),
        ("UPDATE t SET a = 1", "update", False, "update"),
        ("DELETE FROM t;", "delete", False, "delete"),
        ("REPLACE INTO t(a) VALUES (1)", "insert", False, "insert"),
        ("-- once\nREPLACE INTO t SELECT replace(a, 'x', 'y') FROM u", "insert", False, "insert"),
        ("WITH x AS (SELECT 1) REPLACE INTO t SELECT * FROM x", "insert", False, "insert"),
        ("UPDATE OR IGNORE t SET a = 1", "update", False, "update"),
        ("WITH x AS (SELECT 1 AS a) UPDATE OR REPLACE t SET a = 1", "update", False, "update"),
        ("INSERT OR IGNORE INTO t VALUES (1)", "insert", False, "insert"),
        ("SELECT replace(a, 'x', 'y') FROM t", "select", False, "other"),
        ("SELECT (1) replace FROM t", "select", False, "other"),
        ("DROP TABLE t", "other", False, "other"),
        ("PRAGMA table_info(t)", "other", False, "other"),
    ],
)
def test_kind_order_and_family(sql: str, kind: str, ordered: bool, family: str) -> None:
    statement = read_statement(sql)
    assert (statement.kind, statement.ordered, statement.family) == (kind, ordered, family)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("REPLACE t VALUES (1)", "insert"),
        ("REPLACE INTO t SET a = 1", "insert"),
        ("INSERT DELAYED INTO t VALUES (1)", "insert"),
        ("UPDATE IGNORE t SET a = 1", "update"),
        ("UPDATE LOW_PRIORITY t SET a = 1", "update"),
        ("DELETE IGNORE FROM t", "delete"),
    ],
)
def test_what_mysql_says_of_conflicts_is_passed_over(sql: str, kind: str) -> None:
    assert read_statement(sql, "mysql").kind == kind


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT 1; DELETE FROM t", "not_one_statement"),
        ("", "not_one_statement"),
        ("SELECT FROM WHERE", "sql_unreadable"),
        ("'unclosed", "sql_unreadable"),
    ],
)
def test_what_is_not_one_statement_has_a_reason(sql: str, reason: str) -> None:
    with pytest.raises(UnreadableSql) as caught:
        read_statement(sql)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE t SET a = random()",
        "INSERT INTO t VALUES (DATE('now'))",
        "INSERT INTO t VALUES (CURRENT_TIMESTAMP)",
        "SELECT strftime('%Y', 'now') - y FROM t",
        "SELECT datetime()",
        "SELECT a FROM t ORDER BY RANDOM() LIMIT 1",
    ],
)
def test_chance_and_clock_are_found(sql: str) -> None:
    assert volatile_part(sql)


@pytest.mark.parametrize(
    "sql", ["SELECT 'random()' FROM t", "SELECT date(d) FROM t WHERE s = 'now'", "SELECT 1 -- random()"]
)
def test_texts_about_chance_are_not_chance(sql: str) -> None:
    assert volatile_part(sql) is None
