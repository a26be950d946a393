"""What a task of this world says in the fields that are its own: graph, entities, calls, expected answers.

`setup.state` is JSON: `{"entities": {name: id}, "graph": name}`. The reference is one call a script, as AgentBench's
`actions`; its last variable is the answer. Check `reference`: the answer is what these calls give; `label`: it is the
values in `expected` (AgentBench's `answer_argument`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from environments.kg.calls import SaidCall, find_call
from environments.kg.tools import ENTITY_ID, TOOLS
from schemas.record import canonical_json
from schemas.rejection import Refusal
from schemas.task_spec import Check, Script, Setup, TaskSpec

KINDS = ("reference", "label")
MOST_CALLS = 40
"""Of a reference; AgentBench's longest has nine."""


class State(NamedTuple):
    """What a question is about."""

    graph: str
    entities: Mapping[str, str]
    """Ids of the things that it names, by name, in its order."""


def setup_of(graph: str, entities: Mapping[str, str]) -> Setup:
    """Return a task's set-up."""
    return Setup(state=canonical_json({"graph": graph, "entities": [list(pair) for pair in entities.items()]}).decode())


def state_of(spec: TaskSpec) -> State:
    """Return what a task's set-up says.

    Raises:
        ValueError: it does not say it.
    """
    words = 'setup.state is {"graph": NAME, "entities": [[NAME, ID], ...]}'
    try:
        value = orjson.loads(spec.setup.state or "")
        entities = value["entities"]
        pairs = list(entities.items()) if isinstance(entities, dict) else [(name, thing) for name, thing in entities]
        graph = value["graph"]
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{words}: {type(error).__name__}: {error}") from error
    texts = [text for pair in pairs for text in pair]
    if not isinstance(graph, str) or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{words}, all of it text")
    wrong = [thing for _, thing in pairs if not ENTITY_ID.fullmatch(thing)]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no id: m. or f. and letters, digits, underscores")
    return State(graph, dict(pairs))


def read_reference(scripts: Sequence[Script]) -> tuple[SaidCall, ...]:
    """Return a reference's calls.

    Raises:
        ValueError: one is none of the tools', or there are too many.
    """
    if len(scripts) > MOST_CALLS:
        raise ValueError(f"{len(scripts)} calls; at most {MOST_CALLS}")
    return tuple(read_call(script.code) for script in scripts)


def read_call(text: str) -> SaidCall:
    """Return the call that a line is.

    Raises:
        ValueError: it is none of a tool, or has too few arguments.
    """
    call = find_call(text.strip())
    if call is None or call.name not in TOOLS:
        raise ValueError(f"{text.strip()[:80]!r} is no call of {', '.join(TOOLS)}")
    if len(call.arguments) != len(TOOLS[call.name].parameters) or not all(call.arguments):
        raise ValueError(f"{call.said[:80]!r} lacks an argument: {call.name}({', '.join(TOOLS[call.name].parameters)})")
    return call


def worded(spec: TaskSpec) -> str:
    """Word a task as its first observation: the question, and the things that it names.

    Raises:
        ValueError: its set-up does not say them.
    """
    return f"{spec.instruction}\nEntities: [{', '.join(state_of(spec).entities)}]"


def problem_in(spec: TaskSpec) -> Refusal | None:
    """Return what is wrong with a task, as far as reading it tells."""
    if spec.check.kind not in KINDS:
        return Refusal("unknown_check", f"the kg world has no check {spec.check.kind!r}; it has {', '.join(KINDS)}")
    if spec.check.kind == "label" and not spec.check.expected:
        return Refusal("no_label", "the check `label` needs values in `expected`")
    try:
        state_of(spec)
    except ValueError as error:
        return Refusal("bad_state", str(error))
    try:
        read_reference(spec.reference)
    except ValueError as error:
        return Refusal("bad_reference", str(error))
    return None


def label_check(values: Sequence[str]) -> Check:
    """Return the check that compares with given values."""
    return Check(kind="label", expected=tuple(values))
