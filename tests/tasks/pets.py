"""Questions about three pets, and a solver that answers them as it is told to, attempt by attempt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.completion import CompletionRequest
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec
from teachers.scripted import Scripted

SETUP = Setup(
    tables=(
        TableData(
            name="pets",
            columns=(Column(name="name"), Column(name="kind"), Column(name="age", type="INTEGER")),
            rows=(("Rex", "dog", 3), ("Ada", "cat", 7), ("Kit", "cat", 5)),
        ),
    ),
    database_name="shelter",
)
LOOK = "I look.\nAction: Operation\n```sql\nSELECT * FROM pets\n```"
Answers = Sequence[str]


def task(words: str, sql: str = "SELECT count(*) FROM pets WHERE kind = 'dog'", **fields: Any) -> TaskSpec:
    """Return a task whose reference counts dogs, whatever its words ask."""
    given = {"check": Check(kind="rows" if sql.startswith("SELECT") else "state"), "origin": "own", **fields}
    return TaskSpec.make(
        environment="db",
        instruction=words,
        setup=SETUP,
        reference=(Script(code=sql),),
        provenance=Provenance(source="test"),
        **given,
    )


def say(plans: Mapping[str, Answers]) -> Scripted:
    """Return a solver that looks once, does what it is told to on the way, and answers by its attempt."""

    def reply(request: CompletionRequest) -> str:
        text = "\n".join(message.content for message in request.messages)
        (words,) = [words for words in plans if words in text]
        turns = [*plans[words][request.attempt - 1].split(" ; "), ""]
        done = len(re.findall(r"Action: (?:Operation|Answer)", text.split("Its tables:")[1]))
        if done == 0:
            return f"{LOOK}\n<!-- {request.attempt} -->"
        last = turns[done - 1]
        if last.startswith("sql "):
            return f"Action: Operation\n```sql\n{last.removeprefix('sql ')}\n```"
        return f"So it is.\nAction: Answer\nFinal Answer: {last}"

    return Scripted(reply)
