"""Made-up tasks: what is read as one, what is turned away and why, and what the offline teacher writes."""

from __future__ import annotations

import random

import pytest

from environments.admission import admit
from environments.base import Ask, Draw
from environments.mind2web.author import PageAuthor
from environments.mind2web.cleaning import controls, name_of
from environments.mind2web.config import Mind2WebConfig
from environments.mind2web.page import ID
from environments.mind2web.rehearsal import PageRehearsal
from environments.mind2web.state import read_known
from environments.mind2web.world import Mind2WebWorld
from rehearsals.orders import for_one
from schemas.completion import Completion, CompletionRequest
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.run_config import GenerateConfig
from schemas.task_spec import TaskSpec
from teachers.scripted import receipt

REHEARSAL = PageRehearsal()


def said(text: str) -> Completion:
    asked = CompletionRequest(
        purpose="generate_tasks", teacher="t", model="m", messages=(Message(role="user", content="?"),)
    )
    return receipt(asked, text)


async def asks(author: PageAuthor, each: int = 3) -> list[Ask]:
    generate = GenerateConfig(rounds=1, tasks_per_request=each)
    return await author.asks(Draw(generate, seed=0, build=1, index=0, machine_made=()))


@pytest.fixture
async def ask() -> Ask:
    """A request for one selection on the ferry company's first page."""
    for one in await asks(PageAuthor(Mind2WebConfig(requests=96)), each=1):
        if one.facts.page.title == "Plan a crossing" and one.facts.orders[0].topic == "SELECT":
            return one
    raise AssertionError("no request for a selection there")


def number_of(ask: Ask, name: str) -> str:
    page = ask.facts.page.cleaned.page
    return next(str(node.get(ID)) for node in controls(page) if name_of(node) == name)


def reply(problem: str, *reference: str) -> str:
    lines = "\n".join(reference)
    return f"### Problem\n{problem}\n### Explanation\nSo.\n### Reference\n```\n{lines}\n```"


def test_a_request_lists_the_controls_with_their_options(ask: Ask) -> None:
    text = ask.messages[0].content
    assert f"- {number_of(ask, 'travellers')} (list) travellers: 1 adult; 2 adults; 3 adults; Family of four" in text
    assert f"- {number_of(ask, 'Leaving from')} (field) Leaving from" in text and "- Task 1 (SELECT): " in text


FORMS = {
    "as asked": ("Element: {n}", "Action: SELECT", "Value: 2 adults"),
    "bold": ("**Element:** {n}", "**Action:** SELECT", "**Value:** 2 adults"),
    "small letters": ("element: {n}", "action: select", "value: 2 adults"),
    "quoted": ("Element: #{n}", "Action: SELECT", 'Value: "2 adults"'),
    "an object": ('{{"element": {n}, "action": "SELECT", "value": "2 adults"}}',),
}


@pytest.mark.parametrize("form", FORMS)
async def test_a_task_is_read_in_many_forms_and_admitted(form: str, ask: Ask) -> None:
    lines = [line.format(n=number_of(ask, "travellers")) for line in FORMS[form]]
    told = PageAuthor(Mind2WebConfig()).read(said(reply("We are 2 adults and want to sail.", *lines)), ask)
    assert isinstance(told, TaskSpec), told
    assert read_known(told).wanted.steps[0].action == "SELECT 2 adults"
    assert (told.origin, told.family) == ("self_instruct", "select")
    assert [probe for probe in await admit(Mind2WebWorld(), told) if not probe.passed] == []


TWO = "We are 2 adults."
TURNED_AWAY = {
    "an element that is not there": (TWO, "9999 SELECT 2 adults", "no_such_element"),
    "no element": (TWO, " SELECT 2 adults", "no_such_element"),
    "an element that nothing is done with": (TWO, "0 SELECT 2 adults", "no_such_element"),
    "another action": ("Send it.", "{go} CLICK ", "wrong_operation"),
    "an action that is none": ("Send it.", "{go} SET ", "bad_reference"),
    "an action that does not suit": (TWO, "{from} SELECT 2 adults", "unsuited_action"),
    "an option that is not there": ("We are 9 adults.", "{n} SELECT 9 adults", "no_such_option"),
    "an option spelled otherwise": ("We are 2 Adults.", "{n} SELECT 2 Adults", "no_such_option"),
    "a value that is not told": ("We are a couple.", "{n} SELECT 2 adults", "value_not_told"),
    "the element is told": ("Set element {n} to 2 adults.", "{n} SELECT 2 adults", "tells_the_element"),
    "the answer is told": ("2 adults. Answer: B", "{n} SELECT 2 adults", "tells_the_element"),
}


@pytest.mark.parametrize("name", TURNED_AWAY)
def test_what_no_page_holds_is_turned_away(name: str, ask: Ask) -> None:
    problem, reference, reason = TURNED_AWAY[name]
    numbers = {"n": number_of(ask, "travellers"), "go": number_of(ask, "Find sailings")}
    numbers["from"] = number_of(ask, "Leaving from")
    element, action, value = reference.format(**numbers).split(" ", 2)
    lines = (f"Element: {element}", f"Action: {action}", f"Value: {value}")
    told = PageAuthor(Mind2WebConfig()).read(said(reply(problem.format(**numbers), *lines)), ask)
    assert isinstance(told, Refusal) and told.reason == reason, told


async def test_the_offline_teacher_s_tasks_are_read_and_admitted() -> None:
    author, world, read = PageAuthor(Mind2WebConfig(requests=24)), Mind2WebWorld(), 0
    for ask in await asks(author):
        prompt = ask.messages[0].content
        assert REHEARSAL.drafts(prompt)
        drafts = [
            f"## Task {n}\n{REHEARSAL.draft(for_one(prompt, n), random.Random(n), None)}"
            for n in range(1, ask.tasks + 1)
        ]
        for part in author.read_all(said("\n\n".join(drafts)), ask, range(ask.tasks)):
            assert isinstance(part.told, TaskSpec), part
            failed = [probe for probe in await admit(world, part.told) if not probe.passed]
            assert [probe.name for probe in failed] in ([], ["constant_letter_fails"]), failed
            read += not failed
    assert read >= 20, "a click on the first of a page is what one letter wins"


async def test_its_planted_task_fault_is_turned_away() -> None:
    author = PageAuthor(Mind2WebConfig(requests=9))
    for ask in await asks(author, each=1):
        prompt = ask.messages[0].content
        assert REHEARSAL.task_faults(prompt) == ("reference_fails",)
        told = author.read(said(REHEARSAL.draft(prompt, random.Random(0), "reference_fails")), ask)
        assert isinstance(told, Refusal) and told.reason == "no_such_element"
