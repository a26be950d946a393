"""Finds one row by the beginning of its id and shows it whole, an episode turn by turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from commands.terminal import say, say_conversation, say_panel, say_table, spell
from reports.funnel import TableOf
from schemas.episode import Call, Turn
from schemas.errors import ConfigError
from schemas.rejudgement import Rejudgement
from schemas.tables import TABLES
from warehouse.warehouse import Warehouse

SEARCHED = (
    "episodes",
    "trajectories",
    "task_specs",
    "conversations",
    "foreign_rows",
    "completions",
    "rejections",
    "releases",
)


def key_of(table: str) -> str:
    """Return the column that names a row."""
    return TABLES[table].keys[0]


def find_row(warehouse: Warehouse, beginning: str) -> tuple[str, dict[str, Any]]:
    """Return the table and the newest row whose id begins so.

    Raises:
        ConfigError: no id begins so, or several do.
    """
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for table in SEARCHED:
        where = f"starts_with({key_of(table)}, ?)"
        for record in warehouse.read(table, where, (beginning,)):
            row = record.model_dump(mode="json")
            found[row[key_of(table)]] = (table, row)
    if len(found) != 1:
        raise ConfigError(_explain(beginning, [f"{id_} ({table})" for id_, (table, _) in found.items()]))
    return next(iter(found.values()))


def _explain(beginning: str, ids: list[str], limit: int = 5) -> str:
    if not ids:
        return (
            f'no id begins with {beginning!r}; `trajmill sql "SELECT task_id FROM task_specs"` lists those of a table'
        )
    some = ", ".join(ids[:limit]) + (", ..." if len(ids) > limit else "")
    return f"{len(ids)} ids begin with {beginning!r}; give more of the one you mean: {some}"


def say_row(warehouse: Warehouse, table: str, row: dict[str, Any]) -> None:
    """Print a row: its fields, then its turns or messages."""
    messages = row.pop("messages", None)
    facts = [(name, _short(value)) for name, value in row.items() if value not in (None, "", [], {})]
    say_table(table, TableOf(("field", "value"), facts))
    _say_later_verdicts(later_verdicts(warehouse, row))
    if table == "episodes":
        _say_turns(warehouse, row)
    if messages:
        say_conversation(messages)


def later_verdicts(warehouse: Warehouse, row: Mapping[str, Any]) -> list[Rejudgement]:
    """Return what was said of a row's episode when it was judged again, in its order; of other rows nothing."""
    if "episode_id" not in row:
        return []
    order = "check_contract, number"
    found: list[Rejudgement] = warehouse.read("verdicts", "episode_id = ?", (row["episode_id"],), order_by=order)
    return found


def _say_later_verdicts(later: Sequence[Rejudgement]) -> None:
    if not later:
        return
    columns = ("check_contract", "number", "verdict", "reward", "detail", "shows_same", "elsewhere", "judged_at")
    rows = [tuple(getattr(one, column) for column in columns) for one in later]
    say_table("Judged again (verify --rejudge)", TableOf(columns, rows))


def _say_turns(warehouse: Warehouse, episode: dict[str, Any]) -> None:
    where = "episode_id = ? AND landing = ?"
    for turn in warehouse.read("turns", where, (episode["episode_id"], episode["landing"])):
        say(Text(f"── turn {turn.index} ──", style="dim"))
        say_panel("observation", turn.observation, "cyan")
        if turn.reasoning:
            say_panel("reasoning", turn.reasoning, "magenta")
        done = "calls" if turn.calls else "action"
        say_panel(f"thought and {done}" if turn.thought else done, _spell_turn(turn), "green")
        for call in turn.calls:
            if call.observation is not None:
                say_panel(f"what {call.name} gave ({call.call_id})", call.observation, "cyan")


def _spell_turn(turn: Turn) -> str:
    notes = "" if turn.valid else "  (not understood)"
    if turn.action_raw is not None:
        notes += f"  (snapped from {turn.action_raw!r})"
    if not turn.calls:
        return f"{turn.thought or ''}\n\n{turn.action_kind}: {turn.action}{notes}"
    calls = "\n".join(f"{call.name}({call.arguments}){_note(call)}" for call in turn.calls)
    return f"{turn.thought or ''}\n\n{calls}{notes}"


def _note(call: Call) -> str:
    return "  (not carried out)" if call.observation is None else ""


def _short(value: Any, limit: int = 600) -> str:
    text = spell(value)
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text):,} characters; --json shows all)"
