from __future__ import annotations

from types import SimpleNamespace

import great_expectations.expectations as gxe
import pyarrow as pa
import pytest

from schemas.errors import ExpectationError
from schemas.message import Message, ToolCall
from schemas.rejection import Rejection
from schemas.release import Share
from schemas.task_spec import Probe
from warehouse.columns import arrow_type
from warehouse.expectations import StageReport, validate_mixture, validate_stage, validate_stages
from warehouse.expectations.checks import MIXTURE, SHARES, STAGES
from warehouse.warehouse import Warehouse

QUESTION = Message(role="user", content="?")
REPLY = Message(role="assistant", content="!", train=True)
CALL = Message(
    role="assistant", content="", train=True, tool_calls=(ToolCall(call_id="c", name="bash", arguments="{}"),)
)


def found(report: StageReport) -> set[tuple[str, str]]:
    return {(failure.row_id, failure.expectation) for failure in report.failures}


def land_whole(warehouse: Warehouse, make: SimpleNamespace, numbers: range) -> None:
    warehouse.land("task_specs", [make.task_spec(n) for n in numbers], key="whole")
    warehouse.land("turns", [turn for n in numbers for turn in make.turns(n, "whole")], key="whole")
    warehouse.land("episodes", [make.episode(n, "whole") for n in numbers], key="whole")
    warehouse.land("trajectories", [make.trajectory(n) for n in numbers], key="whole")
    warehouse.land("conversations", [make.conversation(n) for n in numbers], key="whole")


def test_whole_tables_pass_and_the_report_says_what_was_checked(warehouse: Warehouse, make: SimpleNamespace) -> None:
    land_whole(warehouse, make, range(3))
    report = validate_stages(warehouse)
    assert report.is_clean
    assert report.checked == {f"{stage}.{e.code}": 3 for stage, check in STAGES.items() for e in check.expectations}


def test_empty_tables_pass(warehouse: Warehouse) -> None:
    report = validate_stages(warehouse)
    assert report.is_clean
    assert set(report.checked.values()) == {0}


def test_tasks_that_were_let_in_without_their_proof_are_found(warehouse: Warehouse, make: SimpleNamespace) -> None:
    failed, passed = Probe(name="nothing_fails", passed=False), Probe(name="nothing_fails", passed=True)
    specs = [
        make.task_spec(1, probes=(passed,), origin="self_instruct"),
        make.task_spec(2, probes=(passed, failed)),
        make.task_spec(3, origin="derived"),
        make.task_spec(4, instruction=" \n"),
    ]
    warehouse.land("task_specs", specs, key="one")
    assert found(validate_stage(warehouse, "task_specs")) == {
        ("task-2", "probes_passed"),
        ("task-3", "made_up_tasks_tried"),
        ("task-4", "instruction_not_blank"),
    }


def test_episodes_that_do_not_add_up_are_found(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("task_specs", [make.task_spec(n) for n in range(1, 5)], key="one")
    whole, gap, short, rich, stray = (make.turns(n) for n in range(1, 6))
    gap[1] = gap[1].model_copy(update={"index": 2})
    warehouse.land("turns", [*whole, *gap, short[0], *rich, *stray], key="one")
    episodes = [make.episode(n, reward=1.5 if n == 4 else 1.0) for n in range(1, 6)]
    warehouse.land("episodes", episodes, key="one")
    report = validate_stage(warehouse, "episodes")
    assert found(report) == {
        ("episode-2/1", "turns_contiguous"),
        ("episode-3/1", "turns_as_counted"),
        ("episode-4/1", "reward_in_range"),
        ("episode-5/1", "task_known"),
    }
    assert [f.value for f in report.failures if f.expectation == "reward_in_range"] == ["reward=1.5"]


def test_a_build_narrows_episodes_to_its_own(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("episodes", [make.episode(1, build=1, n_turns=0), make.episode(2, build=2, n_turns=0)], key="one")
    assert found(validate_stage(warehouse, "episodes", build=2)) == {("episode-2/1", "task_known")}


def test_trajectories_that_must_not_be_trained_on_are_found(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land(
        "episodes", [make.episode(n, verdict="failed" if n == 2 else "passed") for n in range(1, 7)], key="1"
    )
    rows = [
        make.trajectory(1),
        make.trajectory(2),
        make.trajectory(3, messages=(QUESTION.model_copy(update={"train": True}), REPLY), n_trained=2),
        make.trajectory(4, messages=(QUESTION, REPLY.model_copy(update={"content": " "}))),
        make.trajectory(5, messages=(QUESTION,), n_trained=0),
        make.trajectory(6, n_trained=2),
        make.trajectory(7),
    ]
    warehouse.land("trajectories", rows, key="one")
    assert found(validate_stage(warehouse, "trajectories")) == {
        ("trajectory-2", "episode_passed"),
        ("trajectory-3", "trained_by_the_assistant"),
        ("trajectory-4", "trained_by_the_assistant"),
        ("trajectory-5", "something_trained"),
        ("trajectory-6", "trained_as_counted"),
        ("trajectory-7", "episode_passed"),
    }


def test_foreign_and_repeated_conversations_are_found_and_the_first_is_kept(
    warehouse: Warehouse, make: SimpleNamespace
) -> None:
    first = make.conversation(1)
    again = make.conversation(2, messages=first.messages)
    warehouse.land("conversations", [first, again, make.conversation(3, language="zh")], key="one")
    assert found(validate_stage(warehouse, "conversations")) == {
        ("conversation-2", "no_duplicate"),
        ("conversation-3", "language_asked_for"),
    }


def test_a_row_that_was_turned_away_for_it_is_not_told_again(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("conversations", [make.conversation(3, language="zh")], key="one")
    (failure,) = validate_stage(warehouse, "conversations").failures
    turned_away = Rejection.make(
        stage=failure.expectation, reason="expectation", detail=failure.value, source=failure.row_id, raw=""
    )
    warehouse.land("rejections", [turned_away], key="one")
    assert validate_stage(warehouse, "conversations").is_clean


@pytest.mark.parametrize(
    ("table", "name", "code"),
    [
        ("task_specs", "task_spec", "task_ids_unique"),
        ("conversations", "conversation", "conversation_ids_unique"),
        ("trajectories", "trajectory", "trajectory_ids_unique"),
    ],
)
def test_an_id_twice_stops_everything(
    warehouse: Warehouse, make: SimpleNamespace, table: str, name: str, code: str
) -> None:
    warehouse.land(table, [getattr(make, name)(1)] * 2, key="one")
    with pytest.raises(ExpectationError, match=rf"{table} breaks {code} in 2 rows.*Nothing is released"):
        validate_stage(warehouse, table)


def test_an_episode_twice_in_a_curation_stops_everything(warehouse: Warehouse, make: SimpleNamespace) -> None:
    warehouse.land("trajectories", [make.trajectory(1), make.trajectory(1, trajectory_id="other")], key="one")
    with pytest.raises(ExpectationError, match="episode_once_a_curation"):
        validate_stage(warehouse, "trajectories")


def test_the_rounds_of_an_episode_are_rows_of_their_own_in_a_curation(
    warehouse: Warehouse, make: SimpleNamespace
) -> None:
    warehouse.land("episodes", [make.episode(1)], key="1")
    rounds = [make.trajectory(1, trajectory_id=f"round {part}", part=part) for part in range(3)]
    warehouse.land("trajectories", rounds, key="one")
    assert validate_stage(warehouse, "trajectories").is_clean
    warehouse.land("trajectories", [make.trajectory(1, trajectory_id="again", part=2)], key="two")
    with pytest.raises(ExpectationError, match="episode_once_a_curation"):
        validate_stage(warehouse, "trajectories")


def test_a_call_without_words_is_trained_on_and_words_of_nothing_are_not(
    warehouse: Warehouse, make: SimpleNamespace
) -> None:
    warehouse.land("episodes", [make.episode(n) for n in (1, 2)], key="1")
    calls = make.trajectory(1, messages=(QUESTION, CALL))
    nothing = make.trajectory(2, messages=(QUESTION, CALL.model_copy(update={"tool_calls": ()})))
    warehouse.land("trajectories", [calls, nothing], key="one")
    assert found(validate_stage(warehouse, "trajectories")) == {("trajectory-2", "trained_by_the_assistant")}


def test_a_validation_that_could_not_run_is_no_word_on_the_data(
    warehouse: Warehouse, make: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.land("conversations", [make.conversation(1)], key="one")
    broken = STAGES["conversations"]._replace(sql="SELECT conversation_id AS row_id FROM conversations")
    monkeypatch.setitem(STAGES, "conversations", broken)
    with pytest.raises(ExpectationError, match=r"conversations\.\w+ could not run.*says nothing about the data"):
        validate_stage(warehouse, "conversations")


def test_every_expectation_is_one_that_great_expectations_has() -> None:
    checks = (*STAGES.values(), MIXTURE, SHARES)
    assert all(hasattr(gxe, expectation.kind) for check in checks for expectation in check.expectations)


def mixture(*rows: tuple[str, str, tuple[Message, ...]]) -> pa.Table:
    messages = [[message.model_dump() for message in row[2]] for row in rows]
    return pa.table(
        {
            "id": [row[0] for row in rows],
            "source": [row[1] for row in rows],
            "messages": pa.array(messages, arrow_type(tuple[Message, ...])),
        }
    )


def share(stratum: str, asked: float, rows: int) -> Share:
    return Share(
        stratum=stratum, asked=asked, rows=rows, available=rows, achieved_rows=0, achieved_turns=0, achieved_tokens=0
    )


BLEND = [(f"a{n}", "agent", (QUESTION, REPLY)) for n in range(100)]
BLEND += [(f"g{n}", "general", (QUESTION, REPLY)) for n in range(400)]


def test_a_mixture_that_is_what_its_card_says_passes() -> None:
    assert validate_mixture(mixture(*BLEND), shares=(share("agent", 0.2, 100), share("general", 0.8, 400))).is_clean


def test_a_mixture_whose_card_counts_otherwise_is_stopped() -> None:
    with pytest.raises(ExpectationError, match="shares breaks shares_as_said in 1 rows: general"):
        validate_mixture(mixture(*BLEND), shares=(share("agent", 0.2, 100), share("general", 0.8, 401)))


def test_a_share_that_is_off_is_stopped_unless_the_card_notes_it() -> None:
    shares = (share("agent", 0.25, 100), share("general", 0.75, 400))
    with pytest.raises(ExpectationError, match="shares_as_asked_or_noted"):
        validate_mixture(mixture(*BLEND), shares=shares)
    assert validate_mixture(mixture(*BLEND), shares=shares, notes=["general ran short"]).is_clean


def test_an_id_twice_in_a_mixture_stops_it() -> None:
    with pytest.raises(ExpectationError, match="mixture_ids_unique"):
        validate_mixture(mixture(BLEND[0], BLEND[0]))


def test_a_mixture_without_rows_is_stopped() -> None:
    with pytest.raises(ExpectationError, match="holds no row"):
        validate_mixture(mixture())


def test_a_mixture_with_calls_and_one_of_text_alone_are_both_judged() -> None:
    assert validate_mixture(mixture(("a", "agent", (QUESTION, CALL)))).is_clean
    text = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string()), ("train", pa.bool_())]))
    rows = [[{"role": m.role, "content": m.content, "train": m.train} for m in (QUESTION, CALL)]]
    table = pa.table({"id": ["a"], "source": ["agent"], "messages": pa.array(rows, text)})
    assert found(validate_mixture(table)) == {("a", "trained_by_the_assistant")}


def test_a_row_of_a_mixture_that_trains_on_nothing_is_found() -> None:
    report = validate_mixture(mixture(("a", "agent", (QUESTION,)), ("b", "agent", (QUESTION, REPLY))))
    assert found(report) == {("a", "something_trained")}


def test_a_row_of_a_mixture_that_has_context_for_a_reply_is_found() -> None:
    report = validate_mixture(
        mixture(("a", "agent", (QUESTION, REPLY.model_copy(update={"train": False}), QUESTION, REPLY)))
    )
    assert found(report) == {("a", "every_reply_trained")}
