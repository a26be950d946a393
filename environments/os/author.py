"""The author of OS tasks: seed examples, the request's messages, and what a reply says (AgentTuning 2.1).

Our seeds are in `seeds/`, one file a task under the headings that the prompt asks for; a user's own come as such a
folder or as JSONL.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import prompts
from environments.base import TELLING, Ask, Author, Draw, Part
from environments.code_blocks import Block
from environments.deals import Order, read_skills
from environments.os.answer import lines_asked
from environments.os.config import OsConfig
from environments.os.image_facts import ALWAYS, ImageFacts
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
from schemas.bounded_reading import read_text
from schemas.completion import Completion
from schemas.errors import ConfigError, InputError
from schemas.message import Message
from schemas.rejection import Refusal
from schemas.task_spec import Check, Lines, Provenance, Script, Setup, TaskSpec

PROMPT = "generate_os"
SOLVER_PROMPT = "solve_os"
GROW = "grow_os"
SKILLS = read_skills(Path(__file__).with_name("skills.toml"))
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
_PLAIN_CODE = re.compile(
    r"\s*(?:#|\[\[? |\(|\{ |[\w-]+=|/[\w/]+\s|\./|(?:if|for|while|case|until|function|set|cd|mkdir"
    r"|touch|cat|echo|printf|test|cp|mv|rm|ln"
    r"|chmod|chown|tar|gzip|grep|egrep|sed|awk|cut|sort|uniq|wc|head|tail|find|ls|diff|cmp|stat|tr"
    r"|xargs|git|python3?|export|tee|seq"
    r"|basename|dirname|du|df|ps|date|comm|paste|join|zip|unzip|gunzip|zcat|install|truncate|dd"
    r"|useradd|jq|perl|bash|sh|true|exit)\b(?![,.:]?\s+[A-Za-z]+\s[a-z]+\s.*\.$))",
    re.MULTILINE,
)
"""How a script begins that no fence marks."""
_CALL = re.compile(r"(?:#.*\n\s*)*(?:\w+=\S* )*(?!function)[a-z]+ ['\"$/~.\w-]")
"""A command with its arguments, and no program in awk."""
SECTIONS = Sections(
    tuple(_FIELDS),
    code=("initialisation", "reference", "evaluation"),
    may_be_blank=("explanation", "initialisation"),
    plain_code=_PLAIN_CODE,
)


@dataclass(frozen=True)
class OsDraft:
    """One task as an author wrote it, not yet tried."""

    problem: str
    explanation: str
    init: str
    reference: str
    evaluation: str
    languages: dict[str, str] = field(default_factory=dict)
    """Of the parts that are no bash, by field: python, awk."""

    def script(self, part: str) -> Script:
        """Return a part as a program that a sandbox runs."""
        code, language = getattr(self, part), self.languages.get(part)
        if language == "awk":
            return Script(code=f"awk -f /dev/fd/3 3<<'AWK_PROGRAM'\n{code}\nAWK_PROGRAM")
        return Script(code=code, language="python" if language == "python" else "bash")


@dataclass(frozen=True)
class Surroundings:
    """What an agent has here, as a prompt says it."""

    turns: int = 8
    seconds: float = 10.0
    """Of one of its commands."""
    check_seconds: float = 30.0
    observation_chars: int = 800

    def said(self, image: ImageFacts | None) -> dict[str, Any]:
        """Return the inputs of a prompt; None = nobody looked at the image."""
        present, missing = (image.present, image.missing) if image else ((), ())
        numbers = {"seconds": f"{self.seconds:g}", "check_seconds": f"{self.check_seconds:g}"}
        return {**asdict(self), **numbers, "always": ALWAYS, "present": present, "missing": missing}


class OsAuthor(Author):
    """Asks for shell tasks, topic by topic."""

    def __init__(
        self,
        config: OsConfig,
        look: Callable[[], Awaitable[ImageFacts]] | None = None,
        surroundings: Surroundings | None = None,
    ) -> None:
        """`look` reads the image; None = there is none to look at, and prompts do not speak of it."""
        super().__init__(config.requests)
        self._seeds, self._look, self._surroundings = config.seeds, look, surroundings or Surroundings()

    @property
    def looks(self) -> bool:
        """Whether it asks the image which commands it has."""
        return self._look is not None and not _is_first()

    async def asks(self, draw: Draw) -> list[Ask]:
        """Word a round's requests: topics in turn, each task with a skill of its own."""
        positions = self.positions(draw.generate, draw.index)
        own = [example_of(spec) for spec in draw.seeds] if self._seeds == "built-in" else []
        seeds = tuple(own) or load_seeds(self._seeds)
        if _is_first():
            return [_ask_first(draw, position, seeds) for position in positions]
        said = self._surroundings.said(await self._look() if self._look else None)
        to_grow = ToGrow(draw, "os")
        return [self._ask(draw, shared, seeds, to_grow, said) for shared in in_requests(positions, draw.generate)]

    def _ask(
        self,
        draw: Draw,
        positions: range,
        seeds: tuple[Example[OsDraft], ...],
        to_grow: ToGrow,
        said: dict[str, Any],
    ) -> Ask:
        key = request_key(draw, "os", positions[0])
        parents = to_grow.take(len(positions), _has_script) if to_grow.is_due(key) else []
        if parents:
            orders = [Order.to_grow(str(parent.family), parent) for parent in parents]
            shown = [example_of(parent) for parent in parents]
            inputs: dict[str, Any] = {"parents": [asdict(example.task) for example in shown]}
        else:
            orders = [self._deal(draw, position) for position in positions]
            shown = draw_examples(draw, key, seeds, example_of)
            examples = [asdict(example.task) for example in shown]
            inputs = {"examples": examples, "taken": taken_problems(draw, orders)}
        prompt = prompts.load(GROW if parents else PROMPT)
        text = prompt.render(**said, **inputs, orders=[order._asdict() for order in orders])
        names = tuple(example.name for example in shown)
        return Ask((Message(role="user", content=text),), prompt, key, names, tuple(orders), len(orders))

    def _deal(self, draw: Draw, position: int) -> Order:
        topic = TOPICS[(draw.build + position) % len(TOPICS)]
        number = ((draw.build - 1) * self.requests + position) // len(TOPICS)
        return SKILLS.deal(topic, draw.seed, number)

    def read(self, completion: Completion, ask: Ask) -> TaskSpec | Refusal:
        """Read a reply as the first task that was asked for."""
        return self.read_all(completion, ask, range(ask.tasks))[0].told

    def read_all(self, completion: Completion, ask: Ask, numbers: Sequence[int]) -> list[Part]:
        """Read a reply as the tasks that `numbers` name."""
        orders = ask.facts if isinstance(ask.facts, tuple) else (Order(str(ask.facts)),)

        def read(text: str, number: int) -> TaskSpec | Refusal:
            draft = read_task(text)
            return draft if isinstance(draft, Refusal) else make_spec(draft, ask, orders[number])

        return read_parts(completion.reply, SECTIONS, ask.tasks, numbers, read)


def _has_script(spec: TaskSpec) -> bool:
    return spec.check.kind == "script"


def _is_first() -> bool:
    """Whether this build began with the first prompt: one task a request, a topic and nothing more."""
    return prompts.load(PROMPT).version == "v1"


def _ask_first(draw: Draw, position: int, seeds: tuple[Example[OsDraft], ...]) -> Ask:
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
    elif path.is_file() and is_own_tasks(path):
        examples = tuple(example_of(spec) for spec in read_own_tasks(path) if spec.environment == "os")
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
    """Return an admitted task as an example for the next requests, which show every script as bash."""
    evaluation = next((_as_bash(script) for script in spec.check.scripts if script is not None), "")
    init = "\n".join(_as_bash(script) for script in spec.setup.init)
    task = OsDraft(spec.instruction, spec.explanation or "", init, _as_bash(spec.reference[0]), evaluation)
    return Example(spec.task_id, task)


def _as_bash(script: Script) -> str:
    return script.code if script.language == "bash" else f"python3 - \"$@\" <<'PYTHON'\n{script.code}\nPYTHON"


def make_spec(draft: OsDraft, ask: Ask, order: Order | None = None) -> TaskSpec:
    """Return a draft as a task: the reference runs on the initial state, one script evaluates."""
    order = order or Order(str(ask.facts))
    return TaskSpec.make(
        environment="os",
        instruction=draft.problem,
        setup=Setup(init=(draft.script("init"),) if draft.init.strip() else ()),
        reference=(draft.script("reference"),),
        check=Check(kind="script", scripts=(draft.script("evaluation"),), lines=_lines_of(draft.problem)),
        origin="self_instruct",
        explanation=draft.explanation or None,
        parents=ask.parents,
        family=order.topic,
        provenance=Provenance(source=ask.key),
        **order.on_task,
    )


def _lines_of(problem: str) -> Lines:
    """Return how many lines the answer has, where the solver's prompt says how to give more than one."""
    is_told = prompts.load(SOLVER_PROMPT).front.get("contract", 1) >= TELLING
    return lines_asked(problem) if is_told else "one"


def read_task(reply: str) -> OsDraft | Refusal:
    """Read a reply's five sections."""
    sections = SECTIONS.read(reply)
    if isinstance(sections, Refusal):
        return sections
    languages = {_FIELDS[title]: language for title, block in sections.items() if (language := _language_of(block))}
    return OsDraft(**{field: sections[title].code for title, field in _FIELDS.items()}, languages=languages)


def _language_of(block: Block) -> str | None:
    """Return python or awk, told by the fence or the first line; a call of either (`awk '...' file`) is the shell's."""
    code = block.code.lstrip()
    if block.language in ("python", "python3", "py") or re.match(r"#!.*\bpython", code):
        return None if re.match(r"python3? ", code) else "python"
    is_awk = block.language in ("awk", "gawk") and not _CALL.match(code)
    return "awk" if is_awk else None
