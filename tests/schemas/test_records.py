"""Records are frozen and closed; digests do not depend on the order of keys; rejections keep a bounded raw row."""

from __future__ import annotations

import hashlib
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.episode import NOT_FINAL, Episode, Outcome, Solver, VerdictName
from schemas.errors import (
    CheckError,
    ConfigError,
    EnvironmentFault,
    EpisodeError,
    SandboxError,
    TeacherError,
    TrajmillError,
)
from schemas.record import canonical_json, digest
from schemas.rejection import MAX_RAW_BYTES, Rejection
from schemas.run_config import RunConfig
from schemas.settings import Settings
from schemas.tables import TABLES
from schemas.task_spec import Check, Setup

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53), 1 << 53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_the_order_of_keys_does_not_count(value: dict[str, Any]) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@given(JSON, JSON)
def test_values_with_other_json_have_other_digests(one: Any, other: Any) -> None:
    assert (canonical_json(one) == canonical_json(other)) == (digest(one) == digest(other))


def test_parts_are_not_run_together() -> None:
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable: object"):
        digest(object())


def test_a_typo_never_becomes_data() -> None:
    with pytest.raises(ValidationError, match="databse"):
        Setup.model_validate({"databse": "x"})


def test_a_record_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Check(kind="match").answer = "1"  # type: ignore[misc]


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_every_column_of_a_table_has_a_type_and_its_keys_are_columns(table: Any) -> None:
    assert set(table.keys) <= set(table.record.model_fields)
    assert (table.record.__doc__ or table.name).strip()


@given(st.text(max_size=300))
def test_a_rejected_row_is_kept_with_the_hash_of_the_whole(text: str) -> None:
    made = Rejection.make(stage="ingest", reason="r", detail="d", source="s", raw=text)
    data = text.encode("utf-8", "replace")
    assert made.raw == data.decode() and made.raw_sha256 == hashlib.sha256(data).hexdigest()


def test_a_huge_row_is_cut_and_still_named_whole() -> None:
    made = Rejection.make(stage="ingest", reason="r", detail="x" * 9000, source="s", raw="ä" * MAX_RAW_BYTES)
    assert len(made.raw.encode()) <= MAX_RAW_BYTES + 3 and len(made.detail) == 4000
    assert made.raw_sha256 == hashlib.sha256(("ä" * MAX_RAW_BYTES).encode()).hexdigest()


def episode(outcome: str, verdict: str) -> Episode:
    solver = Solver(kind="teacher", solver_id="s")
    fields = {"episode_id": "e", "task_id": "t", "environment": "os", "origin": "own", "solver": solver}
    counts = {"world_id": "w", "build": 1, "attempt": 1, "reward": 0.0, "n_turns": 1, "landing": "l"}
    return Episode.model_validate({**fields, **counts, "outcome": outcome, "verdict": verdict})


@pytest.mark.parametrize("outcome", typing.get_args(Outcome))
@pytest.mark.parametrize("verdict", typing.get_args(VerdictName))
def test_only_outages_and_unknown_verdicts_are_planned_again(outcome: str, verdict: str) -> None:
    assert episode(outcome, verdict).is_final == (outcome not in NOT_FINAL and verdict != "unknown")


@pytest.mark.parametrize("kind", [TeacherError, SandboxError, EnvironmentFault, CheckError])
def test_a_fault_of_an_episode_is_transient_unless_it_says_otherwise(kind: type[EpisodeError]) -> None:
    assert kind("x").transient and not kind("x", transient=False).transient
    assert issubclass(kind, TrajmillError) and not issubclass(kind, ConfigError)


def test_no_secret_is_shown_by_settings_or_held_by_a_config(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setenv("HF_TOKEN", "hf-very-secret")
    settings = Settings()
    assert "secret" not in repr(settings) and "secret" not in settings.model_dump_json()
    assert not [key for key in RunConfig().model_dump_json().split('"') if "key" in key or key == "token"]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJMILL_HOME", "/somewhere")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    settings = Settings()
    assert (str(settings.home), settings.openai_base_url) == ("/somewhere", "http://127.0.0.1:1/v1")
