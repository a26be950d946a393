"""The reward filter and the rendering: which episodes are trained on, and on which of their words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import prompts
from environments.base import actions_of
from environments.db.dialect import DbDialect
from environments.dialects.text import TextDialect
from environments.os.dialect import OsDialect
from schemas.episode import Episode, Solver, Turn
from schemas.message import Message, approximate_tokens
from schemas.rejection import Refusal
from schemas.run_config import CurateConfig
from schemas.task_spec import GUESSABLE, Check, Probe, Provenance, Setup, TaskSpec
from schemas.trajectory import Trajectory
from tasks.curate.episode import make_trajectories
from tasks.curate.rules import Kept, PlayedEpisode, content_sha, why_refused

if TYPE_CHECKING:
    from tests.small_build import Built

OS, DB = OsDialect(prompts.load("solve_os")), DbDialect(prompts.load("solve_db"))
THRESHOLDS = {"mind2web": 2 / 3}
"""Of worlds that have one of their own."""


def make_spec(**changes: Any) -> TaskSpec:
    fields = {
        "environment": "os",
        "instruction": "How many files are in /var/log?",
        "setup": Setup(),
        "check": Check(kind="match", answer="7"),
        "origin": "self_instruct",
        "family": "files",
        "difficulty": 2,
        "license": "CC-BY-4.0",
        "provenance": Provenance(source="test"),
    }
    return TaskSpec.make(**fields | changes)


def make_turns(*done: tuple[str, str], thought: str | None = "I do that.", source: str = "teacher") -> list[Turn]:
    return [
        Turn(
            episode_id="e",
            landing="l",
            index=index,
            observation="How many files are in /var/log?" if index == 0 else f"output {index}",
            thought=thought,
            thought_source=source if thought else None,  # type: ignore[arg-type]
            action=action,
            action_kind=kind,
            reply=f"RAW REPLY {index}",
        )
        for index, (kind, action) in enumerate(done)
    ]


TURNS = make_turns(("bash", "ls /var/log | wc -l"), ("answer", "7"))


def make_episode(**changes: Any) -> Episode:
    fields = {
        "episode_id": "e",
        "task_id": "t",
        "environment": "os",
        "origin": "self_instruct",
        "solver": Solver(kind="teacher", model="m", solver_id="s"),
        "world_id": "w",
        "build": 1,
        "attempt": 1,
        "outcome": "finished",
        "verdict": "passed",
        "reward": 1.0,
        "answer": "7",
        "n_turns": 2,
        "landing": "l",
    }
    return Episode.model_validate(fields | changes)


def refusal_of(
    episode: Episode,
    spec: TaskSpec | None = None,
    turns: list[Turn] | None = None,
    config: CurateConfig | None = None,
) -> Refusal | None:
    candidate = PlayedEpisode(episode, spec or make_spec(), tuple(TURNS if turns is None else turns))
    return why_refused(candidate, Kept(config or CurateConfig(), THRESHOLDS))


def reason_of(episode: Episode, spec: TaskSpec | None = None, turns: list[Turn] | None = None) -> str | None:
    refusal = refusal_of(episode, spec, turns)
    return refusal.reason if refusal else None


def words_of(spec: TaskSpec, turns: list[Turn], dialect: TextDialect) -> tuple[Message, ...]:
    (messages,) = dialect.conversations(spec, turns)
    return messages


def test_an_episode_with_the_whole_reward_is_kept() -> None:
    assert reason_of(make_episode()) is None


@pytest.mark.parametrize(
    ("environment", "reward", "reason"),
    [
        ("os", 1.0, None),
        ("os", 0.99, "failed"),
        ("db", 0.5, "failed"),
        ("a world that is not named", 1.0, None),
        ("a world that is not named", 0.9, "failed"),
        ("mind2web", 1.0, None),
        ("mind2web", 0.7, None),
        ("mind2web", 2 / 3, None),
        ("mind2web", 0.66, "failed"),
        ("mind2web", 0.0, "failed"),
    ],
)
def test_the_threshold_is_one_everywhere_but_where_a_world_has_its_own(
    environment: str, reward: float, reason: str | None
) -> None:
    verdict = "passed" if reward == 1 else "failed"
    assert reason_of(make_episode(environment=environment, reward=reward, verdict=verdict)) == reason


def test_a_threshold_written_in_decimals_still_keeps_two_thirds() -> None:
    config = CurateConfig(thresholds={"mind2web": 0.6666666667})
    episode = make_episode(environment="mind2web", reward=2 / 3)
    assert refusal_of(episode, config=config) is None


def test_the_configuration_goes_before_a_world_s_own_threshold() -> None:
    episode = make_episode(environment="mind2web", reward=0.7, verdict="failed")
    assert refusal_of(episode) is None
    refusal = refusal_of(episode, config=CurateConfig(thresholds={"mind2web": 0.8}))
    assert refusal == ("failed", "reward 0.7 is under 0.8")


@pytest.mark.parametrize("outcome", ["turn_limit", "token_limit", "repeated", "invalid_action", "refused"])
def test_an_episode_that_did_not_finish_is_refused_under_its_outcomes_name(outcome: str) -> None:
    episode = make_episode(outcome=outcome, outcome_reason="why", reward=1.0)
    assert refusal_of(episode) == (outcome, "why")


def test_an_unknown_verdict_is_never_kept_whatever_the_reward_says() -> None:
    assert reason_of(make_episode(verdict="unknown")) == "failed"


def test_the_detail_of_a_failure_is_the_verdicts() -> None:
    refusal = refusal_of(make_episode(verdict="failed", reward=0.0, verdict_detail="7 != 8"))
    assert refusal == ("failed", "7 != 8")


def test_an_answer_that_no_step_produced_is_refused() -> None:
    assert reason_of(make_episode(), turns=TURNS[1:]) == "answered_without_acting"


def test_a_benchmarks_task_is_never_trained_on() -> None:
    assert reason_of(make_episode(), make_spec(origin="benchmark")) == "benchmark"


def test_a_references_own_run_is_kept_only_where_the_task_was_derived_to_be_replayed() -> None:
    episode = make_episode(solver=Solver(kind="reference", solver_id="s"))
    assert reason_of(episode) == "reference_run"
    assert reason_of(episode, make_spec(derivation="replay")) is None


@pytest.mark.parametrize("dialect", [OS, DB])
def test_only_the_solvers_own_turns_are_trained_on(dialect: TextDialect) -> None:
    spec, kind = (make_spec(), "bash") if dialect is OS else (make_spec(environment="db"), "sql")
    messages = words_of(spec, make_turns((kind, "SELECT 1"), ("answer", "7")), dialect)
    context = dialect.context(spec)
    assert [(m.role, m.content) for m in messages[: len(context)]] == [(m.role, m.content) for m in context]
    assert any(m.role == "assistant" for m in context)  # the example's own replies are context
    assert [m.train for m in messages] == [False] * len(context) + [False, True, False, True]
    assert [m.role for m in messages[len(context) :]] == ["user", "assistant"] * 2


def test_a_trained_message_is_thought_and_action_in_the_dialects_words_not_the_raw_reply() -> None:
    *_, observation, reply = words_of(make_spec(), TURNS, OS)
    assert reply.content == "Think: I do that.\n\nAct: answer(7)"
    assert observation.content == "The output of the OS:\n\noutput 1"
    assert not any("RAW REPLY" in m.content for m in words_of(make_spec(), TURNS, OS))


def test_the_instruction_stands_in_the_first_message_after_the_context() -> None:
    first = words_of(make_spec(), TURNS, OS)[len(OS.context(make_spec()))]
    assert first.role == "user" and "How many files are in /var/log?" in first.content


def test_a_snapped_action_is_trained_on_as_it_was_done() -> None:
    turns = [TURNS[0].model_copy(update={"action_raw": "lss /var/log"}), TURNS[1]]
    assert not any("lss" in m.content for m in words_of(make_spec(), turns, OS))


def finish(turns: list[Turn], **changes: Any) -> Trajectory:
    (made,) = make_trajectories(make_spec(**changes), make_episode(), turns, OS, "c", ("r",))
    return made


def test_a_trajectory_names_its_sources_and_counts_its_tokens() -> None:
    trajectory = finish(TURNS)
    assert (trajectory.episode_id, trajectory.curation_id, trajectory.model) == ("e", "c", "m")
    assert (trajectory.family, trajectory.difficulty, trajectory.license) == ("files", 2, "CC-BY-4.0")
    assert trajectory.n_trained == 2
    assert trajectory.tokens == sum(approximate_tokens(m.content) for m in trajectory.messages)
    assert trajectory.trained_tokens == sum(approximate_tokens(m.content) for m in trajectory.messages if m.train)
    assert (
        not trajectory.backfilled
        and finish(make_turns(("bash", "ls"), ("answer", "7"), source="backfilled")).backfilled
    )


def test_a_task_that_can_be_guessed_tags_its_trajectory() -> None:
    tag = Probe(name=GUESSABLE, passed=True)
    assert finish(TURNS, probes=(tag,)).guessable and not finish(TURNS).guessable


def test_capabilities_say_what_was_done() -> None:
    assert finish(TURNS).capabilities == ("answering", "reasoning", "tool:bash")
    assert finish(make_turns(("bash", "touch x"), ("finish", ""))).capabilities == (
        "changing",
        "reasoning",
        "tool:bash",
    )


def test_thoughts_do_not_count_for_equality_but_what_was_seen_and_done_does() -> None:
    spec, other = make_spec(), make_spec(instruction="How many?")
    thoughtless = make_turns(("bash", "ls /var/log | wc -l"), ("answer", "7"), thought=None)
    seen = [TURNS[0], TURNS[1].model_copy(update={"observation": "8"})]
    done = [TURNS[0], TURNS[1].model_copy(update={"action": "8"})]
    assert content_sha(spec, TURNS) == content_sha(spec, thoughtless)
    assert (
        len({content_sha(spec, TURNS), content_sha(other, TURNS), content_sha(spec, seen), content_sha(spec, done)})
        == 4
    )


def test_every_rendered_turn_of_a_build_reads_back_as_its_thought_and_action(built: Built) -> None:
    played = {p.episode.episode_id: p for p in built.played}
    for trajectory in built.trajectories:
        episode = played[trajectory.episode_id]
        trained = [message for message in trajectory.messages if message.train]
        assert {message.role for message in trained} == {"assistant"}
        assert len(trained) == trajectory.n_trained == len(episode.turns)
        for message, turn in zip(trained, episode.turns, strict=True):
            reading = episode.dialect.read_text(message.content)
            assert reading.actions == actions_of(turn) and reading.thought
            assert turn.thought in (None, reading.thought)


def test_nothing_seen_is_trained_on_in_a_build(built: Built) -> None:
    played = {p.episode.episode_id: p for p in built.played}
    for trajectory in built.trajectories:
        episode = played[trajectory.episode_id]
        context = len(episode.dialect.context(episode.spec))
        shown = [m.content for m in trajectory.messages if not m.train]
        assert shown[context:] == [episode.dialect.observe(t.observation, t.index) for t in episode.turns]
        assert trajectory.messages[-1].train and episode.turns[-1].action_kind in ("answer", "finish")
