"""Pairs, reward rows and steps: what is compared with what, on whose words, and what is left out for which reason."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from formats.releases import preferences, rewards, steps
from formats.releases.attempts import JudgedAttempt
from formats.releases.preferences import pair_up
from formats.releases.release_folder import ReleaseRow
from formats.releases.rewards import render_attempt
from formats.releases.steps import cut_steps
from schemas.message import Message, ToolCall


def words(*turns: str, task: str = "Count.") -> tuple[Message, ...]:
    """Write an episode: instructions, an acknowledgement, the task, and turns with what they gave between."""
    opening = [("user", "Be an agent."), ("assistant", "Ok."), ("user", task)]
    messages = [Message(role=role, content=text) for role, text in opening]  # type: ignore[arg-type]
    for number, turn in enumerate(turns):
        messages += [Message(role="user", content=f"saw {turns[number - 1]}")] if number else []
        messages.append(Message(role="assistant", content=turn, train=True))
    return tuple(messages)


def attempt(id_: str, *turns: str, passed: bool = False, **more: Any) -> JudgedAttempt:
    fields = {"reward": float(passed), "model": f"model {id_}", "dialect": "react", "tools": None} | more
    messages = fields.pop("messages", words(*turns))
    return JudgedAttempt("task", id_, "os", frozenset(), passed=passed, messages=messages, **fields)


GOOD, BAD = attempt("g", "ls", "answer 7", passed=True), attempt("b", "ls", "answer 8")
SYSTEM = {"role": "system", "content": "Be an agent.\n\nThe assistant replied:\n> Ok."}
TASK = {"role": "user", "content": "Count."}


def test_a_pair_shares_its_prompt_and_prefers_what_passed() -> None:
    (made,) = pair_up([BAD, GOOD], "episode", 4)
    assert isinstance(made, dict)
    assert made["prompt"] == [SYSTEM, TASK]
    said = {"role": "assistant", "content": "ls"}, {"role": "user", "content": "saw ls"}
    assert made["chosen"] == [*said, {"role": "assistant", "content": "answer 7"}]
    assert made["rejected"] == [*said, {"role": "assistant", "content": "answer 8"}]
    assert (made["chosen_reward"], made["rejected_reward"]) == (1.0, 0.0)
    assert (made["chosen_episode"], made["rejected_model"], made["task_id"]) == ("g", "model b", "task")


def test_of_turns_the_first_that_differs_is_compared() -> None:
    (made,) = pair_up([BAD, GOOD], "turn", 4)
    assert isinstance(made, dict)
    assert made["prompt"][2:] == [{"role": "assistant", "content": "ls"}, {"role": "user", "content": "saw ls"}]
    assert [[m["content"] for m in made[side]] for side in ("chosen", "rejected")] == [["answer 7"], ["answer 8"]]


BROKEN = (
    Message(role="assistant", content="", train=True, tool_calls=(ToolCall(call_id="1", name="b", arguments="{"),)),
)


@pytest.mark.parametrize(
    ("attempts", "span", "told"),
    [
        ([GOOD], "episode", ["none_failed"]),
        ([BAD], "episode", ["none_passed"]),
        ([GOOD, BAD._replace(dialect="tools")], "episode", ["none_passed"]),
        ([GOOD, attempt("b", messages=words("ls", task="Count all."))], "episode", ["none_passed"]),
        ([GOOD, BAD._replace(messages=(), problem="no_turns")], "episode", ["no_turns", "none_failed"]),
        ([GOOD, attempt("b", "ls", "answer 7")], "episode", ["same_words"]),
        ([GOOD, attempt("b", "ls")], "turn", ["parted_by_the_world"]),
        ([GOOD, attempt("b", messages=(*words(), *BROKEN))], "episode", ["broken_arguments"]),
        ([GOOD, *(attempt(f"b{n}", "no") for n in range(5))], "episode", ["over_most"]),
    ],
)
def test_what_gives_no_pair_says_why(attempts: list[JudgedAttempt], span: str, told: list[str]) -> None:
    made = list(pair_up(attempts, span, 4))
    assert [one for one in made if isinstance(one, str)] == told
    assert set(told) <= preferences.REASONS.keys()


def test_passed_attempts_are_taken_in_turn_and_the_order_of_attempts_does_not_matter() -> None:
    attempts = [*(attempt(f"b{n}", f"no {n}") for n in range(4)), GOOD, GOOD._replace(episode_id="h")]
    made = list(pair_up(attempts, "episode", 4))
    assert Counter(one["chosen_episode"] for one in made if isinstance(one, dict)) == {"g": 2, "h": 2}
    assert list(pair_up(attempts[::-1], "episode", 4)) == made


def test_a_reward_row_holds_the_whole_attempt_and_what_its_check_gave() -> None:
    made = render_attempt(BAD._replace(tools='[{"type":"function"}]'))
    assert isinstance(made, dict)
    assert (made["reward"], made["label"], made["tools"]) == (0.0, False, [{"type": "function"}])
    assert made["messages"] == [*made["prompt"], *made["completion"]]
    assert made["prompt"] == [SYSTEM, TASK]
    assert render_attempt(BAD._replace(problem="rounds")) == "rounds"
    assert render_attempt(attempt("b", messages=(*words(), *BROKEN))) == "broken_arguments"
    assert {"rounds", "broken_arguments"} <= rewards.REASONS.keys()


def test_every_trained_turn_is_a_step_after_all_that_stood_before_it() -> None:
    row = ReleaseRow("r", "agent", "os", "own", "MIT", words("ls", "answer 7"), task_id="task", reward=1.0)
    first, second = cut_steps(row)
    assert isinstance(first, dict) and isinstance(second, dict)
    assert (first["prompt"], first["completion"]) == ([SYSTEM, TASK], [{"role": "assistant", "content": "ls"}])
    assert second["prompt"] == [SYSTEM, TASK, *first["completion"], {"role": "user", "content": "saw ls"}]
    assert (second["id"], second["step"], second["steps"], second["reward"]) == ("r/1", 1, 2, 1.0)
    assert [*cut_steps(row._replace(environment=None, origin=None))] == ["general_chat"]
    foreign = row._replace(source="recorded", origin="recorded", reward=None)
    assert [*cut_steps(foreign)] == [*cut_steps(foreign._replace(environment=None))] == ["unproven"]
    assert [*cut_steps(row._replace(messages=BROKEN))] == ["broken_arguments"]
    assert steps.REASONS.keys() == {"general_chat", "unproven", "broken_arguments"}
