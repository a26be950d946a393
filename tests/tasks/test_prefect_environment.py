"""A server on this machine is asked directly, whatever proxy the environment names."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator

import httpx
import pytest

from commands.dashboard.client import Dashboard
from tasks.prefect_environment import ask_loopback_directly


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"true")

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "said", [{}, {"NO_PROXY": "example.org"}, {"no_proxy": "example.org , a.b"}, {"no_proxy": "*"}]
)
def test_loopback_is_asked_directly(said: dict[str, str], port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(name, "")
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    ask_loopback_directly()
    ask_loopback_directly()
    assert Dashboard("127.0.0.1", port).is_healthy()
    assert httpx.get(f"http://127.0.0.1:{port}/health").text == "true"
    if "*" not in said.values():
        kept = ["example.org"] if said else []
        assert os.environ["no_proxy"].split(",")[: len(kept)] == kept and os.environ["no_proxy"].count("localhost") == 1
