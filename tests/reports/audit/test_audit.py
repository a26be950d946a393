"""The audit: every defect is found where it is planted, and not in the row beside it that only looks like it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from commands.audit import run_audit
from commands.cli import run
from environments.registry import importers
from reports.audit.audit import audit_rows
from reports.audit.defects import DEFECTS, AuditedRow
from reports.audit.read_any import find_format, of_a_release, read_any
from schemas.errors import InputError
from schemas.message import Message, ToolCall
from tasks.publish.write_release import make_agent_row, make_general_row

TOOLS = json.dumps([{"type": "function", "function": {"name": name}} for name in ("bash", "answer_action")])
KEY = "AKIA" + "QWERTYUIOP234567"
"""Of no account: put together here, so that no scanner of this repository takes it for one."""


def user(text: str) -> Message:
    return Message(role="user", content=text)


def said(text: str, *calls: str, train: bool = True, thought: str | None = None) -> Message:
    made = tuple(ToolCall(call_id=name, name=name.partition("#")[0], arguments="{}") for name in calls)
    return Message(role="assistant", content=text, train=train, tool_calls=made, reasoning_content=thought)


def calling(arguments: str) -> Message:
    return Message(
        role="assistant",
        content="",
        train=True,
        tool_calls=(ToolCall(call_id="bash", name="bash", arguments=arguments),),
    )


def gave(text: str, call: str = "bash") -> Message:
    return Message(role="tool", content=text, tool_call_id=call)


TASK = user("How many files are in /etc? Act: bash or Act: answer.")
ACTED = said("Think: I count the files in /etc.\n\nAct: bash\n\n```bash\nls /etc | wc -l\n```")
SEEN = user("The output of the OS:\n220")
ANSWERED = said("Think: 220 files.\n\nAct: answer(220)")
SOUND: dict[str, Sequence[Message]] = {
    "words": (TASK, ACTED, SEEN, ANSWERED),
    "calls": (user("Count the files in /etc."), said("I count the files.", "bash"), gave("220"), said("220 files.")),
    "handed in by a call": (user("Count."), said("", "bash"), gave("220"), said("", "answer_action")),
    "an example that is not trained on": (
        *(TASK, said(ACTED.content, train=False), SEEN, said(ANSWERED.content, train=False)),
        *(user("Now a new problem: how many files are in /srv?"), ACTED, SEEN, ANSWERED),
    ),
    "placeholders, digests, addresses": (
        *(TASK, ACTED, user(f'password="[SECRET_1]" {"9f86d081884c7d65" * 4} 10.0.0.7 jane.roe@gmail.com')),
        ANSWERED,
    ),
    "empty output": (user("Count."), said("", "bash"), gave(""), said("None.")),
}
"""Rows with which nothing is wrong."""
PLANTED: dict[str, list[Sequence[Message]]] = {
    "empty_turn": [
        (TASK, ACTED, SEEN, said("")),
        (user(" "), said("Hello there.")),
        (TASK, said("\n"), SEEN, ANSWERED),
    ],
    "leaked_markup": [
        (TASK, said("220<|im_end|>")),
        (TASK, said("[INST] Count. [/INST] 220")),
        (user("Count."), said("<function=bash>ls</function>", "bash"), gave("220"), said("220")),
        (user("Count."), said("", "bash", thought="I use <function=bash> now."), gave("220"), said("220")),
        (TASK, said("<tool_call>{}"), SEEN, ANSWERED),
        (user("Count."), said("I think.</think>220")),
    ],
    "control_codes": [
        (TASK, ACTED, user("220\r\n\x1b]0;root@287e: /\x07root@287e:/# "), ANSWERED),
        (TASK, ACTED, user("\x1b[01;31mroot\x1b[m"), ANSWERED),
    ],
    "broken_arguments": [
        (user("Count."), calling('{"q": "reset'), gave("220"), said("220")),
        (user("Count."), calling('["ls"]'), gave("220"), said("220")),
    ],
    "calls_without_tools": [(user("Count."), said("", "python"), gave("220", "python"), said("220"))],
    "unanswered_call": [
        (user("Count."), said("", "bash")),
        (user("Count."), said("", "bash#1"), said("", "bash#2"), gave("220", "bash#2"), said("220")),
    ],
    "stray_result": [(user("Count."), gave("220", "nobody"), said("220"))],
    "wrong_role": [(user("Count."), said("", "bash"), user("220"), said("220"))],
    "second_task": [
        (
            TASK,
            ACTED,
            SEEN,
            ANSWERED,
            user("Now, I will start a new problem. My problem is: count /srv."),
            ACTED,
            SEEN,
            ANSWERED,
        ),
        (TASK, ACTED, SEEN, said("Final Answer: #3"), user("And of /srv?"), ACTED, SEEN, said("Final Answer: #2")),
    ],
    "unshown_success": [
        (TASK, said('New record created in the table.\nAction: Answer\nFinal Answer: ["none"]')),
        (TASK, said("Ok."), user("Add a row to Books."), said("The row has been added.\nAct: finish")),
        (TASK, ACTED, user("ERROR 1064: syntax"), said("The row has been added.\nAct: finish")),
    ],
    "unlike_request": [
        (
            user("You are shopping. Action: click[...]. I want a 12 inch subwoofer under 200 dollars"),
            *(said("I search for one.\nAction: search[12 inch subwoofer]"), user("B01: 10-inch subwoofer. Buy Now")),
            said("This is a 10 inch subwoofer, and 12 inch was asked for; I buy it.\nAction: click[Buy Now]"),
        )
    ],
    "foreign_thought": [
        (
            user("Show the gaming PC for someone who plays Overwatch. Action: CLICK\nA. Desktop B. 4K"),
            said("Thought: I need a price quote for a new car from the dealer.\nAnswer: B.\nAction: CLICK"),
        )
    ],
    "secret": [
        (TASK, ACTED, user(f"aws_access_key_id = {KEY}"), ANSWERED),
        (TASK, ACTED, user('DB_PASSWORD="hT7#kQ29xLw"'), ANSWERED),
        (TASK, ACTED, user("postgres://app:hT7kQ29xLw@db.corp.io/x"), ANSWERED),
        (user("Count."), said("", "bash"), gave("Authorization: Bearer q7Zr2LmX9vTb4KpWs1"), said("None.")),
    ],
}
"""Defect -> rows that have it; what several rows are wrong with together stands in a test of its own."""


def row(messages: Sequence[Message], place: str = "r:1", **about: Any) -> AuditedRow:
    has_calls = any(message.tool_calls for message in messages)
    return AuditedRow(place, tuple(messages), **{"tools": TOOLS if has_calls else None, "model": "m", **about})


def found(*rows: AuditedRow) -> dict[str, int]:
    return dict(audit_rows(rows).by_defect())


@pytest.mark.parametrize("name", SOUND)
def test_nothing_is_found_where_nothing_is_wrong(name: str) -> None:
    assert found(row(SOUND[name])) == {}


@pytest.mark.parametrize(("defect", "messages"), [(name, one) for name, rows in PLANTED.items() for one in rows])
def test_a_defect_is_found_by_its_name(defect: str, messages: Sequence[Message]) -> None:
    audit = audit_rows([row(messages)])
    assert defect in audit.by_defect() and audit.faulty == 1
    assert KEY not in json.dumps([finding._asdict() for finding in audit.findings])


def test_the_last_step_of_a_success_needs_no_result() -> None:
    bought = (user("Buy one."), said("I look.", "bash"), gave("Buy now"), said("I buy it.", "bash"))
    assert found(row(bought)) == {"unanswered_call": 1}
    assert found(row(bought, claims_success=True)) == {}
    chosen = (user("Previous: none. Which of A to E comes next?"), said("Thought: C.\nAnswer: C.\nAction: CLICK"))
    assert found(row(chosen, claims_success=True)) == {}
    assert found(row((chosen[0], said("It is C.")), claims_success=True)) == {"unshown_success": 1}


def test_ids_copies_and_beginnings_are_compared_across_rows() -> None:
    rows = [
        row((*SOUND["words"], user(f"And {n}?"), said(f"No {n}.")), f"r:{n}", row_id=f"i{n}", task=f"t{n}")
        for n in range(3)
    ]
    assert found(*rows) == {"repeated_prefix": 3}
    assert found(*(one._replace(task="t") for one in rows)) == {}, "attempts at one task begin alike"
    assert found(rows[0], rows[0]._replace(place="r:9", row_id="i9"))["duplicate"] == 1
    assert found(rows[0], rows[1]._replace(row_id="i0"))["repeated_id"] == 1


def test_of_our_own_rows_one_in_a_hundred_is_taken_for_wrong_at_most(built: Any) -> None:
    rows = [make_agent_row(one) for one in built.trajectories]
    rows += [make_general_row(one, "general") for one in built.warehouse.read("conversations")]
    audit = audit_rows(map(of_a_release, rows))
    assert audit.rows == len(rows) > 100 and audit.faulty <= audit.rows // 100, audit.findings[:5]


def test_a_set_that_nobody_signed_is_told_once() -> None:
    unsigned = [row(SOUND["words"], f"r:{n}", model=None, license="unknown", row_id=str(n)) for n in range(2)]
    assert found(unsigned[0]) == {"no_provenance": 1}
    assert "no_provenance" not in found(unsigned[0], row(SOUND["calls"], "r:3"))


def test_what_a_reader_marked_is_a_defect_too(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Count."}, {"from": "function_call", "value": "OK. I'll follow."}]
    step = {
        "source": "agent",
        "message": "",
        "tool_calls": [{"tool_call_id": "c", "function_name": "bash", "arguments": {}}],
        "observation": {"results": [{"source_call_id": "c", "content": "1"}]},
    }
    document = {"schema_version": "ATIF-v1.7", "agent": {}, "steps": [{"source": "user", "message": "?"}, step, step]}
    for name, value, defect in (("a", {"conversations": turns}, "wrong_role"), ("b", document, "repeated_call_id")):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps([value]))
        assert defect in audit_rows(read_any(path, importers())).by_defect()


def test_rows_that_differ_in_what_was_not_read_are_no_copies(tmp_path: Path) -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": [{"type": "image", "source": at}]},
                {"role": "assistant", "content": "A."},
            ]
        }
        for at in ("cat.png", "cat.png", "dog.png")
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    copies = [one.place for one in audit_rows(read_any(path, importers())).findings if one.defect == "duplicate"]
    assert copies == ["rows.jsonl:2"]


def test_every_defect_has_a_case() -> None:
    together = {"repeated_prefix", "repeated_id", "duplicate", "no_provenance", "repeated_call_id"}
    assert PLANTED.keys() | together == DEFECTS.keys()


def test_words_that_many_thoughts_have_are_how_the_agent_speaks() -> None:
    strange = "Think: Gather the ledgers and reconcile.\n\nAct: bash\n\n```bash\nls\n```"
    rows = [row((TASK, said(strange), SEEN, ANSWERED), f"r:{n}", row_id=str(n), task=str(n)) for n in range(3)]
    assert found(rows[0]) == {"foreign_thought": 1}
    assert "foreign_thought" not in found(*rows)


@pytest.mark.parametrize(
    ("value", "format_"),
    [
        ({"schema_version": "ATIF-v1.8", "steps": []}, "atif"),
        ({"id": "x", "content": [{"class_": "message_action"}]}, "adp"),
        ({"conversation": []}, "agentflan"),
        ({"item_id": "x", "conversations": []}, "agenttraj"),
        ({"id": "x", "conversations": []}, "agentinstruct"),
        ({"messages": [{"role": "user", "content": "?"}]}, "openai"),
        ({"harness": "codex", "messages": [{}]}, "traces"),
        ({"type": "user", "sessionId": "s", "message": {}}, "traces"),
    ],
)
def test_a_format_is_found_by_its_first_row(tmp_path: Path, value: dict[str, Any], format_: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(value) + "\n")
    assert find_format(tmp_path / "rows.jsonl") == format_


def test_the_command_tells_counts_places_and_what_no_format_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"id": f"x_{n}", "messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": text}]}
        for n, text in enumerate(("Hello.", "[INST]"))
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in [*rows, {"messages": []}]))
    assert run(["audit", str(path), "--json", "--strict"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["faulty"], told["by_defect"]) == (2, 1, {"leaked_markup": 1, "no_provenance": 1})
    assert [one["reason"] for one in told["unread"]] == ["no_turns"]
    assert run(["audit", str(path)]) == 0 and "leaked_markup" in capsys.readouterr().out
    (tmp_path / "other.json").write_text('[{"a": 1}]')
    with pytest.raises(InputError, match="looks like none of atif, adp"):
        find_format(tmp_path / "other.json")
    assert run(["audit", str(tmp_path / "nowhere")]) == 2
    assert run(["audit", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 2 and [one["reason"] for one in told["unread"]] == ["no_format", "no_turns"]


def test_several_sets_are_audited_one_by_one_and_the_exit_code_is_the_worst(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(name: str, text: str) -> str:
        turns = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": text}]
        (tmp_path / name).write_text(json.dumps({"id": name, "model": "m", "messages": turns}) + "\n")
        return str(tmp_path / name)

    sound, leaking = write("a.jsonl", "Hello."), write("b.jsonl", "[INST]")
    (tmp_path / "empty.jsonl").write_text("")
    empty, missing = str(tmp_path / "empty.jsonl"), str(tmp_path / "none.jsonl")
    assert run(["audit", sound, leaking, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["audits"]
    assert [(one["path"], one["faulty"]) for one in told] == [(sound, 0), (leaking, 1)]
    assert run(["audit", leaking, sound, "--strict"]) == 1
    assert run(["audit", empty, sound]) == 1 and f"{sound}: 1 rows" in capsys.readouterr().out
    assert run(["audit", missing, empty, sound, "--json"]) == 2
    said = capsys.readouterr()
    assert len(json.loads(said.out)["audits"]) == 1
    assert "no such file or folder" in said.err and "holds no row" in said.err


def test_a_long_audit_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"Count {n}."}, {"role": "assistant", "content": f"{n}"}]}
        for n in (1, 2)
    ]
    (tmp_path / "chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr("commands.audit.SECONDS", 0.0)
    run_audit([tmp_path / "chats.jsonl"], None, strict=False, json=True)
    told = capsys.readouterr()
    assert json.loads(told.out)["rows"] == 2
    assert [line.rpartition(": ")[2] for line in told.err.splitlines()] == [
        "1 rows looked at so far",
        "2 rows looked at so far",
    ]
