"""The author of database tasks: made-up changes on the user's databases, and tasks from questions with gold SQL.

AgentTuning, section 2.1. Seeds are in `seeds.jsonl`, on databases of their own that need not exist.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import prompts
from environments.base import Ask, Author, Draw, Part
from environments.db.cards import DatabaseCard, describe_database, profile_database
from environments.db.config import DbConfig
from environments.db.derivation import derive_tasks
from environments.db.engine import SqlEngine
from environments.db.importers.bird import BirdQuestion, read_questions
from environments.db.sample import build_sample
from environments.db.statement import UnreadableSql, read_statement
from environments.db.store import databases_of, store_database
from environments.deals import Order, read_skills
from environments.self_instruct import (
    Example,
    draw_examples,
    is_own_tasks,
    read_own_tasks,
    read_seed_lines,
    request_key,
)
from environments.several import ToGrow, in_requests, read_parts, taken_problems
from environments.task_text import Sections
from schemas.completion import Completion
from schemas.errors import ConfigError
from schemas.message import Message
from schemas.record import digest
from schemas.rejection import Refusal, Rejection
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

PROMPT = "generate_db"
GROW = "grow_db"
SKILLS = read_skills(Path(__file__).with_name("skills.toml"))
BUILT_IN_LICENSE = "Apache-2.0"
Operation = Literal["INSERT", "UPDATE", "DELETE"]
OPERATIONS: tuple[Operation, ...] = ("INSERT", "UPDATE", "DELETE")
_BUILT_IN = Path(__file__).parent / "seeds.jsonl"
_FIELDS = ("name", "operation", "problem", "explanation", "reference")
MAX_SECTION_CHARS = 4000
_SECTIONS = Sections(
    ("problem", "explanation", "reference"),
    code=("reference",),
    may_be_blank=("explanation",),
    most_chars=MAX_SECTION_CHARS,
    plain_code=re.compile(r"(?:\s*--.*\n)*\s*(?:INSERT|UPDATE|DELETE|REPLACE|WITH|MERGE)\s+[\w\"`\[]", re.IGNORECASE),
)


@dataclass(frozen=True)
class DbDraft:
    """One task as an author wrote it, not yet tried."""

    problem: str
    explanation: str
    reference: str


class Facts(NamedTuple):
    """What was asked for."""

    operation: Operation
    database: DatabaseCard
    orders: tuple[Order, ...] = ()
    """One a task; empty = one change of the operation and nothing more."""


class Surroundings(NamedTuple):
    """What an agent has here, as a prompt says it."""

    turns: int = 15
    seconds: float = 2.0
    """Of one of its statements."""


class DbAuthor(Author):
    """Asks for changes, operations and databases in turn."""

    looks = True

    def __init__(
        self, config: DbConfig, engine: SqlEngine, home: Path, surroundings: Surroundings | None = None
    ) -> None:
        super().__init__(config.requests)
        self._config, self._engine, self._home = config, engine, home
        self._surroundings = surroundings or Surroundings()

    async def asks(self, draw: Draw) -> list[Ask]:
        """Word a round's requests."""
        own = [example_of(spec) for spec in draw.seeds] if self._config.seeds == "built-in" else []
        seeds, positions = tuple(own) or load_seeds(self._config.seeds), self.positions(draw.generate, draw.index)
        cards = await self._cards()
        if _is_first():
            return [_ask_first(draw, position, seeds, cards) for position in positions]
        to_grow, shared = ToGrow(draw, "db"), in_requests(positions, draw.generate)
        return [self._ask(draw, some, seeds, to_grow, cards) for some in shared]

    def _ask(
        self,
        draw: Draw,
        positions: range,
        seeds: tuple[Example[DbDraft], ...],
        to_grow: ToGrow,
        cards: list[DatabaseCard],
    ) -> Ask:
        key, most = request_key(draw, "db", positions[0]), max(len(OPERATIONS), draw.generate.tasks_per_request)
        first = (draw.build + positions[0] // most) % len(cards)
        card, parents = cards[first], []
        for other in [*cards[first:], *cards[:first]] if to_grow.is_due(key) else []:
            if parents := to_grow.take(len(positions), _is_on(other)):
                card = other
                break
        if parents:
            orders = [Order.to_grow(str(parent.family).upper(), parent) for parent in parents]
            shown_tasks = [example_of(parent) for parent in parents]
            inputs: dict[str, Any] = {"parents": [asdict(example.task) for example in shown_tasks]}
        else:
            orders = [self._deal(draw, position) for position in positions]
            shown_tasks = draw_examples(draw, key, seeds, example_of, orders[0].topic)
            examples = [asdict(example.task) for example in shown_tasks]
            inputs = {"examples": examples, "taken": taken_problems(draw, orders)}
        prompt = prompts.load(GROW if parents else PROMPT)
        text = prompt.render(
            turns=self._surroundings.turns,
            seconds=f"{self._surroundings.seconds:g}",
            foreign_keys=card.has_keys,
            database=card.name,
            schema=card.schema,
            tables=card.profiles(key),
            orders=[order._asdict() for order in orders],
            **inputs,
        )
        facts = Facts(operation_of(orders[0].topic), card, tuple(orders))
        names = tuple(example.name for example in shown_tasks)
        return Ask((Message(role="user", content=text),), prompt, key, names, facts, len(orders))

    def _deal(self, draw: Draw, position: int) -> Order:
        number = ((draw.build - 1) * self.requests + position) // len(OPERATIONS)
        return SKILLS.deal(OPERATIONS[position % len(OPERATIONS)], draw.seed, number)

    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        """Read a reply as the first task that was asked for; its reference is one statement of the kind asked for."""
        return self.read_all(completion, ask, range(ask.tasks))[0].told

    def read_all(self, completion: Completion, ask: Ask, numbers: Sequence[int]) -> list[Part]:
        """Read a reply as the tasks that `numbers` name."""
        orders = ask.facts.orders or (Order(ask.facts.operation),)

        def read(text: str, number: int) -> TaskSpec | Refusal:
            draft = read_task(text, operation_of(orders[number].topic))
            return draft if isinstance(draft, Refusal) else make_spec(draft, ask, orders[number])

        return read_parts(completion.reply, _SECTIONS, ask.tasks, numbers, read)

    def derivable(self, taken: frozenset[str]) -> int:
        """Count the questions that this build takes."""
        return len(self._chosen(taken))

    def _chosen(self, taken: frozenset[str]) -> list[BirdQuestion | Rejection]:
        return list(islice((row for row in self._questions() if row.source not in taken), self._config.questions))

    async def derive(self, taken: frozenset[str]) -> AsyncIterator[TaskSpec | Rejection]:
        """Yield two tasks a question (one to replay, one to solve), for the first questions that nobody took."""
        chosen = self._chosen(taken)
        for row in chosen:
            if isinstance(row, Rejection):
                yield row
        questions = [row for row in chosen if isinstance(row, BirdQuestion)]
        async for derived in derive_tasks(questions, self._engine, databases_of(self._home)):
            yield derived

    async def typical_schema(self) -> str:
        """Return the schema of middle length among the databases."""
        schemas = sorted((f"{card.name}\n{card.schema}" for card in await self._cards()), key=len)
        return schemas[len(schemas) // 2]

    async def _cards(self) -> list[DatabaseCard]:
        describe = describe_database if _is_first() else profile_database
        return [await describe(self._engine, sha256, name) for name, sha256 in self.stored_databases()]

    def stored_databases(self) -> list[tuple[str, str]]:
        """Store the configured SQLite files in the home and return their names and sha256, by name.

        Raises:
            ConfigError: there are none.
        """
        folder = self._folder()
        files = [folder] if folder.is_file() else sorted(folder.rglob("*.sqlite"))
        if not files:
            raise ConfigError(f"no .sqlite file under {folder}; worlds.db.bird names a BIRD folder or a SQLite file")
        return [(file.stem, store_database(file, databases_of(self._home))) for file in files]

    def _folder(self) -> Path:
        source = self._config.bird
        return build_sample(self._home / "sample") if source == "built-in" else Path(source).expanduser()

    def _questions(self) -> Iterator[BirdQuestion | Rejection]:
        """Read the configured questions; each is named by its place and its content."""
        folder = self._folder()
        if folder.suffix == ".sqlite":
            return
        built_in = self._config.bird == "built-in"
        for row in read_questions(folder, license=BUILT_IN_LICENSE) if built_in else read_questions(folder):
            if isinstance(row, BirdQuestion):
                content = digest(row.question, row.evidence, row.sql, row.database_name)
                yield replace(row, source=f"{row.source}#{content[:12]}")
            else:
                yield row


def _is_on(card: DatabaseCard) -> Callable[[TaskSpec], bool]:
    return lambda spec: spec.setup.database == card.sha256


def operation_of(topic: str) -> Operation:
    """Return the operation that a topic's name is."""
    return next(operation for operation in OPERATIONS if operation == topic)


def _is_first() -> bool:
    """Whether this build began with the first prompt: one task a request, an operation, and first rows."""
    return prompts.load(PROMPT).version == "v1"


def _ask_first(draw: Draw, position: int, seeds: tuple[Example[DbDraft], ...], cards: list[DatabaseCard]) -> Ask:
    key, operation = request_key(draw, "db", position), OPERATIONS[position % len(OPERATIONS)]
    card = cards[(draw.build + position // len(OPERATIONS)) % len(cards)]
    examples = draw_examples(draw, key, seeds, example_of, operation)
    prompt = prompts.load(PROMPT)
    text = prompt.render(
        operation=operation,
        database=card.name,
        schema=card.schema,
        samples=[asdict(sample) for sample in card.samples],
        examples=[asdict(example.task) for example in examples],
    )
    parents = tuple(example.name for example in examples)
    return Ask((Message(role="user", content=text),), prompt, key, parents, Facts(operation, card))


def load_seeds(source: str = "built-in") -> tuple[Example[DbDraft], ...]:
    """Return seed examples: ours, or a JSONL file with the keys name, operation, problem, explanation, reference.

    Raises:
        ConfigError: nothing there, or one of them is no task.
    """
    path = _BUILT_IN if source == "built-in" else Path(source).expanduser()
    if not path.is_file():
        raise ConfigError(f"no seeds at {path}; give `built-in` or a JSONL file with the keys {', '.join(_FIELDS)}")
    own = is_own_tasks(path)
    seeds = tuple(_own_seeds(path) if own else _read_seeds(path))
    if not seeds:
        raise ConfigError(f"{path} holds no seed; each line is an object with the keys {', '.join(_FIELDS)}")
    return seeds


def _own_seeds(path: Path) -> Iterator[Example[DbDraft]]:
    """Yield the changes among whole tasks; questions are derived, and not made up."""
    for task in read_own_tasks(path):
        if task.environment == "db":
            yield example_of(task)


def _read_seeds(path: Path) -> Iterator[Example[DbDraft]]:
    for where, row in read_seed_lines(path, _FIELDS):
        if row["operation"] not in OPERATIONS:
            raise ConfigError(f"the seed {where} has the operation {row['operation']!r}, not {OPERATIONS}")
        draft = DbDraft(row["problem"], row["explanation"], row["reference"])
        problem = _judge_sql(draft.reference, row["operation"])
        if problem:
            raise ConfigError(f"the seed {where} is no task ({problem.reason}): {problem.detail}")
        yield Example(row["name"], draft, row["operation"])


def example_of(spec: TaskSpec) -> Example[DbDraft]:
    """Return an admitted task as an example for the next requests."""
    task = DbDraft(spec.instruction, spec.explanation or "", spec.reference[0].code)
    return Example(spec.task_id, task, (spec.family or "").upper())


def make_spec(draft: DbDraft, ask: Ask, order: Order | None = None) -> TaskSpec:
    """Return a draft as a task: the tables afterwards must equal those after the reference."""
    database, order = ask.facts.database, order or Order(ask.facts.operation)
    return TaskSpec.make(
        environment="db",
        instruction=draft.problem,
        setup=Setup(database=database.sha256, database_name=database.name),
        reference=(Script(code=draft.reference),),
        check=Check(kind="state"),
        origin="self_instruct",
        explanation=draft.explanation or None,
        parents=ask.parents,
        family=order.topic.lower(),
        provenance=Provenance(source=ask.key),
        **order.on_task,
    )


def read_task(reply: str, operation: Operation) -> DbDraft | Refusal:
    """Read a reply's three sections; the reference is one statement of the asked kind."""
    sections = _SECTIONS.read(reply)
    if isinstance(sections, Refusal):
        return sections
    reference = sections["reference"].code.strip()
    problem = _judge_sql(reference, operation)
    return problem or DbDraft(sections["problem"].code, sections["explanation"].code, reference)


def _judge_sql(sql: str, operation: str) -> Refusal | None:
    try:
        statement = read_statement(sql)
    except UnreadableSql as error:
        return Refusal(error.reason, str(error))
    if statement.kind != operation.lower():
        return Refusal("wrong_operation", f"asked for {operation}, the reference is of kind {statement.kind}")
    return None
