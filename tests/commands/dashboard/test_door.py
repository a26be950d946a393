"""Who is answered by the dashboard's server: raw requests with forged names and origins, and a real browser."""

from __future__ import annotations

import http.server
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import uvicorn
from starlette.middleware.cors import CORSMiddleware

from commands.dashboard.login import basic, login_of, login_path
from commands.dashboard.server import only_here
from commands.up import _login_environment
from schemas.errors import ConfigError


class Behind:
    """What stands behind the door: as open as Prefect's server is, and it writes down what reached it."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.port = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        self.reached.append(f"{scope.get('method', 'WS')} {scope['path']}")
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b"the settings"})

    def say(self, *lines: str, first: str = "GET /api/settings HTTP/1.1", body: str = "") -> tuple[int, str]:
        """Send a request of these headers; return the status and the whole answer."""
        end = [] if "Upgrade: websocket" in lines else ["Connection: close"]
        said = "\r\n".join([first, *(line.format(port=self.port) for line in lines), *end, "", body])
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=20)) as line:
            line.sendall(said.encode("latin-1"))
            answer = b""
            while chunk := line.recv(65536):
                answer += chunk
                if answer.startswith(b"HTTP/1.1 101"):  # it stays open until the other side has closed it, too
                    break
        said = answer.decode("latin-1")
        return int(said.split(" ", 2)[1]), said


@pytest.fixture(scope="module")
def behind() -> Iterator[Behind]:
    app = Behind()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app.port = listener.getsockname()[1]
        open_to_all = CORSMiddleware(app, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
        guarded = only_here(open_to_all, f"127.0.0.1:{app.port}", ["0.0.0.0", "mill.example", ""])
        server = uvicorn.Server(uvicorn.Config(guarded, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        listener.listen()
        yield app
        server.should_exit = True
        thread.join()


OWN = "Host: 127.0.0.1:{port}"
UPGRADE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
ANSWERED: dict[str, tuple[str, ...]] = {
    "a program": (OWN,),
    "by its other name": ("Host: localhost:{port}",),
    "in capitals": ("Host: LOCALHOST:{port}",),
    "on IPv6": ("Host: [::1]:{port}",),
    "from a port that leads here": ("Host: 127.0.0.1:8080",),
    "by a name that was given": ("Host: mill.example",),
    "its own page": (OWN, "Origin: http://127.0.0.1:{port}", "Sec-Fetch-Site: same-origin"),
    "its own page by its other name": (OWN, "Origin: http://localhost:{port}", "Sec-Fetch-Site: same-site"),
    "its page behind a proxy": ("Host: mill.example", "Origin: https://mill.example"),
    "an address that was typed": (OWN, "Sec-Fetch-Site: none", "Sec-Fetch-Dest: document"),
}
REFUSED: dict[str, tuple[str, ...]] = {
    "a name that points here": ("Host: evil.example:{port}",),
    "one that begins as ours": ("Host: 127.0.0.1.evil.example:{port}",),
    "one that ends as ours": ("Host: evil-localhost:{port}",),
    "ours before another": ("Host: 127.0.0.1:{port}@evil.example",),
    "ours as a user": ("Host: localhost@evil.example",),
    "with a dot": ("Host: evil.example.",),
    "another machine's": ("Host: 10.0.0.7:{port}",),
    "where it listens": ("Host: 0.0.0.0:{port}",),
    "nothing": ("Host: ",),
    "two": (OWN, "Host: evil.example"),
    "another origin": (OWN, "Origin: http://evil.example"),
    "an origin on another port": (OWN, "Origin: http://127.0.0.1:9999"),
    "an origin that begins as ours": (OWN, "Origin: http://127.0.0.1:{port}.evil.example"),
    "an origin of files": (OWN, "Origin: null"),
    "an origin by the name that points here": ("Host: evil.example", "Origin: http://evil.example"),
    "two origins": (OWN, "Origin: http://127.0.0.1:{port}", "Origin: http://evil.example"),
    "a picture in another page": (OWN, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: image"),
    "a frame in another page": (OWN, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: iframe"),
    "a neighbour's script": (OWN, "Sec-Fetch-Site: same-site", "Sec-Fetch-Dest: script"),
    "a link into the API": (OWN, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: document"),
}
WAYS: dict[str, dict[str, Any]] = {
    "GET": {},
    "POST": {"first": "POST /api/flow_runs HTTP/1.1", "body": "{}"},
    "DELETE": {"first": "DELETE /api/flows/1 HTTP/1.1"},
    "a whole address": {"first": "GET http://127.0.0.1/api/settings HTTP/1.1"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("who", [*ANSWERED, *REFUSED])
def test_its_own_names_and_pages_are_answered_and_nobody_else(behind, who, way):
    before = len(behind.reached)
    told = WAYS[way]
    length = [f"Content-Length: {len(told.get('body', ''))}"] if "body" in told else []
    status, answer = behind.say(*(ANSWERED | REFUSED)[who], *length, **told)
    if who in ANSWERED:
        assert status == 200 and len(behind.reached) == before + 1
    else:
        assert status in (400, 403) and len(behind.reached) == before, "it was not even asked"
        assert "the settings" not in answer and "access-control" not in answer.lower()


@pytest.mark.parametrize("who", [*ANSWERED, *REFUSED])
def test_websockets_are_held_to_the_same(behind, who):
    before = len(behind.reached)
    headers = (line for line in (ANSWERED | REFUSED)[who])
    status, _ = behind.say(*headers, *UPGRADE, first="GET /api/events/out HTTP/1.1")
    assert status == (101 if who in ANSWERED else status) and (who in ANSWERED or status in (400, 403))
    assert len(behind.reached) == before + (who in ANSWERED)


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
def test_a_browser_that_asks_first_hears_no(behind, method):
    asked = (OWN, "Origin: http://evil.example", f"Access-Control-Request-Method: {method}")
    status, answer = behind.say(*asked, first="OPTIONS /api/flows HTTP/1.1")
    assert status == 403 and "access-control" not in answer.lower()


def test_no_other_page_may_read_or_hold_what_is_answered(behind):
    _, answer = behind.say(OWN)
    assert "access-control" not in answer.lower() and "frame-ancestors 'none'" in answer
    _, own = behind.say(OWN, "Origin: http://localhost:{port}")
    assert f"access-control-allow-origin: http://localhost:{behind.port}\r\n" in own.lower()
    assert "*" not in own


def test_a_link_to_a_page_may_be_followed(behind):
    link = (OWN, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document")
    assert behind.say(*link, first="GET /v2/runs HTTP/1.1")[0] == 200
    assert behind.say(*link, first="POST /v2/runs HTTP/1.1")[0] == 403


def test_a_login_is_drawn_once_and_its_owners_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    login = login_of(tmp_path)
    assert login == login_of(tmp_path) != login_of(tmp_path / "other")
    assert login.startswith("mill:") and len(login) > 20
    assert login_path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert set(_login_environment(login)) == {"PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING"}
    login_path(tmp_path).write_text("")
    with pytest.raises(ConfigError, match="Remove it, and another login is drawn"):
        login_of(tmp_path)


@pytest.mark.parametrize("given", ["me:my-own-password", ""])
def test_a_login_that_was_given_is_taken_and_an_empty_one_asks_for_none(tmp_path, monkeypatch, given):
    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", given)
    assert login_of(tmp_path) == given and not login_path(tmp_path).exists()
    assert bool(basic(given)) is bool(_login_environment(given)) is bool(given)


PAGE = """<html><body>begun<script>
const at = "http://NAME:PORT", said = [], json = {"Content-Type": "application/json"};
const say = (what, way) => way.then(() => said.push(what), () => 0);
const read = (path, how) => fetch(at + path, how).then(answer => answer.text());
const blind = read("/api/blind", {mode: "no-cors"}).then(text => { if (!text) throw 0; });
const start = {method: "POST", headers: {"Content-Type": "text/plain"}, body: "{}"};
const socket = new WebSocket("ws://NAME:PORT/api/events/out");
socket.onopen = () => said.push("socket");
const picture = new Image();
picture.src = at + "/api/picture";
const frame = document.createElement("iframe"), form = document.createElement("form");
frame.src = at + "/v2/runs";
form.method = "POST"; form.action = at + "/api/form"; form.target = "nowhere";
document.body.append(frame, form);
form.submit();
navigator.sendBeacon(at + "/api/beacon", "{}");
Promise.all([
  say("read", read("/api/settings")), say("blind", blind),
  say("post", read("/api/flow_runs", {method: "POST", headers: json, body: "{}"})),
  say("start", read("/api/deployments/1/create_flow_run", start)),
]).then(() => setTimeout(() => { document.body.prepend("ended " + said.join(",") + ";"); }, 500));
</script></body></html>"""


def _chromium() -> str:
    return shutil.which("chromium") or shutil.which("google-chrome") or ""


@pytest.mark.engines
@pytest.mark.skipif(not _chromium(), reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "evil.example"])
def test_a_page_of_another_origin_in_a_real_browser_reads_posts_and_starts_nothing(behind, tmp_path, name):
    """As `evil.example` the browser is told that this name is this machine: that is what DNS rebinding comes to."""

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.replace("NAME", name).replace("PORT", str(behind.port)).encode())

        def log_message(self, *_: Any) -> None:
            return None

    before = len(behind.reached)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-features=PrivateNetworkAccessSendPreflights"]
        flags += [f"--user-data-dir={tmp_path}", "--host-resolver-rules=MAP evil.example 127.0.0.1"]
        page = f"http://evil.example:{other.server_port}/"
        command = [_chromium(), *flags, "--virtual-time-budget=8000", "--dump-dom", page]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stdout
        other.shutdown()
    assert "ended ;" in shown, "it ran to its end, and nothing that it tried came through"
    assert behind.reached[before:] == []
