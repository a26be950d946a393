"""The Batch API of the offline server, as OpenAI's behaves, through the client that asks it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from rehearsals.batches import OfflineBatches
from rehearsals.refusal import BadRequest
from rehearsals.server import OfflineServer
from schemas.run_config import TeacherConfig
from teachers.batch.api import BatchApi, is_unknown
from teachers.endpoint.chat import OpenAIChat
from teachers.endpoint.failures import EndpointError

MADE = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
LINE = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "offline-a"}}


@pytest.fixture
def batches() -> OfflineBatches:
    return OfflineBatches(lambda body: {"echo": orjson.loads(body)})


def make(batches: OfflineBatches, *lines: dict[str, Any], **more: Any) -> dict[str, Any]:
    file = batches.upload("f.jsonl", "batch", b"\n".join(map(orjson.dumps, lines)))
    return batches.create(MADE | {"input_file_id": file["id"]} | more)


def test_a_batch_takes_a_step_each_time_it_is_looked_at(batches: OfflineBatches) -> None:
    made = make(batches, LINE)
    seen = [batches.look(made["id"]) for _ in range(5)]
    assert [b["status"] for b in seen] == ["validating", "in_progress", "finalizing", "completed", "completed"]
    (line,) = map(orjson.loads, batches.content(seen[-1]["output_file_id"]).splitlines())
    assert (line["custom_id"], line["response"]["body"]) == ("a", {"echo": {"model": "offline-a"}})


def test_another_model_among_the_lines_or_a_name_twice_fails_the_batch_as_a_whole(batches: OfflineBatches) -> None:
    other = LINE | {"custom_id": "b", "body": {"model": "offline-b"}}
    made = [make(batches, LINE), make(batches, LINE, LINE), make(batches, LINE, other)]
    for batch in made:
        batches.step(batch)
    assert [batch["status"] for batch in made] == ["in_progress", "failed", "failed"]


@pytest.mark.parametrize("wrong", [{"endpoint": "/v1/images"}, {"completion_window": "1h"}, {"input_file_id": "gone"}])
def test_a_batch_that_openai_would_refuse_is_refused(batches: OfflineBatches, wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        make(batches, LINE, **wrong)


@pytest.fixture
def server() -> Iterator[OfflineServer]:
    server = OfflineServer(())
    server.url = server.start()
    yield server
    server.stop()


async def test_a_batch_is_found_in_a_list_of_many_pages_and_a_file_comes_back_as_it_went(server: Any) -> None:
    made = [make(server.batches, LINE, metadata={"trajmill_batch": str(i)}) for i in range(250)]
    chat = OpenAIChat(TeacherConfig(kind="openai"), "key", server.url)
    api = BatchApi(chat.client, chat.url)
    found = await api.find("3", time.time())
    assert found is not None and found.id == made[3]["id"]
    assert await api.find("none", time.time()) is None
    content = b'{"text": "\xe2\x80\xa8"}\n' * 200_000
    file_id = await api.upload("big.jsonl", content)
    with await api.fetch(file_id) as fetched:
        assert fetched.read() == content
    await api.delete(file_id)
    with pytest.raises(EndpointError, match="does not know file") as gone:
        await api.fetch(file_id)
    assert is_unknown(gone.value)
    await chat.close()
