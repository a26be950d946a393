"""Every kind of fault that pydantic finds is told in words for people, with its key and value."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from schemas.errors import ConfigError
from schemas.invalid_values import MOST, booleans_for_numbers, explain
from schemas.record import Record
from schemas.run_config import RunConfig
from schemas.settings import Settings
from schemas.task_spec import TaskSpec


class Inner(Record):
    size: int = 0
    kind: Literal["small", "large"] = "small"


class Sample(Record):
    name: Annotated[str, Field(min_length=2, max_length=5, pattern="^[a-z]+$")]
    count: Annotated[int, Field(ge=1, le=9)] = 1
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    is_on: bool = False
    tags: tuple[str, ...] = ()
    few: Annotated[tuple[int, ...], Field(min_length=1, max_length=2)] = (1,)
    sizes: dict[str, int] = Field(default={})
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = Field(default={})
    either: str | tuple[str, ...] | None = None
    number: int | bool | str = 0

    @field_validator("name")
    @classmethod
    def _no_boss(cls, value: str) -> str:
        if value == "boss":
            raise ValueError("boss is taken; use another name")
        return value


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "name = null: it must be text"),
    ({"name": 3}, "name = 3: it must be text"),
    ({"name": "x"}, "name = 'x': it must have at least 2 characters, it has 1"),
    ({"name": "x" * 6}, "name = 'xxxxxx': it must have at most 5 characters, it has 6"),
    ({"name": "AB"}, "name = 'AB': it must be of the pattern ^[a-z]+$"),
    ({"name": "boss"}, "name = 'boss': boss is taken; use another name"),
    ({"count": 0}, "count = 0: it must be at least 1"),
    ({"count": 10}, "count = 10: it must be at most 9"),
    ({"count": "many"}, "count = 'many': it must be a whole number"),
    ({"count": 1.5}, "count = 1.5: it must be a whole number"),
    ({"count": [1]}, "count = [1]: it must be a whole number"),
    ({"count": "1" * 5000}, "it must be a whole number of fewer digits"),
    ({"share": 0}, "share = 0: it must be above 0"),
    ({"share": 1}, "share = 1: it must be below 1"),
    ({"share": "x"}, "share = 'x': it must be a number"),
    ({"is_on": "perhaps"}, "is_on = 'perhaps': it must be true or false"),
    ({"is_on": 7}, "is_on = 7: it must be true or false"),
    ({"tags": "a"}, "tags = 'a': it must be a list"),
    ({"tags": {"a": 1}}, "tags = {'a': 1}: it must be a list"),
    ({"tags": ["a", 1]}, "tags.1 = 1: it must be text"),
    ({"few": []}, "few = []: it must have at least 1 entries, it has 0"),
    ({"few": [1, 2, 3]}, "few = [1, 2, 3]: it must have at most 2 entries, it has 3"),
    ({"sizes": [1]}, "sizes = [1]: it must be a section or an object, keys with values"),
    ({"sizes": {"a": "b"}}, "sizes.a = 'b': it must be a whole number"),
    ({"inner": 1}, "inner = 1: this is a section, its keys are kind, size"),
    ({"inner": [1]}, "inner = [1]: this is a section, its keys are kind, size"),
    ({"inner": {"kind": "huge"}}, "inner.kind = 'huge': it must be 'small' or 'large'"),
    ({"inner": {"sise": 1}}, "inner.sise: there is no such key; allowed are kind, size. Did you mean size?"),
    ({"inners": [{"kin": 1}]}, "inners.0.kin: there is no such key; allowed are kind, size. Did you mean kind?"),
    ({"by_name": {"a": {"q": 1}}}, "by_name.a.q: there is no such key; allowed are kind, size"),
    ({"either": 5}, "either = 5: it must be text or a list"),
    ({"number": [1]}, "number = [1]: it must be a whole number or true or false or text"),
    ({"nmae": 1}, "nmae: there is no such key; allowed are by_name, count, "),
    ({"name": "y" * 100_000}, "yyy...yyy"),
]


@pytest.mark.parametrize(("given", "said"), FAULTS, ids=[said[:50] for _, said in FAULTS])
def test_a_fault_is_told_with_its_key_its_value_and_what_is_allowed(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"name": "abc", **given})
    told = explain(caught.value, Sample)
    assert said in told
    assert len(told) < 500 and "\n" not in told
    assert not [word for word in ("Input", "pydantic", "type=", "input_value", "valid ", "http") if word in told]


def test_what_is_missing_or_no_object_or_no_json_is_told_too() -> None:
    for read, said in (
        (lambda: Sample.model_validate({}), "name: it is missing"),
        (lambda: Sample.model_validate(3), "value = 3: it must be an object with keys of by_name, count"),
        (lambda: Sample.model_validate_json(b"{"), "value = b'{': it must be JSON: EOF while parsing an object"),
    ):
        with pytest.raises(ValidationError) as caught:
            read()
        assert explain(caught.value, Sample).startswith(said)


def test_of_very_many_faults_the_first_are_told_and_the_rest_counted() -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({"name": "abc", "tags": list(range(1000))})
    told = explain(caught.value)
    assert told.count("it must be text") == MOST and told.endswith(f"; {1000 - MOST} more")


@pytest.mark.parametrize(
    ("given", "keys"),
    [
        ({"count": True}, ["count"]),
        ({"share": False, "inner": {"size": True}}, ["share", "inner.size"]),
        ({"few": [1, True], "sizes": {"a": True}}, ["few.1", "sizes.a"]),
        ({"inners": [{"size": True}], "by_name": {"x": {"size": False}}}, ["inners.0.size", "by_name.x.size"]),
        ({"is_on": True, "number": True, "count": 1, "nobody": True, "either": True}, []),
    ],
)
def test_true_and_false_are_no_numbers(given: dict[str, Any], keys: list[str]) -> None:
    assert [key for key, _ in booleans_for_numbers(Sample, given)] == keys


def test_no_key_of_a_configuration_takes_true_for_a_number() -> None:
    found = booleans_for_numbers(
        RunConfig, {"mixture": {"eta": True}, "budget": {"usd": True}, "collect": {"goal": True}}
    )
    assert [key for key, _ in found] == ["mixture.eta", "budget.usd", "collect.goal"]


def test_a_task_of_one_s_own_is_told_its_keys() -> None:
    with pytest.raises(ValidationError) as caught:
        TaskSpec.make(environment="os", instruction="", setup={}, check={"kind": "script", "script": []})
    assert "check.script: there is no such key; allowed are agentbench" not in explain(caught.value, TaskSpec)
    assert "check.script: there is no such key; allowed are answer, arguments, " in explain(caught.value, TaskSpec)
    assert "origin: it is missing" in explain(caught.value, TaskSpec)


def test_a_variable_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAJMILL_SERVER_IDLE_MINUTES", "-1")
    with pytest.raises(ConfigError, match="TRAJMILL_SERVER_IDLE_MINUTES = '-1': it must be at least 0"):
        Settings()
