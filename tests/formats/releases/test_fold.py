"""Folding context: no reply that is not trained on is left, no word is lost, templates take the roles."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats.releases.fold import fold_context
from schemas.message import Message, ToolCall

CALL = ToolCall(call_id="call_1", name="bash", arguments='{"script":"ls"}')


def said(script):
    """Write messages shortly: user, `a` trained reply, `x` untrained one, system, tool; `c`, `y`: a, x calling."""
    roles = {"u": "user", "s": "system", "t": "tool"}
    made = []
    for number, letter in enumerate(script):
        role = roles.get(letter, "assistant")
        made.append(
            Message(
                role=role,
                content=f"{letter}{number} words",
                train=letter in "ac",
                tool_calls=(CALL,) if letter in "cy" else (),
                tool_call_id="call_1" if letter == "t" else None,
                reasoning_content=f"thought{number}" if letter in "cy" else None,
            )
        )
    return tuple(made)


def roles(messages):
    return "".join({"assistant": "a", "tool": "t", "user": "u", "system": "s"}[m.role] for m in messages)


def words(messages):
    return [w for m in messages for w in re.findall(r"[\w\"{}:]+", f"{m.reasoning_content or ''} {m.spelled}")]


@pytest.mark.parametrize(
    ("script", "folded"),
    [
        ("ua", "ua"),
        ("suaua", "suaua"),
        ("sucta", "suata"),
        ("uxua", "sua"),  # instructions, Ok., task
        ("uxuxuxuaua", "suaua"),  # the one-shot example
        ("suxua", "sua"),
        ("suytxua", "sua"),  # an example with calls
        ("uxa", "ua"),
        ("xa", "ua"),
        ("xua", "sua"),
        ("uauxua", "uaua"),  # in the middle
        ("uaxa", "uaua"),
        ("uauytua", "uaua"),
        ("uctxa", "uatua"),
        ("uax", "uau"),
        ("uaux", "uau"),
        ("ux", "u"),
        ("x", "u"),
        ("uua", "ua"),
        ("uaa", "ua"),
        ("usua", "sua"),
        ("a", "a"),
        ("ta", "ua"),
    ],
)
def test_every_shape_of_context_has_one_place(script, folded):
    assert roles(fold_context(said(script))) == folded


@given(st.text("uaxstcy", max_size=14))
def test_nothing_untrained_speaks_no_word_is_lost_and_trained_turns_stand_in_their_order(script):
    before = said(script)
    after = fold_context(before)
    assert all(m.train for m in after if m.role == "assistant")
    assert not any(m.train for m in after if m.role != "assistant")
    assert not set(words(before)) - set(words(after))
    assert sorted(words([m for m in after if m.train])) == sorted(words([m for m in before if m.train]))
    assert re.fullmatch(r"s?(u?(at*)|u)*", roles(after))
    assert "uu" not in roles(after)
    assert "aa" not in roles(after)
    assert fold_context(after) == after


def test_the_one_shot_example_is_quoted_in_the_system_message_under_labels_that_are_no_marks():
    told = (
        Message(role="user", content="You are an assistant.\nAnswer with Act:."),
        Message(role="assistant", content="Ok."),
        Message(role="user", content="How many files?"),
        Message(role="assistant", content="Think: look.\n\nAct: bash"),
        Message(role="user", content="Now the task."),
        Message(role="assistant", content="Act: finish", train=True),
    )
    system, task, reply = fold_context(told)
    assert system.content == (
        "You are an assistant.\nAnswer with Act:.\n\nThe assistant replied:\n> Ok.\n\nThe user wrote:\n"
        "> How many files?\n\nThe assistant replied:\n> Think: look.\n>\n> Act: bash"
    )
    assert (task, reply) == told[-2:]
    assert not re.search(r"(?im)^\W*(user|assistant|human|gpt|system|instruction|response)\W*:", system.content)


def test_words_that_the_user_says_last_stay_as_they_are_in_the_middle_of_a_row():
    folded = fold_context(said("uauxua"))
    assert folded[2].content == "The user wrote:\n> u2 words\n\nThe assistant replied:\n> x3 words\n\nu4 words"


def test_an_untrained_call_is_told_with_its_thought_and_what_it_gave():
    folded = fold_context(said("uauytua"))
    assert folded[2].content == (
        "The user wrote:\n> u2 words\n\nThe assistant thought:\n> thought3\n\nThe assistant replied:\n> y3 words\n>\n"
        '> bash({"script":"ls"})\n\nThe tool gave:\n> t4 words\n\nu5 words'
    )


def test_a_row_without_context_is_the_same_row():
    row = said("sucta")
    assert fold_context(row) == row
