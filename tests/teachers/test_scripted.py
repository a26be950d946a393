from __future__ import annotations

import pytest

from schemas.errors import TeacherError
from schemas.message import ToolCall
from teachers.scripted import Said, Scripted


async def test_it_says_its_lines_in_order_and_remembers_what_it_was_asked(ask):
    teacher = Scripted(["one", "two"])
    assert [(await teacher.complete(ask(text))).reply for text in "ab"] == ["one", "two"]
    assert [request.messages[0].content for request in teacher.requests] == ["a", "b"]


async def test_it_can_answer_by_a_function_of_the_request(ask):
    teacher = Scripted(lambda request: request.messages[0].content.upper())
    assert (await teacher.complete(ask("a"))).reply == "A"


async def test_a_script_that_has_ended_is_a_lasting_teacher_error(ask):
    with pytest.raises(TeacherError, match="has 0 replies") as caught:
        await Scripted([]).complete(ask())
    assert not caught.value.transient


async def test_an_empty_line_is_an_empty_reply(ask):
    assert (await Scripted([""]).complete(ask())).finish_reason == "empty"


async def test_it_can_say_calls_and_reasoning_beside_its_words(ask):
    call = ToolCall(call_id="c", name="bash", arguments='{"command": "ls"}')
    teacher = Scripted([Said("I look.", (call,), "Hm."), Said("", (call,)), Said("", reasoning="Hm.")])
    spoken = [await teacher.complete(ask(text)) for text in "abc"]
    assert [one.finish_reason for one in spoken] == ["tool_calls", "tool_calls", "empty"]
    assert (spoken[0].reply, spoken[0].tool_calls, spoken[0].reasoning) == ("I look.", (call,), "Hm.")
    assert spoken[0].completion_tokens > spoken[1].completion_tokens > spoken[2].completion_tokens > 0
