"""The expectations, per stage: SQL that flattens a table to scalar check columns, and what is expected of them.

Only what spans rows or tables: the shape of one row is pydantic's job and is not said twice. The SQL gives `row_id` and
one column per check; a check that counts faults expects 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from schemas.record import digest


class Expectation(NamedTuple):
    code: str
    kind: str
    """Class in `great_expectations.expectations`."""
    arguments: Mapping[str, Any]
    stops: bool = False
    """Whether a failure stops the release: no single row is to blame."""


class TableCheck(NamedTuple):
    """One table's checks."""

    sql: str
    expectations: tuple[Expectation, ...]


def unique(code: str, *columns: str) -> Expectation:
    """Expect columns to name a row; that two rows share an id is the table's fault, not a row's."""
    if len(columns) == 1:
        return Expectation(code, "ExpectColumnValuesToBeUnique", {"column": columns[0]}, stops=True)
    return Expectation(code, "ExpectCompoundColumnsToBeUnique", {"column_list": list(columns)}, stops=True)


def zero(code: str, column: str, *, stops: bool = False) -> Expectation:
    """Expect a column that counts faults to hold none."""
    return Expectation(code, "ExpectColumnValuesToBeInSet", {"column": column, "value_set": [0]}, stops)


def within(code: str, column: str, low: float | None, high: float | None = None) -> Expectation:
    """Expect low <= column <= high."""
    return Expectation(code, "ExpectColumnValuesToBeBetween", {"column": column, "min_value": low, "max_value": high})


def one_of(code: str, column: str, values: list[Any]) -> Expectation:
    """Expect a column to hold one of the values."""
    return Expectation(code, "ExpectColumnValuesToBeInSet", {"column": column, "value_set": values})


_TRAINED = "list_filter(messages, lambda m: m.train)"
# trim() takes spaces away and leaves line feeds
_SAYS_NOTHING = "NOT regexp_matches(m.content, '\\S')"
_DOES_NOTHING = f"({_SAYS_NOTHING} AND coalesce(len(m.tool_calls), 0) = 0)"
_MISTRAINED = f"list_filter({_TRAINED}, lambda m: m.role <> 'assistant' OR {_DOES_NOTHING})"
_MESSAGE_COLUMNS = f"""
    len({_TRAINED}) AS trained, n_trained - len({_TRAINED}) AS miscounted, len({_MISTRAINED}) AS mistrained
"""

_MESSAGE_EXPECTATIONS = (
    within("something_trained", "trained", 1),
    zero("trained_as_counted", "miscounted"),
    zero("trained_by_the_assistant", "mistrained"),
)

STAGES: dict[str, TableCheck] = {
    "task_specs": TableCheck(
        """
        SELECT task_id AS row_id, (NOT regexp_matches(instruction, '\\S'))::INT AS blank,
            len(list_filter(probes, lambda p: NOT p.passed)) AS failed_probes,
            (origin IN ('self_instruct', 'derived') AND len(probes) = 0)::INT AS untried
        FROM task_specs ORDER BY row_id
        """,
        (
            unique("task_ids_unique", "row_id"),
            zero("instruction_not_blank", "blank"),
            zero("probes_passed", "failed_probes"),
            zero("made_up_tasks_tried", "untried"),
        ),
    ),
    "episodes": TableCheck(
        """
        SELECT e.episode_id || '/' || e.try_number AS row_id, e.reward,
            e.n_turns - coalesce(t.seen, 0) AS missing_turns,
            coalesce(t.seen - t.indices + t.first + abs(t.last + 1 - t.seen), 0) AS gaps,
            (e.task_id NOT IN (SELECT task_id FROM task_specs))::INT AS unknown_task
        FROM episodes e LEFT JOIN (
            SELECT episode_id, landing, count(*) AS seen, count(DISTINCT index) AS indices,
                abs(min(index)) AS first, max(index) AS last
            FROM turns GROUP BY ALL
        ) t ON t.episode_id = e.episode_id AND t.landing = e.landing
        WHERE $build IS NULL OR e.build = $build ORDER BY row_id
        """,
        (
            unique("episode_ids_unique", "row_id"),
            within("reward_in_range", "reward", 0, 1),
            zero("turns_as_counted", "missing_turns"),
            zero("turns_contiguous", "gaps"),
            zero("task_known", "unknown_task"),
        ),
    ),
    "trajectories": TableCheck(
        f"""
        SELECT trajectory_id AS row_id, episode_id, curation_id, coalesce(part, 0) AS part, t.reward,
            coalesce(e.verdict, 'no such episode') AS verdict, {_MESSAGE_COLUMNS}
        FROM trajectories t LEFT JOIN (SELECT episode_id, verdict FROM latest_episodes) e USING (episode_id)
        ORDER BY row_id
        """,
        (
            unique("trajectory_ids_unique", "row_id"),
            unique("episode_once_a_curation", "episode_id", "curation_id", "part"),
            within("reward_in_range", "reward", 0, 1),
            one_of("episode_passed", "verdict", ["passed"]),
            *_MESSAGE_EXPECTATIONS,
        ),
    ),
    "conversations": TableCheck(
        f"""
        SELECT conversation_id AS row_id, language, {_MESSAGE_COLUMNS},
            row_number() OVER (PARTITION BY hash(messages), md5(messages[1].content), source_model
                ORDER BY conversation_id) - 1 AS copies_before
        FROM conversations ORDER BY row_id
        """,
        (
            unique("conversation_ids_unique", "row_id"),
            one_of("language_asked_for", "language", ["en", "und"]),
            zero("no_duplicate", "copies_before"),
            *_MESSAGE_EXPECTATIONS,
        ),
    ),
}
"""Stage (the table that it fills) -> its check. `und`: too short to say, kept (reference/warehouse.md section 4)."""

MIXTURE = TableCheck(
    f"""
    SELECT id AS row_id, len({_TRAINED}) AS trained, len({_MISTRAINED}) AS mistrained,
        len(list_filter(messages, lambda m: m.role = 'assistant' AND NOT m.train)) AS untrained_replies
    FROM mixture ORDER BY row_id
    """,
    (
        unique("mixture_ids_unique", "row_id"),
        within("something_trained", "trained", 1),
        zero("trained_by_the_assistant", "mistrained"),
        zero("every_reply_trained", "untrained_replies"),
    ),
)
TEXT_MIXTURE = MIXTURE._replace(sql=MIXTURE.sql.replace(_DOES_NOTHING, _SAYS_NOTHING))
"""Of a release whose messages have no calls."""

SHARES = TableCheck(
    """
    SELECT stratum AS row_id, coalesce(had.n, 0) - said.rows AS miscounted,
        (NOT $noted AND CASE WHEN $unit = 'rows' THEN abs(coalesce(had.n, 0) - asked * total) > $tolerance * total + 1
            ELSE abs(reached - asked) > $tolerance + largest_row END)::INT AS off
    FROM said LEFT JOIN (SELECT source, count(*) AS n FROM mixture GROUP BY 1) had ON had.source = said.stratum,
        (SELECT count(*) AS total FROM mixture) ORDER BY row_id
    """,
    (
        zero("shares_as_said", "miscounted", stops=True),
        zero("shares_as_asked_or_noted", "off", stops=True),
    ),
)
"""The card's counts are the rows' counts, and a share other than the recipe asked for is noted; one row is rounding.
Shares of turns and tokens are those that the mixture reached when it was drawn: tokens may be a tokenizer's."""

CHECKED = ("task_specs", "episodes", "turns", "trajectories", "conversations", "rejections")
"""What the stages' checks read; `rejections` holds what they have turned away already."""

STAGES_DIGEST = digest(
    {name: (check.sql, [tuple(one) for one in check.expectations]) for name, check in STAGES.items()}
)
"""What tables are held to: another one after a check was added or changed."""
