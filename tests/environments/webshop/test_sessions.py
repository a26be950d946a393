"""Sessions of people as recorded episodes: clicks told by pages, played again, and what cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from environments.base import Place
from environments.registry import importers, make_world
from environments.webshop.importers.sessions import IMPORTER
from environments.webshop.importers.steps import Strange, turns_of
from formats.catalogue import Landing
from schemas.episode import Solver
from schemas.recording import Recorded
from schemas.rejection import Rejection
from schemas.run_config import RunConfig
from tasks.collect.roll_out import Attempt, Rules, replay_recording

GOAL = {
    "asin": "B0LAMP0001",
    "category": "garden",
    "query": "table lamps",
    "name": "Brass Table Lamp",
    "product_category": "Home › Lighting › Lamps",
    "instruction_text": "i need a brass table lamp, and price lower than 50.00 dollars",
    "attributes": ["solid brass"],
    "price_upper": 50.0,
    "goal_options": ["green"],
    "weight": 1,
}
KEYWORDS = ["brass", "lamp"]


def page(kind: str, **content: Any) -> dict[str, Any]:
    texts = {key: value if isinstance(value, int | list) else str(value) for key, value in content.items()}
    sub = f"/{kind}/s1/B0LAMP0001/{KEYWORDS}/1/Description/{{}}" if kind == "item_sub_page" else f"/{kind}/s1"
    return {"page": kind, "url": f"http://shop{sub}", "goal": GOAL} | ({"content": texts} if content else {})


def item(options: dict[str, str] | None = None, asin: str = "B0LAMP0001", kind: str = "item_page") -> dict[str, Any]:
    return page(kind, keywords=str(KEYWORDS), page="1", asin=asin, options=str(options or {}))


RESULTS = page("search_results", keywords=KEYWORDS, page=1, search_result_asins=["B0LAMP0001"])
DONE = page("done", asin="B0LAMP0001", options="{'option 1': 'green'}", price="39.0") | {"reward": 1.0}
SESSION = [
    page("index"),
    page("index"),
    RESULTS,
    item(),
    item(kind="item_sub_page"),
    item(),
    item({"option 1": "green"}),
]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def make(*pages: Any, name: str = "s1.jsonl") -> Path:
        (tmp_path / name).write_text("\n".join(map(json.dumps, pages)))
        return tmp_path / name

    return make


def read(*paths: Path) -> list[Recorded | Rejection]:
    return list(IMPORTER.read(paths, {"license": "MIT"}))  # type: ignore[arg-type]


def actions(*pages: dict[str, Any], write: Callable[..., Path]) -> list[str]:
    (row,) = read(write(*pages))
    assert isinstance(row, Recorded), row
    return [f"{turn.action_kind}[{turn.action}]" for turn in row.recording.turns]


def test_what_was_clicked_is_told_by_the_page_that_came_next(write: Callable[..., Path]) -> None:
    assert actions(*SESSION, DONE, write=write) == [
        "search[brass lamp]",
        "click[b0lamp0001]",
        "click[description]",
        "click[< prev]",
        "click[green]",
        "click[buy now]",
    ]


@pytest.mark.parametrize(
    ("pages", "told"),
    [
        ([RESULTS, page("search_results", keywords=KEYWORDS, page=2)], ["click[next >]"]),
        ([page("search_results", keywords=KEYWORDS, page=2), RESULTS], ["click[next >]", "click[< prev]"]),
        ([RESULTS, page("search_results", keywords=["red"], page=1)], ["click[back to search]", "search[red]"]),
        ([RESULTS, item(), RESULTS], ["click[b0lamp0001]", "click[< prev]"]),
        ([RESULTS, item(), page("index")], ["click[b0lamp0001]", "click[back to search]"]),
        (
            [RESULTS, item(), item(kind="item_sub_page"), DONE],
            ["click[b0lamp0001]", "click[description]", "click[< prev]", "click[buy now]"],
        ),
        (
            [RESULTS, item(), item({"size": "8"}), item({"size": "8", "color": "z2-Pink"})],
            ["click[b0lamp0001]", "click[8]", "click[z2-pink]"],
        ),
    ],
)
def test_each_step_is_the_clicks_that_do_the_same(
    write: Callable[..., Path], pages: list[dict[str, Any]], told: list[str]
) -> None:
    assert actions(page("index"), *pages, write=write)[1:] == told


def test_a_session_is_a_task_and_a_recording_of_a_person(write: Callable[..., Path]) -> None:
    (row,) = read(write(*SESSION, DONE))
    assert isinstance(row, Recorded) and row.spec is not None
    assert (row.recording.agent, row.recording.model, row.recording.reward, row.recording.success) == (
        "human",
        None,
        1.0,
        True,
    )
    assert row.spec.instruction == GOAL["instruction_text"] and row.spec.origin == "recorded"
    assert row.recording.source == "s1.jsonl:1" and row.recording.license == "MIT"


@pytest.mark.parametrize(
    ("pages", "reason"),
    [
        ([], "not_a_session"),
        (["text"], "not_a_session"),
        ([{"page": "home", "goal": GOAL}], "not_a_session"),
        ([{"page": "index"}], "not_a_session"),
        ([page("index"), {**RESULTS, "goal": {**GOAL, "asin": "B0OTHER001"}}], "not_a_session"),
        ([{**page("index"), "content": []}], "not_a_session"),
        ([{**page("index"), "goal": {**GOAL, "attributes": []}}], "not_a_goal"),
        ([{**page("index"), "goal": {**GOAL, "price_upper": "cheap"}}], "not_a_goal"),
        ([{**page("index"), "goal": {**GOAL, "instruction_text": None}}], "not_a_goal"),
        ([page("index")], "no_turns"),
        ([page("index"), item()], "unreadable_step"),
        ([page("index"), RESULTS, DONE], "unreadable_step"),
        ([page("index"), RESULTS, item(), item(asin="B0OTHER001")], "unreadable_step"),
    ],
)
def test_a_file_that_is_no_session_is_turned_away_by_name(
    write: Callable[..., Path], pages: list[Any], reason: str
) -> None:
    sound = write(page("index"), RESULTS, name="a.jsonl")
    first, second = read(sound, write(*pages))
    assert isinstance(first, Recorded) and isinstance(second, Rejection) and second.reason == reason
    assert reason in importers()["webshop-sessions"].reasons


def test_texts_that_look_like_python_are_read_and_never_run() -> None:
    odd = {"page": "item_page", "asin": "x", "keywords": "", "number": 1, "options": {}, "sub": []}
    with pytest.raises(Strange):
        turns_of([odd, {**odd, "page": "done", "asin": "y"}])


async def test_a_session_is_played_in_the_products_that_goals_describe(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    strange = [page("index"), RESULTS, item(asin="B0STRANGE1"), {**DONE, "content": {"asin": "B0STRANGE1"}}]
    rows = read(write(*SESSION, DONE), write(*strange, name="s2.jsonl"))
    assert IMPORTER.prove is not None
    assert await IMPORTER.prove(rows, {"license": "MIT"}, Landing(tmp_path, {})) == rows
    ended = []
    async with make_world("webshop", Place(RunConfig(), tmp_path, tmp_path)) as world:
        for row in rows:
            assert isinstance(row, Recorded) and row.spec is not None
            solver = Solver(kind="recorded", solver_id="s")
            rules = Rules(solver, None, world.dialects["react"], 10, 9999)  # type: ignore[arg-type]
            episode, _ = await replay_recording(row.spec, world, rules, Attempt(1, 1, 1, "l"), row.recording)
            ended.append((episode.outcome, episode.verdict, episode.reward))
    assert ended == [("finished", "passed", 1.0), ("invalid_action", "failed", 0.0)]
