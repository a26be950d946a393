"""The warm server's process without Prefect behind it, for tests: it is ready once `<home>/go` is there."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import tasks.prefect_private
from commands.dashboard.server_folder import ServerFolder
from commands.dashboard.warm_server import serve_home

HOME = Path(sys.argv[2])


def make_server(*, temporary: bool) -> Any:
    """Return an application that answers nothing."""
    while not (HOME / "go").exists():
        time.sleep(0.02)

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        while scope["type"] == "lifespan":
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return answer


tasks.prefect_private.make_server = make_server
serve_home(ServerFolder(Path(sys.argv[1])), HOME, float(sys.argv[3]))
