"""Prefect's server as `up` runs it: the same application, with one header more. Its arguments are host and port.

Its pages ask a telemetry service for settings even where analytics are switched off (seen in a browser, prefect 3.8.8);
the header forbids the browser to talk to anyone but this server.
"""

from __future__ import annotations

import sys

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.prefect_private import make_server


def serve_dashboard(host: str, port: int) -> None:
    """Serve until a signal comes."""
    uvicorn.run(only_here(make_server(temporary=False), f"{host}:{port}"), host=host, port=port, log_level="warning")


def only_here(app: ASGIApp, where: str) -> ASGIApp:
    """Tell browsers that pages of `app` may reach this server and nothing else."""
    policy = f"default-src 'self' http://{where} ws://{where} 'unsafe-inline' 'unsafe-eval' data: blob:"

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", policy.encode())]
            await send(message)

        await app(scope, receive, send_on)

    return answer


if __name__ == "__main__":
    serve_dashboard(sys.argv[1], int(sys.argv[2]))
