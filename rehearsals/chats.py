"""Writes general chats of our own for the demo, in ShareGPT's two wild forms, with planted bad rows.

Sentences stand in chats.toml. A chat's number picks its topic and, through a bijection, the values of the topic's
slots, so that no two chats of one build are the same, nor any of the next two hundred builds.
"""

from __future__ import annotations

import functools
import math
import random
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rehearsals.chat_faults import FAULTS, REPAIRABLE, render_row, spoil

FORMAT = "sharegpt"
MODELS = ("offline-a", "offline-b")
_BAD_SHARE = 0.04
_REPAIRABLE_SHARE = 0.03
_FEWEST_WITH_FAULTS = 60
"""A smaller set would be mostly faults; none are planted."""
_SPREAD = 1_000_003
"""A prime that divides no number of slot combinations: neighbours get values far apart."""

_Row = dict[str, Any]


class _Topic(NamedTuple):
    slots: dict[str, Sequence[Any]]
    ask: str
    reply: str
    follow: list[tuple[str, str]]


def write_chats(folder: Path, *, count: int, build: int, seed: int) -> list[Path]:
    """Write `count` rows, the first half as one JSON array, the second as JSONL; return the two files.

    One row in five says it is by offline-a, the others by offline-b; about 4 % are bad, one at least for every reason
    to reject a row, and about 3 % need a repair. The same arguments give the same bytes.
    """
    rows = list(_render_rows(count, build, seed))
    array, lines = rows[: count // 2], rows[count // 2 :]
    is_cut = "cut_off" in plan_chats(count, build, seed)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"chats-{build:04}.json", folder / f"chats-{build:04}.jsonl"]
    paths[0].write_text("[\n" + ",\n".join(array) + ("" if is_cut else "\n]\n"), encoding="utf-8", newline="\n")
    paths[1].write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return paths


def plan_chats(count: int, build: int, seed: int) -> list[str]:
    """Say of every row what is planted in it: `good`, a repair of REPAIRABLE, or a reason of FAULTS."""
    plan = ["good"] * count
    if count < _FEWEST_WITH_FAULTS:
        return plan
    plan[count // 2 - 1] = "cut_off"  # only the end of the array can be cut off
    reasons = [reason for reason in FAULTS if reason != "cut_off"]
    bad = max(len(reasons), round(count * _BAD_SHARE) - 1)
    planted = [reasons[i % len(reasons)] for i in range(bad)]
    planted += [REPAIRABLE[i % len(REPAIRABLE)] for i in range(round(count * _REPAIRABLE_SHARE))]
    # The first ten rows stay good, so that a duplicate has something to repeat.
    places = [i for i in range(10, count) if plan[i] == "good"]
    for place, name in zip(random.Random(f"{seed}:{build}").sample(places, len(planted)), planted, strict=True):
        plan[place] = name
    return plan


def _render_rows(count: int, build: int, seed: int) -> Iterator[str]:
    good: list[str] = []
    for index, fault in enumerate(plan_chats(count, build, seed)):
        rng = random.Random(f"{seed}:{build}:{index}")
        row: _Row = {
            "id": f"offline_{build}_{index}",
            "model": MODELS[0] if index % 5 == 0 else MODELS[1],
            "conversations": _compose(build * count + index, seed, rng),
        }
        if fault == "duplicate":
            yield rng.choice(good)
            continue
        if fault == "good":
            good.append(render_row(row, as_messages=index >= count // 2 and index % 3 == 0))
        yield good[-1] if fault == "good" else spoil(row, fault, rng, in_array=index < count // 2)


def _compose(number: int, seed: int, rng: random.Random) -> list[dict[str, str]]:
    """Compose one to four exchanges on the topic and slots that the chat's number picks."""
    topics = _load_topics()
    number, place = divmod(number, len(topics))
    topic = topics[place]
    values = _fill_slots(topic, number * _SPREAD + seed)
    exchanges = [(topic.ask, topic.reply), *rng.sample(topic.follow, rng.randint(0, len(topic.follow)))]
    return [
        {"from": name, "value": text.format_map(values)}
        for exchange in exchanges
        for name, text in zip(("human", "gpt"), exchange, strict=True)
    ]


def _fill_slots(topic: _Topic, number: int) -> dict[str, Any]:
    """Read the number as one digit a slot; different numbers below the product of sizes give different values."""
    number %= math.prod(len(values) for values in topic.slots.values())
    filled: dict[str, Any] = {}
    for name, values in topic.slots.items():
        number, digit = divmod(number, len(values))
        filled[name] = values[digit]
    return filled | _derive(filled)


def _derive(filled: dict[str, Any]) -> dict[str, Any]:
    """Work out the figures that replies give."""
    few, money, distance = (filled.get(name, 0) for name in ("few", "money", "distance"))
    figures = {"product": money * few, "double": 2 * money * few}
    return figures | {"speed": round(distance / few), "miles": round(distance / 1.609)}


@functools.cache
def _load_topics() -> tuple[_Topic, ...]:
    text = tomllib.loads(Path(__file__).with_name("chats.toml").read_text(encoding="utf-8"))
    slots = {name: _slot_values(given) for name, given in text["slots"].items()}
    return tuple(
        _Topic({name: slots[name] for name in topic["slots"]}, topic["ask"], topic["reply"], topic["follow"])
        for topic in text["topic"]
    )


def _slot_values(given: Any) -> Sequence[Any]:
    if isinstance(given, list):
        return given
    return range(given["from"], given["to"] + 1, given.get("step", 1))
