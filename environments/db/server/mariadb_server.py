"""A MariaDB server as the engine holds it: its administrator's address, its slots, and who is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pymysql

from environments.db.server.mariadb_slot import Address, MariaDbSlot
from environments.db.server.private import PrivateServer
from schemas.errors import ConfigError
from schemas.task_spec import Setup

_RUN = re.compile(r"trajmill_[0-9a-f]{8}")


class MariaDbServer:
    """A running server and its slots, by the lower-case name of their database."""

    def __init__(self, address: Address, process: PrivateServer | None) -> None:
        self.address, self._process = address, process
        self.slots: dict[str, MariaDbSlot] = {}
        self.busy: set[str] = set()
        self._presence: pymysql.Connection[Any] | None = None

    @property
    def is_alive(self) -> bool:
        return self._process is None or self._process.is_alive

    def free_slot(self, name: str, setup: Setup) -> MariaDbSlot | None:
        """Take a slot that is free for a database of this name, if there is one; best one that holds it already."""
        names = [name.lower()] if self._process else list(self.slots)
        free = [self.slots[each] for each in names if each in self.slots and each not in self.busy]
        if not free:
            return None
        chosen = next((slot for slot in free if slot.held == setup), free[0])
        self.busy.add(chosen.name.lower())
        return chosen

    def has_room(self, name: str) -> bool:
        """Whether a slot for a database of this name can be made here."""
        return self._process is None or name.lower() not in self.slots

    def occupy(self, marker: str) -> None:
        """Hold a lock that says that this run lives, and drop what runs without one left (databases, logins)."""
        address = self.address
        self._presence = address.connect(address.user, address.password)
        with self._presence.cursor() as cursor:
            cursor.execute("SET SESSION wait_timeout = 31536000")
            cursor.execute("SELECT GET_LOCK(%s, 0)", (marker,))
        for name in self._left("SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s"):
            address.ask(f"DROP DATABASE IF EXISTS `{name}`")
        for name in self._left("SELECT user FROM mysql.user WHERE user LIKE %s"):
            address.ask(f"DROP USER IF EXISTS '{name}'@'%', '{name}'@'localhost'")

    def _left(self, query: str) -> list[str]:
        names = [row[0] for row in self.address.ask(query, "trajmill\\_%")]
        runs = {name: _RUN.match(name) for name in names}
        return [name for name, run in runs.items() if run and self.address.ask("SELECT IS_FREE_LOCK(%s)", run[0])[0][0]]

    def leave(self) -> None:
        """Drop what this run made on a server that goes on after it."""
        for slot in self.slots.values():
            if self._process is None:
                slot.remove()
            slot.close()
        if self._presence is not None:
            self._presence.close()

    async def stop(self) -> None:
        """End a private server."""
        if self._process is not None:
            await self._process.stop()


def address_of(url: str) -> Address:
    """Read mysql://user:password@host:port, or mysql://user@localhost/?socket=/path.

    Raises:
        ConfigError: it is none; the text holds no password.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("mysql", "mariadb") or not parts.username:
        raise ConfigError("TRAJMILL_MARIADB_URL must look like mysql://admin:password@host:3306")
    query: Mapping[str, list[str]] = parse_qs(parts.query)
    socket = next((query[key][0] for key in ("socket", "unix_socket") if key in query), None)
    place = {"unix_socket": socket} if socket else {"host": parts.hostname or "localhost", "port": parts.port or 3306}
    return Address(place, unquote(parts.username), unquote(parts.password or ""))
