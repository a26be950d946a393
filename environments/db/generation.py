"""Making up INSERT, UPDATE and DELETE tasks on given databases (self-instruct; AgentTuning, section 2.1).

A reply that is no task is a `Problem` with a stable reason, never an exception. Seeds are in `seeds.jsonl`, on
databases of their own that need not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import prompts
from environments.db.engine import SqlEngine
from environments.db.episode import shown_schema
from environments.db.statement import UnreadableSql, read_statement
from environments.seed_lines import read_seed_lines
from schemas.completion import ChatMessage
from schemas.errors import ConfigError
from schemas.record import digest
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

PROMPT = "generate_db"
Operation = Literal["INSERT", "UPDATE", "DELETE"]
OPERATIONS: tuple[Operation, ...] = ("INSERT", "UPDATE", "DELETE")
MAX_SECTION_CHARS = 4000
_BUILT_IN = Path(__file__).parent / "seeds.jsonl"
_FIELDS = ("name", "operation", "problem", "explanation", "reference")
_HEADING = re.compile(r"#{2,4}\s*(problem|explanation|reference)\s*:?\s*", re.IGNORECASE)
_BLOCK = re.compile(r"```[ \t]*\w*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_MAX_SAMPLES = 8
_MAX_VALUE_CHARS = 60


@dataclass(frozen=True)
class DraftTask:
    """One task as an author wrote it, not yet tried."""

    problem: str
    explanation: str
    reference: str


@dataclass(frozen=True)
class Problem:
    """Why a text is no task."""

    reason: str
    """missing_section, repeated_section, empty_section, no_code_block, several_blocks, too_long, sql_unreadable,
    not_one_statement, wrong_operation."""
    detail: str


@dataclass(frozen=True)
class Example:
    """A task that may stand in a prompt."""

    name: str
    """Name of the seed, or the task id of an admitted task."""
    operation: str
    task: DraftTask


@dataclass(frozen=True)
class Sample:
    """A few rows of one table."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class DatabaseCard:
    """A database as a prompt shows it."""

    name: str
    sha256: str
    schema: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class GenerationRequest:
    """What to ask, and what to say of the answer."""

    messages: tuple[ChatMessage, ...]
    prompt: str
    """Name of the prompt."""
    operation: Operation
    database: DatabaseCard
    parents: tuple[str, ...]
    """Names of the examples, in their order."""


async def describe_database(engine: SqlEngine, sha256: str, name: str, *, rows: int = 3) -> DatabaseCard:
    """Look at a stored database: schema and the first rows of its first tables.

    Raises:
        EnvironmentFault: it cannot be opened.
        SandboxError: the engine broke.
    """
    database = await engine.open(Setup(database=sha256, database_name=name))
    try:
        samples = []
        for table in database.tables[:_MAX_SAMPLES]:
            found = await database.table(table, limit=rows)
            shown = tuple(tuple(_shown(value) for value in row) for row in found.rows)
            samples.append(Sample(table, found.columns, shown))
        return DatabaseCard(name, sha256, shown_schema(database.schema), tuple(samples))
    finally:
        await database.close()


def _shown(value: object) -> str:
    text = "NULL" if value is None else " ".join(str(value).split())
    return text if len(text) <= _MAX_VALUE_CHARS else text[: _MAX_VALUE_CHARS - 3] + "..."


def load_seeds(source: str = "built-in") -> tuple[Example, ...]:
    """Return seed examples: ours, or a JSONL file with the keys name, operation, problem, explanation, reference.

    Raises:
        ConfigError: nothing there, or one of them is no task.
    """
    path = _BUILT_IN if source == "built-in" else Path(source).expanduser()
    if not path.is_file():
        raise ConfigError(f"no seeds at {path}; give `built-in` or a JSONL file with the keys {', '.join(_FIELDS)}")
    seeds = tuple(_read_seeds(path))
    if not seeds:
        raise ConfigError(f"{path} holds no seed; each line is an object with the keys {', '.join(_FIELDS)}")
    return seeds


def _read_seeds(path: Path) -> Iterator[Example]:
    for where, row in read_seed_lines(path, _FIELDS):
        if row["operation"] not in OPERATIONS:
            raise ConfigError(f"the seed {where} has the operation {row['operation']!r}, not {OPERATIONS}")
        draft = DraftTask(row["problem"], row["explanation"], row["reference"])
        problem = _judge_sql(draft.reference, row["operation"])
        if problem:
            raise ConfigError(f"the seed {where} is no task ({problem.reason}): {problem.detail}")
        yield Example(row["name"], row["operation"], draft)


def example_of(spec: TaskSpec) -> Example:
    """Return an admitted task as an example for the next requests."""
    task = DraftTask(spec.instruction, spec.explanation or "", spec.reference[0].code)
    return Example(spec.task_id, (spec.family or "").upper(), task)


def build_request(
    seeds: Sequence[Example],
    machine: Sequence[Example],
    database: DatabaseCard,
    *,
    operation: Operation,
    key: str,
    seed_examples: int = 6,
    machine_examples: int = 2,
) -> GenerationRequest:
    """Word the request for one task: 6 seeds and 2 machine-made examples (Self-Instruct), drawn by `key`.

    Examples of the same operation come first; where machine-made ones are short, seeds take their places.
    """
    drawn = _draw(machine, operation, f"{key}/machine", machine_examples)
    drawn += _draw(seeds, operation, f"{key}/seeds", seed_examples + machine_examples - len(drawn))
    drawn = sorted(drawn, key=lambda example: digest(f"{key}/order", example.name))
    text = prompts.load(PROMPT).render(
        operation=operation,
        database=database.name,
        schema=database.schema,
        samples=[asdict(sample) for sample in database.samples],
        examples=[asdict(example.task) for example in drawn],
    )
    parents = tuple(example.name for example in drawn)
    return GenerationRequest((ChatMessage(role="user", content=text),), PROMPT, operation, database, parents)


def _draw(examples: Sequence[Example], operation: str, key: str, count: int) -> list[Example]:
    return sorted(examples, key=lambda e: (e.operation != operation, digest(key, e.name)))[:count]


def make_spec(
    draft: DraftTask, *, database: DatabaseCard, operation: Operation, parents: tuple[str, ...], provenance: Provenance
) -> TaskSpec:
    """Return a draft as a task: the tables afterwards must equal those after the reference."""
    return TaskSpec.make(
        environment="db",
        instruction=draft.problem,
        setup=Setup(database=database.sha256, database_name=database.name),
        reference=(Script(code=draft.reference),),
        check=Check(kind="state"),
        origin="self_instruct",
        explanation=draft.explanation or None,
        parents=parents,
        family=operation.lower(),
        provenance=provenance,
    )


def read_task(reply: str, operation: Operation) -> DraftTask | Problem:
    """Read a reply's three sections; the reference is one statement of the asked kind."""
    sections = _cut_sections(reply)
    if isinstance(sections, Problem):
        return sections
    blocks = _BLOCK.findall(sections["reference"])
    if len(blocks) != 1:
        reason = "several_blocks" if blocks else "no_code_block"
        return Problem(reason, f"the reference has {len(blocks)} code blocks, one is expected")
    reference = blocks[0].strip()
    if not sections["problem"]:
        return Problem("empty_section", "the problem is empty")
    problem = _judge_sql(reference, operation)
    return problem or DraftTask(sections["problem"], sections["explanation"], reference)


def _cut_sections(reply: str) -> dict[str, str] | Problem:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    is_code = False
    for line in reply.replace("\r\n", "\n").split("\n"):
        is_code ^= line.lstrip().startswith("```")
        heading = None if is_code else _HEADING.fullmatch(line.strip())
        if heading is None:
            lines.append(line)
            continue
        if heading[1].lower() in sections:
            return Problem("repeated_section", f"{heading[1]} stands there twice")
        lines = sections[heading[1].lower()] = []
    texts = {title: "\n".join(found).strip() for title, found in sections.items()}
    for title in ("problem", "explanation", "reference"):
        if title not in texts:
            return Problem("missing_section", f"there is no heading {title.capitalize()}")
        if len(texts[title]) > MAX_SECTION_CHARS:
            return Problem("too_long", f"{title} has {len(texts[title])} characters; {MAX_SECTION_CHARS} are allowed")
    return texts


def _judge_sql(sql: str, operation: str) -> Problem | None:
    try:
        statement = read_statement(sql)
    except UnreadableSql as error:
        return Problem(error.reason, str(error))
    if statement.kind != operation.lower():
        return Problem("wrong_operation", f"asked for {operation}, the reference is of kind {statement.kind}")
    return None
