from __future__ import annotations

import pytest

from schemas.errors import TeacherError
from teachers.scripted import Scripted


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
