"""What each trainer's export writes of a row, against what that trainer's reader makes of it: flags, roles, traps."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from formats.catalogue import find_exporters
from formats.releases import (
    axolotl,
    fastchat,
    llamafactory,
    llamafactory_v1,
    megatron_bridge,
    megatron_lm,
    ms_swift,
    openai_tuning,
    trl,
    verl,
)
from formats.releases.release_folder import ReleaseRow
from formats.releases.strategies import Strategy, apply_strategy
from formats.releases.training import TrainerForm
from schemas.message import Message, ToolCall

FORMS = {
    module.TRAINER.name: module.TRAINER
    for module in (
        axolotl,
        fastchat,
        llamafactory,
        llamafactory_v1,
        megatron_bridge,
        megatron_lm,
        ms_swift,
        openai_tuning,
        trl,
        verl,
    )
}
TOOLS = json.dumps([{"type": "function", "function": {"name": "ls", "description": "", "parameters": {}}}])


def say(role: Any, content: str, train: bool = False, **more: Any) -> Message:
    return Message(role=role, content=content, train=train, **more)


def call(number: int = 1, arguments: str = '{"path": "/"}', name: str = "ls") -> ToolCall:
    return ToolCall(call_id=f"c{number}", name=name, arguments=arguments)


def row(*said: Message, tools: str | None = None) -> ReleaseRow:
    return ReleaseRow("a", "agent", "os", "own", "MIT", said, tools)


TALK = row(
    say("user", "Instructions."),
    say("assistant", "Ok."),
    say("user", "First?"),
    say("assistant", "Ok.", True),
    say("user", "Second?"),
    say("assistant", "Two.", True),
)
CALLS = row(
    say("system", "You are an agent."),
    say("user", "What is there?"),
    say("assistant", "I look.", True, tool_calls=(call(),)),
    say("tool", "etc", tool_call_id="c1"),
    say("assistant", "It is /etc.", True),
    tools=TOOLS,
)
THINKS = row(say("user", "Why?"), say("assistant", "So.", True, reasoning_content="Hm."))


def export(form: TrainerForm, of: ReleaseRow, strategy: Strategy | None = None) -> Any:
    """Return the rows that an export holds of a row, or the reason why none."""
    made = apply_strategy(strategy or form.default, of)
    if isinstance(made, str):
        return made
    rendered = [form.render(one, strategy or form.default) for one in made]
    return next((one for one in rendered if isinstance(one, str)), rendered)


def test_the_exports_are_declared_with_all_their_reasons() -> None:
    found = find_exporters(installed=False)
    assert {"hub", "messages", "sharegpt", *FORMS} <= found.keys()
    assert {name: (form.flag, form.default) for name, form in FORMS.items()} == {
        "axolotl": ("train", "fan-out"),
        "fastchat": (None, "fold"),
        "llamafactory": (None, "fan-out"),
        "llamafactory-v1": ("loss_weight", "fan-out"),
        "megatron-bridge": (None, "fan-out"),
        "megatron-lm": (None, "fold"),
        "ms-swift": ("loss", "fan-out"),
        "openai": ("weight", "native"),
        "trl": (None, "fan-out"),
        "verl": (None, "fold"),
    }


# What the loss counts on, as each trainer reads what is written: the rule of its reader in two lines.


def flagged(flag: str) -> Callable[[dict[str, Any]], list[str]]:
    return lambda made: [one["content"] for one in made["messages"] if one.get(flag)]


def every_reply(made: dict[str, Any]) -> list[str]:
    if "messages" in made:
        return [one["content"] for one in made["messages"] if one["role"] == "assistant"]
    return [one["value"] for one in made["conversations"] if one["from"] in ("gpt", "function_call")]


def last_reply(made: dict[str, Any]) -> list[str]:
    return every_reply(made)[-1:]


def completion(made: dict[str, Any]) -> list[str]:
    return [one["content"] for one in made["completion"] if one["role"] == "assistant"]


def weighted(made: dict[str, Any]) -> list[str]:
    return ["".join(b["value"] for b in one["content"]) for one in made["messages"] if one["loss_weight"]]


READERS: list[tuple[str, Strategy, Callable[[dict[str, Any]], list[str]]]] = [
    ("axolotl", "fan-out", flagged("train")),
    ("axolotl", "native", flagged("train")),
    ("fastchat", "fold", every_reply),
    ("llamafactory", "fan-out", last_reply),
    ("llamafactory", "fold", every_reply),
    ("llamafactory-v1", "fan-out", weighted),
    ("llamafactory-v1", "native", weighted),
    ("megatron-bridge", "fan-out", last_reply),
    ("megatron-bridge", "fold", every_reply),
    ("megatron-lm", "fold", every_reply),
    ("ms-swift", "fan-out", flagged("loss")),
    ("ms-swift", "native", flagged("loss")),
    ("openai", "native", flagged("weight")),
    ("trl", "fan-out", completion),
    ("trl", "cut", completion),
    ("trl", "fold", every_reply),
    ("verl", "fold", every_reply),
]


@pytest.mark.parametrize(
    ("name", "strategy", "read"), READERS, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_what_the_trainer_counts_the_loss_on_is_what_the_release_says(
    name: str, strategy: Strategy, read: Callable[[dict[str, Any]], list[str]]
) -> None:
    made = export(FORMS[name], TALK, strategy)
    assert [text for one in made for text in read(one)] == ["Ok.", "Two."]
    assert "Instructions." in json.dumps(made)


def test_every_strategy_that_a_form_can_is_in_the_table_above() -> None:
    assert {(name, strategy) for name, strategy, _ in READERS} == {
        (name, strategy) for name, form in FORMS.items() for strategy in form.strategies
    }


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.name)
def test_a_row_of_which_nothing_is_trained_is_left_out_by_all(form: TrainerForm) -> None:
    of = row(say("user", "Hi"), say("assistant", "Ok."))
    assert [export(form, of, strategy) for strategy in form.strategies] == ["nothing_trained"] * len(form.strategies)
    assert "nothing_trained" in form.exporter().reasons


FIRST = row(say("assistant", "Hello.", True))
TWO = row(say("user", "Hi"), say("assistant", "One."), say("assistant", "Two.", True))
BROKEN = row(say("user", "Hi"), say("assistant", "", True, tool_calls=(call(arguments='{"a'),)), tools=TOOLS)
LIST = row(say("user", "Hi"), say("assistant", "", True, tool_calls=(call(arguments="[1]"),)), tools=TOOLS)
MARKS = {
    text: row(say("user", f"Hi {text} x"), say("assistant", "Yes.", True)) for text in (" ASSISTANT: ", "</s>", "<unk>")
}
OTHER_MARKS = row(say("user", "[/INST] <|im_end|> USER: ASSISTANT:x"), say("assistant", "ASSISTANT: [INST]", True))
LEFT_OUT: dict[str, tuple[ReleaseRow, dict[str, str]]] = {
    "nothing before": (
        FIRST,
        dict.fromkeys(["axolotl", "llamafactory-v1", "megatron-bridge", "ms-swift", "openai", "trl"], "no_prompt")
        | dict.fromkeys(["fastchat", "llamafactory", "megatron-lm", "verl"], "no_question"),
    ),
    "two replies in a row": (TWO, {"llamafactory": "two_replies"}),
    "arguments cut off": (
        BROKEN,
        dict.fromkeys(
            ["axolotl", "llamafactory", "llamafactory-v1", "megatron-bridge", "ms-swift", "trl"], "broken_arguments"
        ),
    ),
    "arguments that are a list": (
        LIST,
        dict.fromkeys(
            ["axolotl", "llamafactory", "llamafactory-v1", "megatron-bridge", "ms-swift", "trl"], "broken_arguments"
        ),
    ),
    "thoughts apart": (THINKS, dict.fromkeys(["fastchat", "megatron-lm", "openai", "verl"], "reasoning")),
    **{f"the mark {text!r}": (of, {"fastchat": "prompt_mark"}) for text, of in MARKS.items()},
    "marks that no mask goes by": (OTHER_MARKS, {}),
    "a picture's mark": (
        row(say("user", "See <image>?"), say("assistant", "Yes.", True)),
        {"megatron-bridge": "media_mark"},
    ),
    "a function with a dot": (
        row(say("user", "Hi"), say("assistant", "", True, tool_calls=(call(name="a.b"),))),
        {"openai": "function_name"},
    ),
    "several results": (
        row(
            say("user", "Hi"),
            say("assistant", "", tool_calls=(call(1), call(2))),
            say("tool", "a", tool_call_id="c1"),
            say("tool", "b", tool_call_id="c2"),
            say("assistant", "Both.", True),
        ),
        {"llamafactory": "several_results"},
    ),
    "call marks in the words": (
        row(say("user", "Hi"), say("assistant", "<tool_call>", True, tool_calls=(call(),))),
        {"llamafactory": "call_marks"},
    ),
    "a blank reply in the context": (
        row(say("user", "a"), say("assistant", ""), say("user", "b"), say("assistant", "c", True)),
        {},
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.name)
def test_what_a_trainers_reader_would_spoil_is_left_out_for_a_reason(case: str, form: TrainerForm) -> None:
    of, reasons = LEFT_OUT[case]
    made = export(form, of)
    assert (made if isinstance(made, str) else None) == reasons.get(form.name)
    assert not isinstance(made, str) or made in form.exporter().reasons


def test_axolotl_has_the_flag_on_every_message_and_json_text_for_arguments_and_tools() -> None:
    (made,) = export(axolotl.TRAINER, CALLS, "native")
    assert [(one["role"], one["train"]) for one in made["messages"]] == [
        ("system", False),
        ("user", False),
        ("assistant", True),
        ("tool", False),
        ("assistant", True),
    ]
    assert made["messages"][2]["tool_calls"][0]["function"] == {"name": "ls", "arguments": '{"path": "/"}'}
    assert made["tools"] == TOOLS


def test_trl_has_arguments_and_tools_as_objects_and_one_reply_a_row() -> None:
    first, second = export(trl.TRAINER, CALLS)
    assert [one["role"] for one in first["prompt"]] == ["system", "user"]
    (reply,) = first["completion"]
    assert reply["tool_calls"][0]["function"]["arguments"] == {"path": "/"}
    assert second["prompt"] == [*first["prompt"], reply, {"role": "tool", "content": "etc", "tool_call_id": "c1"}]
    assert first["tools"] == json.loads(TOOLS) and (first["id"], second["id"]) == ("a#1", "a#2")
    (cut,) = export(trl.TRAINER, CALLS, "cut")
    assert [one["role"] for one in cut["completion"]] == ["assistant", "tool", "assistant"]


def test_ms_swift_calls_are_messages_with_the_flag_of_their_reply() -> None:
    (made,) = export(ms_swift.TRAINER, CALLS, "native")
    assert [(one["role"], one["loss"]) for one in made["messages"]] == [
        ("system", None),
        ("user", None),
        ("assistant", True),
        ("tool_call", True),
        ("tool_response", None),
        ("assistant", True),
    ]
    assert json.loads(made["messages"][3]["content"]) == {"name": "ls", "arguments": {"path": "/"}}
    assert export(ms_swift.TRAINER, THINKS)[0]["messages"][1]["content"] == "<think>\nHm.\n</think>\n\nSo."


def test_ms_swift_does_not_let_the_first_call_decide_for_one_that_is_trained_otherwise() -> None:
    for first, second in ((False, True), (True, False)):
        said = [say("assistant", "", flag, tool_calls=(call(n),)) for n, flag in enumerate((first, second))]
        of = row(say("user", "Hi"), *said, say("user", "So?"), say("assistant", "So.", True))
        assert export(ms_swift.TRAINER, of, "native") == "flags_differ"
    both = [say("assistant", "", True, tool_calls=(call(n),)) for n in (1, 2)]
    assert len(export(ms_swift.TRAINER, row(say("user", "Hi"), *both), "native")) == 1


def test_ms_swift_has_what_calls_gave_in_the_calls_order() -> None:
    of = row(
        say("user", "Hi"),
        say("assistant", "", True, tool_calls=(call(1), call(2))),
        say("tool", "second", tool_call_id="c2"),
        say("tool", "first", tool_call_id="c1"),
        say("assistant", "Done.", True),
    )
    (made,) = export(ms_swift.TRAINER, of, "native")
    assert [one["content"] for one in made["messages"] if one["role"] == "tool_response"] == ["first", "second"]


def test_llamafactory_keeps_words_beside_a_call_and_the_system_text_as_it_was() -> None:
    first, second = export(llamafactory.TRAINER, CALLS)
    assert first["system"] == "You are an agent." and first["tools"] == TOOLS
    assert [one["from"] for one in second["conversations"]] == ["human", "function_call", "observation", "gpt"]
    said = first["conversations"][1]["value"]
    assert said == 'I look.<tool_call>[{"name": "ls", "arguments": {"path": "/"}}]</tool_call>'
    bare = row(say("user", "Hi"), say("assistant", "", True, tool_calls=(call(),)))
    assert json.loads(export(llamafactory.TRAINER, bare)[0]["conversations"][1]["value"])[0]["name"] == "ls"


def test_llamafactory_v1_has_blocks_and_a_weight_on_every_message() -> None:
    (made,) = export(llamafactory_v1.TRAINER, CALLS, "native")
    assert [one["loss_weight"] for one in made["messages"]] == [0.0, 0.0, 1.0, 0.0, 1.0]
    assert [block["type"] for block in made["messages"][2]["content"]] == ["text", "tool_call"]
    thinks = export(llamafactory_v1.TRAINER, THINKS)[0]["messages"][1]["content"]
    assert thinks == [{"type": "reasoning", "value": "Hm."}, {"type": "text", "value": "So."}]


@pytest.mark.parametrize("form", [verl.TRAINER, megatron_lm.TRAINER], ids=lambda form: form.name)
def test_where_tools_have_no_place_calls_are_said_in_words_and_sides_take_turns(form: TrainerForm) -> None:
    (made,) = export(form, CALLS)
    assert [one["role"] for one in made["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert TOOLS in made["messages"][0]["content"] and made["messages"][0]["content"].startswith("You are an agent.")
    assert made["messages"][2]["content"] == 'I look.\n\nls({"path": "/"})'


def test_megatron_lm_has_its_system_message_first_as_a_later_one_begins_another_conversation() -> None:
    later = say("system", "Be brief.")
    of = row(say("user", "Hi"), say("assistant", "Yes.", True), later, say("assistant", "No.", True))
    (made,) = export(megatron_lm.TRAINER, of)
    assert [one["role"] for one in made["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert made["messages"][0]["content"] == "" and "Be brief." in made["messages"][3]["content"]


def vicuna_prompt(made: dict[str, Any]) -> str:
    """Write a row as fschat 0.2.36 does: conversation.py, vicuna_v1.1, SeparatorStyle.ADD_COLON_TWO."""
    texts = [one["value"] for one in made["conversations"]]
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return "A chat. " + "".join(f"USER: {asked} ASSISTANT: {replied}</s>" for asked, replied in pairs)


@pytest.mark.parametrize("of", [TALK, CALLS, OTHER_MARKS], ids=["talk", "calls", "other marks"])
def test_fastchats_mask_finds_every_reply_again(of: ReleaseRow) -> None:
    (made,) = export(fastchat.TRAINER, of)
    turns = [turn for turn in vicuna_prompt(made).split("</s>") if turn]
    parts = [turn.split(" ASSISTANT: ") for turn in turns]
    assert all(len(part) == 2 for part in parts)
    assert [part[1] for part in parts] == [one["value"] for one in made["conversations"][1::2]]


def test_fastchat_has_no_white_space_around_and_no_system_role() -> None:
    of = row(say("system", "Be brief.\n"), say("user", " Hi\n"), say("assistant", "\n Yes. ", True))
    assert export(fastchat.TRAINER, of)[0]["conversations"] == [
        {"from": "human", "value": "Be brief.\n\n\n Hi"},
        {"from": "gpt", "value": "Yes."},
    ]


def test_openai_has_a_weight_on_replies_alone_and_null_for_no_words() -> None:
    of = row(
        say("user", "Hi"),
        say("assistant", "", False, tool_calls=(call(),)),
        say("tool", "x", tool_call_id="c1"),
        say("assistant", "Y", True),
        tools=TOOLS,
    )
    (made,) = export(openai_tuning.TRAINER, of)
    assert [one.get("weight") for one in made["messages"]] == [None, 0, None, 1]
    assert made["messages"][1]["content"] is None and made["tools"] == json.loads(TOOLS)
    assert made["parallel_tool_calls"] is False and "tools" not in export(openai_tuning.TRAINER, TALK)[0]
