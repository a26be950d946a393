"""AgentBench's questions over Freebase (knowledgegraph's JSON) as TaskSpecs.

Source: THUDM/AgentBench@578c5e9f data/knowledgegraph (dev, std, kg_rl_all); reference/agenttuning.md 3.1. The gold
calls are the reference, `answer_argument` is what is right. A question without `actions` is judged by its answer and
has no reference. `s_expression` is kept as the explanation, which no solver sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from environments.kg.task import MOST_CALLS, label_check, read_call, setup_of
from environments.kg.tools import ENTITY_ID
from formats.catalogue import Given, Importer, Option
from formats.tasks.agentbench_rows import LICENSE, REASONS, Unfit, read_rows
from schemas.rejection import Rejection
from schemas.task_spec import Provenance, Script, TaskSpec

GRAPH = Option("graph", "what the questions' graph is called in [worlds.kg] graph_name", default="freebase")
_FAMILIES = {"count": "count", "argmax": "superlative", "argmin": "superlative", "intersection": "intersection"}


def read_tasks(path: Path, graph: str = "freebase") -> Iterator[TaskSpec | Rejection]:
    """Yield every question of a file, in its order, as a task or as a rejection of stage `import`.

    Raises:
        InputError: the file cannot be read at all.
    """
    return read_rows(path, "kg", lambda row, source: _spec(row, source, graph))


def _spec(row: dict[str, Any], source: str, graph: str) -> TaskSpec:
    question = row.get("question")
    if not isinstance(question, str) or not question.strip():
        raise Unfit("no_description", "`question` is not a text")
    calls, answers = _calls(row), _answers(row)
    expression = row.get("s_expression")
    named = [f"{key}:{row[key]}" for key in ("qid", "source") if isinstance(row.get(key), str)]
    return TaskSpec.make(
        environment="kg",
        instruction=question.strip(),
        setup=setup_of(graph, _entities(row)),
        reference=tuple(Script(code=call) for call in calls),
        check=label_check(answers),
        origin="benchmark",
        explanation=expression if isinstance(expression, str) and expression.strip() else None,
        family=_family(calls),
        labels=tuple(named),
        license=LICENSE,
        provenance=Provenance(source=source),
    )


def _entities(row: dict[str, Any]) -> dict[str, str]:
    entities = row.get("entities")
    if not isinstance(entities, dict) or not entities:
        raise Unfit("no_entities", "`entities` is no object of names and ids")
    for name, thing in entities.items():
        if not name.strip() or not isinstance(thing, str) or not ENTITY_ID.fullmatch(thing):
            raise Unfit("bad_entity", f"the id of {name[:80]!r} is m. or f. and letters, this is {str(thing)[:80]!r}")
    return entities


def _calls(row: dict[str, Any]) -> tuple[str, ...]:
    actions = row.get("actions", [])
    if not isinstance(actions, list) or not all(isinstance(one, str) for one in actions):
        raise Unfit("bad_actions", "`actions` is no list of texts")
    if len(actions) > MOST_CALLS:
        raise Unfit("bad_actions", f"`actions` has {len(actions)} calls; at most {MOST_CALLS} are read")
    try:
        return tuple(read_call(one).said for one in actions)
    except ValueError as error:
        raise Unfit("bad_actions", str(error)) from error


def _answers(row: dict[str, Any]) -> list[str]:
    answers = row.get("answer")
    if not isinstance(answers, list) or not answers:
        raise Unfit("no_answer", "`answer` is no list of at least one value")
    found = [one.get("answer_argument") if isinstance(one, dict) else None for one in answers]
    if not all(isinstance(one, str | int | float) and not isinstance(one, bool) and str(one) for one in found):
        raise Unfit("no_answer", "a value of `answer` has no `answer_argument`")
    return list(dict.fromkeys(str(one) for one in found))


def _family(calls: tuple[str, ...]) -> str:
    names = [call.partition("(")[0] for call in calls]
    return next((_FAMILIES[name] for name in reversed(names) if name in _FAMILIES), "path")


def _read(paths: Any, given: Given) -> Iterator[TaskSpec | Rejection]:
    for path in paths:
        yield from read_tasks(path, given["graph"])


IMPORTER = Importer(
    name="agentbench-kg",
    kind="tasks",
    summary="AgentBench's questions over a knowledge graph",
    page="worlds/kg.md",
    options=(GRAPH,),
    read=_read,
    reasons=REASONS
    | {
        "no_entities": "names no things that its calls could start from",
        "bad_entity": "has a thing whose id is none",
        "bad_actions": "has gold calls that are none of the seven tools'",
        "no_answer": "has no answer, or a value without `answer_argument`",
    },
)
