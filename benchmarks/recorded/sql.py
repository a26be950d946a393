"""InterCode-SQL, run again on MariaDB: figures, and every disagreement in its group.

The recorder ran MySQL 8 on one connection for all episodes, judged by intersection over union times Kendall's tau of
`str(row)` (princeton-nlp/intercode, intercode/envs/sql/sql_env.py), and never put its tables back.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.recorded.agreement import (
    UNEXPLAINED,
    Case,
    Difference,
    Goal,
    Group,
    cases,
    code,
    missed,
    render_figures,
    render_groups,
    replay,
)
from benchmarks.recorded.sql_observations import REACT_ROWS, Said, agrees, normalise

NAME = "sql"
GOALS = (
    Goal("gpt-4", "intercode-multiturn", 0.90),
    Goal("gpt-3.5-turbo", "intercode-multiturn", 0.78),
    Goal("gpt-3.5-turbo", "intercode-react", 0.85),
)
VERDICTS = (0.98, 0.99)
FILES = ("sql_gpt-4_multiturn_first200.jsonl", "sql_gpt-3.5_multiturn.jsonl", "sql_gpt-3.5_react.jsonl")

LEFT = Group(
    "their bug",
    "tables that earlier runs left",
    "the recorder's server holds tables or columns that its own dump does not have (`players`, `poker_players`, "
    "`singers`, `votes_received`); here each episode gets the dump",
)
UNREAD = Group(
    "their bug",
    "what the recorder did not read",
    "a statement without its closing bracket, or ending in `;`, was not run there; here it is",
)
CATALOGUE = Group(
    "engine",
    "the catalogue",
    "information_schema, SHOW, DESCRIBE and VERSION() say other things in MariaDB, and of one database here, of all of "
    "them there",
)
WALLS = Group("engine", "another database", "unknown there, denied here: a login sees its own database only")
GROUPING = Group(
    "engine",
    "ONLY_FULL_GROUP_BY",
    "on there and off here: MariaDB's has no test of functional dependence and rejects good golds",
)
TIES = Group(
    "engine",
    "which rows come first",
    "a LIMIT among equals or without an order, a column that is not grouped by: the engine may show any of them",
)
RESERVED = Group("dialect", "reserved words", "RANK is reserved in MySQL 8 and a name in MariaDB")
FUNCTIONS = Group("dialect", "functions", "MariaDB 10.11 has no ANY_VALUE, and CAST, ROUND or dates come out otherwise")
FIRST = Group("engine", "which fault is named first", "the statement has several; the optimisers look in another order")
EMPTY = Group(
    "their bug",
    "nothing equals nothing",
    "the gold has no rows, so any statement without rows got a reward of 1, even on the catalogue; here an answer "
    "needs a statement that read one of the database's tables",
)
REJECTED = Group(
    "their bug",
    "golds that MySQL 8 rejects",
    "the gold selects a column that is not grouped by, was rejected there and taken for an empty result; here it runs",
)
KENDALL = Group(
    "their bug",
    "order",
    "rows in another order than the gold's got a reward of 1: Kendall's tau was taken of the rows' texts, rounded",
)
TEXTS = Group(
    "their bug",
    "numbers as texts",
    "`Decimal('147.3462')` and 147.346153 were compared as texts; here the one is the other one, rounded",
)

_CATALOGUE = re.compile(r"information_schema|^\s*(?:show|desc)|\bversion\s*\(", re.IGNORECASE)
_CHOICE = re.compile(r"\blimit\b|\bgroup\s+by\b", re.IGNORECASE)
_FUNCTION = re.compile(r"\b(?:any_value|cast|round|str_to_date|date_format|year|concat|json\w*)\s*\(", re.IGNORECASE)
_LIMIT = re.compile(r"\border\s+by\b.*\blimit\b", re.IGNORECASE | re.DOTALL)
_LIST = re.compile(r"^\s*(?:show\s+tables|desc|show\s+columns)", re.IGNORECASE)


def measure(data: Path, home: Path) -> tuple[list[str], list[str]]:
    """Run all recordings again in a new home; return the page's section and the goals that were missed."""
    told = replay("intercode-sql", [data / name for name in FILES], options(data), "db")
    found = cases(home, "db", agrees)
    return render(found, told), missed(found, GOALS, VERDICTS) + unexplained(found)


def options(data: Path) -> dict[str, str]:
    """Name the files that the episodes need."""
    return {"tasks": str(data / "sql_tasks.jsonl"), "databases": str(data / "sql_databases.mysql.sql")}


def render(found: Sequence[Case], told: Counter[str]) -> list[str]:
    """Render the section: figures, what the import told, groups, and every verdict that differs."""
    refused = ", ".join(f"{number} {reason}" for reason, number in sorted(told.items()) if reason != "kept")
    seen, judged = by_group(found, observation_group), by_group(found, verdict_group)
    lines = [*render_figures(found, GOALS), ""]
    lines += [f"The import took {told['kept']:,} episodes and told of the rest: {refused or 'none'}.", ""]
    lines += ["### Observations that differ, by the first in an episode", ""]
    lines += [*render_groups(seen, "group"), "", "### Verdicts that differ", ""]
    lines += [*render_groups(judged, "group"), ""]
    lines += ["| episode | theirs | ours | group | last statement | why we say so |", "|---|---|---|---|---|---|"]
    return lines + [_verdict_row(case) for case in found if not case.verdict_agrees]


def _verdict_row(case: Case) -> str:
    last = case.recording.turns[-2].action if len(case.recording.turns) > 1 else ""
    why = case.episode.verdict_detail or "the result equals the gold's"
    group = verdict_group(case) or UNEXPLAINED
    cells = (code(case.recording.source), str(case.recording.reward), case.episode.verdict, group.name)
    return f"| {' | '.join(cells)} | {code(last, 110)} | {code(why, 110)} |"


def by_group(found: Sequence[Case], group_of: Callable[[Case], Group | None]) -> dict[Group, list[Case]]:
    """Sort those that differ into their groups."""
    grouped: dict[Group, list[Case]] = defaultdict(list)
    for case in found:
        group = group_of(case)
        if group is not None:
            grouped[group].append(case)
    return dict(grouped)


def unexplained(found: Sequence[Case]) -> list[str]:
    """Say what no group explains."""
    return [
        f"{case.recording.source}: no group explains it"
        for case in found
        if UNEXPLAINED in (observation_group(case), verdict_group(case))
    ]


def observation_group(case: Case) -> Group | None:
    """Return why a case's observations differ, by the first that does; None = they agree."""
    return difference_group(case.differences[0]) if case.differences else None


def difference_group(difference: Difference) -> Group:
    """Return why one observation differs."""
    theirs, ours = normalise(difference.theirs, REACT_ROWS), normalise(difference.ours or "")
    kinds = (theirs.error or ("rows", ""))[0], (ours.error or ("rows", ""))[0]
    by_kind = {
        "no SQL": UNREAD,
        "not grouped": GROUPING,
        "no database": WALLS,
    }.get(kinds[0])
    if by_kind:
        return by_kind
    if kinds[1] == "no table" and kinds[0] in ("rows", "unknown column"):
        return LEFT
    if kinds[0] == "syntax":
        return RESERVED if re.search(r"\brank\b", difference.action, re.IGNORECASE) else UNEXPLAINED
    if kinds[1] == "no function":
        return FUNCTIONS
    if kinds == ("unknown column", "unknown column"):
        return FIRST
    return _rows_group(difference, theirs, ours) if kinds == ("rows", "rows") else UNEXPLAINED


def _rows_group(difference: Difference, theirs: Said, ours: Said) -> Group:
    """Return why two results differ."""
    if _LIST.match(difference.action) and Counter(ours.rows) < Counter(theirs.rows):
        return LEFT
    if _CATALOGUE.search(difference.action):
        return CATALOGUE
    if _FUNCTION.search(difference.action):
        return FUNCTIONS
    is_cut = theirs.cut or ours.cut
    return TIES if _CHOICE.search(difference.action) or is_cut else UNEXPLAINED


def verdict_group(case: Case) -> Group | None:
    """Return why a case's verdict differs; None = it agrees. Where another result was handed in, that explains it."""
    if case.verdict_agrees:
        return None
    return _handed_in_group(case) or _judged_group(case)


def _handed_in_group(case: Case) -> Group | None:
    last = case.recording.turns[-2].action
    mine = [difference for difference in case.differences if difference.action == last]
    return difference_group(mine[-1]) if mine else None


def _judged_group(case: Case) -> Group:
    """Return why the same result was judged in another way."""
    detail, last = case.episode.verdict_detail, normalise(case.recording.turns[-2].observation or "")
    if case.recording.success and detail.startswith("answered_without_acting") and not last.rows:
        return EMPTY
    if case.recording.success and detail.startswith("wrong_order"):
        return KENDALL
    if any(difference_group(difference) is GROUPING for difference in case.differences):
        return REJECTED
    if _LIMIT.search(case.spec.reference[0].code):
        return TIES
    return TEXTS if not case.recording.success and _has_fractions(last) else UNEXPLAINED


def _has_fractions(said: Said) -> bool:
    return any("." in value for row in said.rows for value in row)
