"""A SPARQL endpoint over HTTP, asked over loopback: a real store answers, and every way in which one fails is told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import pyoxigraph
import pytest
from aiohttp import web

from environments.kg.author import inventor
from environments.kg.derivation import SHAPES
from environments.kg.endpoint import EndpointStore
from environments.kg.graphs import built_in
from environments.kg.program import Entity, answers_query, relations_query
from environments.kg.sample import load_graph
from environments.kg.store import Graph, TooManyValues
from environments.kg.tools import Workbench, is_found
from schemas.errors import ConfigError, EnvironmentFault

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
QUERY = "SELECT ?x WHERE { ?x ?p ?o } LIMIT 3"


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    """Serve a handler on loopback and return its URL."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_post("/sparql", handler)
        runner = web.AppRunner(app)
        runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        return f"http://127.0.0.1:{port}/sparql"

    yield start
    for runner in runners:
        await runner.cleanup()


def a_sparql_server() -> Handler:
    """Answer from the built-in graph, in SPARQL's own JSON."""
    ontology, facts = load_graph()
    store = pyoxigraph.Store()
    store.load("\n".join(facts.triples(ontology.namespace)).encode(), pyoxigraph.RdfFormat.N_TRIPLES)

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["Accept"] == "application/sparql-results+json"
        query = str((await request.post())["query"])
        try:
            found = store.query(query)
        except SyntaxError as error:
            return web.Response(status=400, text=f"no SPARQL: {error}")
        assert isinstance(found, pyoxigraph.QuerySolutions)
        body = found.serialize(format=pyoxigraph.QueryResultsFormat.JSON)
        return web.Response(body=body, content_type="application/sparql-results+json")

    return answer


def says(body: bytes | str, status: int = 200, kind: str = "application/sparql-results+json") -> Handler:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body.encode() if isinstance(body, str) else body, status=status, content_type=kind)

    return answer


async def test_an_endpoint_answers_the_same_queries_as_the_embedded_store(
    serve: Callable[[Handler], Awaitable[str]],
) -> None:
    graph, maker = built_in(), inventor()
    async with EndpointStore(await serve(a_sparql_server())) as store:
        for number in range(36):
            made = maker.of_shape(SHAPES[number % 6], random.Random(f"endpoint {number}"))
            query = answers_query(made.program, graph.ontology)
            assert sorted(await store.select(query, 1000)) == sorted(await graph.store.select(query, 1000))
        for thing in list(maker.facts.out)[:20]:
            query = relations_query(Entity(thing), graph.ontology)
            assert sorted(await store.select(query, 1000)) == sorted(await graph.store.select(query, 1000))


async def test_an_episode_s_tools_work_on_an_endpoint(serve: Callable[[Handler], Awaitable[str]]) -> None:
    made = inventor().question(0, 5)
    async with EndpointStore(await serve(a_sparql_server())) as store:
        bench = Workbench(Graph("far", built_in().ontology, store, "d"), made.entities)
        for call in made.calls:
            name, _, inner = call.partition("(")
            assert is_found(await bench.call(name, inner.removesuffix(")").split(", ")))
        assert set(await bench.values_of(bench.variables[-1].program)) == made.answers


EMPTY = '{"head": {"vars": ["x"]}, "results": {"bindings": []}}'
BAD = {
    "an error inside": (says("Virtuoso 37000 Error", 500), "status 500: 'Virtuoso 37000 Error'", True),
    "overload": (says("", 503), "status 503", True),
    "too many requests": (says("slow down", 429), "status 429", True),
    "a query that it refuses": (says("37000 Error SP030", 400), "status 400.*is the URL that of the SPARQL", False),
    "another address": (says("", 302), "status 302", False),
    "nothing there": (says("not here", 404), "status 404", False),
    "a password asked for": (says("", 401), "status 401", False),
    "a page": (says("<html>", kind="text/html"), "did not answer with SPARQL's results as JSON.*<html>", False),
    "no JSON": (says("{"), "results as JSON", False),
    "other JSON": (says('{"boolean": true}'), "results as JSON", False),
    "no variable": (says('{"head": {"vars": []}, "results": {"bindings": [{}]}}'), "results as JSON", False),
    "a list": (says("[]"), "results as JSON", False),
    "numbers": (says('{"head": {"vars": ["x"]}, "results": {"bindings": [{"x": {"value": 3}}]}}'), "no text", False),
    "no UTF-8": (says(b'{"head": \xff'), "results as JSON", False),
    "too much": (says(EMPTY + " " * 5000), "more than 4,000 bytes", False),
}
"""What an endpoint does -> how it is told, and whether trying again may help."""


@pytest.mark.parametrize("what", BAD)
async def test_what_an_endpoint_may_do_is_told(what: str, serve: Callable[[Handler], Awaitable[str]]) -> None:
    handler, told, transient = BAD[what]
    async with EndpointStore(await serve(handler), most_bytes=4000) as store:
        with pytest.raises(EnvironmentFault, match=told) as caught:
            await store.select(QUERY, 10)
    assert caught.value.transient == transient


async def test_more_values_than_are_read_are_told(serve: Callable[[Handler], Awaitable[str]]) -> None:
    rows = ", ".join(f'{{"x": {{"type": "uri", "value": "http://x/{n}"}}}}' for n in range(11))
    body = f'{{"head": {{"vars": ["x"]}}, "results": {{"bindings": [{rows}]}}}}'
    async with EndpointStore(await serve(says(body))) as store:
        assert len(await store.select(QUERY, 11)) == 11
        with pytest.raises(TooManyValues, match="more than 10 values"):
            await store.select(QUERY, 10)


async def test_rows_without_a_value_are_passed_over(serve: Callable[[Handler], Awaitable[str]]) -> None:
    body = '{"head": {"vars": ["x"]}, "results": {"bindings": [{}, {"x": {"type": "literal", "value": "a"}}]}}'
    async with EndpointStore(await serve(says(body))) as store:
        assert await store.select(QUERY, 10) == ("a",)


async def test_an_endpoint_that_says_nothing_is_given_up(serve: Callable[[Handler], Awaitable[str]]) -> None:
    released = asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response(text=EMPTY)

    async with EndpointStore(await serve(wait), seconds=0.2) as store:
        with pytest.raises(EnvironmentFault, match=r"gave no answer within 0\.2 s .*timeout_seconds") as caught:
            await store.select(QUERY, 10)
        released.set()
    assert caught.value.transient


async def test_an_answer_that_never_ends_is_given_up(serve: Callable[[Handler], Awaitable[str]]) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.05)
        return response

    async with EndpointStore(await serve(drip), seconds=0.3) as store:
        with pytest.raises(EnvironmentFault, match="gave no answer within"):
            await store.select(QUERY, 10)


async def test_an_endpoint_that_hangs_up_is_told(serve: Callable[[Handler], Awaitable[str]]) -> None:
    async def hang_up(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    async with EndpointStore(await serve(hang_up)) as store:
        with pytest.raises(EnvironmentFault, match="cannot be reached"):
            await store.select(QUERY, 10)


async def test_an_endpoint_that_is_not_there_is_told_without_its_password() -> None:
    async with EndpointStore("http://user:secret@127.0.0.1:9/sparql") as store:
        with pytest.raises(
            EnvironmentFault, match=r"endpoint http://127\.0\.0\.1:9/sparql cannot be reached"
        ) as caught:
            await store.select(QUERY, 10)
    assert "secret" not in str(caught.value) and caught.value.transient


@pytest.mark.parametrize("url", ["", "freebase", "ftp://x/sparql", "file:///etc/passwd", "http://", "http:///sparql"])
def test_what_is_no_endpoint_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="no SPARQL endpoint"):
        EndpointStore(url)


async def test_an_endpoint_that_was_not_opened_is_told() -> None:
    with pytest.raises(EnvironmentFault, match="was not opened"):
        await EndpointStore("http://127.0.0.1:9/sparql").select(QUERY, 10)
