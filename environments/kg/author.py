"""The author of questions over the built-in graph: derived by number, or made up by a model, and proven by their calls.

Self-instruct asks for calls beside each question; what cannot be made, or starts from nothing named, is refused.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import prompts
from environments.base import Ask, Author, Draw, Part
from environments.deals import Order, read_skills
from environments.kg.calls import SaidCall
from environments.kg.config import KgConfig
from environments.kg.derivation import DIFFICULTIES, SHAPES, Inventor, MadeQuestion
from environments.kg.sample import NAME, load_graph
from environments.kg.showing import relations_told, things_told
from environments.kg.task import read_call, setup_of
from environments.self_instruct import Example, draw_examples, request_key
from environments.several import in_requests, read_parts, taken_problems
from environments.task_text import Sections
from schemas.completion import Completion
from schemas.message import Message
from schemas.record import digest
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import Check, Provenance, Script, TaskSpec

PROMPT = "generate_kg"
SKILLS = read_skills(Path(__file__).with_name("skills.toml"))
WAYS: tuple[Literal["replay", "interact"], ...] = ("replay", "interact")
POOL = 1_000
"""Questions of a seed that are derived at most, over all builds."""
SEED_QUESTIONS = 24
_LAST = {"count": ("count",), "superlative": ("argmax", "argmin"), "intersection": ("intersection",)}
"""How the calls of a topic end, where that is told by the last one."""
_SECTIONS = Sections(
    ("problem", "explanation", "reference"),
    code=("reference",),
    may_be_blank=("explanation",),
    most_chars=4000,
    plain_code=re.compile(r"\s*(?:\d+[.)]\s*)?(?:get_relations|get_neighbors|get_attributes)\("),
)
_NO_CALL = ("#", "//", "Final Answer")
_LISTS = {"get_neighbors": "get_relations", "argmax": "get_attributes", "argmin": "get_attributes"}
"""What stands before a call, of the same thing or variable."""
_DOTTED = re.compile(r"\w+(?:\.\w+)+")
_NUMBERED = re.compile(r"^\s*(?:\d+[.)]|[-*])\s+")


@dataclass(frozen=True)
class KgDraft:
    """One question as an author wrote it, not yet tried."""

    problem: str
    explanation: str
    reference: str


class Facts(NamedTuple):
    """What was asked for."""

    orders: tuple[Order, ...]


@cache
def inventor() -> Inventor:
    """Return who makes questions up from the built-in graph."""
    return Inventor(*load_graph())


class KgAuthor(Author):
    """Asks for questions about things that it shows, and derives others from the facts."""

    def __init__(self, config: KgConfig, seed: int = 0, turns: int = 15) -> None:
        super().__init__(config.requests)
        self._config, self._seed, self._turns = config, seed, turns

    async def asks(self, draw: Draw) -> list[Ask]:
        """Word a round's requests."""
        return [self._ask(draw, some) for some in in_requests(self.positions(draw.generate, draw.index), draw.generate)]

    def _ask(self, draw: Draw, positions: range) -> Ask:
        key, prompt = request_key(draw, "kg", positions[0]), prompts.load(PROMPT)
        orders = tuple(self._deal(draw, position) for position in positions)
        seeds = tuple(example_of(spec) for spec in draw.seeds) or seed_examples()
        examples = draw_examples(draw, key, seeds, example_of, orders[0].topic)
        text = prompt.render(
            turns=self._turns,
            relations=relations_told(inventor().ontology),
            things=things_told(inventor(), key),
            examples=[asdict(example.task) for example in examples],
            taken=taken_problems(draw, orders),
            orders=[order._asdict() for order in orders],
        )
        names = tuple(example.name for example in examples)
        return Ask((Message(role="user", content=text),), prompt, key, names, Facts(orders), len(orders))

    def _deal(self, draw: Draw, position: int) -> Order:
        topics = list(dict.fromkeys(skill.topic for skill in SKILLS.skills))
        number = (draw.build - 1) * self.requests + position
        return SKILLS.deal(topics[number % len(topics)], draw.seed, number // len(topics))

    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        """Read a reply as the first question that was asked for."""
        return self.read_all(completion, ask, range(ask.tasks))[0].told

    def read_all(self, completion: Completion, ask: Ask, numbers: Sequence[int]) -> list[Part]:
        """Read a reply as the questions that `numbers` name."""

        def read(text: str, number: int) -> TaskSpec | Refusal:
            draft = read_draft(text)
            return draft if isinstance(draft, Refusal) else make_spec(draft, ask, ask.facts.orders[number])

        return read_parts(completion.reply, _SECTIONS, ask.tasks, numbers, read)

    def derivable(self, taken: frozenset[str]) -> int:
        """Count the pairs of questions that this build takes: one to replay, one to solve.

        Not the same one both ways: good solvers make just these calls, and the second row would only repeat the first.
        """
        return len(self._chosen(taken)) // len(WAYS)

    async def derive(self, taken: frozenset[str]) -> AsyncIterator[TaskSpec | Rejection]:
        """Yield this build's questions, to replay and to solve in turn."""
        for number, (source, question) in enumerate(self._chosen(taken)):
            way = WAYS[(number + number // len(SHAPES)) % len(WAYS)]  # each shape both ways
            yield derived_spec(question, source, way)

    def _chosen(self, taken: frozenset[str]) -> list[tuple[str, MadeQuestion]]:
        most = self._config.questions - self._config.questions % len(WAYS)
        return list(islice((pair for pair in self._questions() if pair[0] not in taken), most))

    def _questions(self) -> Iterator[tuple[str, MadeQuestion]]:
        """Yield the seed's questions with the names of their sources; none is asked twice."""
        asked = set[object]()
        for number in range(POOL):
            question = inventor().question(self._seed, number)
            if question.program not in asked:
                asked.add(question.program)
                yield f"{NAME} question {number} of seed {self._seed}#{digest(question.text)[:12]}", question


def derived_spec(question: MadeQuestion, source: str, way: Literal["replay", "interact"]) -> TaskSpec:
    """Return a made-up question as a task: its answer is what its calls give."""
    return TaskSpec.make(
        environment="kg",
        instruction=question.text,
        setup=setup_of(NAME, question.entities),
        reference=tuple(Script(code=call) for call in question.calls),
        check=Check(kind="reference"),
        origin="derived",
        derivation=way,
        parents=(source,),
        family=question.shape,
        difficulty=DIFFICULTIES[question.shape],
        provenance=Provenance(source=source),
    )


@cache
def seed_examples() -> tuple[Example[KgDraft], ...]:
    """Return the examples that are shown where machine-made ones are short."""
    made = (inventor().question(-1, number) for number in range(SEED_QUESTIONS))
    return tuple(
        Example(f"{NAME}-{number}", KgDraft(one.text, _said(one.shape), "\n".join(one.calls)), topic_of(one.shape))
        for number, one in enumerate(made)
    )


def topic_of(shape: str) -> str:
    """Return the topic that a shape of derived questions belongs to."""
    return "path" if shape == "longer path" else "intersection" if shape == SHAPES[3] else shape


def _said(shape: str) -> str:
    return f"The shape is {'an' if shape[0] in 'aeiou' else 'a'} {shape}: each call leads to the next."


def example_of(spec: TaskSpec) -> Example[KgDraft]:
    """Return an admitted question as an example for the next requests."""
    calls = "\n".join(script.code for script in spec.reference)
    return Example(spec.task_id, KgDraft(spec.instruction, spec.explanation or "", calls), spec.family or "")


def read_draft(text: str) -> KgDraft | Refusal:
    """Read a reply's three parts."""
    parts = _SECTIONS.read(text)
    if isinstance(parts, Refusal):
        return parts
    return KgDraft(parts["problem"].code.strip(), parts["explanation"].code, parts["reference"].code)


def make_spec(draft: KgDraft, ask: Ask, order: Order) -> TaskSpec | Refusal:
    """Return a draft as a task, where its calls can be made and the question names what they start from."""
    lines = [_NUMBERED.sub("", line).strip() for line in draft.reference.splitlines()]
    try:
        calls = with_lists(read_call(line) for line in lines if line and not line.startswith(_NO_CALL))
    except ValueError as error:
        return Refusal("not_a_call", str(error))
    if not calls or calls[-1].name.startswith("get_relations"):
        return Refusal("no_variable", "the calls end without a variable that could be the answer")
    wanted = _LAST.get(order.topic)
    if wanted and not any(call.name in wanted for call in calls):
        return Refusal("wrong_shape", f"asked for {order.topic}, and no call is {' or '.join(wanted)}")
    entities = _things_in([argument for call in calls for argument in call.arguments], draft.problem)
    if isinstance(entities, Refusal):
        return entities
    return TaskSpec.make(
        environment="kg",
        instruction=draft.problem,
        setup=setup_of(NAME, entities),
        reference=tuple(Script(code=call.said) for call in calls),
        check=Check(kind="reference"),
        origin="self_instruct",
        explanation=draft.explanation.strip() or None,
        parents=ask.parents,
        family=order.topic,
        provenance=Provenance(source=ask.key),
        **order.on_task,
    )


def with_lists(calls: Iterable[SaidCall]) -> list[SaidCall]:
    """Put in what must be listed before a call, where an author left it out: it makes no variable, so none moves."""
    whole: list[SaidCall] = []
    for call in calls:
        needed = _LISTS.get(call.name)
        first = call.arguments[0]
        if needed and not any(one.name == needed and one.arguments[0] == first for one in whole):
            whole.append(SaidCall(needed, (first,), f"{needed}({first})"))
        whole.append(call)
    return whole


def _things_in(arguments: Sequence[str], problem: str) -> Mapping[str, str] | Refusal:
    """Return the things that calls start from, by name; each is one of the graph's and stands in the question."""
    ontology, facts = load_graph()
    ids = {name.casefold(): thing for thing, name in facts.names.items()}
    found: dict[str, str] = {}
    for argument in arguments:
        if argument.startswith("#") or argument in ontology.relations:
            continue
        thing = ids.get(argument.casefold())
        if thing is None and _DOTTED.fullmatch(argument):
            return Refusal("unknown_relation", f"{argument[:80]!r} is no relation of this graph")
        if thing is None:
            return Refusal("unknown_thing", f"{argument[:80]!r} is no variable, relation or thing here")
        if facts.names[thing].casefold() not in problem.casefold():
            return Refusal("thing_not_named", f"the calls start from {argument!r}, which the problem does not name")
        found[facts.names[thing]] = thing
    return found or Refusal("unknown_thing", "the calls start from nothing")
