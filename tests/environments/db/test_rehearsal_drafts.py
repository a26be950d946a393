"""The stand-in as an author: drafts fit any schema, change something, and are worded in ways that stay novel."""

import random
import re
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import LCSseq

import prompts
from environments.db.author import SKILLS
from environments.db.cards import DatabaseCard
from environments.db.families.change import Assignment, Change, Condition
from environments.db.families.drafts import TASK_FAULTS
from environments.db.families.wording import read_change, word_problem
from environments.db.profile import profile_table
from environments.db.rehearsal import DbRehearsal
from environments.db.sample import list_databases, load_questions, open_database
from rehearsals.orders import for_one, numbers_in

OPERATIONS = ("INSERT", "UPDATE", "DELETE")
REHEARSAL = DbRehearsal()
_DRAFT = re.compile(
    r"### Problem\n(?P<problem>.+)\n### Explanation\n.+\n### Reference\n```sql\n(?P<reference>.+)\n```\Z"
)


def ask(operation: str, name: str, connection: sqlite3.Connection, rows: int = 3) -> str:
    """Word a generation prompt, as the database world does, from what stands in a database."""
    listed = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
    samples = []
    for table, _ in listed:
        cursor = connection.execute(f'SELECT * FROM "{table}" LIMIT {rows}')
        shown = [["NULL" if v is None else str(v) for v in row] for row in cursor]
        samples.append({"table": table, "columns": [c[0] for c in cursor.description], "rows": shown})
    return prompts.load("generate_db", "v1").render(
        operation=operation,
        database=name,
        schema="\n".join(f"{sql};" for _, sql in listed),
        samples=samples,
        examples=[{"problem": "Drop row 3 of `t`.", "explanation": "One row.", "reference": "DELETE FROM t"}],
    )


def ask_newer(
    operations: tuple[str, ...], name: str, connection: sqlite3.Connection, key: str = "", parents: tuple[str, ...] = ()
) -> str:
    """Word the prompt that asks for several changes, or for harder versions of some."""
    listed = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
    profiles = []
    for table, _ in listed:
        cursor = connection.execute(f'SELECT * FROM "{table}"')
        profiles.append(profile_table(table, [c[0] for c in cursor.description], cursor.fetchall()))
    schema = "\n".join(f"{sql};" for _, sql in listed)
    card = DatabaseCard(name, "a" * 64, schema, (), tuple(profiles))
    said = {"turns": 15, "seconds": "2", "foreign_keys": True, "database": name, "schema": schema}
    said |= {"tables": card.profiles(key), "orders": [SKILLS.deal(one, 0, 1)._asdict() for one in operations]}
    if parents:
        shown = [{"problem": one, "explanation": "x", "reference": "DELETE FROM t"} for one in parents]
        return prompts.load("grow_db").render(**said, parents=shown)
    examples = [{"problem": "Drop row 3 of `t`.", "explanation": "One row.", "reference": "DELETE FROM t"}]
    return prompts.load("generate_db").render(**said, examples=examples, taken=["Add to `t`: `a` 1."])


@pytest.mark.parametrize("name", list_databases())
def test_of_several_changes_each_runs_on_what_the_profiles_show(name: str) -> None:
    for seed in range(6):
        prompt = ask_newer(OPERATIONS, name, open_database(name), str(seed))
        assert REHEARSAL.drafts(prompt) and numbers_in(prompt) == [1, 2, 3]
        for number, operation in enumerate(OPERATIONS, start=1):
            connection = open_database(name)
            problem, reference = read(REHEARSAL.draft(for_one(prompt, number), random.Random(seed), None))
            before = dump(connection)
            assert reference.startswith(operation) and connection.execute(reference).rowcount >= 1
            assert dump(connection) != before
            assert getattr(read_change(problem), "sql", str)() == reference


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE"])
@pytest.mark.parametrize("name", list_databases())
def test_a_proven_change_is_grown_into_one_that_does_more(name: str, operation: str) -> None:
    grown = 0
    for seed in range(8):
        connection, rng = open_database(name), random.Random(seed)
        problem, parent = read(REHEARSAL.draft(for_one(ask_newer((operation,), name, connection), 1), rng, None))
        prompt = ask_newer((operation, operation), name, connection, "", ("Unknown.", problem))
        harder, reference = read(REHEARSAL.draft(for_one(prompt, 2), random.Random(seed), None))
        assert reference.startswith(operation) and connection.execute(reference).rowcount >= 1
        change = read_change(harder)
        assert change is not None and change.sql() == reference
        known = read_change(problem)
        assert known is not None
        if change.table == known.table and set(known.where) <= set(change.where):
            grown += len(reference) > len(parent)
    assert grown >= 3, "what cannot be grown is made up anew"


def read(reply: str) -> tuple[str, str]:
    found = _DRAFT.match(reply)
    assert found, reply
    return found["problem"], found["reference"]


def dump(connection: sqlite3.Connection) -> list[str]:
    return list(connection.iterdump())


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", list_databases())
def test_a_draft_runs_changes_something_and_is_read_back_as_it_was_meant(name: str, operation: str) -> None:
    for seed in range(12):
        connection = open_database(name)
        problem, reference = read(REHEARSAL.draft(ask(operation, name, connection), random.Random(seed), None))
        before = dump(connection)
        assert connection.execute(reference).rowcount >= 1
        assert dump(connection) != before
        change = read_change(problem)
        assert change is not None
        assert change.sql() == reference


def test_an_author_says_whether_a_prompt_is_its_own() -> None:
    own = ask("INSERT", "bike_share", open_database("bike_share"))
    assert REHEARSAL.drafts(own)
    assert not REHEARSAL.drafts("You write practice tasks for an assistant that works in a Linux shell.")
    with pytest.raises(ValueError, match="not a generation prompt"):
        REHEARSAL.draft("Hello", random.Random(1), None)


def test_the_same_dice_give_the_same_draft() -> None:
    prompt = ask("UPDATE", "town_library", open_database("town_library"))
    drafts = {REHEARSAL.draft(prompt, random.Random(5), None) for _ in range(3)}
    assert len(drafts) == 1
    assert REHEARSAL.draft(prompt, random.Random(6), None) not in drafts


def test_rows_that_others_point_at_are_not_deleted_where_there_are_other_tables() -> None:
    prompt = ask("DELETE", "bike_share", open_database("bike_share"))
    references = [read(REHEARSAL.draft(prompt, random.Random(seed), None))[1] for seed in range(20)]
    assert all(reference.startswith("DELETE FROM trips ") for reference in references)


STRANGE = """
CREATE TABLE "Academic Year" ("Id" VARCHAR(8) NOT NULL, "School Name" VARCHAR(40), `group` INT DEFAULT 0 NOT NULL,
  ratio DECIMAL(5,2), "when" DATETIME, PRIMARY KEY ("Id"));
CREATE TABLE "order" (a INTEGER REFERENCES "Academic Year", b TEXT UNIQUE, c BLOB, d FLOAT, CHECK (d >= 0));
INSERT INTO "Academic Year" VALUES ('AY-01', 'St. Mary''s', 3, 12.5, '2020-01-02 10:00:00'),
  ('AY-02', 'North "Hill" School', 5, 1e-7, NULL), ('AY-03', 'a | b', 1, NULL, NULL), ('AY-04', 'East', 2, 7, NULL);
INSERT INTO "order" VALUES (1, 'x', NULL, 2.5), (NULL, 'y', NULL, 4.0), (3, 'z', NULL, NULL);
"""


@pytest.mark.parametrize("operation", OPERATIONS)
def test_names_that_need_quotes_and_values_that_cannot_be_told_are_no_obstacle(operation: str) -> None:
    for seed in range(25):
        connection = sqlite3.connect(":memory:")
        connection.executescript(STRANGE)
        problem, reference = read(
            REHEARSAL.draft(ask(operation, "strange", connection, rows=4), random.Random(seed), None)
        )
        before = dump(connection)
        connection.execute(reference)
        assert dump(connection) != before
        assert '"Hill"' not in problem and "a | b" not in problem
        assert getattr(read_change(problem), "sql", str)() == reference


def test_a_database_without_rows_gets_no_task_instead_of_a_wrong_one() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE empty (a INTEGER PRIMARY KEY, b TEXT)")
    reply = REHEARSAL.draft(ask("DELETE", "void", connection), random.Random(1), None)
    assert "###" not in reply


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("fault", TASK_FAULTS)
def test_a_faulty_reference_is_wrong_in_the_way_that_its_name_says(operation: str, fault: str) -> None:
    for seed in range(8):
        prompt = ask(operation, "film_festival", open_database("film_festival"))
        assert fault in REHEARSAL.task_faults(prompt)
        _, reference = read(REHEARSAL.draft(prompt, random.Random(seed), fault))
        assert reference.startswith(operation)
        states = [_after(reference) for _ in range(2)]
        if fault == "reference_fails":
            assert states == ["no such column"] * 2
        elif fault == "nothing_passes":
            assert states == [dump(open_database("film_festival"))] * 2
        else:
            assert states[0] != states[1]


def _after(reference: str) -> list[str] | str:
    connection = open_database("film_festival")
    try:
        connection.execute(reference)
    except sqlite3.OperationalError as error:
        assert "no such column" in str(error) or "no column named" in str(error)
        return "no such column"
    return dump(connection)


def test_five_builds_of_seventy_two_requests_stay_novel() -> None:
    """The gate is exact ROUGE-L F1 < 0.7 against all that was admitted, the derived questions among it."""
    connections = {name: open_database(name) for name in list_databases()}
    admitted = [_tokens(q["question"]) for q in load_questions()]
    rejected = []
    for build in range(5):
        rejected.append(0)
        for number in range(72):
            name, operation = list_databases()[number % 5], OPERATIONS[number % 3]
            rng = random.Random(f"{build}/{number}")
            problem, _ = read(REHEARSAL.draft(ask(operation, name, connections[name]), rng, None))
            tokens = _tokens(problem)
            assert 5 <= len(problem.split()) <= 80
            if any(2 * LCSseq.similarity(tokens, other) / (len(tokens) + len(other)) >= 0.7 for other in admitted):
                rejected[-1] += 1
            else:
                admitted.append(tokens)
    assert rejected[-1] <= 0.15 * 72, f"rejected by build: {rejected}"


def _tokens(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", text.lower())


NAMES = st.text("abcdefg hXYZ_0123'.-", min_size=1, max_size=12)
VALUES = st.one_of(
    st.none(),
    st.integers(-(10**9), 10**9),
    st.floats(-1e6, 1e6).map(lambda v: round(v, 3)).filter(lambda v: "e" not in repr(v)),
    st.text("abc ABC'.,;:!?-012()", max_size=20),
)
CONDITIONS = st.builds(Condition, NAMES, st.sampled_from(["=", "<>", "<", ">", "<=", ">=", "after", "before"]), VALUES)
NUMBERS = st.integers(1, 90)
ASSIGNMENTS = st.one_of(
    st.builds(Assignment, NAMES, VALUES),
    st.builds(Assignment, NAMES, NUMBERS, st.sampled_from(["add", "cut", "raise_percent", "cut_percent"])),
)
CHANGES = st.one_of(
    st.builds(
        Change,
        st.just("INSERT"),
        NAMES,
        st.lists(st.builds(Assignment, NAMES, VALUES), min_size=1, max_size=6).map(tuple),
    ),
    st.builds(
        Change,
        st.just("UPDATE"),
        NAMES,
        st.lists(ASSIGNMENTS, min_size=1, max_size=3).map(tuple),
        st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        Change,
        st.just("DELETE"),
        NAMES,
        st.just(()),
        st.lists(CONDITIONS, min_size=1, max_size=3).map(tuple),
    ),
)


@given(CHANGES, st.randoms(use_true_random=False))
def test_reading_is_the_inverse_of_wording(change: Change, rng: random.Random) -> None:
    assert read_change(word_problem(change, rng)) == change
