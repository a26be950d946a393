"""Making up OS tasks: seed examples, the request's messages, and what a reply says (Self-Instruct; AgentTuning 2.1).

A reply that is no task is a `Problem` with a stable reason, never an exception. Our seeds are in `seeds/`, one file a
task under the headings that the prompt asks for; a user's own come as such a folder or as JSONL.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import prompts
from environments.seed_lines import read_seed_lines
from schemas.completion import ChatMessage
from schemas.errors import ConfigError
from schemas.record import digest
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

PROMPT = "generate_os"
TOPICS = ("files", "text processing", "processes", "permissions", "archives", "scripts", "system facts")
MAX_SECTION_CHARS = 8000
"""A section longer than this is no task for eight turns."""
_BUILT_IN = Path(__file__).parent / "seeds"
_HEADING = re.compile(r"#{2,4}\s*(problem|explanation|initiali[sz]ation|reference|evaluation)\s*:?\s*", re.IGNORECASE)
_FIELDS = {
    "problem": "problem",
    "explanation": "explanation",
    "initialisation": "init",
    "reference": "reference",
    "evaluation": "evaluation",
}
_CODE = ("initialisation", "reference", "evaluation")
_MAY_BE_BLANK = ("explanation", "initialisation")


@dataclass(frozen=True)
class DraftTask:
    """One task as an author wrote it, not yet tried."""

    problem: str
    explanation: str
    init: str
    reference: str
    evaluation: str


@dataclass(frozen=True)
class Problem:
    """Why a text is no task."""

    reason: str
    """missing_section, repeated_section, empty_section, no_code_block, several_blocks, unclosed_block, too_long,
    control_characters."""
    detail: str


@dataclass(frozen=True)
class Example:
    """A task that may stand in a prompt."""

    name: str
    """Name of the seed, or the task id of an admitted task."""
    task: DraftTask


@dataclass(frozen=True)
class GenerationRequest:
    """What to ask, and what to say of the answer."""

    messages: tuple[ChatMessage, ...]
    prompt: str
    """Name of the prompt."""
    topic: str
    parents: tuple[str, ...]
    """Names of the examples, in their order."""


def load_seeds(source: str = "built-in") -> tuple[Example, ...]:
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
        raise ConfigError(f"no seeds at {path}; generate.os.seeds is `built-in`, a folder of .md files or a JSONL file")
    if not examples:
        raise ConfigError(f"{path} holds no seed; put .md files there as in docs/os-tasks.md")
    return examples


def _read_seed_file(path: Path) -> Example:
    draft = read_task(path.read_text(encoding="utf-8", errors="replace"))
    if isinstance(draft, Problem):
        raise ConfigError(f"the seed {path} is no task ({draft.reason}): {draft.detail}")
    return Example(path.stem, draft)


def _read_seed_lines(path: Path) -> Iterator[Example]:
    keys = tuple(_FIELDS.values())
    for number, (_, row) in enumerate(read_seed_lines(path, keys), start=1):
        yield Example(str(row.get("name") or f"{path.stem}-{number}"), DraftTask(**{key: row[key] for key in keys}))


def example_of(spec: TaskSpec) -> Example:
    """Return an admitted task as an example for the next requests."""
    evaluation = next((script.code for script in spec.check.scripts if script is not None), "")
    init = "\n".join(script.code for script in spec.setup.init)
    task = DraftTask(spec.instruction, spec.explanation or "", init, spec.reference[0].code, evaluation)
    return Example(spec.task_id, task)


def build_request(
    seeds: Sequence[Example],
    machine: Sequence[Example],
    *,
    topic: str,
    key: str,
    seed_examples: int = 6,
    machine_examples: int = 2,
) -> GenerationRequest:
    """Word the request for one task: 6 seeds and 2 machine-made examples (Self-Instruct), drawn by `key`.

    Equal arguments give equal messages; where machine-made examples are short, seeds take their places.
    """
    drawn = _draw(machine, f"{key}/machine", machine_examples)
    drawn += _draw(seeds, f"{key}/seeds", seed_examples + machine_examples - len(drawn))
    drawn = _draw(drawn, f"{key}/order", len(drawn))
    text = prompts.load(PROMPT).render(examples=[asdict(example.task) for example in drawn], topic=topic)
    parents = tuple(example.name for example in drawn)
    return GenerationRequest((ChatMessage(role="user", content=text),), PROMPT, topic, parents)


def _draw(examples: Sequence[Example], key: str, count: int) -> list[Example]:
    return sorted(examples, key=lambda example: digest(key, example.name))[:count]


def make_spec(draft: DraftTask, *, topic: str, parents: tuple[str, ...], provenance: Provenance) -> TaskSpec:
    """Return a draft as a task: the reference runs on the initial state, one script evaluates."""
    return TaskSpec.make(
        environment="os",
        instruction=draft.problem,
        setup=Setup(init=(Script(code=draft.init),) if draft.init.strip() else ()),
        reference=(Script(code=draft.reference),),
        check=Check(kind="script", reference_on="initial", scripts=(Script(code=draft.evaluation),)),
        origin="self_instruct",
        explanation=draft.explanation or None,
        parents=parents,
        family=topic,
        provenance=provenance,
    )


def read_task(reply: str) -> DraftTask | Problem:
    """Read a reply's five sections; headings inside code blocks are code."""
    sections = _cut_sections(reply)
    if isinstance(sections, Problem):
        return sections
    fields = {}
    for title, field in _FIELDS.items():
        text = _read_section(title, sections[title])
        if isinstance(text, Problem):
            return text
        fields[field] = text
    return DraftTask(**fields)


def _cut_sections(reply: str) -> dict[str, list[str]] | Problem:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    is_code = False
    for line in reply.replace("\r\n", "\n").split("\n"):
        heading = None if is_code else _HEADING.fullmatch(line.strip())
        if heading is None:
            is_code = _is_code_after(line, is_code)
            lines.append(line)
            continue
        title = heading[1].lower().replace("z", "s")
        if title in sections:
            return Problem("repeated_section", f"{title} stands there twice")
        lines = sections[title] = []
    if is_code:
        return Problem("unclosed_block", "the reply ends inside a code block")
    missing = [title.capitalize() for title in _FIELDS if title not in sections]
    return Problem("missing_section", f"no heading {', '.join(missing)}") if missing else sections


def _is_code_after(line: str, is_code: bool) -> bool:
    if is_code:
        return line.strip() != "```"
    return line.lstrip().startswith("```")


def _read_section(title: str, lines: Sequence[str]) -> str | Problem:
    text = _read_block(title, lines) if title in _CODE else "\n".join(lines).strip()
    if isinstance(text, Problem):
        return text
    if not text.strip() and title not in _MAY_BE_BLANK:
        return Problem("empty_section", f"{title} is empty")
    if len(text) > MAX_SECTION_CHARS:
        return Problem("too_long", f"{title} has {len(text)} characters; {MAX_SECTION_CHARS} are allowed")
    if re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", text):
        return Problem("control_characters", f"{title} holds control characters")
    return text


def _read_block(title: str, lines: Sequence[str]) -> str | Problem:
    blocks: list[list[str]] = []
    is_code = False
    for line in lines:
        was_code, is_code = is_code, _is_code_after(line, is_code)
        if is_code and not was_code:
            blocks.append([])
        elif is_code:
            blocks[-1].append(line)
    if len(blocks) == 1:
        return "\n".join(blocks[0])
    if not blocks:
        return Problem("no_code_block", f"{title} has no code block")
    return Problem("several_blocks", f"{title} has {len(blocks)} code blocks, one is expected")
