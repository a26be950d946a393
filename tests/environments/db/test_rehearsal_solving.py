"""The stand-in as a solver: right where nothing is planted, and wrong in exactly the way that a fault's name says."""

import random
import re
import sqlite3
from dataclasses import dataclass, field
from functools import cache

import pytest

import prompts
from environments.base import Action, Reading
from environments.db.cells import Named
from environments.db.dialect import DbDialect
from environments.db.families import questions, writes
from environments.db.families.brief import read_brief
from environments.db.families.invention import invent_change
from environments.db.families.wording import word_problem
from environments.db.judge import Told, judge_rows
from environments.db.rehearsal import DbRehearsal
from environments.db.sample import list_databases, load_questions, open_database
from rehearsals.base import Move
from rehearsals.plan import SOLVER_FAULTS
from schemas.message import Message

REHEARSAL = DbRehearsal()
DIALECT = DbDialect(prompts.load("solve_db"))
QUESTIONS = load_questions()
MOST_TURNS = 15


@dataclass
class Play:
    """One episode on a plain SQLite connection."""

    connection: sqlite3.Connection
    messages: list[Message]
    replies: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    answer: str | None = None
    outcome: str = "turn_limit"


def schema_of(connection: sqlite3.Connection) -> str:
    listed = connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
    return "\n".join(f"{sql};" for (sql,) in listed)


def conversation(problem: str, connection: sqlite3.Connection, name: str) -> list[Message]:
    sections = prompts.load("solve_db").sections(
        problem=problem, database=name, schema=schema_of(connection), dialect="SQLite"
    )
    roles = ("user", "assistant", "user")
    return [Message.model_validate({"role": r, "content": text}) for r, text in zip(roles, sections, strict=True)]


def play(problem: str, name: str, fault: str | None) -> Play:
    """Let the stand-in work on a fresh sample database until it answers, repeats itself or says nothing readable."""
    connection = open_database(name)
    connection.isolation_level = None
    episode = Play(connection, conversation(problem, connection, name))
    for _ in range(MOST_TURNS):
        reply = REHEARSAL.say(REHEARSAL.solve(episode.messages, fault))
        episode.replies.append(reply)
        action = next(iter(DIALECT.read_text(reply).actions), None)
        if episode.replies[-3:] == [reply] * 3 or action is None or action.kind == "answer":
            episode.outcome = "malformed" if action is None else "finished" if action.kind == "answer" else "repeated"
            episode.answer = action.text if action and action.kind == "answer" else None
            break
        observe(episode, reply, action)
    if connection.in_transaction:
        connection.rollback()
    return episode


def observe(episode: Play, reply: str, action: Action) -> None:
    episode.statements.append(action.text)
    try:
        seen = repr(episode.connection.execute(action.text).fetchall())
    except sqlite3.Error as error:
        seen = f"Error: {error}"
    episode.messages += [Message(role="assistant", content=reply), Message(role="user", content=seen)]


def asked(question: dict[str, str]) -> str:
    """Word a question as derivation does: a hint follows on its own line."""
    return "\n".join(filter(None, (question["question"], question["evidence"])))


def is_right(question: dict[str, str], answer: str | None) -> bool:
    gold = open_database(question["db_id"]).execute(question["SQL"]).fetchall()
    named = Named.by(question["question"], question["SQL"])
    return judge_rows(answer, gold, "ORDER BY" in question["SQL"], told=Told(named=named)).passed


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q["question_id"])
def test_every_question_of_the_sample_is_answered_from_a_query(question: dict[str, str]) -> None:
    episode = play(asked(question), question["db_id"], None)
    assert episode.outcome == "finished"
    assert is_right(question, episode.answer), episode.answer
    assert 1 <= len(episode.statements) <= 2
    assert all(DIALECT.read_text(reply).thought for reply in episode.replies)


def test_queries_are_mostly_not_the_gold_text_and_often_preceded_by_a_look() -> None:
    played = [(q, play(asked(q), q["db_id"], None)) for q in QUESTIONS]
    assert sum(episode.statements[-1] != q["SQL"] for q, episode in played) > 0.6 * len(QUESTIONS)
    looked = sum(len(episode.statements) == 2 for _, episode in played)
    assert 0.5 * len(QUESTIONS) < looked < 0.9 * len(QUESTIONS)


@pytest.mark.parametrize("fault", questions.FAULTS)
def test_a_fault_on_a_question_is_what_its_name_says(fault: str) -> None:
    for question in QUESTIONS:
        assert fault in REHEARSAL.solver_faults(asked(question))
        episode = play(asked(question), question["db_id"], fault)
        right = is_right(question, episode.answer)
        assert right == (fault in ("other_form", "no_action")), (question["question"], episode.answer)
        if fault == "no_action":
            assert episode.statements == []
        elif fault in ("repeats", "malformed"):
            assert episode.outcome == {"repeats": "repeated", "malformed": "malformed"}[fault]
        else:
            assert episode.outcome == "finished"
            assert episode.statements


def test_right_answers_come_in_all_the_other_forms() -> None:
    answers = [play(asked(q), q["db_id"], "other_form").answer or "" for q in QUESTIONS]
    plain = [play(asked(q), q["db_id"], None).answer for q in QUESTIONS]
    assert all(a != b for a, b in zip(answers, plain, strict=True))
    forms = {
        "thousands": r'\["\d+,\d{3}',
        "percent": r'\["[\d.]+%"\]',
        "unit": r'\["\d+ [a-z]+"\]',
        "newline": r"\\n",
        "tuple": r"\[\(",
        "quotes": r"\"'",
    }
    missing = [name for name, pattern in forms.items() if not any(re.search(pattern, a) for a in answers)]
    assert missing == []


def test_ground_truth_is_what_the_gold_query_gives() -> None:
    for question in QUESTIONS:
        gold = open_database(question["db_id"]).execute(question["SQL"]).fetchall()
        assert list(REHEARSAL.expected(question["question"])) == gold
    with pytest.raises(KeyError):
        REHEARSAL.expected("How many stars are there?")


@cache
def made_up(name: str, operation: str, seed: int) -> tuple[str, str]:
    """Return a problem and the state that its change leaves."""
    connection = open_database(name)
    samples = []
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        cursor = connection.execute(f"SELECT * FROM {table} LIMIT 3")
        rows = [["NULL" if v is None else str(v) for v in row] for row in cursor]
        samples.append({"table": table, "columns": [c[0] for c in cursor.description], "rows": rows})
    prompt = prompts.load("generate_db", "v1").render(
        operation=operation, database=name, schema=schema_of(connection), samples=samples, examples=[]
    )
    rng = random.Random(seed)
    change = invent_change(read_brief(prompt), rng)
    assert change is not None
    connection.execute(change.sql())
    return word_problem(change, rng), state(connection)


def state(connection: sqlite3.Connection) -> str:
    return "\n".join(sorted(connection.iterdump()))


CHANGES = [
    (name, operation, seed)
    for name in list_databases()
    for operation in ("INSERT", "UPDATE", "DELETE")
    for seed in (1, 2, 3)
]


@pytest.mark.parametrize("fault", [None, *writes.FAULTS])
def test_a_change_reaches_the_references_state_unless_a_fault_says_otherwise(fault: str | None) -> None:
    for name, operation, seed in CHANGES:
        problem, wanted = made_up(name, operation, seed)
        episode = play(problem, name, fault)
        reached = state(episode.connection) == wanted
        assert reached == (fault in (None, "other_form")), (problem, episode.statements)
        assert fault is None or fault in REHEARSAL.solver_faults(problem)


@pytest.mark.parametrize(
    ("fault", "written", "final"),
    [
        (None, 1, '["done"]'),
        ("wrong_value", 1, '["done"]'),
        ("claimed_write", 0, '["done"]'),
        ("extra_write", 2, '["done"]'),
        ("rolled_back", 1, '["done"]'),
        ("other_form", 1, "Done."),
        ("gives_up", 0, '["I do not know"]'),
    ],
)
def test_a_fault_on_a_change_shows_in_what_is_run(fault: str | None, written: int, final: str) -> None:
    for name, operation, seed in CHANGES:
        problem, _ = made_up(name, operation, seed)
        episode = play(problem, name, fault)
        assert episode.outcome == "finished"
        assert episode.answer == final
        assert sum(statement.startswith(("INSERT", "UPDATE", "DELETE")) for statement in episode.statements) == written
        assert fault != "rolled_back" or episode.statements[-1] == "ROLLBACK"
        assert fault != "claimed_write" or episode.statements, "it looks, so that it seems to have acted"


def test_repeating_and_malformed_replies_end_an_episode_on_a_change() -> None:
    for name, operation, seed in CHANGES:
        problem, _ = made_up(name, operation, seed)
        assert play(problem, name, "repeats").outcome == "repeated"
        assert play(problem, name, "malformed").outcome == "malformed"


@pytest.mark.parametrize("fault", [None, *SOLVER_FAULTS])
def test_with_tools_the_same_moves_are_made(fault: str | None) -> None:
    problems = [(made_up(*change)[0], change[0]) for change in CHANGES] + [(asked(q), q["db_id"]) for q in QUESTIONS]
    for problem, name in problems:
        if fault is not None and fault not in REHEARSAL.solver_faults(problem):
            continue
        connection = open_database(name)
        worded = conversation(problem, connection, name)
        called = called_conversation(problem, connection, name)
        for turn, seen in enumerate(("[('a', 2)]", "[(1,), (2,)]", "Error: no", "[]")):
            assert REHEARSAL.problem(called) == REHEARSAL.problem(worded) == problem
            move = REHEARSAL.solve(called, fault)
            assert move == REHEARSAL.solve(worded, fault)
            worded += [Message(role="assistant", content=REHEARSAL.say(move)), Message(role="user", content=seen)]
            called.append(Message(role="assistant", content=move.thought or ""))
            called.append(Message(role="tool", content=seen, tool_call_id=f"call_{turn}"))


def called_conversation(problem: str, connection: sqlite3.Connection, name: str) -> list[Message]:
    *_, said = conversation(problem, connection, name)
    system, task = prompts.load("solve_db_tools").sections(problem=said.content, dialect="SQLite")
    return [Message(role="system", content=system), Message(role="user", content=task)]


def test_moves_are_said_in_the_words_of_the_dialect_and_have_tools() -> None:
    for move in (Move("I look.", "sql", "SELECT 1"), Move(None, "answer", '["done"]')):
        assert DIALECT.read_text(REHEARSAL.say(move)) == Reading(move.thought, (Action(move.kind, move.text),))
        assert REHEARSAL.say(move) == DIALECT.write_text(move.thought, Action(move.kind, move.text))
    assert [REHEARSAL.tool_of(kind) for kind in ("sql", "answer")] == [("execute_sql", "sql"), ("answer", "answer")]


def test_a_refused_write_is_not_claimed() -> None:
    problem = 'Add to `stations`: `station_id` 1, `name` "Twice", `district` "East".'
    episode = play(problem, "bike_share", None)
    assert episode.answer == '["failed"]'


def test_a_strange_question_gets_an_honest_attempt() -> None:
    problem = "How many bikes are painted green?"
    assert set(REHEARSAL.solver_faults(problem)) == {"repeats", "malformed", "gives_up"}
    episode = play(problem, "bike_share", None)
    assert episode.outcome == "finished"
    assert episode.statements == ["SELECT COUNT(*) FROM bikes"]
    assert episode.answer == "[48]"


def test_conversations_of_other_worlds_are_left_alone() -> None:
    other = prompts.load("solve_os").sections(problem="The database is `x`. Its tables: none")
    messages = [Message(role="user", content=text) for text in other]
    assert REHEARSAL.problem(messages) is None
    with pytest.raises(ValueError, match="no database problem"):
        REHEARSAL.solve(messages, None)
    own = conversation("What is it?", open_database("bike_share"), "bike_share")
    assert REHEARSAL.problem(own) == "What is it?"


def test_a_cut_observation_is_answered_with_the_rows_that_are_whole() -> None:
    question = next(q for q in QUESTIONS if q["db_id"] == "town_library" and "unknown" in q["question"])
    messages = conversation(asked(question), open_database("town_library"), "town_library")
    for seen in ("[]", "[('A, b',), ('C',), ('D[TRUNCATED]"):
        messages += [
            Message(role="assistant", content=REHEARSAL.say(REHEARSAL.solve(messages, None))),
            Message(role="user", content=seen),
        ]
    assert REHEARSAL.solve(messages, None).text == '["A, b", "C"]'
