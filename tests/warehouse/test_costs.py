"""What was paid for what adds up: every receipt once, shared where several trajectories have it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import prompts
from reports.funnel import trajectory_costs
from schemas.completion import Completion, CompletionRequest
from schemas.message import Message
from schemas.tables import DRAWN_FROM_TABLES
from schemas.task_spec import Provenance
from tasks.land_completions import land_completions
from teachers.scripted import Scripted, receipt
from warehouse.views import VIEWS
from warehouse.warehouse import Warehouse

REPO = Path(__file__).parents[2]
PRICES = {
    "task": 1.0,
    "turn a": 0.25,
    "turn b": 0.25,
    "proposal": 0.125,
    "turn c": 0.5,
    "wrong": 4.0,
    "thought": 0.0625,
}
PROMPTS = {"generate_tasks": "generate_db", "collect_episodes": "solve_db", "curate_trajectories": "backfill"}


class Priced(Scripted):
    """Bills what `PRICES` says; an aggregated turn names its proposal."""

    def __init__(self) -> None:
        super().__init__([])

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        text = request.messages[0].content
        parents = (self.requests[-2].request_hash,) if text == "turn c" else ()
        paid = {"cost_usd": PRICES[text], "prompt_tokens": 9, "completion_tokens": 1, "parents": parents}
        return receipt(request, text).model_copy(update=paid)


async def ask_all(shop: Any) -> dict[str, str]:
    """Ask everything, in the order of `PRICES`; return completion ids by what was asked."""
    ids = {}
    for text in PRICES:
        purpose = {"task": "generate_tasks", "thought": "curate_trajectories"}.get(text, "collect_episodes")
        request = CompletionRequest(
            purpose=purpose,  # type: ignore[arg-type]
            teacher="t",
            model="m",
            messages=(Message(role="user", content=text),),
            prompt_sha=prompts.load(PROMPTS[purpose]).sha256,
        )
        ids[text] = (await shop.teacher.complete(request)).completion_id
    return ids


def land_rows(warehouse: Warehouse, make: SimpleNamespace, ids: dict[str, str]) -> None:
    """A task and its three episodes: one tried twice (its first turn replayed), one aggregated, one that failed."""
    spec = make.task_spec(1, provenance=Provenance(source="test", completion_ids=(ids["task"],)))
    warehouse.land("task_specs", [spec], key="one")

    def episode(number: int, landing: str, texts: tuple[str, ...], **changes: object) -> None:
        turns = make.turns(number, landing, count=len(texts))
        told = [turn.model_copy(update={"completion_id": ids[t]}) for turn, t in zip(turns, texts, strict=True)]
        warehouse.land("turns", told, key=landing)
        row = make.episode(number, landing, task_id="task-1", n_turns=len(texts), **changes)
        warehouse.land("episodes", [row], key=landing)

    episode(1, "first try", ("turn a",), outcome="environment_error", verdict="unknown")
    episode(1, "second try", ("turn a", "turn b"), try_number=2)
    episode(2, "aggregated", ("turn c",), attempt=2)
    episode(3, "failed", ("wrong",), attempt=3, verdict="failed")
    kept = [
        make.trajectory(1, task_id="task-1", completion_ids=(ids["thought"],)),
        make.trajectory(2, task_id="task-1"),
    ]
    warehouse.land("trajectories", kept, key="one")


@pytest.fixture
async def paid(open_shop: Callable[..., Any], make: SimpleNamespace) -> Any:
    """A home with rows that point to what was paid for them; everything was asked a second time by another run."""
    first = open_shop(Priced())
    ids = await ask_all(first)
    land_completions(first)
    land_rows(first.warehouse, make, ids)
    again = open_shop(Priced())
    assert await ask_all(again) == ids and again.ledger.counts.sent == 0
    assert land_completions(again) == 0
    return again


def test_costs_name_the_prompt_and_add_up_to_the_ledger(paid: Any) -> None:
    rows = paid.warehouse.query(
        "SELECT stage, model, prompt, prompt_version, count(*), sum(tokens), sum(usd) FROM costs "
        "GROUP BY ALL ORDER BY 1"
    )
    assert rows == [
        ("collect_episodes", "m", "solve_db", "v3", 5, 50, 5.125),
        ("curate_trajectories", "m", "backfill", "v2", 1, 10, 0.0625),
        ("generate_tasks", "m", "generate_db", "v2", 1, 10, 1.0),
    ]
    totals = paid.ledger.totals()
    assert (totals.requests, totals.tokens, totals.cost_usd) == (7, 70, sum(PRICES.values()))


def test_a_trajectory_cost_its_task_its_tries_its_thoughts_and_what_those_were_made_from(paid: Any) -> None:
    rows = paid.warehouse.query(
        "SELECT trajectory_id, stage, prompt, requests, tokens, usd, usd_shared FROM trajectory_costs ORDER BY 1, 2"
    )
    assert rows == [
        ("trajectory-1", "collect_episodes", "solve_db", 2, 20, 0.5, 0.5),
        ("trajectory-1", "curate_trajectories", "backfill", 1, 10, 0.0625, 0.0625),
        ("trajectory-1", "generate_tasks", "generate_db", 1, 10, 1.0, 0.5),
        ("trajectory-2", "collect_episodes", "solve_db", 2, 20, 0.625, 0.625),
        ("trajectory-2", "generate_tasks", "generate_db", 1, 10, 1.0, 0.5),
    ]


def test_what_trajectories_share_and_what_none_has_add_up_to_the_ledger(paid: Any) -> None:
    ((shared, lost),) = paid.warehouse.query(
        "SELECT (SELECT sum(usd_shared) FROM trajectory_costs), "
        "(SELECT sum(usd) FROM costs ANTI JOIN trajectory_receipts USING (completion_id))"
    )
    assert lost == PRICES["wrong"]
    assert shared + lost == paid.ledger.totals().cost_usd


def test_the_status_says_what_a_kept_trajectory_took(paid: Any) -> None:
    rows = trajectory_costs(paid.warehouse).rows
    assert rows == [
        ("db", "collect_episodes", "m", "solve_db/v3", 2, 2.0, 20, 0.5625),
        ("db", "curate_trajectories", "m", "backfill/v2", 2, 0.5, 5, 0.03125),
        ("db", "generate_tasks", "m", "generate_db/v2", 2, 0.5, 5, 0.5),
    ]


def test_a_prompt_that_is_not_installed_has_no_name(warehouse: Warehouse) -> None:
    request = CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=(), prompt_sha="f" * 64)
    warehouse.land("completions", [receipt(request, "yes")], key="one")
    assert warehouse.query("SELECT prompt, prompt_version FROM costs") == [(None, None)]


@pytest.mark.parametrize("view", [view for view in DRAWN_FROM_TABLES if view.columns], ids=lambda view: view.name)
def test_a_view_has_the_documented_columns(warehouse: Warehouse, view: Any) -> None:
    with warehouse.connect() as connection:
        described = connection.execute(f"DESCRIBE {view.name}").fetchall()
    assert [(row[0], row[1]) for row in described] == [(name, kind) for name, kind, _ in view.columns]


def test_every_view_is_documented() -> None:
    assert {view.name for view in DRAWN_FROM_TABLES} <= set(VIEWS)
    text = (REPO / "docs" / "tables.md").read_text(encoding="utf-8")
    assert not [view for view in VIEWS if f"## {view}" not in text]


def test_the_sql_of_the_page_runs(paid: Any) -> None:
    page = (REPO / "docs" / "teacher.md").read_text(encoding="utf-8")
    queries = re.findall(
        r"^```sql\n(.*?)^```$", page.partition("\n## The ledger")[2].partition("\n## ")[0], re.M | re.S
    )
    assert len(queries) >= 3
    for query in queries:
        _, rows = paid.warehouse.sql(query)
        assert rows, query
