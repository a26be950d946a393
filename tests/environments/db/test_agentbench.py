"""AgentBench's golden values on real rows: hashes of every write, labels of every read."""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from environments.admission import admit
from environments.db.labels import judge_label
from environments.db.world import DbWorld
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "agentbench"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/agentbench is absent")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path / "databases") as opened:
        yield opened


def rows_of(name: str) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in (DATA / name).read_text().splitlines()]


def write_task(row: dict) -> TaskSpec:  # type: ignore[type-arg]
    """Build the task here, as environments may not know formats (the import has tests of its own)."""
    info = row["table"]["table_info"]
    table = TableData(
        name=row["table"]["table_name"],
        columns=tuple(Column(name=column["name"], type="TEXT COLLATE NOCASE") for column in info["columns"]),
        rows=tuple(tuple(cells) for cells in info["rows"]),
    )
    return TaskSpec.make(
        environment="db",
        instruction=row["description"],
        setup=Setup(tables=(table,)),
        reference=(Script(code=row["label"][0]),),
        check=Check(kind="agentbench_hash", answer=ast.literal_eval(row["answer_md5"])[0][0]),
        origin="benchmark",
        provenance=Provenance(source="dbbench"),
    )


@pytest.mark.parametrize(("name", "writes"), [("dbbench_dev.jsonl", 40), ("dbbench_standard_first150.jsonl", 50)])
async def test_the_reference_of_every_write_gives_the_golden_hash(world: DbWorld, name: str, writes: int) -> None:
    specs = [write_task(row) for row in rows_of(name) if "answer_md5" in row]
    failed = []
    for spec in specs:
        async with world.open(spec) as environment:
            await environment.reset()
            await environment.follow()
            verdict = await environment.verify()
        if verdict.name != "passed":
            failed.append((spec.instruction, verdict.detail))
    assert (len(specs), failed) == (writes, [])


async def test_doing_nothing_gives_no_golden_hash(world: DbWorld) -> None:
    for row in rows_of("dbbench_dev.jsonl")[20:]:
        probes = await admit(world, write_task(row))
        assert all(probe.passed for probe in probes), probes


READS = [row["label"] for row in rows_of("dbbench_dev.jsonl")[:20]] if DATA.is_dir() else []


@pytest.mark.parametrize("label", READS, ids=[str(label[0])[:20] for label in READS])
def test_a_label_is_right_in_other_forms_and_wrong_changed(label: list[str]) -> None:
    forms = [
        json.dumps(label),
        repr(label),
        repr([(value,) for value in label]),
        json.dumps(label[::-1]) + "\n",
        "\n".join(label),
        json.dumps([int(float(v)) if v.endswith(".0") else v for v in label]),
    ]
    assert all(judge_label(form, tuple(label)).passed for form in forms)
    wrong = [json.dumps([*label, "and one more"]), json.dumps([f"{value}9" for value in label]), "[]", "I do not know"]
    assert not any(judge_label(form, tuple(label)).passed for form in wrong)
