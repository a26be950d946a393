"""Reads the rows of a mixture as they are published: a shard's worth at a time, agent rows in both wordings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from environments.registry import Worlds
from formats.releases.release_folder import ReleaseRow
from schemas.episode import Turn
from schemas.foreign_row import ForeignRow
from schemas.message import Message
from schemas.record import digest
from schemas.task_spec import TaskSpec
from schemas.trajectory import Conversation, Trajectory
from tasks.collect.repairs import understood
from tasks.privacy.rows import hide_older
from tasks.publish.likeness import CHATS_ALIKE, likeness
from tasks.publish.plain_chats import PlainChats, join_chunks
from tasks.publish.pools import AGENT, RECORDED, Pick
from tasks.publish.recorded_sets import kin_of_recorded, read_recorded, word_recorded
from tasks.publish.render_rows import BothWordings, Chunk, render_chunk
from tasks.publish.split_rows import Kin
from tasks.publish.word_as_calls import DIALECT, word_as_calls
from tasks.publish.write_release import make_agent_row, make_general_row
from tasks.workshop import Workshop

AT_ONCE = 2000
"""Rows that are looked at together where only little of each is kept."""
STRETCH = 10_000
"""Rows whose plain chats are read together, as columns: each reading passes over the whole table."""
BLOCK = 5000
"""Rows of which the others are read together."""
CHUNK = 500
"""Rows that are rendered together."""
OF_ITS_PARENT = 0.5
"""ROUGE-L F1 from which on a task that had several examples is one's variation; admission takes none from 0.7 on."""
MOST_CHARACTERS = 1000
"""Of what a row asks: likeness looks at its beginning, and all rows' are held at once."""


def wording_of(worlds: Worlds) -> list[tuple[str, str, int]]:
    """Return what words rows as calls, by world: in the release's id."""
    calling = [(name, world.dialects[DIALECT]) for name, world in sorted(worlds.items()) if DIALECT in world.dialects]
    return [(name, dialect.prompt.sha256, dialect.contract) for name, dialect in calling]


def setup_key(spec: TaskSpec) -> str | None:
    """Name what a task's initial state is made of, the database of many tasks; None = it begins with nothing."""
    setup = spec.setup
    if setup.database:
        return f"database {setup.database}"
    made_of = (setup.tables, setup.init, setup.start, setup.state)
    return f"setup {digest(*made_of)}" if any(made_of) else None


class MixtureReader:
    """The tables as they stood at `versions`, for the rows of one curation."""

    def __init__(self, workshop: Workshop, curation: str, versions: Mapping[str, int]) -> None:
        self._workshop, self._curation, self._versions = workshop, curation, versions

    def kin(self, picks: Sequence[Pick]) -> Iterator[Kin]:
        """Yield what splitting needs to know of each row; its copies go where it goes."""
        picks = [pick for pick in picks if pick.copy == 1]
        tasks = self._tasks([pick.id for pick in picks if pick.stratum == AGENT])
        known = self._instructions(sorted(set(tasks.values())))
        asked = self._questions([pick.id for pick in _chats(picks)])
        for some in _cut(picks, AT_ONCE):
            specs = self._specs(tasks[pick.id] for pick in some if pick.stratum == AGENT)
            yield from kin_of_recorded(self._recorded(some))
            for pick in some:
                if pick.stratum == RECORDED:
                    continue
                if pick.stratum != AGENT:
                    yield Kin(pick.id, pick.stratum, (), asked[pick.id], CHATS_ALIKE)
                    continue
                spec = specs[tasks[pick.id]]
                asks = spec.instruction[:MOST_CHARACTERS]
                yield Kin(pick.id, spec.environment, tuple(keys_of(spec, known)), asks)

    def chunks(self, picks: Sequence[Pick], *, with_calls: bool) -> Iterator[Chunk]:
        """Yield rows in every table of a release, in the order of `picks`, some at a time."""
        for stretch in _cut(picks, STRETCH):  # each a call of its own: what it held is gone before the next is read
            yield from self._stretch(stretch, with_calls)

    def _stretch(self, picks: Sequence[Pick], with_calls: bool) -> Iterator[Chunk]:
        plain = PlainChats.read(self._workshop.warehouse, _chats(picks), self._versions)
        for block in _cut(picks, BLOCK):
            yield from self._block(block, plain, with_calls)

    def _block(self, picks: Sequence[Pick], plain: PlainChats, with_calls: bool) -> Iterator[Chunk]:
        others = [pick for pick in _chats(picks) if pick.id not in plain.place]
        rows = self._agent_rows(picks) | self._general_rows(others)
        rows |= word_recorded(self._recorded(picks))
        for some in _cut(picks, CHUNK):
            yield _render(some, rows, plain, with_calls=with_calls)

    def _recorded(self, picks: Sequence[Pick]) -> list[ForeignRow]:
        mine = sorted({pick.id for pick in picks if pick.stratum == RECORDED})
        return read_recorded(self._workshop, mine, self._versions)

    def _agent_rows(self, picks: Sequence[Pick]) -> dict[str, BothWordings]:
        mine = sorted({pick.id for pick in picks if pick.stratum == AGENT})
        rows: list[Trajectory] = self._read("trajectories", "trajectory_id", mine)
        specs = self._specs(row.task_id for row in rows)
        turns = self._turns(sorted({row.episode_id for row in rows}))
        said = self._said(rows, turns)
        written: dict[str, BothWordings] = {}
        for row in rows:
            made, did = make_agent_row(row), turns.get(row.episode_id, ())
            made, was_hidden = hide_older(made, row.looked_at)
            if row.hidden or was_hidden:  # its turns and its task stand as they were
                written[row.trajectory_id] = BothWordings(made, "hidden")
                continue
            calls = self._as_calls(made, row, specs[row.task_id], said[row.episode_id], did)
            written[row.trajectory_id] = BothWordings(made, calls, row.episode_id)
        return written

    def _as_calls(
        self, made: ReleaseRow, row: Trajectory, spec: TaskSpec, said: Sequence[Message], turns: Sequence[Turn]
    ) -> ReleaseRow | str:
        worded = word_as_calls(self._workshop.worlds, spec, row.dialect, said, turns)
        if isinstance(worded, str):
            return worded
        messages, tools = worded
        return made._replace(messages=messages, tools=tools)

    def _said(self, rows: Sequence[Trajectory], turns: Mapping[str, Sequence[Turn]]) -> dict[str, list[Message]]:
        """Return what each row's episode trains on; where each round is a row, of all of them."""
        parts = sorted({row.episode_id for row in rows if row.n_trained < len(turns.get(row.episode_id, ()))})
        of_rounds: list[Trajectory] = self._read("trajectories", "episode_id", parts)
        others = [row for row in of_rounds if row.curation_id == self._curation]
        every = {row.trajectory_id: row for row in (*rows, *others)}
        said: dict[str, list[Message]] = defaultdict(list)
        for row in sorted(every.values(), key=lambda row: row.part):
            said[row.episode_id] += [message for message in row.messages if message.train]
        return said

    def _turns(self, episodes: Sequence[str]) -> dict[str, tuple[Turn, ...]]:
        sql = "SELECT episode_id, landing FROM latest_episodes WHERE episode_id IN (SELECT unnest(?::VARCHAR[]))"
        landings = set(self._workshop.warehouse.query(sql, (list(episodes),), versions=self._versions))
        turns: dict[str, list[Turn]] = defaultdict(list)
        for turn in self._read("turns", "episode_id", episodes):
            if (turn.episode_id, turn.landing) in landings:
                turns[turn.episode_id].append(turn)
        return {one: understood(sorted(them, key=lambda turn: turn.index)) for one, them in turns.items()}

    def _general_rows(self, picks: Sequence[Pick]) -> dict[str, BothWordings]:
        strata = {pick.id: pick.stratum for pick in picks}
        rows: list[Conversation] = self._read("conversations", "conversation_id", list(strata))
        whole = ((make_general_row(row, strata[row.conversation_id]), row.looked_at) for row in rows)
        made = [hide_older(row, looked_at)[0] for row, looked_at in whole]
        return {row.id: BothWordings(row, row) for row in made}

    def _tasks(self, rows: Sequence[str]) -> dict[str, str]:
        sql = "SELECT trajectory_id, task_id FROM trajectories WHERE trajectory_id IN (SELECT unnest(?::VARCHAR[]))"
        return dict(self._workshop.warehouse.query(sql, (list(rows),), versions=self._versions))

    def _instructions(self, tasks: Sequence[str]) -> dict[str, str]:
        """Return how each task begins."""
        sql = f"SELECT task_id, left(instruction, {MOST_CHARACTERS}) FROM task_specs"
        where = "WHERE task_id IN (SELECT unnest(?::VARCHAR[]))"
        return dict(self._workshop.warehouse.query(f"{sql} {where}", (list(tasks),), versions=self._versions))

    def _specs(self, tasks: Iterable[str]) -> dict[str, TaskSpec]:
        found: list[TaskSpec] = self._read("task_specs", "task_id", sorted(set(tasks)))
        return {spec.task_id: spec for spec in found}

    def _questions(self, chats: Sequence[str]) -> dict[str, str]:
        """Return what each chat asks first."""
        first = "coalesce(list_filter(messages, lambda m: m.role = 'user')[1].content, '')"
        sql = f"SELECT conversation_id, left({first}, {MOST_CHARACTERS}) FROM conversations"
        where = "WHERE conversation_id IN (SELECT unnest(?::VARCHAR[]))"
        return dict(self._workshop.warehouse.query(f"{sql} {where}", (list(chats),), versions=self._versions))

    def _read(self, table: str, key: str, ids: Sequence[str]) -> list[Any]:
        if not ids:
            return []
        where = f"{key} IN (SELECT unnest(?::VARCHAR[]))"
        return self._workshop.warehouse.read(table, where, (list(ids),), versions=self._versions)


def _render(picks: Sequence[Pick], rows: Mapping[str, BothWordings], plain: PlainChats, *, with_calls: bool) -> Chunk:
    by_row = [_named(rows[pick.id], pick.name) for pick in picks if pick.id in rows]
    mine = [pick for pick in picks if pick.id not in rows]
    made = [render_chunk(by_row, with_calls=with_calls)] if by_row else []
    made += [plain.chunk(mine, with_calls=with_calls)] if mine else []
    return join_chunks(made, [pick.name for pick in picks])


def _named(written: BothWordings, name: str) -> BothWordings:
    """Give a copy of a row the name that it has in the release."""
    if written.row.id == name:
        return written
    calls = written.calls if isinstance(written.calls, str) else written.calls._replace(id=name)
    return BothWordings(written.row._replace(id=name), calls, written.episode)


def _chats(picks: Sequence[Pick]) -> list[Pick]:
    return [pick for pick in picks if pick.stratum not in (AGENT, RECORDED)]


def _cut(picks: Sequence[Pick], size: int) -> Iterator[Sequence[Pick]]:
    return (picks[start : start + size] for start in range(0, len(picks), size))


def keys_of(spec: TaskSpec, known: Mapping[str, str]) -> Iterator[str]:
    """Name what a task shares with others: itself, tasks it was made of, its question, its initial state.

    `known` are the instructions of tasks in the mixture. A task that several stood in the prompt of, as examples, was
    made of those that it reads like: by its examples every task of a build belongs to every other.
    """
    yield f"task {spec.task_id}"
    for parent in spec.parents:
        is_only = len(spec.parents) == 1
        if parent in known and (is_only or likeness(spec.instruction, known[parent]) >= OF_ITS_PARENT):
            yield f"task {parent}"
    if spec.origin == "derived":
        yield from (f"question {parent}" for parent in spec.parents)
    if key := setup_key(spec):
        yield key
