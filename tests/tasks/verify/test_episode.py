"""Proofs run again on real worlds: what is the same says so, what differs is named, what cannot run is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from environments.base import UNCHANGED, World
from environments.db.world import DbWorld
from environments.os.episode import OsEnvironment
from environments.os.world import OsWorld
from sandboxes.bubblewrap import Bubblewrap
from sandboxes.images import host_image
from schemas.completion import CompletionRequest
from schemas.episode import Episode, RewardPart, Solver, Turn
from schemas.message import Message
from schemas.settings import default_cache
from schemas.task_spec import Check, Column, Provenance, Script, Setup, TableData, TaskSpec
from tasks.collect.journal import NoJournal
from tasks.collect.roll_out import Attempt, Rules, replay_reference, roll_out
from tasks.verify.episode import verify_episode, verify_task
from teachers.scripted import Scripted

PLANTS = TableData(
    name="plants", columns=(Column(name="name"), Column(name="cm", type="INTEGER")), rows=(("fern", 40),)
)
GROW = "INSERT INTO plants VALUES ('palm', 900)"
FIRST = Attempt(build=1, attempt=1, try_number=1, landing="l")
Rolled = tuple[Episode, list[Turn]]


def rules(world: World, dialect: str = "react") -> Rules:
    def ask(messages: tuple[Message, ...], attempt: int) -> CompletionRequest:
        return CompletionRequest(purpose="collect_episodes", teacher="t", model="m", messages=messages, attempt=attempt)

    solver = Solver(kind="reference", solver_id="s", dialect=dialect)
    return Rules(solver, ask, world.dialects[dialect], max_turns=6, max_tokens=4000)


def db_task(reference: str, kind: str = "state") -> TaskSpec:
    return TaskSpec.make(
        environment="db",
        instruction="Do it.",
        setup=Setup(tables=(PLANTS,)),
        reference=(Script(code=reference),),
        check=Check.model_validate({"kind": kind}),
        origin="own",
        provenance=Provenance(source="test"),
    )


def os_task(reference: str, init: str = "true") -> TaskSpec:
    return TaskSpec.make(
        environment="os",
        instruction="Do it.",
        setup=Setup(init=(Script(code=init),)),
        reference=(Script(code=reference),),
        check=Check(kind="script", scripts=(Script(code="true"),)),
        origin="own",
        provenance=Provenance(source="test"),
    )


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[DbWorld]:
    async with DbWorld.on_sqlite(tmp_path / "databases", workers=1) as home:
        yield home


@pytest.fixture
async def shell() -> AsyncIterator[OsWorld]:
    image = host_image(default_cache())
    async with OsWorld(Bubblewrap(image), image.digest) as home:
        yield home


async def solve(spec: TaskSpec, world: World, replies: Sequence[str]) -> Rolled:
    return await roll_out(spec, world, Scripted(replies), rules(world), FIRST, NoJournal())


async def test_a_reference_s_run_comes_out_the_same_with_its_state(db: DbWorld) -> None:
    spec = db_task(GROW)
    episode, turns = await replay_reference(spec, db, rules(db), FIRST)
    assert episode.verdict == "passed" and episode.state_digest not in (None, UNCHANGED)
    again = await verify_episode(spec, db, episode, turns)
    assert again.is_same and again.has_state and again.elsewhere == ""
    assert again.verdict is not None and (again.verdict.name, again.verdict.reward) == ("passed", 1.0)
    assert episode.check_contract == db.check_contract == 3


async def test_a_shell_s_run_comes_out_the_same(shell: OsWorld) -> None:
    spec = os_task("wc -l < /root/n; echo done > /root/m", init="seq 12 > /root/n")
    episode, turns = await replay_reference(spec, shell, rules(shell), FIRST)
    assert episode.verdict == "passed" and episode.state_digest not in (None, UNCHANGED)
    assert (await verify_episode(spec, shell, episode, turns)).is_same


async def test_a_check_that_does_not_end_is_ended_and_told(shell: OsWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = os_task("true")
    episode, turns = await replay_reference(spec, shell, rules(shell), FIRST)
    slow = spec.model_copy(update={"check": Check(kind="script", scripts=(Script(code="sleep 1000"),))})
    monkeypatch.setattr(OsEnvironment, "judge_seconds", 1.0)
    found = await verify_episode(slow, shell, episode, turns)
    assert found.broken.startswith("CheckError: the check did not end within 1 s")
    assert not found.is_same


async def test_files_left_otherwise_are_a_difference_and_their_times_are_none(shell: OsWorld) -> None:
    talk = ["Think: I write.\n\nAct: bash\n\n```bash\n", "\n```"]
    for command, same in (("echo x > /root/m; sleep 0.01", True), ("date +%N > /root/m", False)):
        spec = os_task("true")
        episode, turns = await solve(spec, shell, [command.join(talk), "Think: Done.\n\nAct: finish"])
        found = await verify_episode(spec, shell, episode, turns)
        assert [d.cause for d in found.differences] == ([] if same else ["state"])
    looked, turns = await solve(spec, shell, ["ls /root".join(talk), "Think: Done.\n\nAct: finish"])
    assert looked.state_digest == UNCHANGED


async def test_what_differs_is_named_turn_by_turn_with_state_and_reward(db: DbWorld) -> None:
    spec = db_task(GROW)
    select = "Action: Operation\n```sql\nSELECT * FROM plants\n```"
    write = f"Action: Operation\n```sql\n{GROW}\n```"
    episode, turns = await solve(spec, db, [select, write, select, 'Action: Answer\nFinal Answer: ["done"]'])
    assert episode.verdict == "passed"
    seen = turns[1].model_copy(update={"observation": turns[1].observation.replace("40", "41")})
    parts = (RewardPart(name="data", value=0.0),)
    other = episode.model_copy(update={"verdict": "failed", "reward": 0.0, "rewards": parts, "state_digest": "another"})
    found = await verify_episode(spec, db, other, [turns[0], seen, *turns[2:]])
    assert [(d.where, d.cause) for d in found.differences] == [
        ("turn 0", "numbers"),
        ("reward", "reward"),
        ("state", "state"),
    ]
    assert "- [('fern', 41)]" in found.differences[0].detail and "+ [('fern', 40)]" in found.differences[0].detail
    assert found.differences[1].detail.startswith("- failed, reward 0 data=0\n+ passed, reward 1 data=1 schema=1")
    assert not found.is_same and not found.holds


async def test_a_task_that_reads_otherwise_today_differs_before_the_first_action(db: DbWorld) -> None:
    spec = db_task("SELECT name FROM plants", kind="rows")
    episode, turns = await replay_reference(spec, db, rules(db), FIRST)
    renamed = spec.model_copy(update={"instruction": "Do another thing."})
    found = await verify_episode(renamed, db, episode, turns)
    assert [d.where for d in found.differences] == ["the task"] and episode.state_digest == UNCHANGED


async def test_times_process_ids_and_drawn_names_are_told_as_differences_with_their_cause(shell: OsWorld) -> None:
    spec = os_task("date +%T.%N")
    talk = ["Think: I look.\n\nAct: bash\n\n```bash\n", "\n```"]
    replies = ["date +%T.%N".join(talk), "mktemp".join(talk), "Think: Done.\n\nAct: finish"]
    episode, turns = await solve(spec, shell, replies)
    assert [turn.action for turn in turns] == ["date +%T.%N", "mktemp", ""]
    found = await verify_episode(spec, shell, episode, turns)
    assert [(d.where, d.cause) for d in found.differences] == [("turn 0", "times"), ("turn 1", "names")]
    assert found.holds and not found.is_same


async def test_what_was_not_executed_then_is_not_executed_now(db: DbWorld) -> None:
    spec = db_task(GROW)
    write = f"Action: Operation\n```sql\n{GROW}\n```"
    for replies, outcome in (([write] * 3, "repeated"), ([write, "I give up."], "invalid_action")):
        episode, turns = await solve(spec, db, replies)
        assert episode.outcome == outcome and episode.state_digest
        found = await verify_episode(spec, db, episode, turns)
        assert found.is_same, found.differences


async def test_an_episode_of_another_world_is_told_apart(db: DbWorld) -> None:
    spec = db_task(GROW)
    episode, turns = await replay_reference(spec, db, rules(db), FIRST)
    episode = episode.model_copy(update={"told": '{"turns":6}'})
    elsewhere = episode.model_copy(update={"world_id": "w", "image": "mariadb 11.8", "sandbox": "private instance"})
    found = await verify_episode(spec, db, elsewhere, turns)
    version = db.describe()["image"]
    assert (
        found.elsewhere == f"made on mariadb 11.8 in private instance, this is {version} in {db.describe()['sandbox']}"
    )
    assert found.is_same, found.differences
    same_place = await verify_episode(spec, db, episode.model_copy(update={"world_id": "w"}), turns)
    assert same_place.elsewhere.endswith("under another contract or other limits of the world")


async def test_a_world_that_breaks_is_no_difference_and_not_the_same(shell: OsWorld) -> None:
    spec = os_task("true")
    episode, turns = await replay_reference(spec, shell, rules(shell), FIRST)
    broken = spec.model_copy(update={"setup": Setup(init=(Script(code="exit 3"),))})
    found = await verify_episode(broken, shell, episode, turns)
    assert "initialisation script 1 ended with exit code 3" in found.broken and not found.is_same and not found.holds


async def test_a_state_that_stops_the_check_is_the_agent_s_failure_now_as_then(shell: OsWorld) -> None:
    spec, deep = os_task("true"), "cd /srv; for n in $(seq 250); do mkdir d; cd d; done"
    replies = [f"Think: I dig.\n\nAct: bash\n\n```bash\n{deep}\n```", "Think: Done.\n\nAct: finish"]
    episode, turns = await solve(spec, shell, replies)
    assert (episode.outcome, episode.verdict) == ("finished", "failed") and "deeper than 200" in episode.verdict_detail
    found = await verify_episode(spec, shell, episode, turns)
    assert found.is_same and found.verdict is not None and found.verdict.name == "failed"
    accepted = episode.model_copy(update={"verdict": "passed", "reward": 1.0})
    found = await verify_episode(spec, shell, accepted, turns)
    assert [d.cause for d in found.differences] == ["reward"] and found.shows_same and not found.holds


async def test_an_episode_without_a_recorded_state_says_so(db: DbWorld) -> None:
    spec = db_task(GROW)
    episode, turns = await replay_reference(spec, db, rules(db), FIRST)
    found = await verify_episode(spec, db, episode.model_copy(update={"state_digest": None}), turns)
    assert found.is_same and not found.has_state


async def test_a_task_is_tried_as_its_admission_did(db: DbWorld) -> None:
    assert (await verify_task(db_task(GROW), db)).is_same
    idle = await verify_task(db_task("UPDATE plants SET cm = 40"), db)
    assert [(d.where, d.cause) for d in idle.differences] == [("nothing_fails", "probe")]
