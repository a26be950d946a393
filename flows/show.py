"""Finds one row by the beginning of its id and shows it whole, an episode turn by turn."""

from __future__ import annotations

from typing import Any

from flows.report import TableOf
from flows.terminal import say, say_conversation, say_panel, say_table, spell
from schemas.episode import Turn
from schemas.errors import ConfigError
from schemas.tables import TABLES
from warehouse.warehouse import Warehouse

SEARCHED = ("episodes", "trajectories", "task_specs", "conversations", "completions", "rejections", "releases")


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
    if table == "episodes":
        _say_turns(warehouse, row)
    if messages:
        say_conversation(messages)


def _say_turns(warehouse: Warehouse, episode: dict[str, Any]) -> None:
    where = "episode_id = ? AND landing = ?"
    for turn in warehouse.read("turns", where, (episode["episode_id"], episode["landing"])):
        say(f"[dim]── turn {turn.index} ──[/dim]")
        say_panel("observation", turn.observation, "cyan")
        say_panel("thought and action" if turn.thought else "action", _spell_turn(turn), "green")


def _spell_turn(turn: Turn) -> str:
    notes = "" if turn.valid else "  (not understood)"
    if turn.action_raw is not None:
        notes += f"  (snapped from {turn.action_raw!r})"
    return f"{turn.thought or ''}\n\n{turn.action_kind}: {turn.action}{notes}"


def _short(value: Any, limit: int = 600) -> str:
    text = spell(value)
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text):,} characters; --json shows all)"
