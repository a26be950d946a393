"""A whole build at an endpoint that says the key back wherever it can: nothing in the home, or said, holds it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from environments.db.rehearsal import DbRehearsal
from environments.os.rehearsal import OsRehearsal
from rehearsals.server import OfflineServer

KEY = "Zk3-whole/home+of_9182uvw"
WRITTEN = (KEY, quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode()[:-4], KEY.encode().hex())


class Echo(OfflineServer):
    """Fails every fifth request with a page that holds what was sent, and adds it to all other answers."""

    asked = 0

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        said = " ".join((*WRITTEN, KEY.upper(), *(f"{name}: {value}" for name, value in request.headers.items())))
        self.asked += 1
        if request.method == "POST" and self.asked % 5 == 0:
            return web.Response(status=500 if self.asked % 10 else 400, text=f"<html>{said}</html>")
        answer = await super()._handle(request)
        assert isinstance(answer.body, bytes)
        reasoning = b'"role":"assistant","reasoning":"%s"' % said.replace("\\", "").encode()
        return web.Response(body=answer.body.replace(b'"role":"assistant"', reasoning), status=answer.status)


@pytest.mark.slow
def test_nothing_in_a_home_or_said_by_a_build_holds_the_key(
    serve: Callable[[OfflineServer], str], trajmill: Any, written_config: Callable[..., Path], tmp_path: Path
) -> None:
    server, home = Echo([OsRehearsal(), DbRehearsal()]), tmp_path / "home"
    told = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": serve(server), "TRAJMILL_SERVER_IDLE_MINUTES": "0"}
    config = str(written_config(os=6, db=4, chats=60))
    ran = trajmill("build", "--config", config, "--set", "publish.max_unknown=1", home=home, **told)
    assert server.asked > 40
    files = [path for path in home.rglob("*") if path.is_file()]
    assert any("prefect" in path.parts and path.suffix == ".db" for path in files)
    texts = {str(path): path.read_bytes().lower() for path in files} | {"said": (ran.out + ran.err).lower().encode()}
    found = [name for name, text in texts.items() if any(form.lower().encode() in text for form in WRITTEN)]
    assert found == []
    assert b"[hidden]" in texts[str(home / "ledger.sqlite")], "it was there to be hidden"
