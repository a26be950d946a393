"""Endpoints of one's own: one that serves, one that talks garbage, one that is too dear, all over the real client."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from environments.db.rehearsal import DbRehearsal
from environments.os.rehearsal import OsRehearsal
from flows.open_workshop import open_workshop
from rehearsals.server import OfflineServer, complete, read_body
from schemas.message import Message
from tasks.land_completions import land_completions
from tasks.workshop import Workshop
from warehouse.warehouse import Warehouse

Asking = Callable[[Workshop], Awaitable[None]]

MODELS = ("generator", "solver", "backfiller")
MINE = {f"teacher.{model}": "offline-a" for model in MODELS} | {"general.source": "built-in"}
SMALL = {"generate.rounds": 1, "generate.os.requests": 9, "generate.db.requests": 9, "generate.db.questions": 3}
FREE = {"mixture.source_models": {"offline-a": "gpt-4", "offline-b": "gpt-3.5"}, "general.conversations": 120}
GARBAGE = (
    "",
    " \n\t ",
    "I'm sorry, I can't help with that.",
    "Think: hm\n\nAct: bash\n\n```bash\n\x00\x07\n```",
    "Act: answer(\x00)",
    "Act: bash\n\n```bash\n" + "x" * 3000 + "\n```",
    "Action: Operation\n```sql\n\x00; DROP TABLE orders; --\n```",
    "Action: Answer\nFinal Answer: [[[[",
    'Action: Answer\nFinal Answer: {"a": NaN}',
    "### Problem\n\n### Problem\n```bash\n",
    "### Problem\nx\n### Explanation\nx\n### Initialisation\n```bash\nexit 1\n```\n### Reference\n```bash\n\x00\n```\n"
    "### Evaluation\n```bash\nkill -9 $$\n```",
    "### Problem\nDelete it.\n### Explanation\n\n### Reference\n```sql\nDELETE FROM nowhere\n```",
    '{"role": "assistant"}',
    "\u202e\u0000\ufeff\U0001f600" * 50,
    "<think>" * 200,
)


class Garbage(OfflineServer):
    """Answers every question with something that is no answer."""

    def _complete(self, raw: bytes) -> dict[str, Any]:
        number = int(hashlib.sha256(raw).hexdigest(), 16)
        return complete(read_body(raw), Message(role="assistant", content=GARBAGE[number % len(GARBAGE)]))


async def run_stages(ask_everything: Asking, **overrides: Any) -> None:
    """Run everything that asks a model, without Prefect."""
    async with open_workshop("build", "openai", MINE | SMALL | {"budget.usd": 1_000_000} | PRICED | overrides) as shop:
        await ask_everything(shop)
        land_completions(shop)


PRICED = {"teacher.prices": {"offline-a": {"prompt": 2.0, "completion": 8.0}}}


async def test_garbage_becomes_rejections_and_failed_episodes_never_a_crash(
    serve: Callable[[OfflineServer], str], ask_everything: Asking, tmp_path: Path
) -> None:
    serve(Garbage([]))
    await run_stages(ask_everything, **{"generate.os.requests": 40, "generate.db.requests": 40})
    warehouse = Warehouse(tmp_path / "home")
    assert warehouse.count("task_specs", "origin = 'self_instruct'") == 0
    assert warehouse.count("rejections", "stage IN ('generate', 'admit') AND environment IN ('os', 'db')") == 80
    reasons = set(warehouse.column("rejections", "reason", "stage IN ('generate', 'admit')"))
    assert {"missing_section", "control_characters"} <= reasons
    assert "teacher_error" not in reasons  # the endpoint answered: the answer was bad, not the line
    judged = warehouse.query("SELECT solver.kind, verdict, count(*) FROM episodes GROUP BY ALL ORDER BY ALL")
    assert {(kind, verdict) for kind, verdict, _ in judged} == {("reference", "passed"), ("teacher", "failed")}
    kept = [message.content for row in warehouse.read("trajectories") for message in row.messages if message.train]
    assert not [text for text in kept if "\x00" in text]


async def test_an_endpoint_of_one_s_own_makes_and_solves_tasks_and_is_priced(
    serve: Callable[[OfflineServer], str], ask_everything: Asking, tmp_path: Path
) -> None:
    serve(OfflineServer([OsRehearsal(), DbRehearsal()]))
    await run_stages(ask_everything)
    warehouse = Warehouse(tmp_path / "home")
    assert warehouse.count("task_specs", "origin = 'self_instruct'") > 9
    assert warehouse.count("trajectories") > 9
    ((model, teacher, tokens, usd),) = warehouse.query(
        "SELECT model, teacher, sum(2 * prompt_tokens + 8 * completion_tokens), sum(cost_usd) "
        "FROM completions GROUP BY ALL"
    )
    assert (model, teacher) == ("offline-a", "openai")  # no row claims a model that did not write it
    assert usd == pytest.approx(tokens / 1e6)


@pytest.mark.slow
def test_the_same_command_runs_on_an_endpoint_of_one_s_own(
    serve: Callable[[OfflineServer], str], trajmill: Any, tmp_path: Path
) -> None:
    server = OfflineServer([OsRehearsal(), DbRehearsal()])
    url = serve(server)
    values = MINE | SMALL | FREE | PRICED
    ran = trajmill(
        "build",
        "--config",
        "openai",
        *flags(values),
        "--json",
        home=tmp_path / "home",
        OPENAI_API_KEY="none",
        OPENAI_BASE_URL=url,
    )
    assert ran.code == 0, ran.err
    assert server.answered == ran.json["requests_sent"] > 40 and Path(ran.json["path"], "README.md").is_file()
    shown = trajmill("status", "--json", home=tmp_path / "home").json
    assert sum(row["usd"] for row in shown["costs"]) > 0
    written = [path for path in (tmp_path / "home" / "releases").rglob("*") if path.is_file()]
    assert not [path for path in written if url.encode() in path.read_bytes()]  # where it ran is nobody's business


@pytest.mark.slow
def test_a_used_up_budget_ends_with_code_1_and_a_larger_one_goes_on_without_paying_twice(
    trajmill: Any, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    short = trajmill("build", "--config", "smoke", "--set", "budget.tokens=40000", "--json", home=home)
    assert (short.code, short.out) == (1, ""), short.err
    assert "BudgetError: the budget of 40,000 tokens is used up: spent " in short.err
    assert "collect_episodes: " in short.err and "Raise [budget] usd or tokens" in short.err
    assert "Traceback" not in short.err
    warehouse = Warehouse(home)
    ((paid, tokens),) = warehouse.query("SELECT count(*), sum(prompt_tokens + completion_tokens) FROM completions")
    assert 0 < tokens <= 40_000
    again = trajmill("build", "--config", "smoke", "--set", "budget.tokens=400000", "--json", home=home)
    assert again.code == 0, again.err
    assert again.json["resumed"] and again.json["requests_sent"] + paid == warehouse.count("completions")


@pytest.mark.slow
def test_a_used_up_stage_ends_the_run_by_its_name_and_a_larger_one_goes_on_without_paying_twice(
    trajmill: Any, tmp_path: Path
) -> None:
    home, cap = tmp_path / "home", "budget.stages.collect_episodes.tokens"
    short = trajmill("build", "--config", "smoke", "--set", f"{cap}=20000", "--json", home=home)
    assert (short.code, short.out) == (1, ""), short.err
    assert "BudgetError: the budget of 20,000 tokens for collect_episodes is used up: spent " in short.err
    assert "Raise [budget.stages.collect_episodes] usd or tokens and run again to go on" in short.err
    warehouse = Warehouse(home)
    spent = dict(
        warehouse.query("SELECT purpose, sum(prompt_tokens + completion_tokens)::BIGINT FROM completions GROUP BY 1")
    )
    assert spent["generate_tasks"] > 0 and 0 < spent["collect_episodes"] <= 20_000
    assert "curate_trajectories" not in spent  # it plans once, from all episodes
    paid = warehouse.count("completions")
    again = trajmill("build", "--config", "smoke", "--set", f"{cap}=400000", "--json", home=home)
    assert again.code == 0, again.err
    assert again.json["resumed"] and again.json["requests_sent"] + paid == warehouse.count("completions")
    assert trajmill("status", "--json", home=home).json["losses"] == []


def flags(values: dict[str, Any]) -> list[str]:
    """Word overrides as --set flags, in TOML."""
    return [flag for key, value in values.items() for flag in ("--set", f"{key}={toml(value)}")]


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{key}" = {toml(inner)}' for key, inner in value.items()) + "}"
    return f'"{value}"' if isinstance(value, str) else str(value)
