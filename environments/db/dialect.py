"""How a conversation in the database world is written and read: AgentBench's dbbench protocol.

A thought, then `Action: Operation` with one ```sql block, or `Action: Answer` with `Final Answer:` (THUDM/AgentBench
@578c5e9f dbbench/task.py), read as models write it; the benchmark's own reading is `agentbench_dialect`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from environments.base import Action
from environments.db.wrapping import without_note
from environments.dialects.fences import Fence, find_fences
from environments.dialects.forms import CUT, Form, NoAct, bounded
from environments.dialects.labels import ANSWER_LABEL, FINAL_LABEL, after_label
from environments.dialects.lenient_json import json_span
from environments.dialects.prompted import in_turn
from environments.dialects.react import ReAct
from environments.dialects.text import TextDialect
from schemas.message import Message
from schemas.task_spec import TaskSpec

_SQL = frozenset(
    [
        "sql",
        "mysql",
        "sqlite",
        "sqlite3",
        "mariadb",
        "postgresql",
        "postgres",
        "psql",
        "pgsql",
        "plsql",
        "tsql",
        "tool_code",
        "query",
    ]
)
_OTHER = frozenset(
    [
        "bash",
        "sh",
        "shell",
        "python",
        "python3",
        "py",
        "javascript",
        "js",
        "json",
        "yaml",
        "html",
        "java",
        "php",
        "ruby",
        "r",
        "c",
        "cpp",
    ]
)
_PROMPT = re.compile(
    r"^(?:sqlite|mysql|mariadb(?: \[[^\]]*\])?|\w+[=-][#>])>?[ ]|^(?:[ ]{0,6}->|[ ]*\.\.\.>)[ ]", re.M | re.I
)
_STATEMENT = re.compile(
    r"\s*(?:\(|--|/\*|(?:select|with|insert|update|delete|replace|create|alter|drop|pragma|explain|show|describe|desc|begin"
    r"|start|commit|rollback|savepoint|release|values|truncate|set|call|use|analyze|vacuum|merge|table|attach|grant|lock)\b)",
    re.IGNORECASE,
)
_WRAPPED = re.compile(
    r"\A(`{1,2}|\*\*)(?!\1)(.+?)\1\Z|\A\$?\\(?:boxed|text)\{(.*)\}\$?\Z|\A<\|begin_of_box\|>(.*)<\|end_of_box\|>\Z",
    re.DOTALL,
)

_COLON = re.compile(r"\A\s*(?:\*+|__+)?[ \t]*[:：=][ \t]*(?:\*+|__+)?[ \t]*")
"""What stands between an act's name and its answer."""
_LOOSE = re.compile(r"(?:([\]}])\.|\*\*\.?)\Z")
"""A sentence's end behind a list; the rest of a bold line: **Final Answer: [1]**."""


class DbText(TextDialect):
    """Words turns of the database world: everything but the reading."""

    def context(self, spec: TaskSpec) -> tuple[Message, ...]:
        """Return the instructions and the acknowledgement; dbbench has no one-shot example."""
        *before, _ = self._sections(spec, "")
        return in_turn(before)

    def task(self, spec: TaskSpec, schema: str) -> str:
        """Word the task: what is asked, the database's name and its schema."""
        return self._sections(spec, schema)[-1]

    def _sections(self, spec: TaskSpec, schema: str) -> list[str]:
        return self.prompt.sections(
            problem=spec.instruction,
            database=spec.setup.database_name or "main",
            schema=schema,
            dialect=dialect_of(spec),
            world=self.told,
        )

    def observe(self, observation: str, index: int) -> str:
        """Return the observation as it is: rows, error or, first, the worded task."""
        return observation

    def write_text(self, thought: str | None, action: Action) -> str:
        """Word a turn; `read_text` understands it as the same, or `reads_back` says that it does not."""
        lead = f"{thought}\n\n" if thought else ""
        if action.kind == "sql":
            mark = "```"
            while mark in action.text:
                mark += "`"
            return f"{lead}Action: Operation\n{mark}sql\n{action.text}\n{mark}"
        return f"{lead}Action: Answer\nFinal Answer: {action.text}"


class DbDialect(DbText, ReAct):
    """The protocol as models write it."""

    forms: ClassVar[tuple[Form, ...]] = (
        Form(
            "sql",
            frozenset(
                [
                    "operation",
                    "operate",
                    "sql",
                    "sqlquery",
                    "query",
                    "execute",
                    "executesql",
                    "executequery",
                    "runsql",
                    "runquery",
                    "statement",
                    "run",
                ]
            ),
            ("sql", "query", "statement", "operation", "sql_query", "command", "code"),
            _SQL,
        ),
        Form(
            "answer",
            frozenset(["answer", "finalanswer", "finish", "final", "submit", "submitanswer", "done"]),
            ("answer", "final_answer", "Final Answer", "answers", "result", "value"),
        ),
    )
    missing = "no `Action:` line with Operation or Answer"

    def script_of(self, form: Form, fence: Fence) -> str:
        """Return the statement of a block."""
        if fence.language in _OTHER:
            raise NoAct(f"the block is {fence.language}, and what is run here is SQL")
        return _PROMPT.sub("", fence.text)

    def is_command(self, text: str) -> bool:
        """Whether a text begins as a statement does."""
        return bool(_STATEMENT.match(text))

    def loose_script(self, text: str) -> str:
        """Return one statement: up to the semicolon that ends a line."""
        if not _STATEMENT.match(text):
            raise NoAct("sql came without anything to run")
        ends = (found.end() for found in re.finditer(r";[ \t]*$", text, re.MULTILINE))
        end = next((end for end in ends if text.count("'", 0, end) % 2 == 0), len(text))
        return text[:end].rstrip()

    def answer_of(self, region: Sequence[str], *, is_cut: bool) -> str:
        """Return the final answer's own text, without a note behind its list: what it says is for the judge to read."""
        for number, line in enumerate(region):
            label = FINAL_LABEL.match(line) or (ANSWER_LABEL.match(line) if number else None)
            if label:
                region = [after_label(line, label), *region[number + 1 :]]
                break
        else:
            region = [_COLON.sub("", region[0]), *region[1:]]
        text = "\n".join(bounded(region, frozenset(), (), is_answer=True)).strip()
        if is_cut and not _is_complete(text):
            raise NoAct(CUT)
        text = without_note(_unwrapped(text))
        if not text:
            raise NoAct("`Action: Answer` without a `Final Answer:` line")
        return text


_DIALECTS = {"sqlite": "SQLite", "mysql": "MySQL", "postgres": "PostgreSQL"}


def dialect_of(spec: TaskSpec) -> str:
    """Return the SQL dialect that a task is written in, as people write it."""
    return _DIALECTS.get(spec.setup.dialect, spec.setup.dialect)


def _is_complete(text: str) -> bool:
    """Whether an answer that was cut ended before: its list is closed, or a paragraph follows."""
    return json_span(text, 0) is not None if text.startswith(("[", "{")) else "\n\n" in text.strip()


def _unwrapped(text: str) -> str:
    """Take mark-up off that holds the whole answer."""
    text = re.sub(r"\s*\n[ \t]*(?:`{3,}|~{3,})[ \t]*\Z", "", text) if not find_block(text) else text
    while True:
        text = text.strip()
        if (mend := _LOOSE.search(text)) and (mend[1] or text.count("**") % 2):
            text = text[: mend.start()] + (mend[1] or "")
            continue
        block = find_block(text)
        wrapped = _WRAPPED.match(text)
        if block is not None and block.first == 0 and block.last == len(text.split("\n")):
            text = block.text
        elif wrapped:
            text = next(part for part in wrapped.groups()[1:] if part is not None)
        else:
            return text


def find_block(text: str) -> Fence | None:
    """Return an answer's first code block that ends."""
    return next((fence for fence in find_fences(text.split("\n"), frozenset(("json",))) if fence.is_closed), None)
