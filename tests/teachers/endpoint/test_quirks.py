"""The client against the quirks of vLLM, Ollama and others; docs/own-model.md promises what stands here."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from environments.dialects.tool_calls import ToolCalls
from prompts import Prompt
from rehearsals.quirks import CONTEXT, QUIRKS, THOUGHT, QuirkyServer
from schemas.completion import AnswerSchema, Completion, Sampling
from schemas.errors import ConfigError, ContextOverflow, TeacherError
from schemas.message import Message, Tool
from schemas.run_config import TeacherConfig
from teachers.endpoint.chat import OpenAIChat
from teachers.ledger.failure_notes import FailureNotes
from teachers.ledger.ledger import Ledger
from teachers.ledger.ledgered import Ledgered

DOCS = Path(__file__).resolve().parents[3] / "docs" / "own-model.md"
LOOK = Tool(name="look", description="Look at a file.", parameters='{"type": "object"}')
REX = '{"name": "Rex"}'


PET = AnswerSchema(name="pet", json_schema='{"type": "object", "properties": {"name": {"type": "string"}}}')


class Asked:
    """A quirky server and a client of it."""

    def __init__(self, server: QuirkyServer, client: OpenAIChat) -> None:
        self.server, self.client = server, client


@contextlib.asynccontextmanager
async def serving(*quirks: str, reply: str | None = "Forty.") -> AsyncIterator[Asked]:
    server = QuirkyServer(*quirks, reply=reply)
    config = TeacherConfig(kind="openai", max_retries=2, timeout_seconds=5)
    client = OpenAIChat(config, "none", server.start())
    try:
        yield Asked(server, client)
    finally:
        await client.close()
        server.stop()


@pytest.fixture
def ask(ask):
    return lambda text="How many?", **changes: ask(text, **{"model": "offline-a"} | changes)


async def answer(ask, *quirks: str, reply: str | None = "Forty.", **changes) -> Completion:
    async with serving(*quirks, reply=reply) as asked:
        return await asked.client.complete(ask(**changes))


@pytest.mark.parametrize("quirk", ["reasoning_content", "reasoning", "think_tags", "lost_think_tag"])
async def test_reasoning_is_kept_apart(ask, quirk):
    completion = await answer(ask, quirk)
    assert (completion.reply, completion.reasoning) == ("Forty.", THOUGHT)


async def test_answer_as_reasoning_is_an_empty_reply(ask):
    completion = await answer(ask, "answer_as_reasoning")
    assert (completion.reply, completion.finish_reason, completion.reasoning) == ("", "empty", "Forty.")


async def test_flat_errors_and_short_context_are_read(ask):
    long = "word " * 5 * CONTEXT
    for quirks in (("short_context",), ("short_context", "flat_errors")):
        with pytest.raises(ContextOverflow, match=rf"400: This model's maximum context length is {CONTEXT} tokens"):
            await answer(ask, *quirks, messages=(Message(role="user", content=long),))


async def test_flat_errors_for_an_unknown_model_name_it(ask):
    with pytest.raises(TeacherError, match=r"knows no model 'ghost'.*404: The model `ghost` does not exist"):
        await answer(ask, "flat_errors", model="ghost")


@pytest.mark.parametrize("quirk", ["abort", "engine_dead", "busy", "only_loads"])
async def test_abort_engine_dead_busy_and_only_loads_are_asked_again(ask, quirk):
    async with serving(quirk) as asked:
        completion = await asked.client.complete(ask())
        assert (completion.reply, completion.finish_reason, len(asked.server.bodies)) == ("Forty.", "stop", 2)


async def test_calls_in_text_stay_there_for_the_dialect_to_read(ask):
    completion = await answer(ask, "calls_in_text", tools=(LOOK,))
    assert completion.tool_calls == () and completion.finish_reason == "stop"
    prompt = Prompt("p", "v1", "", "", {"tools": [{"name": "look", "parameters": {}}]})
    (action,) = ToolCalls(prompt).read(completion).actions
    assert (action.kind, action.arguments) == ("look", {"path": "/srv"})


async def test_calls_as_objects_are_calls(ask):
    completion = await answer(ask, "calls_as_objects", tools=(LOOK,))
    (call,) = completion.tool_calls
    assert (call.call_id, call.name, call.arguments) == ("call_0", "look", '{"path": "/srv"}')
    assert (completion.reply, completion.finish_reason) == ("", "tool_calls")


async def test_no_calls_under_tool_calls_is_the_text_that_there_is(ask):
    completion = await answer(ask, "no_calls", tools=(LOOK,))
    assert (completion.reply, completion.finish_reason, completion.tool_calls) == ("Forty.", "stop", ())


async def test_adapters_are_listed_and_served_by_name(ask):
    async with serving("adapters") as asked:
        await asked.client.check(("my-adapter",))
        assert asked.server.bodies == [], "the list was enough"
        completion = await asked.client.complete(ask(model="my-adapter"))
    assert completion.model == "my-adapter", "the name that was asked, whatever the reply says"


async def test_no_usage_is_estimated(ask):
    completion = await answer(ask, "no_usage")
    assert (completion.prompt_tokens, completion.completion_tokens) == (3, 2)


@pytest.mark.parametrize("quirk", ["ignores_n", "refuses_n"])
async def test_ignores_n_and_refuses_n_are_asked_singly(ask, quirk):
    async with serving(quirk) as asked:
        completion = await asked.client.complete(ask(samples=3, sampling=Sampling(seed=1)))
        assert (completion.reply, completion.more_samples) == ("Forty.", ("Forty.", "Forty."))
        assert {body["seed"] for body in asked.server.bodies} == {1, 2, 3}
        sent = len(asked.server.bodies)
        await asked.client.complete(ask("Again?", samples=2))
        assert not any("n" in body for body in asked.server.bodies[sent:]), "learned"


async def test_truncates_is_noticed_by_the_tokens_that_are_missing(ask):
    async with serving("truncates") as asked:
        with pytest.raises(ContextOverflow, match=r"of 9,000 bytes sent it read 1,024 tokens.*OLLAMA_CONTEXT_LENGTH"):
            await asked.client.complete(ask("word " * 1800))
        await asked.client.complete(ask("word " * 810))  # 1,013 tokens: it fits, and tells what a token has
        with pytest.raises(ContextOverflow, match=r"of 7,500 bytes sent"):
            await asked.client.complete(ask("word " * 1500))
        assert (await asked.client.complete(ask())).reply == "Forty."


async def test_a_prompt_that_arrived_whole_is_never_taken_for_truncated(ask):
    async with serving("truncates") as asked:
        for text in ("x = [1, 2, 3]\n" * 290, "Слово за слово. " * 140, "word " * 815):
            assert (await asked.client.complete(ask(text))).reply == "Forty."
    async with serving() as asked:  # another server than Ollama
        assert (await asked.client.complete(ask("word " * 5000))).reply == "Forty."


async def test_not_pulled_says_so(ask):
    with pytest.raises(TeacherError, match='model "offline-a" not found, try pulling it first') as caught:
        await answer(ask, "not_pulled")
    assert not caught.value.transient
    async with serving("not_pulled") as asked:
        with pytest.raises(ConfigError, match="Set generator, solver"):
            await asked.client.check(("ghost",))


async def test_white_space_after_the_json_is_no_part_of_the_answer(ask):
    async with serving("white_space", reply=REX) as asked:
        completion = await asked.client.complete(ask(answer_schema=PET))
    assert (json.loads(completion.reply), completion.finish_reason) == ({"name": "Rex"}, "length")


async def test_thinks_to_the_end_is_cut_off_not_empty(ask):
    completion = await answer(ask, "thinks_to_the_end")
    assert (completion.reply, completion.finish_reason, completion.reasoning) == ("", "length", THOUGHT)


async def test_only_max_tokens_is_what_is_sent(ask):
    completion = await answer(ask, "only_max_tokens", reply=None, sampling=Sampling(max_tokens=4))
    assert (completion.completion_tokens, completion.finish_reason) == (4, "length")


async def test_half_a_character_in_a_refusal_is_told_and_stored(ask, endpoint, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    notes = FailureNotes(ledger.engine, "1")
    client = OpenAIChat(TeacherConfig(kind="openai", max_retries=0), "none", endpoint.url)
    for status in (400, 200):
        endpoint.otherwise = endpoint.raw(b'{"error": {"message": "no \\ud83d \\u0000"}}', "application/json", status)
        with pytest.raises(TeacherError, match="no \ufffd \ufffd"):
            await Ledgered(client, ledger, notes).complete(ask(str(status)))
    assert len(notes.rows()) == 2
    await client.close()
    ledger.close()


async def test_half_surrogates_are_replaced_and_stored(ask, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    async with serving("half_surrogates") as asked:
        completion = await Ledgered(asked.client, ledger).complete(ask())
    assert completion.reply == "Forty.\ufffd" and ledger.find(completion.completion_id) == completion
    ledger.close()


@pytest.mark.parametrize("quirk", ["refuses_schema", "ignores_schema"])
async def test_refuses_schema_and_ignores_schema_have_it_said_in_the_prompt_once_known(ask, quirk):
    async with serving(quirk, reply=REX) as asked:
        for text in ("First?", "Second?"):
            completion = await asked.client.complete(ask(text, answer_schema=PET))
            assert REX in completion.reply
        assert "response_format" in asked.server.bodies[0]
        assert "response_format" not in asked.server.bodies[-1]
        assert "JSON Schema" in asked.server.bodies[-1]["messages"][-1]["content"]


def test_every_quirk_stands_in_the_docs_with_its_source_and_is_tested():
    table = DOCS.read_text(encoding="utf-8")
    undocumented = [name for name, quirk in QUIRKS.items() if f"`{name}`" not in table or quirk.source not in table]
    assert undocumented == []
    listed = re.findall(r"^\| `([a-z_]+)` \|.*https://", table, re.MULTILINE)
    assert sorted(listed) == sorted(QUIRKS)
    here = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in QUIRKS if f'"{name}"' not in here] == []
