"""AgentBench's OS tasks: problem files with their scripts, and the form with one task a line (`{"split", "record"}`).

Source: THUDM/AgentBench@578c5e9f data/os_interaction; the shapes are listed in reference/agenttuning.md 1.1. What is
odd in a record is told by a label, or turns it away with a reason; nothing is put right in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from formats.catalogue import Given, Importer, Option
from formats.tasks.agentbench_rows import LICENSE, REASONS, Unfit, read_rows
from schemas.bounded_reading import read_text
from schemas.errors import InputError
from schemas.rejection import Rejection
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

TOLD = {
    "create_is_list": "`create` is a list (the check, pasted in the wrong field): set up as if it were not there",
    "example_beside_match": "`example` stands beside `match`, where AgentBench never reads it: kept as the reference",
    "example_outside_evaluation": "`example` stands outside `evaluation`, where AgentBench never looks: kept likewise",
    "match_without_strip": "a `match` object without `strip` crashes AgentBench's code: the answer is stripped",
}
"""Labels that tell what was odd in a record, and what was done about it."""

_CWD = "/"  # `docker exec` starts in the image's root: a relative search means the whole system
MOST_PATTERN_CHARS = 10_000
MOST_SCRIPT_BYTES = 1 << 20
"""Of a script file; AgentBench's longest has 3 KB."""
_SYSTEM_PROGRAM = re.compile(r"(?<![\w#!./])/(?:usr/)?s?bin/(?!(?:ba)?sh\b)\w+")


def read_tasks(path: Path, *, scripts: Path | None = None) -> Iterator[TaskSpec | Rejection]:
    """Yield every record of a problem file, in its order, as a task or as a rejection of stage `import`.

    `scripts` is the folder that a record's script files are read from, where it does not hold their text.

    Raises:
        InputError: the file cannot be read at all.
    """
    return read_rows(path, "os", lambda row, source: _read_row(row, source, scripts), _told)


def _told(spec: TaskSpec) -> str:
    return "".join(f"; {label}: {TOLD[label]}" for label in spec.labels if label in TOLD)


def _read_row(value: dict[str, Any], source: str, scripts: Path | None) -> TaskSpec:
    if "record" in value and "evaluation" not in value:
        if not isinstance(value["record"], dict):
            raise Unfit("not_an_object", "`record` is no object")
        origin = f"{value.get('source_file', value.get('split', '?'))}[{value.get('index', '?')}]"
        return _Record(value["record"], scripts).spec(f"{source} ({origin})")
    return _Record(value, scripts).spec(source)


class _Judgement(NamedTuple):
    check: Check
    reference: tuple[Script, ...]
    odd: tuple[str, ...]


class _Record:
    """One record of a problem file."""

    def __init__(self, value: dict[str, Any], scripts: Path | None) -> None:
        self._value, self._scripts = value, scripts

    def spec(self, source: str) -> TaskSpec:
        description = self._value.get("description")
        if not isinstance(description, str) or not description.strip():
            raise Unfit("no_description", "`description` is not a text")
        create, odd = self._create()
        judgement = self._judgement()
        labels = tuple(str(label) for label in _as_list(self._value.get("labels")))
        explanation = self._value.get("explanation")
        setup = Setup(
            init=tuple(s for s in self._scripts_of(create.get("init"), "create.init") if s.code.strip()),
            start=self._script(self._value["start"], "start") if self._value.get("start") else None,
            cwd=_CWD,
            image=_text(create.get("image") or create.get("local")),
        )
        return TaskSpec.make(
            environment="os",
            instruction=description,
            setup=setup,
            reference=judgement.reference,
            check=_with_tools(judgement, setup),
            origin="benchmark",
            explanation=explanation if isinstance(explanation, str) else None,
            family=labels[0] if labels else None,
            labels=(*labels, *odd, *judgement.odd),
            license=LICENSE,
            provenance=Provenance(source=source),
        )

    def _create(self) -> tuple[dict[str, Any], tuple[str, ...]]:
        create = self._value.get("create")
        if isinstance(create, list):
            return {}, ("create_is_list",)
        if create is None or isinstance(create, dict):
            return create or {}, ()
        raise Unfit("bad_create", f"`create` is {type(create).__name__}; it is an object or absent")

    def _judgement(self) -> _Judgement:
        evaluation = self._value.get("evaluation")
        if not isinstance(evaluation, dict):
            raise Unfit("no_evaluation", "`evaluation` is no object")
        if evaluation.get("match") is not None:  # it wins over `check`, as in AgentBench
            return self._match(evaluation)
        if "check" not in evaluation:
            raise Unfit("no_evaluation", "`evaluation` has neither `match` nor `check`")
        listed = evaluation["check"] if isinstance(evaluation["check"], list) else [evaluation["check"]]
        if not listed:
            raise Unfit("empty_check", "`evaluation.check` is an empty list, which every episode passes")
        steps = tuple(None if item is None else self._script(item, "evaluation.check") for item in listed)
        reference = self._scripts_of(evaluation.get("example"), "evaluation.example")
        if None in steps and not reference:
            raise Unfit("no_reference", "`evaluation.check` asks for the reference, and `evaluation.example` is absent")
        return _Judgement(Check(kind="chain", reference_on="final", scripts=steps), reference, ())

    def _match(self, evaluation: dict[str, Any]) -> _Judgement:
        match, odd = evaluation["match"], []
        if isinstance(match, str):
            match = {"answer": match, "strip": True}
        if not isinstance(match, dict) or not any(isinstance(match.get(key), str) for key in ("answer", "regex")):
            raise Unfit("bad_match", "`evaluation.match` is neither a text nor an object with `answer` or `regex`")
        if "strip" not in match:
            odd.append("match_without_strip")
        elif match["strip"] is not True:
            raise Unfit("bad_match", f"`strip` is {match['strip']!r}: only answers that are stripped can be judged")
        example = evaluation.get("example")
        if example is not None:
            odd.append("example_beside_match")
        elif self._value.get("example") is not None:
            example = self._value["example"]
            odd.append("example_outside_evaluation")
        check = Check(kind="match", reference_on="final", answer=_text(match.get("answer")), regex=_regex(match))
        return _Judgement(check, self._scripts_of(example, "example"), tuple(odd))

    def _scripts_of(self, value: Any, field: str) -> tuple[Script, ...]:
        return tuple(self._script(item, field) for item in _as_list(value))

    def _script(self, value: Any, field: str) -> Script:
        """Read a script: a bash text, or an object with a language and its text or file."""
        if isinstance(value, str):
            return Script(code=value)
        if not isinstance(value, dict):
            raise Unfit("bad_script", f"{field}: a script is a text or an object, this is {type(value).__name__}")
        language = value.get("language", "bash")
        if language not in ("bash", "python"):
            raise Unfit("unsupported_language", f"{field}: {language!r}; AgentBench itself runs bash and python only")
        return Script(code=self._code(value, field), language=language)

    def _code(self, value: dict[str, Any], field: str) -> str:
        if isinstance(value.get("code"), str):
            return str(value["code"])
        name = value.get("file")
        if not isinstance(name, str):
            raise Unfit("bad_script", f"{field}: a script object has `code` or `file`, this has {sorted(value)}")
        if self._scripts is None:
            raise Unfit("script_file_missing", f"{field}: {name} is not in the record; give its folder with --scripts")
        try:
            path = (self._scripts / name).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a NUL, a loop of links
            raise Unfit("script_file_missing", f"{field}: {name!r} is no path: {error}") from error
        if not path.is_relative_to(self._scripts.resolve()):
            raise Unfit("script_file_missing", f"{field}: {name} lies outside the folder of scripts")
        try:
            return read_text(path, MOST_SCRIPT_BYTES)
        except InputError as error:
            raise Unfit("script_file_missing", f"{field}: {name} cannot be read: {error}") from error


def _with_tools(judgement: _Judgement, setup: Setup) -> Check:
    """Let the check see the system's programs as the agent left them only where a script works on one of them."""
    scripts = (*setup.init, *judgement.reference, *judgement.check.scripts)
    about_programs = any(_SYSTEM_PROGRAM.search(script.code) for script in scripts if script is not None)
    return judgement.check.model_copy(update={"trusted_tools": not about_programs})


def _regex(match: dict[str, Any]) -> str | None:
    pattern = _text(match.get("regex"))
    if len(pattern or "") > MOST_PATTERN_CHARS:
        raise Unfit(
            "bad_match", f"`regex` has {len(pattern or ''):,} characters; at most {MOST_PATTERN_CHARS:,} are read"
        )
    try:
        re.compile(pattern or "")
    except (re.error, OverflowError, RecursionError) as error:
        raise Unfit("bad_match", f"`regex` is no pattern: {error}") from error
    return pattern


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _read(paths: Sequence[Path], given: Given) -> Iterator[TaskSpec | Rejection]:
    scripts = Path(given["scripts"]) if "scripts" in given else None
    for path in paths:
        yield from read_tasks(path, scripts=scripts)


IMPORTER = Importer(
    name="agentbench-os",
    kind="tasks",
    summary="AgentBench's tasks in a shell",
    page="agentbench.md",
    options=(Option("scripts", "folder that script files are relative to", metavar="DIR"),),
    read=_read,
    reasons=REASONS
    | {
        "bad_create": "has a `create` that is neither object nor list",
        "no_evaluation": "has nothing that judges it",
        "empty_check": "has an empty list of checks, which everything passes",
        "no_reference": "has a check that asks for a reference, and none",
        "bad_match": "has a `match` that cannot be judged by",
        "bad_script": "has a script that is neither text nor object with code or file",
        "unsupported_language": "has a script in neither bash nor python",
        "script_file_missing": "names a script file that --scripts does not have",
    },
)
