"""A release goes to the hub whole, or says why it does not; the hub here is a double on loopback."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from formats.releases.huggingface import push_to_hub
from schemas.errors import ConfigError


class Hub(ThreadingHTTPServer):
    """Speaks as much of the hub's protocol as an upload of small files needs, and keeps what it was given."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.created: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.tokens.add(self.headers["Authorization"])
        if self.server.refuses:
            self._answer({"error": "Invalid credentials"}, 401)
        elif self.path.endswith("/repos/create"):
            self.server.created.append(json.loads(body))
            self._answer({"url": f"{self.server.url}/datasets/me/mixture"})
        elif self.path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            self._answer({"files": files})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._answer({"commitUrl": f"{self.server.url}/datasets/me/mixture/commit/1", "commitOid": "1"})
        else:
            self._answer({"error": self.path}, 404)

    def do_GET(self) -> None:
        self._answer({"error": self.path}, 404)

    def _answer(self, body: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "0123abcd"
    (folder / "data/messages").mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "README.md").write_text("# A card")
    (folder / "data/messages/train-00000-of-00001.parquet").write_bytes(b"PAR1...PAR1")
    return folder


def test_every_file_arrives_in_a_private_dataset_repository(hub: Hub, folder: Path) -> None:
    address = push_to_hub(folder, "me/mixture", "hf_secret", endpoint=hub.url)
    assert address == f"{hub.url}/datasets/me/mixture/commit/1"
    assert hub.files == {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    (created,) = hub.created
    assert created["type"] == "dataset"
    assert created.get("visibility") == "private" or created.get("private") is True  # as huggingface_hub's version says
    assert hub.tokens == {"Bearer hf_secret"}


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_nothing_is_sent(hub: Hub, folder: Path, token: str | None) -> None:
    with pytest.raises(ConfigError, match="set HF_TOKEN"):
        push_to_hub(folder, "me/mixture", token, endpoint=hub.url)
    assert not hub.tokens


def test_a_folder_that_is_no_release_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no manifest\.json"):
        push_to_hub(tmp_path, "me/mixture", "hf_secret", endpoint=hub.url)
    assert not hub.tokens


def test_a_refusal_of_the_hub_is_told_without_the_token(hub: Hub, folder: Path) -> None:
    hub.refuses = True
    with pytest.raises(ConfigError, match="The hub did not take 0123abcd as me/mixture") as caught:
        push_to_hub(folder, "me/mixture", "hf_secret", endpoint=hub.url)
    assert "hf_secret" not in str(caught.value)


def test_a_name_that_the_hub_does_not_allow_and_a_hub_that_is_away_are_told(hub: Hub, folder: Path) -> None:
    with pytest.raises(ConfigError, match="The hub did not take"):
        push_to_hub(folder, "me/mix ture!!", "hf_secret", endpoint=hub.url)
    with pytest.raises(ConfigError, match="The hub did not take"):
        push_to_hub(folder, "me/mixture", "hf_secret", endpoint="http://127.0.0.1:9")
