from __future__ import annotations

import json
import random
from collections.abc import Sequence

import prompts
from rehearsals.base import Move
from rehearsals.plan import SOLVER_FAULTS, solver_fault, task_fault
from rehearsals.replies import respond
from schemas.message import Message, ToolCall
from schemas.run_config import FaultsConfig

FAULTS = FaultsConfig(solver=0.5, task=0.5, leak=0)


class Sums:
    """A world of sums, rehearsed."""

    def drafts(self, prompt: str) -> bool:
        return prompt.startswith("Make up a sum.")

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        return f"{rng.randint(0, 999)} + {rng.randint(0, 999)} ({fault})"

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        return ("reference_fails", "random_reference")

    def problem(self, messages: Sequence[Message]) -> str | None:
        first = messages[0].content
        return first if first.startswith("Add ") else None

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        return SOLVER_FAULTS

    def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
        raw = f"no call in turn {len(messages)}" if fault == "malformed" else None
        return Move("Now I add.", "add" if len(messages) < 5 else "stop", f"turn {len(messages)}, {fault}", raw)

    def say(self, move: Move) -> str:
        return move.raw or move.text

    def tool_of(self, kind: str) -> tuple[str, str | None]:
        return {"add": ("adder", "sum"), "stop": ("stopper", None)}[kind]


TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("adder", "stopper")]


def body(*texts: str, model: str = "offline-a", **more: object) -> dict[str, object]:
    roles = ("user", "assistant")
    return {"model": model, "messages": [{"role": roles[i % 2], "content": t} for i, t in enumerate(texts)], **more}


def say(*texts: str, **more: object) -> str:
    return respond(body(*texts, **more), [Sums()], FAULTS).content


def test_equal_bodies_get_equal_replies():
    assert say("Make up a sum.", seed=3) == say("Make up a sum.", seed=3)


def test_seed_model_and_words_each_make_another_draft():
    drafts = {say("Make up a sum.", seed=s, model=m) for s in (None, 0, 1) for m in ("offline-a", "offline-b")}
    assert len(drafts) == 6
    assert say("Make up a sum. Small.", seed=0) not in drafts


def test_a_draft_shows_the_planned_fault():
    prompts_ = [f"Make up a sum. Number {i}." for i in range(20)]
    for text in prompts_:
        planned = task_fault(text, 5, Sums().task_faults(text), FAULTS)
        assert say(text, seed=5).endswith(f"({planned})")


def test_an_episodes_fault_is_the_same_in_every_turn_and_decided_by_the_requests_seed():
    seen = set()
    for seed in range(30):
        planned = solver_fault("Add 1 and 2", seed, SOLVER_FAULTS, FAULTS)
        for turns in (1, 3, 5):
            conversation = ["Add 1 and 2", *(["ok", "3"] * turns)][:turns]
            said = f"no call in turn {turns}" if planned == "malformed" else f"turn {turns}, {planned}"
            assert say(*conversation, seed=seed) == said
        seen.add(planned)
    assert None in seen and len(seen) > 3


def test_a_planted_fault_is_planted_again_where_the_reply_was_told_to_be_unreadable():
    why = prompts.load("repair").render(problem="no action", max_tokens=None)
    for seed in range(12):
        said = say("Add 1 and 2", "ok", "3", seed=seed)
        assert say("Add 1 and 2", "ok", "3", said, why, seed=seed) == said


def test_a_backfill_prompt_gets_a_thought_even_where_it_shows_a_rehearsed_conversation():
    prompt = prompts.load("backfill").render(
        visible=[{"role": "user", "content": "Add 1 and 2"}], action="Act: bash\n\n```bash\nls /etc | wc -l\n```"
    )
    thought = say(prompt)
    assert "turn" not in thought and "ls and wc" in thought


def test_an_unknown_prompt_gets_a_polite_word():
    assert "did not recognise this prompt" in say("Who won the cup?")


def test_content_in_parts_is_read_like_content_in_one():
    parts = [{"type": "text", "text": "Make up "}, {"type": "text", "text": "a sum."}]
    request = {"model": "offline-a", "messages": [{"role": "user", "content": parts}]}
    assert respond(request, [Sums()], FAULTS).content == say("Make up a sum.")


def call(turns: int, **more: object) -> Message:
    """Return the reply after some turns of tool calls."""
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "Add 1 and 2"},
        {"role": "user", "content": "Please."},
    ]
    for turn in range(turns):
        function = {"name": "adder", "arguments": '{"sum": ""}'}
        messages += [
            {"role": "assistant", "content": None, "tool_calls": [{"id": f"call_{turn}", "function": function}]},
            {"role": "tool", "content": "3", "tool_call_id": f"call_{turn}"},
        ]
    asked = {"model": "offline-a", "messages": messages, "tools": TOOLS, **more}
    return respond(asked, [Sums()], FaultsConfig(solver=0))


def test_where_the_worlds_tools_are_offered_a_move_is_a_call_and_the_thought_is_its_content():
    assert call(0) == Message(
        role="assistant",
        content="Now I add.",
        tool_calls=(ToolCall(call_id="call_0", name="adder", arguments='{"sum": "turn 2, None"}'),),
    )
    assert call(2).tool_calls == (ToolCall(call_id="call_2", name="stopper", arguments="{}"),)
    assert call(1) == call(1)


def test_a_move_whose_tool_takes_several_arguments_brings_them_as_json():
    class Pairs(Sums):
        def solve(self, messages: Sequence[Message], fault: str | None) -> Move:
            return Move("Now I add.", "add", "1, 2", arguments='{"a": 1, "b": 2}')

    asked = body("Add 1 and 2", tools=TOOLS)
    (made,) = respond(asked, [Pairs()], FaultsConfig(solver=0)).tool_calls
    assert (made.name, made.arguments) == ("adder", '{"a": 1, "b": 2}')


def test_without_the_worlds_own_tools_a_move_is_said():
    for tools in ([], [{"type": "function", "function": {"name": "browser"}}]):
        assert call(0, tools=tools) == Message(role="assistant", content="turn 2, None")


def test_with_tools_other_prompts_get_text():
    for text in ("Make up a sum.", "Who won the cup?"):
        assert respond(body(text, tools=TOOLS), [Sums()], FAULTS) == respond(body(text), [Sums()], FAULTS)


def test_what_cannot_be_read_is_a_broken_call_one_of_no_tool_or_text_without_a_call():
    forms = set()
    for turns in range(6):
        reply = respond(
            body(*["Add 1 and 2", *["ok", "3"] * turns], tools=TOOLS, seed=MALFORMED), [Sums()], FaultsConfig(solver=1)
        )
        for made in reply.tool_calls:
            broken = made.arguments.endswith("}") is False
            assert broken != (made.name in ("adder_now", "stopper_now")), made
            assert broken or json.loads(made.arguments) is not None
            forms.add("broken" if broken else "unknown")
        if not reply.tool_calls:
            assert reply.content.startswith("no call in turn")
            forms.add("text")
    assert forms == {"broken", "unknown", "text"}


MALFORMED = next(
    seed
    for seed in range(99)
    if solver_fault("Add 1 and 2", seed, SOLVER_FAULTS, FaultsConfig(solver=1)) == "malformed"
)
"""A seed with which that class is drawn."""
