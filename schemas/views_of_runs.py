"""What there is to say of the views over builds, failures and copies, and the questions that the page answers."""

from __future__ import annotations

from collections.abc import Mapping

_COUNTS = (
    ("tasks", "BIGINT", "That it brought in."),
    ("episodes", "BIGINT", "Last tries of attempts that it planned."),
    ("passed", "BIGINT", ""),
    ("no_outcome", "BIGINT", "Of the episodes: outages and broken checks, which nobody failed in."),
    ("kept", "BIGINT", "Of the episodes: those that became trajectories."),
    ("turned_away", "BIGINT", "Rows, at any stage."),
    ("releases", "BIGINT", "That it published."),
    ("release_rows", "BIGINT", "Of these together."),
    ("usd", "DOUBLE", "Paid between its beginning and its end; NULL = nothing was asked then."),
)
_ABOUT = (
    ("config", "VARCHAR", "Name of its configuration."),
    ("config_hash", "VARCHAR", "Equal for builds that make their rows in the same way."),
    ("status", "VARCHAR", "open (under way, or to be continued), finished, abandoned."),
    ("began_at", "TIMESTAMP WITH TIME ZONE", ""),
    ("finished_at", "TIMESTAMP WITH TIME ZONE", "NULL = it has not."),
    *_COUNTS,
)

VIEWS_OF_RUNS: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
    (
        "builds",
        "Every build: when, by which configuration, what became of it, and what it counts. Stages that were run by "
        "themselves are in `stage_runs`.",
        (("build", "BIGINT", "From 1, as in `episodes`."), *_ABOUT),
    ),
    (
        "stage_runs",
        "Stages that were run by themselves; columns as in `builds`.",
        (
            ("build", "BIGINT", "From -1 downwards (homes of earlier versions have such among the builds)."),
            ("stage", "VARCHAR", "generate, collect, curate, import, publish, ..."),
            *_ABOUT,
        ),
    ),
    (
        "failures",
        "Episodes that did not pass, with the reason in a column of its own; outages are in it, as `no_outcome`.",
        (
            ("episode_id", "VARCHAR", ""),
            ("task_id", "VARCHAR", ""),
            ("environment", "VARCHAR", ""),
            ("build", "BIGINT", ""),
            ("model", "VARCHAR", ""),
            ("dialect", "VARCHAR", ""),
            ("outcome", "VARCHAR", "As in `episodes`."),
            (
                "reason",
                "VARCHAR",
                "The check's code (wrong_rows, check_says_no, ...); where no check was asked, how the attempt ended "
                "(turn_limit, ...); unsaid = an earlier version gave no code.",
            ),
            ("detail", "VARCHAR", "In words, the code apart."),
            ("no_outcome", "BOOLEAN", "Whether an outage or a broken check ended it: nobody failed."),
        ),
    ),
    (
        "copies",
        "What was turned away as a copy of something that is there already, with its original.",
        (
            ("rejection_id", "VARCHAR", ""),
            ("stage", "VARCHAR", ""),
            ("reason", "VARCHAR", "duplicate, not_novel (a task that reads nearly like another)."),
            ("source", "VARCHAR", "The copy: file and line, or the id of an episode."),
            (
                "original",
                "VARCHAR",
                "What it is a copy of: an episode, a task, a conversation, file and line; NULL = an earlier version "
                "did not note it.",
            ),
            ("environment", "VARCHAR", ""),
            ("build", "BIGINT", ""),
        ),
    ),
)

QUESTIONS: Mapping[str, str] = {
    "What do nights yield, over time?": (
        "SELECT build, began_at, config, status, tasks, episodes, passed, kept, release_rows, usd "
        "FROM builds ORDER BY build"
    ),
    "Which families of tasks yield how much?": (
        "SELECT environment, family, count(*) AS tasks, sum(attempts) AS attempts, "
        "round(sum(passed) / sum(attempts), 3) AS yield\nFROM task_difficulty GROUP BY ALL ORDER BY ALL"
    ),
    "What does a kept trajectory cost?": (
        "SELECT environment, round(sum(usd_shared) / count(DISTINCT trajectory_id), 6) AS usd, "
        "sum(tokens) // count(DISTINCT trajectory_id) AS tokens\nFROM trajectory_costs GROUP BY ALL ORDER BY ALL"
    ),
    "Which model solves more? (replayed references apart)": (
        "SELECT environment, model, dialect, sum(attempts) AS attempts, "
        "round(sum(passed) / sum(attempts), 3) AS pass_rate\n"
        "FROM task_difficulty_by_solver WHERE kind = 'teacher' GROUP BY ALL ORDER BY ALL"
    ),
    "Which tasks has nobody solved?": (
        "SELECT task_id, environment, family, attempts FROM task_difficulty\n"
        "WHERE attempts > 0 AND passed = 0 ORDER BY attempts DESC, task_id"
    ),
    "Why do attempts fail?": (
        "SELECT environment, reason, count(*) AS episodes FROM failures\nWHERE NOT no_outcome GROUP BY ALL ORDER BY ALL"
    ),
    "Which rows were copies, and of what?": (
        "SELECT stage, reason, source, original FROM copies ORDER BY stage, reason, source"
    ),
    "How long are rows?": (
        "SELECT environment, count(*) AS rows, median(tokens) AS tokens, max(tokens) AS longest, "
        "median(trained_tokens) AS trained\nFROM trajectories GROUP BY ALL ORDER BY ALL"
    ),
    "How many rows have thoughts that were filled in afterwards?": (
        "SELECT environment, build, count(*) AS rows, round(avg(backfilled::INT), 3) AS backfilled\n"
        "FROM trajectories GROUP BY ALL ORDER BY ALL"
    ),
    "How many rows answer what a guess may hit?": (
        "SELECT environment, count(*) AS rows, round(avg(guessable::INT), 3) AS guessable\n"
        "FROM trajectories GROUP BY ALL ORDER BY ALL"
    ),
    "And which release holds a row?": (
        "SELECT row_id, list(release_id ORDER BY release_id) AS releases FROM release_rows GROUP BY ALL ORDER BY ALL"
    ),
}
"""Question -> one query."""
