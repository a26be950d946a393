"""A server double on loopback whose every answer a test chooses, a request to ask, and places for a ledger."""

from __future__ import annotations

import asyncio
import os
import selectors
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import orjson
import pytest
import sqlalchemy as sa
from aiohttp import web

from schemas.completion import CompletionRequest, Sampling
from schemas.message import Message

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Endpoint:
    """Answers with what stands in `script`, in order, then with `otherwise`."""

    def __init__(self) -> None:
        self.script: list[Handler] = []
        self.otherwise = self.reply("Forty.")
        self.models = self.json({"data": [{"id": "m"}]})
        self.bodies: list[dict[str, Any]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.url = ""

    def reply(self, content: str | None, finish_reason: str | None = "stop", **message: Any) -> Handler:
        choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        return self.json({"choices": [choice | {"finish_reason": finish_reason}], "usage": usage})

    def refuse(self, status: int, headers: dict[str, str] | None = None, **error: Any) -> Handler:
        return self.json({"error": {"message": "refused on purpose", **error}}, status, headers)

    def json(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
        return self.raw(orjson.dumps(body), "application/json", status, headers)

    def raw(self, body: bytes, content_type: str, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
        async def handle(request: web.BaseRequest) -> web.Response:
            return web.Response(body=body, status=status, content_type=content_type, headers=headers)

        return handle

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.endswith("/models"):
            return await self.models(request)
        self.bodies.append(orjson.loads(await request.read()))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await (self.script.pop(0) if self.script else self.otherwise)(request)
        finally:
            self.in_flight -= 1


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    double = Endpoint()
    runner = web.ServerRunner(web.Server(double.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    double.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    yield double
    await runner.cleanup()


@pytest.fixture(scope="session")
def ask() -> Callable[..., CompletionRequest]:
    def make(text: str = "How many?", **changes: Any) -> CompletionRequest:
        fields = {
            "purpose": "collect_episodes",
            "teacher": "t",
            "model": "m",
            "messages": (Message(role="user", content=text),),
            "sampling": Sampling(max_tokens=100),
        }
        return CompletionRequest(**fields | changes)

    return make


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the seconds that somebody sleeps, instead of sleeping them."""
    slept: list[float] = []
    sleep = asyncio.sleep

    async def skip(seconds: float, result: Any = None) -> Any:
        slept.extend([seconds] if seconds > 0 else [])
        return await sleep(0, result)

    monkeypatch.setattr(asyncio, "sleep", skip)
    return slept


T = TypeVar("T")


class Skipping(selectors.DefaultSelector):
    """Sleeps by moving its loop's clock."""

    loop: SimulatedLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise AssertionError("everybody waits, and nothing will ever wake them")
        self.loop.now += timeout
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets, on which an hour passes at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        selector = Skipping()
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def simulate() -> Callable[[Callable[[], Coroutine[Any, Any, T]]], T]:
    def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
            return runner.run(main())

    return run


SERVER = os.environ.get("TRAJMILL_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432/postgres")


@pytest.fixture
def postgres() -> Iterator[str]:
    """Give a database of the test's own on the PostgreSQL server."""
    server = sa.make_url(SERVER).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    name = f"trajmill_{uuid.uuid4().hex[:12]}"
    try:
        connection = engine.connect()
    except sa.exc.OperationalError:
        pytest.skip(
            f"no PostgreSQL at {server.render_as_string()}; name one in TRAJMILL_TEST_POSTGRES or start one: docker "
            "run --rm -p 127.0.0.1:5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres"
        )
    with connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
        yield sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.engines)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a place for a ledger, on each engine."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.sqlite")
    return str(request.getfixturevalue("postgres"))
