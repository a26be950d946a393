"""Episodes a second on each SQL engine: a table of 100 rows, five statements, the state's digest, gone again.

Run it with `python -m benchmarks.database_episodes`; `benchmarks/sandbox.py` calls `measure`.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from environments.db.engine import SqlEngine
from environments.db.server.mariadb_engine import MariaDbEngine
from environments.db.server.postgres_engine import PostgresEngine
from environments.db.sqlite_engine import SqliteEngine
from schemas.errors import ConfigError
from schemas.task_spec import Column, Setup, TableData

SLOTS = 4
TURNS = 5
EPISODES = {"sqlite": 2000, "mysql": 300, "postgres": 400}
"""In a turn."""
ENGINES = {"sqlite": SqliteEngine, "mysql": MariaDbEngine, "postgres": PostgresEngine}
TABLE = TableData(
    name="t",
    columns=(
        Column(name="id", type="INTEGER PRIMARY KEY"),
        Column(name="name", type="VARCHAR(50)"),
        Column(name="score", type="DOUBLE PRECISION"),
        Column(name="city", type="VARCHAR(50)"),
    ),
    rows=tuple((i, f"name{i}", i * 1.5, None if i % 7 == 0 else f"city {i % 9}") for i in range(100)),
)
STATEMENTS = (
    "UPDATE t SET score = score + 1 WHERE id < 50",
    "DELETE FROM t WHERE city = 'city 3'",
    "INSERT INTO t VALUES (1000, 'zed', 9.25, NULL)",
    "SELECT COUNT(*), AVG(score) FROM t",
    "SELECT city, COUNT(*) FROM t GROUP BY city ORDER BY 2 DESC",
)
"""The reference's episode (sandbox experiments, section 5)."""


async def play(engine: SqlEngine, name: str) -> str:
    """Play one episode and return the digest of its data."""
    database = await engine.open(Setup(dialect=engine.dialect, tables=(TABLE,), database_name=name))
    for sql in STATEMENTS:
        result = await database.execute(sql)
        if result.error is not None:
            raise RuntimeError(f"{engine.version}: {sql}: {result.error}")
    state = await database.state()
    await database.close()
    return state.data_digest


async def episodes_a_second(engine: SqlEngine, episodes: int) -> tuple[float, set[str]]:
    """Play episodes in `SLOTS` at a time, after one each to warm up; return their rate and their digests."""

    async def slot(number: int, times: int) -> set[str]:
        return {await play(engine, f"slot{number}") for _ in range(times)}

    await asyncio.gather(*(slot(number, 2) for number in range(SLOTS)))
    started = time.perf_counter()
    found = await asyncio.gather(*(slot(number, episodes // SLOTS) for number in range(SLOTS)))
    return episodes / (time.perf_counter() - started), set().union(*found)


async def measure_all() -> dict[str, list[float] | str]:
    """Measure every engine that is here, in turns; of the others say what brings them."""
    rates: dict[str, list[float] | str] = {}
    digests: set[str] = set()
    async with AsyncExitStack() as open_engines:
        folder = Path(open_engines.enter_context(tempfile.TemporaryDirectory(prefix="trajmill-databases-")))
        engines: dict[str, SqlEngine] = {}
        for name, make in ENGINES.items():
            try:
                engines[name] = await open_engines.enter_async_context(make(folder))
            except ConfigError as error:
                rates[name] = str(error)
        turns: dict[str, list[float]] = {name: [] for name in engines}
        for name, engine in list(engines.items()) * TURNS:
            rate, found = await episodes_a_second(engine, EPISODES[name])
            turns[name].append(rate)
            digests |= found
    if len(digests) > 1:
        raise RuntimeError(f"the engines do not agree on the state: {sorted(digests)}")
    return rates | turns


def measure() -> Mapping[str, list[float] | str]:
    """Return episodes a second in each turn, by dialect; a text where it was left out."""
    return asyncio.run(measure_all())


if __name__ == "__main__":
    for name, rates in measure().items():
        print(
            f"{name:12}" + (f"left out: {rates}" if isinstance(rates, str) else " ".join(f"{r:6.0f}/s" for r in rates))
        )
