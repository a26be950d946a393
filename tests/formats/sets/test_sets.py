"""Foreign sets: what each format's row becomes, what of it has no place, and why a row is none."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from environments.registry import importers
from formats.sets.reading import BROKEN, MOST_LOSSES, UNREADABLE_SET
from formats.sets.turns import UNKNOWN_MASK
from schemas.foreign_row import ForeignRow
from schemas.message import Message
from schemas.rejection import Rejection

ROOT = Path(__file__).resolve().parents[3]
CALL = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": '{"command":"ls"}'}}
TOOL = {"type": "function", "function": {"name": "bash", "description": "", "parameters": {}}}
ASKED = Message(role="user", content="Why?")
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}


def read(tmp_path: Path, format_: str, *values: object, **given: str) -> list[ForeignRow | Rejection]:
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    importer = importers(installed=False)[format_]
    return list(importer.rows([path], importer.settle(given)))


def row(tmp_path: Path, format_: str, value: object, **given: str) -> ForeignRow:
    (made,) = read(tmp_path, format_, value, **given)
    assert isinstance(made, ForeignRow), made
    return made


def told(made: ForeignRow) -> list[str]:
    return [loss.what for loss in made.losses]


def shape(made: ForeignRow) -> list[tuple[str, str, int, bool]]:
    return [(m.role, m.content, len(m.tool_calls), m.train) for m in made.messages]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("agentinstruct", {"conversations": [{"from": "human", "value": "Why?"}, {"from": "gpt", "value": "So."}]}),
        ("agentinstruct", {"conversations": [{"role": "user", "content": "Why?"}, {"role": "gpt", "content": "So."}]}),
        ("agentflan", {"conversation": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}),
        (
            "agenttraj",
            {"conversations": [{"from": "human", "value": "Why?", "loss": None}, {"from": "gpt", "value": "So."}]},
        ),
        ("openai", {"messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]}),
        (
            "openai",
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "Why?"}]},
                    {"role": "assistant", "content": "So.", "weight": 1},
                ]
            },
        ),
        (
            "atif",
            {
                "schema_version": "ATIF-v1.0",
                "agent": {},
                "steps": [{"source": "user", "message": "Why?"}, {"source": "agent", "message": "So."}],
            },
        ),
        (
            "adp",
            {
                "content": [
                    {"class_": "text_observation", "content": "Why?", "source": "user"},
                    {"class_": "message_action", "content": "So."},
                ]
            },
        ),
        (
            "traces",
            {
                "harness": "codex",
                "messages": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}],
            },
        ),
    ],
)
def test_every_form_of_a_question_and_an_answer_is_the_same_two_messages(
    tmp_path: Path, name: str, value: dict[str, Any]
) -> None:
    made = row(tmp_path, name, value)
    assert made.messages == (ASKED, Message(role="assistant", content="So.", train=True))
    assert (made.origin, made.verdict, made.n_trained, made.losses) == ("recorded", "unknown", 1, ())
    assert (made.set, made.format, json.loads(made.raw)) == (name, name, value)


@pytest.mark.parametrize(
    ("name", "flagged"),
    [
        *(
            (
                "agentinstruct",
                {
                    "conversations": [
                        {"from": "human", "value": "Why?"},
                        {"from": "gpt", "value": "Ok.", flag: off},
                        {"from": "human", "value": "And?"},
                        {"from": "gpt", "value": "So."},
                    ]
                },
            )
            for flag, off in (
                ("loss", False),
                ("train", False),
                ("weight", 0),
                ("loss_weight", 0.0),
                ("trainable", False),
                ("step_loss_mask", 0),
            )
        ),
        (
            "openai",
            {
                "messages": [
                    {"role": "user", "content": "Why?"},
                    {"role": "assistant", "content": "Ok.", "weight": 0},
                    {"role": "user", "content": "And?"},
                    {"role": "assistant", "content": "So.", "weight": 1},
                ]
            },
        ),
        *(
            (
                "atif",
                {
                    "schema_version": "ATIF-v1.8",
                    "steps": [
                        {"source": "user", "message": "Why?"},
                        {"source": "agent", "message": "Ok.", **mark},
                        {"source": "user", "message": "And?"},
                        {"source": "agent", "message": "So."},
                    ],
                },
            )
            for mark in ({"is_copied_context": True}, {"llm_call_count": 0})
        ),
    ],
)
def test_what_its_source_does_not_train_on_is_not_trained_on(
    tmp_path: Path, name: str, flagged: dict[str, Any]
) -> None:
    assert [m.train for m in row(tmp_path, name, flagged).messages] == [False, False, False, True]


def test_calls_and_results_are_linked_where_ids_repeat_or_are_missing(tmp_path: Path) -> None:
    step = {
        "source": "agent",
        "message": "Look.",
        "reasoning_content": "Hm.",
        "tool_calls": [{"tool_call_id": "call_1", "function_name": "bash", "arguments": {"command": "ls"}}],
        "observation": {"results": [{"source_call_id": "call_1", "content": "a"}]},
    }
    document = {
        "schema_version": "ATIF-v1.7",
        "agent": {},
        "steps": [{"source": "user", "message": "Why?"}, step, step],
    }
    made = row(tmp_path, "atif", document)
    assert [m.tool_call_id or [c.call_id for c in m.tool_calls] for m in made.messages[1:]] == [
        ["call_1"],
        "call_1",
        ["call_2"],
        "call_2",
    ]
    results = [{"role": "tool", "content": text} for text in ("a", "b")]
    unnamed = {
        "messages": [
            {"role": "user", "content": "Why?"},
            {**CALLED, "tool_calls": [CALL, {**CALL, "id": "d"}]},
            *results,
        ]
    }
    assert [m.tool_call_id for m in row(tmp_path, "openai", unnamed).messages[2:]] == ["c", "d"]


def test_actions_of_adp_are_calls_and_a_result_marked_as_the_users_stays_the_users(tmp_path: Path) -> None:
    act = {"class_": "api_action", "function": "go", "kwargs": {"to": "shelf"}, "description": "I look."}
    code = {"class_": "code_action", "language": "bash", "content": "ls", "description": None}
    seen = {"class_": "text_observation", "content": "A jar.", "source": "user"}
    made = row(tmp_path, "adp", {"id": "shop_1", "content": [seen, act, seen, code, {**seen, "source": "environment"}]})
    assert [m.role for m in made.messages] == ["user", "assistant", "user", "assistant", "tool"]
    assert [(c.name, c.arguments) for m in made.messages for c in m.tool_calls] == [
        ("go", '{"to":"shelf"}'),
        ("bash", '{"code":"ls"}'),
    ]
    assert (made.messages[1].content, made.environment) == ("I look.", "shop")


def test_a_turn_marked_as_a_call_that_holds_none_is_kept_as_words_and_told(tmp_path: Path) -> None:
    said = [
        "Ok.",
        '{"name": "bash", "arguments": {"command": "ls"}}',
        "<function=bash>\n<parameter=command>\nls\n</parameter>\n</function>",
    ]
    turns = [{"from": "function_call", "value": text} for text in said]
    made = row(tmp_path, "agentinstruct", {"conversations": [{"from": "human", "value": "Why?"}, *turns]})
    assert [c.arguments for m in made.messages for c in m.tool_calls] == ['{"command":"ls"}'] * 2
    assert [(loss.what, loss.count) for loss in made.losses] == [("a function_call turn without a call", 1)]


@pytest.mark.parametrize(
    ("name", "value", "lost"),
    [
        (
            "openai",
            {"messages": [{"role": "user", "content": "Why?", "name": "eve"}, CALLED], "user": "u1"},
            ["messages[].name", "user"],
        ),
        (
            "openai",
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}, CALLED]},
            ["messages[].content[image_url]"],
        ),
        (
            "agentinstruct",
            {"conversations": [{"from": "human", "value": "?"}, {"from": "gpt", "value": "!", "score": 3}]},
            ["turns[].score"],
        ),
        (
            "atif",
            {
                "schema_version": "ATIF-v1.8",
                "agent": {"version": "1"},
                "final_metrics": {"total_steps": 2},
                "steps": [
                    {"source": "user", "message": "?"},
                    {"source": "agent", "message": "!", "metrics": {"cost_usd": 1}},
                ],
            },
            ["agent.version", "final_metrics", "steps[].metrics"],
        ),
        (
            "adp",
            {
                "content": [
                    {"class_": "text_observation", "content": "?", "name": "eve"},
                    {"class_": "message_action", "content": "!", "reward": 1},
                ],
                "details": {"split": "dev"},
            },
            ["content[].name", "content[].reward", "details.split"],
        ),
        (
            "traces",
            {"messages": [{"role": "user", "content": "?"}, CALLED], "metadata": {"branch": "main"}, "sent_at": "now"},
            ["metadata.branch", "sent_at"],
        ),
    ],
)
def test_what_has_no_place_is_told_by_its_path(
    tmp_path: Path, name: str, value: dict[str, Any], lost: list[str]
) -> None:
    assert told(row(tmp_path, name, value)) == lost


def test_keys_without_number_are_told_together(tmp_path: Path) -> None:
    value = {"messages": [ASKED.model_dump(), CALLED], **{f"key{n}": n for n in range(2 * MOST_LOSSES)}}
    made = row(tmp_path, "openai", value)
    assert len(made.losses) <= MOST_LOSSES + 1 and sum(loss.count for loss in made.losses) == 2 * MOST_LOSSES


SPOILED: dict[str, list[tuple[str, object]]] = {
    "not_an_object": [(name, [1]) for name in ("agentinstruct", "openai", "atif", "adp", "traces")],
    "no_turns": [
        ("agenttraj", {"item_id": "webshop_1", "conversations": None}),
        ("openai", {"messages": []}),
        ("atif", {"schema_version": "ATIF-v1.8", "steps": {}}),
        ("adp", {"content": "x"}),
    ],
    "malformed_turn": [
        ("openai", {"messages": ["x"]}),
        ("openai", {"messages": [{"role": "user", "content": 3}]}),
        ("openai", {"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}),
        ("openai", {"messages": [{"role": "assistant", "tool_calls": "x"}]}),
        ("atif", {"schema_version": "ATIF-v1.8", "steps": [{"source": "agent", "tool_calls": [1]}]}),
    ],
    "unread_part": [
        ("openai", {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use", "name": "find"}]}]}),
        ("traces", {"messages": [{"role": "assistant", "content": [{"type": "image", "source": {}}]}]}),
        ("agentinstruct", {"conversations": [{"from": "gpt", "value": "So.", "tool_calls": [CALL]}]}),
        ("agentflan", {"conversation": [{"role": "assistant", "content": [{"type": "tool_use", "name": "bash"}]}]}),
        ("atif", {"schema_version": "ATIF-v1.8", "steps": [{"source": "agent", "message": [{"type": "image"}]}]}),
        ("adp", {"content": [{"class_": "message_action", "content": [{"type": "image"}]}]}),
    ],
    "unknown_role": [
        ("openai", {"messages": [{"role": "oracle", "content": "?"}]}),
        ("agentinstruct", {"conversations": [{"from": None, "value": "?"}]}),
        ("atif", {"schema_version": "ATIF-v1.8", "steps": [{"source": "oracle", "message": "?"}]}),
        ("adp", {"content": [{"class_": "dance"}]}),
    ],
    "unknown_version": [("atif", {"schema_version": "ATIF-v2.0", "steps": [{}]}), ("atif", {"steps": [{}]})],
    "nothing_done": [
        ("openai", {"messages": [{"role": "user", "content": "?"}]}),
        ("openai", {"messages": [{"role": "user", "content": "?"}, {"role": "assistant", "content": " "}]}),
    ],
}
"""Reason -> format and row that is turned away for it."""


@pytest.mark.parametrize(
    ("reason", "name", "value"), [(reason, *case) for reason, cases in SPOILED.items() for case in cases]
)
def test_what_is_no_trajectory_is_turned_away_by_name(tmp_path: Path, reason: str, name: str, value: object) -> None:
    (made,) = read(tmp_path, name, value)
    assert isinstance(made, Rejection) and (made.reason, made.source) == (reason, "set.jsonl:1")
    assert made.reason in importers(installed=False)[name].reasons


def test_every_reason_that_a_reader_gives_is_declared_and_tried() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "formats" / "sets").glob("*.py"))
    given = set(re.findall(r'NoTrajectory\(\s*"(\w+)"', sources))
    assert given == SPOILED.keys() and given < UNREADABLE_SET.keys()


def test_a_call_s_name_and_licence_and_the_row_s_own(tmp_path: Path) -> None:
    value = {
        "id": "os_7",
        "model": "m",
        "license": "MIT",
        "reward": 1,
        "success": True,
        "messages": [ASKED.model_dump(), CALLED],
    }
    made = row(tmp_path, "openai", {**value, "tools": [TOOL]}, name="mine", license="CC-BY-4.0")
    assert (made.set, made.license, made.model, made.source_id, made.environment) == ("mine", "MIT", "m", "os_7", "os")
    assert (made.claimed_success, made.claimed_reward, made.verdict) == (True, 1.0, "unknown")
    assert json.loads(made.tools or "") == [TOOL]


@pytest.mark.parametrize(
    ("mask", "trained", "lost"),
    [
        ({"loss_mask": [0, 0, 0, 1]}, [False, True], False),
        ({"loss_mask": [0, 1]}, [False, True], False),
        ({"train": "false"}, [False, False], False),
        ({"trainable": [1, 0, 1]}, [False, False], True),
        ({}, [True, True], False),
    ],
)
def test_a_mask_of_the_whole_row_holds_and_one_that_means_nothing_trains_nothing(
    tmp_path: Path, mask: dict[str, Any], trained: list[bool], lost: bool
) -> None:
    for format_, user, reply in (("openai", "user", "assistant"), ("agentflan", "user", "assistant")):
        turns = [{"role": role, "content": str(n)} for n, role in enumerate((user, reply, user, reply))]
        made = row(tmp_path, format_, {"messages" if format_ == "openai" else "conversation": turns, **mask})
        assert [m.train for m in made.messages if m.role == "assistant"] == trained
        assert bool(made.losses) == lost
    weighed = {"messages": [ASKED.model_dump(), {"role": "assistant", "content": "So.", "weight": 0.5}]}
    made = row(tmp_path, "openai", weighed)
    assert made.n_trained == 0 and told(made) == [UNKNOWN_MASK]


BLOCKS: list[dict[str, Any]] = [
    {"role": "user", "content": "How many files?"},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Count them.", "signature": "x"},
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "bash", "input": {"command": "ls"}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a b"}]},
            {"type": "text", "text": "Be brief."},
        ],
    },
    {"role": "assistant", "content": [{"type": "text", "text": "Two."}]},
]


@pytest.mark.parametrize("name", ["openai", "traces"])
def test_blocks_of_anthropics_messages_are_calls_results_and_thoughts(tmp_path: Path, name: str) -> None:
    tools = [{"name": "bash", "description": "", "input_schema": {}}]
    made = row(tmp_path, name, {"system": "You count.", "tools": tools, "messages": BLOCKS, "train": [0, 0, 0, 1]})
    assert shape(made) == [
        ("system", "You count.", 0, False),
        ("user", "How many files?", 0, False),
        ("assistant", "I look.", 1, False),
        ("tool", "a b", 0, False),
        ("user", "Be brief.", 0, False),
        ("assistant", "Two.", 0, True),
    ]
    called, gave = made.messages[2:4]
    assert (called.reasoning_content, called.tool_calls[0].arguments) == ("Count them.", '{"command":"ls"}')
    assert gave.tool_call_id == called.tool_calls[0].call_id == "t1"
    assert json.loads(made.tools or "") == [TOOL] and told(made) == ["thinking.signature"]


def test_what_follows_a_result_within_one_message_is_a_turn_of_its_own(tmp_path: Path) -> None:
    content = [*BLOCKS[1]["content"], BLOCKS[2]["content"][0], {"type": "text", "text": "Two."}]
    made = row(tmp_path, "openai", {"messages": [BLOCKS[0], {"role": "assistant", "content": content}]})
    assert shape(made)[1:] == [
        ("assistant", "I look.", 1, True),
        ("tool", "a b", 0, False),
        ("assistant", "Two.", 0, True),
    ]


@pytest.mark.parametrize("key", ["arguments", "input", "args", "parameters"])
def test_arguments_of_a_call_are_read_under_any_of_their_names(tmp_path: Path, key: str) -> None:
    call = {"id": "c", "name": "bash", key: {"command": "ls"}}
    made = row(tmp_path, "openai", {"messages": [ASKED.model_dump(), {"role": "assistant", "tool_calls": [call]}]})
    assert made.messages[1].tool_calls[0].arguments == '{"command":"ls"}'


def test_arguments_that_are_no_object_are_kept_and_told(tmp_path: Path) -> None:
    cut = {**CALL, "function": {"name": "bash", "arguments": '{"q": "reset'}}
    made = row(tmp_path, "openai", {"messages": [ASKED.model_dump(), {**CALLED, "tool_calls": [cut]}]})
    assert told(made) == [BROKEN] and made.messages[1].tool_calls[0].arguments == '{"q": "reset'


def test_a_key_of_a_message_is_told_where_another_role_alone_has_it(tmp_path: Path) -> None:
    asked = {**ASKED.model_dump(exclude_defaults=True), "tool_calls": [CALL], "reasoning": "?", "tool_call_id": "c"}
    made = row(tmp_path, "openai", {"messages": [asked, CALLED]})
    assert told(made) == ["messages[].reasoning", "messages[].tool_call_id", "messages[].tool_calls"]


def test_rows_that_differ_in_a_picture_or_a_call_are_two(tmp_path: Path) -> None:
    def showing(url: str) -> list[dict[str, Any]]:
        return [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}, CALLED]

    def calling(path: str) -> list[dict[str, Any]]:
        return [BLOCKS[0], {"role": "assistant", "content": [{"type": "tool_use", "name": "ls", "input": path}]}]

    values = [{"messages": made} for made in (*map(showing, "ab"), *map(calling, "ab"), BLOCKS, BLOCKS)]
    made = [one for one in read(tmp_path, "openai", *values) if isinstance(one, ForeignRow)]
    assert len(made) == len(values) and len({one.row_id for one in made}) == 5
    assert [one.row_id == one.first_id for one in made] == [False, False, True, True, True, True]


@pytest.mark.parametrize(("name", "key"), [("openai", "messages"), ("agentinstruct", "conversations")])
def test_turns_that_are_spelled_as_a_text_of_json_are_read(tmp_path: Path, name: str, key: str) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    made = row(tmp_path, name, {key: json.dumps(turns)})
    assert shape(made) == [("user", "Why?", 0, False), ("assistant", "So.", 0, True)]
    (bad,) = read(tmp_path, name, {key: "So."})
    assert isinstance(bad, Rejection) and "a text that holds no JSON list" in bad.detail
