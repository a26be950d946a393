"""Prefect's server as `up` runs it: the same application, behind a door. Its arguments are host and port.

Whoever opens a page of somebody else's lets that page ask servers on this machine. So a server answers those that call
it by its own names, and pages of its own alone (`only_here`); beyond that it wants a login. Its pages ask a telemetry
service for settings even where analytics are switched off (seen in a browser, prefect 3.8.8): a header forbids that.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tasks.prefect_private import make_server

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
HOSTS = "TRAJMILL_DASHBOARD_HOSTS"
"""Names by which others may call the server, where it listens for them: `mill.example, 10.0.0.7`."""
_EVERYWHERE = ("0.0.0.0", "::", "[::]")
_CORS = b"access-control-"


def serve_dashboard(host: str, port: int) -> None:
    """Serve until a signal comes."""
    names = [name.strip() for name in os.environ.get(HOSTS, "").split(",")]
    app = only_here(make_server(temporary=False), f"127.0.0.1:{port}", [host, *names])
    uvicorn.run(app, host=host, port=port, log_level="warning")


def only_here(app: ASGIApp, where: str, names: Sequence[str] = ()) -> ASGIApp:
    """Let an application be asked by its own names (those of this machine's loopback, and `names`) and pages alone.

    Tells browsers, too, that its pages may reach this server at `where` and nothing else, and stand in no other page.
    """
    reach = " ".join(f"http://{host} ws://{host}" for host in _spellings(where))
    policy = f"default-src 'self' {reach} 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'none'"
    hosts = frozenset(name.lower() for name in (*LOOPBACK, *names) if name and name not in _EVERYWHERE)
    own_origins = frozenset(f"http://{host}" for host in _spellings(where))

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await app(scope, receive, send)
            return
        refusal = _refusal(scope, hosts, own_origins)
        if refusal is not None:
            await _refuse(scope["type"], refusal, send)
            return
        origin = _header(scope, b"origin")

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if not pair[0].lower().startswith(_CORS) or origin]
                opened = [(n, origin if n.lower() == _CORS + b"allow-origin" and origin else v) for n, v in kept]
                message["headers"] = [*opened, (b"content-security-policy", policy.encode())]
            await send(message)

        await app(scope, receive, send_on)

    return answer


def _spellings(where: str) -> list[str]:
    """Return a place on this machine as browsers may spell it: to them these are three servers."""
    port = where.rpartition(":")[2]
    return list(dict.fromkeys([where, *(f"{name}:{port}" for name in LOOPBACK)]))


def _refusal(scope: Scope, hosts: frozenset[str], own_origins: frozenset[str]) -> str | None:
    """Say why a request is not answered; None = it is.

    A name that is not ours leads here when somebody's page has let its own name point at this machine (DNS rebinding).
    """
    said = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"host"]
    if len(said) != 1 or _name_of(said[0]) not in hosts:
        return f"it is not called {said[0][:100] if said else 'nothing'!r}. Where it is to be, name it in {HOSTS}"
    origins = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == b"origin"]
    own = {*own_origins, f"http://{said[0].lower()}", f"https://{said[0].lower()}"}
    if foreign := [origin for origin in origins if origin.lower() not in own]:
        return f"pages of {foreign[0][:100]!r} have no business here"
    site = (_header(scope, b"sec-fetch-site") or b"none").lower()
    if site not in (b"none", b"same-origin") and not (origins or _is_visit(scope)):
        return "pages of other servers have no business here"
    return None


def _name_of(host: str) -> str:
    try:
        parts = urlsplit(f"//{host}")
        name = (parts.hostname or "").lower()
        is_plain = parts.netloc == host and "@" not in host and (parts.port or 0) >= 0
    except ValueError:
        return ""
    return (f"[{name}]" if ":" in name else name) if is_plain else ""


def _is_visit(scope: Scope) -> bool:
    """Whether somebody follows a link to a page: what that shows, the page with the link cannot see."""
    is_page = _header(scope, b"sec-fetch-dest") == b"document" and _is_page(scope["path"])
    return scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and is_page


def _is_page(path: str) -> bool:
    return path.startswith("/") and not path.lstrip("/").startswith("api")


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name.lower() == wanted), None)


async def _refuse(kind: str, why: str, send: Send) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why[:120]})  # before it is accepted: a 403
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": f"This server answers its own pages alone: {why}\n".encode()})


if __name__ == "__main__":
    serve_dashboard(sys.argv[1], int(sys.argv[2]))
