"""A clock that stands still, and chance that can be turned over: what shows that a reference depends on them.

Standard library only: the jailed worker imports this module.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from typing import Any

_FROM_FIRST = ("date", "time", "datetime", "julianday", "unixepoch")
"""Take the time as their first argument, `strftime` as its second; without one it is now."""
_BITS = 64


def stop_clock(connection: sqlite3.Connection, second: int, mirrored: int) -> None:
    """Let every function of SQLite's that reads the clock or chance read `second`, and numbers that follow from it."""
    aside = sqlite3.connect(":memory:", check_same_thread=False)
    instant = aside.execute("SELECT datetime(?, 'unixepoch')", (second,)).fetchone()[0]

    def told(name: str, place: int) -> Callable[..., Any]:
        def read(*arguments: Any) -> Any:
            said = [*arguments, instant] if len(arguments) == place else list(arguments)
            said = [instant if isinstance(one, str) and one.lower() == "now" else one for one in said]
            return aside.execute(f"SELECT {name}({', '.join('?' * len(said))})", said).fetchone()[0]

        return read

    for name in (*_FROM_FIRST, "strftime"):
        place = 1 if name == "strftime" else 0
        connection.create_function(name, -1, told(name, place), deterministic=True)  # as SQLite's own in an index
    for name in ("date", "time", "timestamp"):
        own = told("datetime" if name == "timestamp" else name, 0)
        connection.create_function(f"current_{name}", 0, own, deterministic=True)
    chance, mask = random.Random(7), (1 << _BITS) - 1 if mirrored else 0

    def throw() -> int:
        return (chance.getrandbits(_BITS) ^ mask) - (1 << _BITS - 1)

    connection.create_function("random", 0, throw)
    connection.create_function("randomblob", 1, lambda size: (_bytes(throw()) * (size // 8 + 1))[: max(1, size)])


def _bytes(number: int) -> bytes:
    return number.to_bytes(_BITS // 8, "big", signed=True)
