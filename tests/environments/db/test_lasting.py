"""Which sessions on a server may outlive an episode, and what waits for whom."""

from __future__ import annotations

import asyncio
import time

import pytest

from environments.db.server.classification import read_touch
from environments.db.server.lasting import Lasting
from environments.db.server.threads import Threads

PLAIN = (
    "SELECT COUNT(*), AVG(score) FROM t WHERE name LIKE 'a%' GROUP BY city ORDER BY 2 DESC",
    "WITH a AS (SELECT 1 AS x) SELECT UPPER(name) FROM t JOIN a ON a.x = t.id UNION SELECT 'b'",
    "INSERT INTO t VALUES (1, 'SET x = 1')",
    "UPDATE t SET score = score + 1 WHERE id < 50",
    "DELETE FROM t WHERE city = 'city 3'",
)
NOT_PLAIN = {
    "postgres": (
        "SET statement_timeout = 0",
        "SELECT set_config('my.own', 'x', false)",
        'SELECT pg_catalog."set_config"($$my.own$$, $$x$$, false)',
        "SELECT * FROM set_config('my.own', 'x', false)",
        "SELECT /* /* */ 1 */ setseed(0.5)",
        "UPDATE t SET score = 1 RETURNING setseed(0.5)",
        "WITH a AS (SELECT setseed(0.5)) SELECT 1 FROM a",
        "SELECT query_to_xml('SELECT set' || 'seed(0.5)', true, true, '')",
        "SELECT 1 INTO TEMP mine",
        "SELECT pg_advisory_lock(7)",
        "SELECT nextval('s')",
        "CREATE TEMP TABLE mine (a int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "DO 'BEGIN PERFORM setseed(0.5); END'",
        "PREPARE s AS SELECT 1",
        "LISTEN news",
        "BEGIN",
        "ALTER ROLE CURRENT_USER SET search_path = 'x'",
        "SELEC 1",
    ),
    "mysql": (
        "SET @mine = 1",
        "SELECT @mine := 1",
        "SELECT 1 INTO @mine",
        "SELECT /*! @mine := */ 1",
        "SELECT GET_LOCK('mine', 0)",
        "INSERT INTO t VALUES (LAST_INSERT_ID(7))",
        "LOCK TABLES t WRITE",
        "PREPARE s FROM 'SELECT 1'",
        "CREATE TEMPORARY TABLE mine (a INT)",
        "CALL p()",
        "BEGIN",
        "USE t",
    ),
}


@pytest.mark.parametrize("dialect", NOT_PLAIN)
def test_a_statement_is_plain_only_where_it_can_set_nothing_in_its_session(dialect: str) -> None:
    def is_plain(sql: str) -> bool:
        return read_touch(sql, dialect, {}, ()).is_plain

    assert [sql for sql in PLAIN if not is_plain(sql)] == []
    assert [sql for sql in NOT_PLAIN[dialect] if is_plain(sql)] == []


def test_a_session_is_taken_once_and_stays_until_it_is_forgotten_or_old() -> None:
    lasting: Lasting[str] = Lasting()
    assert lasting.take() is None and not lasting.may_stay("a")
    lasting.keep("a")
    assert (lasting.take(), lasting.take()) == ("a", None)
    assert lasting.may_stay("a") and not lasting.may_stay("b")
    lasting.forget("b")
    assert lasting.may_stay("a")
    lasting.keep("a")
    lasting.forget("a")
    assert lasting.take() is None and not lasting.may_stay("a")
    uses = 0
    while uses == 0 or lasting.may_stay("a"):
        lasting.keep("a")
        uses += 1
    assert uses == 200


async def test_who_is_cancelled_waits_for_the_end_of_the_call() -> None:
    threads, done = Threads("test"), []

    def work() -> None:
        time.sleep(0.2)
        done.append(True)

    waiting = asyncio.ensure_future(threads.run_out(work))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done == [True]
    threads.close()
