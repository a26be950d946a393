"""The labelled checks hold their labels: weak ones let a cheat through, honest ones decide between right and wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from environments.base import Action
from environments.os.check import judge
from environments.os.world import OsWorld
from schemas.episode import Verdict
from schemas.task_spec import Check, Provenance, Script, Setup, TaskSpec

SET = Path(__file__).with_name("check_set")
Row = dict[str, Any]


def rows(label: str) -> list[Row]:
    """Return the rows of a label, those that are held out last."""
    files = [SET / f"{label}{part}.jsonl" for part in ("", "_held_out")]
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def params(label: str) -> list[Any]:
    return [pytest.param(row, id=row["name"]) for row in rows(label)]


def check_of(row: Row) -> Check:
    if row["kind"] == "match":
        return Check(kind="match", regex=row.get("regex"), answer=row.get("answer"))
    codes = row["check"] if row["kind"] == "chain" else [row["check"]]
    scripts = [None if code is None else Script(code=code, language=row["language"]) for code in codes]
    return Check(kind=row["kind"], scripts=tuple(scripts))


def task_of(row: Row) -> TaskSpec:
    return TaskSpec.make(
        environment="os",
        instruction=row["instruction"],
        setup=Setup(init=tuple(Script(code=code) for code in row["init"])),
        reference=(Script(code=row["reference"]),),
        check=check_of(row),
        origin="self_instruct",
        provenance=Provenance(source=row["name"]),
    )


async def judge_reference(world: OsWorld, row: Row) -> Verdict:
    async with world.open(task_of(row)) as episode:
        await episode.reset()
        await episode.follow()
        return await episode.verify()


async def judge_attempt(world: OsWorld, row: Row, attempt: dict[str, str | None]) -> Verdict:
    async with world.open(task_of(row)) as episode:
        await episode.reset()
        await episode.step(Action("bash", attempt["script"] or ""))
        answer = attempt["answer"]
        await episode.step(Action("finish") if answer is None else Action("answer", answer))
        verdict = await episode.verify()
        if not verdict.detail.startswith("answer_not_earned"):
            return verdict
        assert episode.evidence is not None  # what is labelled is the check, whoever earned the answer
        return await judge(episode.spec, episode.evidence, episode.timeouts.check, episode.reference)


@pytest.mark.slow
@pytest.mark.parametrize("row", params("weak"))
async def test_a_weak_check_passes_its_reference_and_its_cheat(world: OsWorld, row: Row) -> None:
    for verdict in (await judge_reference(world, row), await judge_attempt(world, row, row["cheat"])):
        assert verdict.name == "passed", verdict.detail


@pytest.mark.slow
@pytest.mark.parametrize("row", params("honest"))
async def test_an_honest_check_passes_what_is_right_alone(world: OsWorld, row: Row) -> None:
    assert (await judge_reference(world, row)).name == "passed"
    for wanted, attempts in (("failed", row["wrong"]), ("passed", row["right"])):
        for attempt in attempts:
            verdict = await judge_attempt(world, row, attempt)
            assert verdict.name == wanted, f"{attempt}: {verdict.detail}"


@pytest.mark.parametrize(("label", "held_out"), [("weak", 16), ("honest", 24)])
def test_the_set_is_as_large_as_it_says(label: str, held_out: int) -> None:
    found = rows(label)
    assert len(found) >= 66 + held_out
    assert len({row["name"] for row in found}) == len({row["instruction"] for row in found}) == len(found)


@pytest.mark.parametrize("label", ["weak", "honest"])
def test_neither_questions_nor_changes_are_fewer_than_three_in_ten(label: str) -> None:
    asked = [row["asks"] for row in rows(label)]
    assert 0.3 <= asked.count("question") / len(asked) <= 0.7


def test_an_honest_check_has_two_wrong_attempts_and_another_right_one() -> None:
    short = [row["name"] for row in rows("honest") if len(row["wrong"]) < 2 or not row["right"]]
    assert not short
