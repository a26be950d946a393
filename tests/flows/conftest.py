"""An endpoint for builds in processes of their own: the offline teacher, which writes down what it is asked."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from benchmarks.killed_builds import Builder
from benchmarks.listening_endpoint import Endpoint
from environments.db.rehearsal import DbRehearsal
from environments.os.families.catalogue import of_topic
from environments.os.families.family import Family
from environments.os.rehearsal import OsRehearsal
from rehearsals.base import Rehearsal
from rehearsals.server import OfflineServer
from tasks.collect.episodes import collect_shard, plan_shards
from tasks.curate.trajectories import count_shards, curate_shard
from tasks.generate.rounds import derive_tasks, generate_round
from tasks.workshop import Workshop
from warehouse.warehouse import Warehouse

CONFIG = """
name = "tests"
environments = ["os", "db"]

[teacher]
kind = "openai"
name = "endpoint"

[generate]
rounds = 2

[generate.os]
requests = {os}

[generate.db]
requests = {db}
questions = {db}

[collect]
shard_size = {shard}

[general]
conversations = {chats}

[mixture.source_models]
offline-a = "gpt-4"
offline-b = "gpt-3.5"
"""


class Restless(OsRehearsal):
    """Makes up tasks whose observations hold times, process ids and random names, wherever a topic has such."""

    def _families(self, topic: str, fault: str | None) -> tuple[Family, ...]:
        return tuple(family for family in of_topic(topic) if family.volatile) or super()._families(topic, fault)


def served(*rehearsals: Rehearsal) -> Iterator[Endpoint]:
    endpoint = Endpoint(*rehearsals)
    endpoint.start()
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    """Everything the offline teacher knows."""
    yield from served(OsRehearsal(), DbRehearsal())


@pytest.fixture(scope="module")
def quiet_endpoint() -> Iterator[Endpoint]:
    """No task shows times, process ids or random names: two builds must be the same to the last byte."""
    yield from served(OsRehearsal(volatile=False), DbRehearsal())


@pytest.fixture(scope="module")
def restless_endpoint() -> Iterator[Endpoint]:
    """Three OS topics of seven show what is never the same twice."""
    yield from served(Restless(), DbRehearsal())


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[OfflineServer], str]]:
    """Serve an endpoint of the test's own and point this process's settings at it."""
    running: list[OfflineServer] = []
    monkeypatch.setenv("TRAJMILL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")

    def start(server: OfflineServer) -> str:
        running.append(server)
        url = server.start()
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        return url

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def written_config(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a configuration that asks an endpoint: requests by world, episodes a shard, chats."""

    def write(os: int, db: int, shard: int = 64, chats: int = 120) -> Path:
        path = tmp_path_factory.mktemp("config") / "tests.toml"
        path.write_text(CONFIG.format(os=os, db=db, shard=shard, chats=chats), encoding="utf-8")
        return path

    return write


async def _ask_everything(workshop: Workshop) -> None:
    await derive_tasks.fn(workshop.build)
    await generate_round.fn(workshop.build, 0)
    for world in workshop.worlds:
        for part, index in plan_shards(workshop, world, 1, "teacher", None):
            await collect_shard.fn(workshop.build, part, index)
    for index in range(count_shards(workshop)):
        await curate_shard.fn(workshop.build, index)


@pytest.fixture(scope="session")
def ask_everything() -> Callable[[Workshop], Awaitable[None]]:
    """Run the stages that ask a model, each once and in order, without Prefect."""
    return _ask_everything


@pytest.fixture(scope="session")
def tamper() -> Callable[[Path], str]:
    """Land another try of an accepted database episode, its second observation not what was seen; return its id."""

    def land(home: Path) -> str:
        warehouse = Warehouse(home)
        where = "verdict = 'passed' AND environment = 'db' AND n_turns > 1"
        (episode, *_) = warehouse.read("latest_episodes", where)
        turns = warehouse.read("turns", "episode_id = ? AND landing = ?", (episode.episode_id, episode.landing))
        seen = [turn.model_copy(update={"landing": "tampered"}) for turn in turns]
        seen[1] = seen[1].model_copy(update={"observation": "somebody else's rows"})
        warehouse.land("turns", seen, key="tampered/turns")
        again = episode.model_copy(update={"landing": "tampered", "try_number": episode.try_number + 1})
        warehouse.land("episodes", [again], key="tampered")
        return str(episode.episode_id)

    return land


@pytest.fixture
def accept_falsely() -> Callable[[Path], str]:
    """Land another try of an accepted episode whose answer is wrong and which passed nevertheless; return its id."""

    def land(home: Path) -> str:
        warehouse = Warehouse(home)
        asked = "task_id IN (SELECT task_id FROM task_specs WHERE environment = 'db' AND \"check\".kind = 'rows')"
        kept = "episode_id IN (SELECT episode_id FROM trajectories)"
        (episode, *_) = warehouse.read("latest_episodes", f"verdict = 'passed' AND {asked} AND {kept}")
        turns = warehouse.read("turns", "episode_id = ? AND landing = ?", (episode.episode_id, episode.landing))
        done = [turn.model_copy(update={"landing": "false"}) for turn in turns]
        done[-1] = done[-1].model_copy(update={"action": '["nobody knows"]'})
        warehouse.land("turns", done, key="false/turns")
        again = episode.model_copy(update={"landing": "false", "try_number": episode.try_number + 1})
        warehouse.land("episodes", [again], key="false")
        return str(episode.episode_id)

    return land


@pytest.fixture(scope="module")
def ctrl_c_is_heard() -> Iterator[None]:
    """What a shell runs in its background ignores Ctrl-C, and so would every build that is started there."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def quiet(
    tmp_path_factory: pytest.TempPathFactory,
    quiet_endpoint: Any,
    written_config: Callable[..., Path],
    ctrl_c_is_heard: None,
) -> Builder:
    """Make builds in which nothing changes by itself: the last byte must be the same."""
    return Builder(tmp_path_factory.mktemp("quiet"), written_config(os=8, db=6, shard=6), quiet_endpoint)


@pytest.fixture(scope="module")
def undisturbed(quiet: Builder, share: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """One such build that was left alone, for all workers."""

    def make(folder: Path) -> None:
        (folder / "seconds.json").write_bytes(orjson.dumps(quiet.run(folder / "home")["seconds"]))

    folder = share("undisturbed", make)
    quiet.seconds = orjson.loads((folder / "seconds.json").read_bytes())
    return folder / "home"
