"""Replies as models write them, read as the product would: as meant, not at all, or as something else.

`python -m benchmarks.replies` prints the table over `replies_corpus/`, `--write docs/replies.md` puts it into the page.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import prompts
from benchmarks.page import Marks, table_line
from environments.base import Dialect
from environments.db import author as db_author
from environments.db.dialect import DbDialect, dialect_of
from environments.db.judge import judge_rows
from environments.dialects.thoughts import clean_thought
from environments.dialects.tool_calls import ToolCalls
from environments.os import author as os_author
from environments.os.dialect import OsDialect
from environments.os.scripts_said import as_heredoc
from schemas.completion import Completion, CompletionRequest
from schemas.errors import TeacherError
from schemas.message import Message
from schemas.rejection import Refusal
from teachers.endpoint.receipts import make_receipt
from teachers.endpoint.replies import read_reply

CORPUS = Path(__file__).parent / "replies_corpus"
TABLE = Marks("<!-- table: python -m benchmarks.replies --write docs/replies.md -->")
GOAL = 0.99
Read = Literal["as meant", "unreadable", "something else"]
Means = Mapping[str, Any]
TOLD = ("unreadable", "cut", "ask_again")
"""Kinds whose replies are not to be read; cut ones are told as such by how the reply ended."""


@dataclass(frozen=True)
class Line:
    """One line of the corpus, and what became of it."""

    line_id: str
    file: str
    kind: str
    note: str
    read: Read
    detail: str = ""


def complete(reply: Mapping[str, Any], dialect: Dialect | None = None) -> Completion:
    """Return the receipt of a message as an endpoint sends it.

    Raises:
        TeacherError: the endpoint's reader asks again.
    """
    message = {key: value for key, value in reply.items() if key != "finish_reason"}
    payload = {"choices": [{"message": message, "finish_reason": reply.get("finish_reason")}]}
    return receive(payload, dialect)


def receive(payload: Any, dialect: Dialect | None = None) -> Completion:
    """Return the receipt of a whole response."""
    request = CompletionRequest(
        purpose="collect_episodes",
        teacher="t",
        model="m",
        messages=(Message(role="user", content="?"),),
        tools=dialect.tools() if dialect else (),
    )
    return make_receipt(request, [read_reply(payload, "http://corpus")], 0.0)


def is_same(said: str | None, meant: Any) -> bool:
    """Compare words, white space leniently."""
    return " ".join((said or "").split()) == " ".join(str(meant or "").split())


OS, DB = OsDialect(prompts.load("solve_os")), DbDialect(prompts.load("solve_db"))
OS_TOOLS = ToolCalls(prompts.load("solve_os_tools"))
DB_TOOLS = ToolCalls(prompts.load("solve_db_tools"), lambda spec: {"dialect": dialect_of(spec)})


def read_turn(row: Mapping[str, Any], dialect: Dialect) -> tuple[Read, str]:
    """Read a solver's turn: act, thought and reasoning."""
    means = row["means"]
    try:
        completion = complete(row["reply"], dialect)
    except TeacherError as error:
        return ("as meant" if means["kind"] in TOLD else "unreadable"), str(error)
    reading = dialect.read(completion)
    if not reading.actions:
        return _as_told(means["kind"], completion), reading.problem
    action, said = reading.actions[0], f"{reading.actions[0].kind} {reading.actions[0].text!r}"
    if means["kind"] in TOLD or not _is_act(action.kind, action.text, means):
        return "something else", said
    if not is_same(reading.thought, means.get("thought")):
        return "something else", f"thought {reading.thought!r}"
    if not is_same(completion.reasoning, means.get("reasoning")):
        return "something else", f"reasoning {completion.reasoning!r}"
    return "as meant", said


def _as_told(kind: str, completion: Completion) -> Read:
    """A cut reply is told as cut, and not where it only cannot be read."""
    is_cut = completion.finish_reason == "length"
    return "as meant" if kind in TOLD and is_cut == (kind == "cut") else "unreadable"


def _is_act(kind: str, text: str, means: Means) -> bool:
    if kind == "bash" and means["kind"] == "bash":
        script = means["script"]
        language = means.get("language", "bash")
        return is_same(text, script) or (language != "bash" and is_same(text, as_heredoc(f"{language}3", script)))
    if kind == "sql" and means["kind"] == "operation":
        return is_same(text.rstrip("; \n"), means["sql"].rstrip("; \n"))
    if kind == "answer" and means["kind"] == "answer":
        wanted = means["answer"]
        if isinstance(wanted, str):
            return text.strip() == wanted.strip()
        rows = [tuple(row) if isinstance(row, list) else (row,) for row in wanted]
        return judge_rows(text, rows, ordered=True).passed
    return kind == means["kind"]


def read_made_up(row: Mapping[str, Any]) -> tuple[Read, str]:
    """Read a made-up task as its author does."""
    means = row["means"]
    completion = complete(row["reply"])
    if completion.finish_reason == "length":
        return ("as meant" if means["kind"] == "cut" else "unreadable"), "cut"
    draft = _draft_of(row, completion.reply)
    if isinstance(draft, Refusal):
        return ("as meant" if means["kind"] == "unreadable" else "unreadable"), f"{draft.reason}: {draft.detail}"
    said = {name: getattr(draft, name) for name in means if name not in ("kind", "languages")}
    wrong = [name for name, text in said.items() if not is_same(text, means[name])]
    if means["kind"] != "task" or wrong:
        return "something else", f"{wrong}: { {name: said[name] for name in wrong} }"
    return "as meant", ""


def _draft_of(row: Mapping[str, Any], reply: str) -> Any:
    if row["id"].startswith("to"):
        return os_author.read_task(reply)
    operations = [(db_author.read_task(reply, operation)) for operation in db_author.OPERATIONS]
    return next((draft for draft in operations if not isinstance(draft, Refusal)), operations[0])


def read_thought(row: Mapping[str, Any]) -> tuple[Read, str]:
    """Read a backfilled thought as the backfiller cleans it."""
    means = row["means"]
    completion = complete(row["reply"])
    if completion.finish_reason in ("length", "empty", "content_filter"):
        return _as_told(means["kind"], completion), completion.finish_reason
    thought = clean_thought(completion.reply)
    if not thought:
        return _as_told(means["kind"], completion), "no thought"
    if means["kind"] in TOLD or not is_same(thought, means["thought"]):
        return "something else", repr(thought)
    return "as meant", ""


def read_raw(row: Mapping[str, Any]) -> tuple[Read, str]:
    """Read a whole response as the endpoint's reader does."""
    means = row["means"]
    try:
        completion = receive(row["raw"])
    except TeacherError as error:
        asks = getattr(error, "transient", False)
        return ("as meant" if means["kind"] == "ask_again" and asks else "unreadable"), str(error)
    said = (completion.reply, completion.reasoning)
    if means["kind"] == "ask_again" or not all(map(is_same, said, (means["content"], means["reasoning"]))):
        return "something else", repr(said)
    return "as meant", ""


READERS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], tuple[Read, str]]]] = {
    "os-": ("turns, OS", lambda row: read_turn(row, OS)),
    "db-": ("turns, database", lambda row: read_turn(row, DB)),
    "tc-": ("native calls", lambda row: read_turn(row, OS_TOOLS if row["world"] == "os" else DB_TOOLS)),
    "th-": ("thoughts", read_thought),
    "raw": ("whole responses", read_raw),
    "to-": ("made-up tasks, OS", read_made_up),
    "td-": ("made-up tasks, database", read_made_up),
}
"""How each part of the corpus is read, by the head of its lines' ids."""


def read_corpus(parts: tuple[str, ...] = tuple(READERS)) -> Iterator[Line]:
    """Read every reply of these parts."""
    for path in sorted(CORPUS.glob("*.jsonl")):
        for text in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(text)
            head = row["id"][:3]
            if head in parts:
                part, reader = READERS[head]
                yield Line(row["id"], part, row["means"]["kind"], row["note"], *reader(row))


def share(lines: list[Line], read: Read = "as meant") -> float:
    """Return the share of lines that were read so."""
    return sum(line.read == read for line in lines) / max(1, len(lines))


def meets_goal(lines: list[Line]) -> bool:
    """Whether enough were read as meant, and none as something else."""
    return share(lines) >= GOAL and not any(line.read == "something else" for line in lines)


def make_table(lines: list[Line]) -> str:
    """Return the table by part and kind, with a line for all."""
    head = ("part", "kind", "replies", "as meant", "unreadable though meant", "something else")
    rows = [table_line(head), table_line(["---", "---", "--:", "--:", "--:", "--:"])]
    counted = Counter((line.file, line.kind, line.read) for line in lines)
    reads: tuple[Read, ...] = ("as meant", "unreadable", "something else")
    for part, kind in dict.fromkeys((line.file, line.kind) for line in lines):
        counts = [counted[part, kind, read] for read in reads]
        rows.append(table_line([part, kind, str(sum(counts)), *map(str, counts)]))
    totals = [sum(line.read == read for line in lines) for read in reads]
    return "\n".join([*rows, table_line(["all", "", str(len(lines)), *map(str, totals)])])


def main(arguments: list[str]) -> int:
    """Print the table and what was missed; return 1 where the goal was."""
    lines = list(read_corpus())
    table = make_table(lines)
    print(table)
    for line in lines:
        if line.read != "as meant":
            print(f"{line.line_id} {line.kind} ({line.note}): {line.read}: {line.detail[:300]}")
    print(f"as meant: {share(lines):.1%} (goal {GOAL:.0%})")
    print(f"as something else: {share(lines, 'something else'):.1%} (goal 0)")
    if arguments[:1] == ["--write"]:
        page = Path(arguments[1])
        page.write_text(TABLE.put(page.read_text(encoding="utf-8"), table), encoding="utf-8")
    return 0 if meets_goal(lines) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
