"""A home of an earlier commit, opened to publish from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from environments.db.world import DbWorld
from environments.os.config import OsConfig
from environments.os.world import OsWorld
from tasks.workshop import Workshop


@pytest.fixture
def old_shop(old_home: Path, open_shop: Callable[..., Workshop]) -> Workshop:
    worlds = {"os": OsWorld(None, config=OsConfig()), "db": DbWorld.on_sqlite(old_home / "databases")}
    made = open_shop(home=old_home, worlds=worlds)
    (curation,) = made.warehouse.column("trajectories", "DISTINCT curation_id")
    return open_shop(home=old_home, worlds=worlds, mixture__curation_id=curation, mixture__validation=0.1)
