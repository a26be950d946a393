"""TaskSpec: what is asked of an agent, in which initial state, and how success is judged."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from schemas.record import Record, digest

Origin = Literal["self_instruct", "derived", "benchmark", "recorded", "own"]
Language = Literal["bash", "python"]
Lines = Literal["one", "in_order", "in_any_order"]


class Script(Record):
    """A program that the sandbox runs, never the host."""

    code: str
    """Source text."""
    language: Language = "bash"
    """`bash -c code -- args` or `python3 -c code args`."""


class Column(Record):
    name: str
    type: str = "TEXT"
    """Declared SQL type, as the source gives it."""


class TableData(Record):
    """One table, given row by row (AgentBench's form)."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str | int | float | None, ...], ...]


class Setup(Record):
    """The initial state. OS: `init` in a fresh sandbox, `start` in the agent's shell. DB: `tables` or `database`."""

    init: tuple[Script, ...] = ()
    """Run once, in order, before the agent; their file changes are the initial state."""
    start: Script | None = None
    """Run in every shell that works on this task (background processes, environment)."""
    cwd: str | None = None
    """Directory that every shell and script starts in; None = the world's default (OS: /root). AgentBench's is /."""
    tables: tuple[TableData, ...] = ()
    """Tables to create in an empty database."""
    database: str | None = None
    """sha256 of a SQLite file kept in the home's `databases/`; None = only `tables`."""
    database_name: str | None = None
    """Name that people know the database by."""
    dialect: str = "sqlite"
    """SQL dialect that the task is written in."""
    image: str | None = None
    """Base image asked for; None = the world's default."""
    state: str | None = None
    """JSON text that the task's world alone reads and validates; None = it has none."""


class Check(Record):
    """How success is judged. The check never runs in the agent's shell."""

    kind: str
    """How; the task's world says which kinds it has. Those of the worlds that ship:
    script: one evaluation script, `$1` the answer, `$2` the reference's output, exit 0 passes.
    changes: the files that the agent changed (path, kind, mode, content; not times) and its answer (where it gave none:
    what its last command showed) are those of the reference, run in a fork of the initial state. In /tmp, /var/tmp,
    /run and /root/.cache only what the reference touches counts; a directory left empty counts. Unless `ordered`,
    neither the order of lines nor how often one is said counts. Where the reference changes something and prints
    nothing, no answer is needed, and what the last command shows counts in tasks of origin `recorded` alone.
    chain: AgentBench's list of scripts, None standing for the reference, every output appended to the arguments.
    match: the answer equals `answer` (or matches `regex`). rows: the answer against the reference query's rows.
    result: as rows, with columns in the reference's order too: a result set is handed in, and not told in words.
    state: order-free digest of all tables (and the schema) against the reference's. agentbench_hash: AgentBench's
    table hash against `answer`. label: the answer against `expected`, for tasks that have no runnable reference."""
    reference_on: Literal["initial", "final"] = "initial"
    """initial: the reference runs in a fork of the initial state; final: on the agent's final state (AgentBench)."""
    scripts: tuple[Script | None, ...] = ()
    """Evaluation scripts of `script` and `chain`; None = run the reference here."""
    answer: str | None = None
    """Exact answer (`match`) or golden hash (`agentbench_hash`)."""
    regex: str | None = None
    """Pattern that the answer must contain (`match`)."""
    expected: tuple[str, ...] = ()
    """Expected values (`label`)."""
    ordered: bool = False
    """Row order (`rows`) or line order (`changes`) counts: true only where the question orders."""
    lines: Lines = "one"
    """Lines of the answer (OS): one; several, in the order that the problem asks for; several, in any order."""
    distinct: bool = False
    """A row that is there twice counts once (`rows`): where the gold lacks a DISTINCT that the question implies, or its
    source compares sets."""
    trusted_tools: bool = True
    """The check uses the image's own programs (OS); false only where a system program is what the task is about."""
    arguments: str | None = None
    """JSON text that the task's world alone reads and validates; None = it has none."""
    outputs: tuple[str, ...] = ()
    """Absolute paths that the agent is asked for (OS): the check sees these as the agent left them, all else as it was
    before, and its HOME is an empty folder. Empty = it sees the whole root (docs/sandbox.md, "What a check sees")."""
    under_test: tuple[Script, ...] = ()
    """Programs of the agent's that `script` tries (OS): each runs in the agent's system, with the agent's rights, after
    the work and before the check, which gets what they printed as `$3`, `$4` and so on."""


GUESSABLE = "guessable"
"""Name of the probe that tags a task whose answer a guess may hit; it never turns a task away."""


class Probe(Record):
    """One trial of a task before it was let in."""

    name: str
    """reference_passes_1, reference_passes_2, nothing_fails, any_answer_fails, ..."""
    passed: bool
    """Whether the probe came out as an honest task needs it."""
    detail: str = ""


SOFTWARE = "trajmill 0.1.0"
"""What provenance says of the program that made a row."""


class Provenance(Record):
    """Who and what made a row."""

    source: str
    """file:line, `build 3 round 2 request 5`, or the seed."""
    prompt: str | None = None
    """name/version@sha256 of the prompt, where a model wrote the row."""
    model: str | None = None
    """Model that wrote it."""
    completion_ids: tuple[str, ...] = ()
    """Receipts of the calls that made it."""
    image: str | None = None
    """Digest of the base image that it was tried on."""
    sandbox: str | None = None
    """Backend and kind of limits that held."""
    software: str | None = None
    """Version of Trajmill."""


class TaskSpec(Record):
    """One problem for an agent."""

    task_id: str
    """Content hash of what is asked and how it is judged (`TaskSpec.make` computes it)."""
    environment: str
    """World: the name of its folder, or the one that its package announces."""
    instruction: str
    """Text that the solver sees."""
    setup: Setup
    """Initial state."""
    reference: tuple[Script, ...] = ()
    """Reference solution (OS: its stdout is the reference answer; DB: one SQL statement a script); empty = none."""
    check: Check
    """How success is judged."""
    origin: Origin
    """Where the task came from."""
    derivation: Literal["interact", "replay"] | None = None
    """DB tasks from questions: replay = the gold SQL's run becomes the episode; interact = the solver works alone."""
    explanation: str | None = None
    """The author's explanation; never shown to the solver."""
    parents: tuple[str, ...] = ()
    """Seed names and task ids that stood in the prompt, or the question's id."""
    family: str | None = None
    """Kind of task (`files`, `text`, `insert`, `aggregation`), the author's word."""
    difficulty: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    """1 easy to 3 hard, the author's word; None = not said."""
    skill: str | None = None
    """What a made-up task is about, of its world's `skills.toml`; None = nothing was dealt (older tasks, one's own)."""
    subtopic: str | None = None
    """The part of the skill that was dealt."""
    situation: str | None = None
    """The situation that was dealt."""
    parent: str | None = None
    """Task id of the proven task that this one was grown from; None = it was not grown."""
    labels: tuple[str, ...] = ()
    license: str = "Apache-2.0"
    """SPDX name of the licence that the row is under."""
    probes: tuple[Probe, ...] = ()
    """Trials of the admission; empty = imported and not yet tried."""
    build: int | None = None
    """Build that made it; None = imported."""
    provenance: Provenance

    @property
    def is_guessable(self) -> bool:
        """Whether its trials found an answer that a guess may hit: `0` or nothing, yes or no, a small number."""
        return any(probe.name == GUESSABLE for probe in self.probes)

    @classmethod
    def make(cls, **fields: object) -> TaskSpec:
        """Build a spec, its id computed from environment, instruction, setup, reference, check and derivation."""
        spec = cls.model_validate({"task_id": "", **fields})
        parts = (spec.environment, spec.instruction, spec.setup, spec.reference, spec.check, spec.derivation)
        return spec.model_copy(update={"task_id": digest("task", *parts)})
