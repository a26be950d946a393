"""What `up` asks its server, over plain HTTP: Prefect's own client would settle its address too early."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from commands.dashboard.login import basic


class Dashboard(NamedTuple):
    """A Prefect server on loopback."""

    host: str
    port: int
    login: str = ""
    """`name:password`, where one is asked for."""

    @property
    def address(self) -> str:
        """Where people look."""
        return f"http://{self.host}:{self.port}"

    @property
    def api(self) -> str:
        """Where programs ask."""
        return f"{self.address}/api"

    def is_healthy(self) -> bool:
        """Say whether the server answers."""
        return self._ask("health") is True

    def next_run(self, deployment: str) -> str | None:
        """Return when a deployment's schedule fires next, in UTC; None = no run is scheduled."""
        wanted = {
            "deployments": {"name": {"any_": [deployment]}},
            "flow_runs": {
                "state": {"type": {"any_": ["SCHEDULED"]}},
                "expected_start_time": {"after_": datetime.now(UTC).isoformat()},
            },
            "sort": "EXPECTED_START_TIME_ASC",
            "limit": 1,
        }
        runs = self._ask("flow_runs/filter", wanted)
        return f"{runs[0]['expected_start_time'][:16].replace('T', ' ')} UTC" if runs else None

    def _ask(self, path: str, body: Any = None) -> Any:
        """Return the answer; None = there was none."""
        data = orjson.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json", **basic(self.login)}
        request = urllib.request.Request(f"{self.api}/{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return orjson.loads(answer.read())
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError):
            return None
