from __future__ import annotations

import random
from collections.abc import Sequence

import prompts
from schemas.completion import ChatMessage
from schemas.run_config import FaultsConfig
from teachers.offline.plan import SOLVER_FAULTS, solver_fault, task_fault
from teachers.offline.replies import respond

FAULTS = FaultsConfig(solver=0.5, task=0.5, leak=0)


class Sums:
    """A world of sums, rehearsed."""

    def drafts(self, prompt: str) -> bool:
        return prompt.startswith("Make up a sum.")

    def draft(self, prompt: str, rng: random.Random, fault: str | None) -> str:
        return f"{rng.randint(0, 999)} + {rng.randint(0, 999)} ({fault})"

    def task_faults(self, prompt: str) -> tuple[str, ...]:
        return ("reference_fails", "random_reference")

    def problem(self, messages: Sequence[ChatMessage]) -> str | None:
        first = messages[0].content
        return first if first.startswith("Add ") else None

    def solver_faults(self, problem: str) -> tuple[str, ...]:
        return SOLVER_FAULTS

    def solve(self, messages: Sequence[ChatMessage], fault: str | None) -> str:
        return f"turn {len(messages)}, {fault}"


def body(*texts: str, model: str = "offline-a", **more: object) -> dict[str, object]:
    roles = ("user", "assistant")
    return {"model": model, "messages": [{"role": roles[i % 2], "content": t} for i, t in enumerate(texts)], **more}


def say(*texts: str, **more: object) -> str:
    return respond(body(*texts, **more), [Sums()], FAULTS)


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
            assert say(*conversation, seed=seed) == f"turn {turns}, {planned}"
        seen.add(planned)
    assert None in seen and len(seen) > 3


def test_a_backfill_prompt_gets_a_thought_even_where_it_shows_a_rehearsed_conversation():
    prompt = prompts.load("backfill").render(
        visible=[{"role": "user", "content": "Add 1 and 2"}], action="Act: bash\n\n```bash\nls /etc | wc -l\n```"
    )
    thought = say(prompt)
    assert "turn" not in thought and "count" in thought


def test_an_unknown_prompt_gets_a_polite_word():
    assert "did not recognise this prompt" in say("Who won the cup?")


def test_content_in_parts_is_read_like_content_in_one():
    parts = [{"type": "text", "text": "Make up "}, {"type": "text", "text": "a sum."}]
    request = {"model": "offline-a", "messages": [{"role": "user", "content": parts}]}
    assert respond(request, [Sums()], FAULTS) == say("Make up a sum.")
