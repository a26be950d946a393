"""Every stage against every way in which a reply is no answer: what lands, by which name, and what is asked again."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from environments.db.rehearsal import DbRehearsal
from environments.os.rehearsal import OsRehearsal
from flows.open_workshop import open_workshop
from rehearsals.quirks import THOUGHT, QuirkyServer
from rehearsals.server import OfflineServer
from rehearsals.thoughts import is_backfill
from tasks.land_completions import land_completions, land_losses
from tasks.workshop import Workshop
from warehouse.warehouse import Warehouse

Asking = Callable[[Workshop], Awaitable[None]]

ENDINGS = ("refused", "length", "empty", "error")
REHEARSALS = (OsRehearsal(), DbRehearsal())
CONFIG: dict[str, Any] = {
    "teacher.generator": "offline-a",
    "teacher.solver": "offline-a",
    "teacher.backfiller": "offline-a",
    "teacher.max_retries": 0,
    "general.source": "built-in",
    "generate.rounds": 1,
    "generate.tasks_per_request": 1,
    "generate.os.requests": 40,
    "generate.db.requests": 12,
    "generate.db.questions": 24,
    "curate.backfill_retries": 0,
    "collect.repairs": 0,
    "generate.repairs": 0,
    "publish.max_unknown": 1.0,
    "faults.solver": 0.0,
    "faults.task": 0.0,
    "faults.leak": 0.0,
}


class Ending(OfflineServer):
    """Ends some requests of every stage in every way, and some in no answer at all; remembers which."""

    def __init__(self) -> None:
        super().__init__(REHEARSALS)
        self.planted: Counter[tuple[str, str]] = Counter()
        self.outages: Counter[str] = Counter()
        self.is_well = False

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:  # type: ignore[override]
        raw = await request.read()
        if self.is_well or request.method == "GET":
            return await super()._handle(request)
        number = int(hashlib.sha256(raw).hexdigest(), 16)
        ending = (*ENDINGS, "", "", "")[number % 7]
        self.planted[_stage(orjson.loads(raw)), ending] += 1
        if ending == "error":
            outage = sorted(OUTAGES)[number // 7 % len(OUTAGES)]
            self.outages[outage] += 1
            return await _fail(outage, request)
        response = await super()._handle(request)
        answer = orjson.loads(response.body)  # type: ignore[arg-type]
        if ending:
            answer["choices"][0] |= _end(ending)
        return web.Response(body=orjson.dumps(answer), content_type="application/json")


OUTAGES = {
    "wrong key": r"refused the key \(401: no such key\)\. Set OPENAI_API_KEY",
    "unknown model": r"knows no model 'offline-a'.*Set generator, solver and backfiller",
    "web page": r"answered with '<html>.* instead of JSON\. Check OPENAI_BASE_URL",
    "broken JSON": r"""answered with '{"choices": \[{' instead of JSON""",
    "half a body": r"cannot be reached or broke off .*Check OPENAI_BASE_URL, the network",
    "no choice": r"answered without a choice",
}
"""What a server can do instead of answering, and what the note of it says."""


async def _fail(outage: str, request: web.BaseRequest) -> web.StreamResponse:
    match outage:
        case "wrong key":
            return web.json_response({"error": {"message": "no such key"}}, status=401)
        case "unknown model":
            return web.json_response({"error": {"message": "no such model"}}, status=404)
        case "web page":
            return web.Response(text="<html>Welcome</html>", content_type="text/html")
        case "broken JSON":
            return web.Response(text='{"choices": [{', content_type="application/json")
        case "no choice":
            return web.json_response({"choices": []})
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "500"})
    await response.prepare(request)
    await response.write(b'{"choices": [')
    assert request.transport is not None
    request.transport.close()
    return response


def _end(ending: str) -> dict[str, Any]:
    if ending == "refused":
        return {"message": {"role": "assistant", "content": None, "refusal": "I cannot"}}
    if ending == "length":
        return {"message": {"role": "assistant", "content": "Think: first"}, "finish_reason": "length"}
    return {"message": {"role": "assistant", "content": ""}}


def _stage(body: dict[str, Any]) -> str:
    prompt = body["messages"][-1]["content"]
    if is_backfill(prompt):
        return "curate"
    return "generate" if any(rehearsal.drafts(prompt) for rehearsal in REHEARSALS) else "collect"


async def build(ask_everything: Asking, **overrides: Any) -> None:
    said = CONFIG | {"environments": ["os", "db"], "teacher.prices": FREE} | overrides
    async with open_workshop("build", "openai", said) as shop:
        await ask_everything(shop)
        land_completions(shop)
        land_losses(shop)


FREE = {"offline-a": {"prompt": 0.0, "completion": 0.0}}
LANDED = {
    "generate": {"refused": "refused", "length": "cut_off", "empty": "empty_reply", "error": "teacher_error"},
    "collect": {"refused": "refused", "length": "token_limit", "empty": "empty", "error": "teacher_error"},
    "curate": {
        "refused": "thought_refused",
        "length": "thought_cut_off",
        "empty": "thought_empty",
        "error": "teacher_error",
    },
}
"""The matrix: rejection reasons of generation and curation, outcomes of episodes."""


@pytest.mark.slow
async def test_every_ending_has_its_name_at_every_stage_and_only_an_outage_is_asked_again(
    serve: Callable[[OfflineServer], str], ask_everything: Asking, tmp_path: Path
) -> None:
    serve(server := Ending())
    await build(ask_everything)
    warehouse = Warehouse(tmp_path / "home")
    found = count_endings(warehouse)
    expected = {(stage, LANDED[stage][end]): server.planted[stage, end] for stage in LANDED for end in ENDINGS}
    assert min(expected.values()) > 0, "every cell of the matrix is tried"
    assert {cell: found.get(cell, 0) for cell in expected} == expected
    assert warehouse.count("trajectories") > 0, "the siblings live"
    verdicts = "SELECT outcome, verdict FROM episodes WHERE outcome IN ('refused', 'empty', 'token_limit') GROUP BY ALL"
    assert {verdict for _, verdict in warehouse.query(verdicts)} == {"failed"}

    failed = set(warehouse.column("episodes", "episode_id", "outcome = 'teacher_error'"))
    assert set(warehouse.column("episodes", "verdict", "outcome = 'teacher_error'")) == {"unknown"}
    noted = warehouse.column("rejections", "detail", "stage = 'teacher' AND reason = 'not_answered'")
    assert set(server.outages) == set(OUTAGES), "every outage is tried"
    told = {outage: sum(bool(re.search(says, detail)) for detail in noted) for outage, says in OUTAGES.items()}
    assert told == server.outages and len(noted) == sum(server.outages.values())
    reasons = warehouse.column("episodes", "outcome_reason", "outcome = 'teacher_error'")
    assert set(reasons) <= set(noted)
    server.is_well = True
    await build(ask_everything, **{"generate.os.requests": 0, "generate.db.requests": 0, "generate.db.questions": 0})
    again = warehouse.query("SELECT episode_id, outcome FROM episodes WHERE try_number = 2")
    assert {row[0] for row in again} == failed and "teacher_error" not in {row[1] for row in again}
    assert warehouse.count("rejections", "stage = 'curate' AND reason = 'teacher_error' AND build = 2") == 0


def count_endings(warehouse: Warehouse) -> dict[tuple[str, str], int]:
    rejected = warehouse.query("SELECT stage, reason, count(*) FROM rejections GROUP BY ALL")
    ended = warehouse.query("SELECT 'collect', outcome, count(*) FROM episodes GROUP BY ALL")
    of_curation = {*LANDED["curate"].values()}  # it also turns away what ended badly before
    kept = [row for row in rejected if row[0] == "generate" or row[1] in of_curation]
    return {(stage, name): n for stage, name, n in [*kept, *ended]}


@pytest.mark.slow
@pytest.mark.parametrize("quirks", [("think_tags", "no_usage"), ("reasoning", "half_surrogates", "adapters")])
async def test_a_build_on_a_quirky_server_keeps_reasoning_apart_and_trains_on_none(
    quirks: tuple[str, ...], serve: Callable[[OfflineServer], str], ask_everything: Asking, tmp_path: Path
) -> None:
    serve(QuirkyServer(*quirks, rehearsals=REHEARSALS))
    few = {"generate.os.requests": 6, "generate.db.requests": 6, "generate.db.questions": 6}
    await build(ask_everything, **few)
    warehouse = Warehouse(tmp_path / "home")
    trained = [message.content for row in warehouse.read("trajectories") for message in row.messages]
    assert trained and not [text for text in trained if THOUGHT in text or "think>" in text]
    assert set(warehouse.column("completions", "reasoning")) == {THOUGHT}
    assert warehouse.count("completions", "prompt_tokens = 0 OR reply LIKE '%think>%'") == 0
