"""The author of OS tasks: seed examples, the request's messages, and what a reply says (AgentTuning 2.1).

Our seeds are in `seeds/`, one file a task under the headings that the prompt asks for; a user's own come as such a
folder or as JSONL.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import prompts
from environments.base import Ask, Author, Draw
from environments.os.config import OsConfig
from environments.self_instruct import Example, Sections, draw_examples, read_seed_lines, request_key
from schemas.bounded_reading import read_text
from schemas.completion import Completion
from schemas.errors import ConfigError, InputError
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

PROMPT = "generate_os"
TOPICS = ("files", "text processing", "processes", "permissions", "archives", "scripts", "system facts")
_MOST_SEED_BYTES = 1 << 20
_BUILT_IN = Path(__file__).parent / "seeds"
_FIELDS = {
    "problem": "problem",
    "explanation": "explanation",
    "initialisation": "init",
    "reference": "reference",
    "evaluation": "evaluation",
}
_SECTIONS = Sections(
    tuple(_FIELDS),
    code=("initialisation", "reference", "evaluation"),
    may_be_blank=("explanation", "initialisation"),
)


@dataclass(frozen=True)
class OsDraft:
    """One task as an author wrote it, not yet tried."""

    problem: str
    explanation: str
    init: str
    reference: str
    evaluation: str


class OsAuthor(Author):
    """Asks for shell tasks, topic by topic."""

    def __init__(self, config: OsConfig) -> None:
        super().__init__(config.requests)
        self._seeds = config.seeds

    async def asks(self, draw: Draw) -> list[Ask]:
        """Word a round's requests: topics in turn, each with its own examples."""
        seeds = load_seeds(self._seeds)
        return [_ask(draw, position, seeds) for position in self.positions(draw.generate, draw.index)]

    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        """Read a reply as a task."""
        draft = read_task(completion.reply)
        return draft if isinstance(draft, Refusal) else make_spec(draft, ask)


def _ask(draw: Draw, position: int, seeds: tuple[Example[OsDraft], ...]) -> Ask:
    key, topic = request_key(draw, "os", position), TOPICS[(draw.build + position) % len(TOPICS)]
    examples = draw_examples(draw, key, seeds, example_of)
    prompt = prompts.load(PROMPT)
    text = prompt.render(examples=[asdict(example.task) for example in examples], topic=topic)
    return Ask((Message(role="user", content=text),), prompt, key, tuple(e.name for e in examples), topic)


def load_seeds(source: str = "built-in") -> tuple[Example[OsDraft], ...]:
    """Return seed examples by name: ours, a folder of .md files, or a JSONL file with the five keys.

    Raises:
        ConfigError: nothing there, or one of them is no task.
    """
    path = _BUILT_IN if source == "built-in" else Path(source).expanduser()
    if path.is_dir():
        examples = tuple(_read_seed_file(file) for file in sorted(path.glob("*.md")))
    elif path.is_file():
        examples = tuple(_read_seed_lines(path))
    else:
        raise ConfigError(f"no seeds at {path}; worlds.os.seeds is `built-in`, a folder of .md files or a JSONL file")
    if not examples:
        raise ConfigError(f"{path} holds no seed; put .md files there as in docs/os-tasks.md")
    return examples


def _read_seed_file(path: Path) -> Example[OsDraft]:
    try:
        draft = read_task(read_text(path, _MOST_SEED_BYTES))
    except InputError as error:
        raise ConfigError(f"the seed cannot be read: {error}") from error
    if isinstance(draft, Refusal):
        raise ConfigError(f"the seed {path} is no task ({draft.reason}): {draft.detail}")
    return Example(path.stem, draft)


def _read_seed_lines(path: Path) -> Iterator[Example[OsDraft]]:
    keys = tuple(_FIELDS.values())
    for number, (_, row) in enumerate(read_seed_lines(path, keys), start=1):
        yield Example(str(row.get("name") or f"{path.stem}-{number}"), OsDraft(**{key: row[key] for key in keys}))


def example_of(spec: TaskSpec) -> Example[OsDraft]:
    """Return an admitted task as an example for the next requests."""
    evaluation = next((script.code for script in spec.check.scripts if script is not None), "")
    init = "\n".join(script.code for script in spec.setup.init)
    task = OsDraft(spec.instruction, spec.explanation or "", init, spec.reference[0].code, evaluation)
    return Example(spec.task_id, task)


def make_spec(draft: OsDraft, ask: Ask) -> TaskSpec:
    """Return a draft as a task: the reference runs on the initial state, one script evaluates."""
    return TaskSpec.make(
        environment="os",
        instruction=draft.problem,
        setup=Setup(init=(Script(code=draft.init),) if draft.init.strip() else ()),
        reference=(Script(code=draft.reference),),
        check=Check(kind="script", reference_on="initial", scripts=(Script(code=draft.evaluation),)),
        origin="self_instruct",
        explanation=draft.explanation or None,
        parents=ask.parents,
        family=str(ask.facts),
        provenance=Provenance(source=ask.key),
    )


def read_task(reply: str) -> OsDraft | Refusal:
    """Read a reply's five sections."""
    sections = _SECTIONS.read(reply)
    if isinstance(sections, Refusal):
        return sections
    return OsDraft(**{field: sections[title] for title, field in _FIELDS.items()})
