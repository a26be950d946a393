"""What a build began with: it ends with that, whatever the defaults, prompts and files of ours have become since.

What somebody chose must be the same for a build to be continued; all else comes from its beginning, and only how fast
and dear it is, and how it is watched, from now (docs/decisions/0007-ids-that-may-grow.md).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import ValidationError

import prompts
from environments.sections import config_in_ids, in_full, without
from flows.configuration import Chosen, Key
from schemas.errors import ConfigError
from schemas.invalid_values import explain
from schemas.record import FIRST_FORM, canonical_json, digest
from schemas.run_config import BEFORE, RunConfig, move_world_sections
from warehouse.state import Build, State

PACE: Mapping[str, Collection[str] | None] = {
    "budget": None,
    "publish": None,
    "verify": None,
    "teacher": {
        *("concurrency", "timeout_seconds", "max_retries", "prices"),
        *("requests_per_minute", "tokens_per_minute", "limits"),
        *("mode", "batch_wait_seconds", "batch_max_requests", "batch_max_bytes", "batch_poll_seconds"),
        *("max_reply_bytes", "batch_max_reply_bytes"),
    },
    "collect": {"concurrency"},
}
"""Settings that may change under way: how fast and dear a build is and how it is watched, not what it makes."""

OF_A_HOME = ("backfill",)
"""Prompts whose next version would have all episodes of a home curated, and their thoughts bought, anew: the next build
keeps the last one's version, unless `collect.again` is said."""

_NOTHING = object()


class ChangedValue(NamedTuple):
    """A value that somebody chose, then or now, and that is another."""

    key: Key
    then: Any
    now: Any

    def __str__(self) -> str:
        return f"{'.'.join(self.key)} was {_spell(self.then)} and is {_spell(self.now)} now"


@dataclass(frozen=True)
class Beginning:
    """What a build begins with, or began with."""

    chosen: Chosen
    prompts: Mapping[str, str]
    """Version of every prompt, by name."""
    build: Build | None = None
    """The unfinished build that began so; None = it is to begin."""

    @classmethod
    def of_now(cls, chosen: Chosen, state: State | None = None) -> Beginning:
        """Return what a build that begins now begins with; `state` is that of the home that it begins in."""
        newest = prompts.newest_versions()
        kept = {} if state is None or chosen.config.collect.again else _kept_by(state)
        return cls(chosen, newest | {name: kept[name] for name in OF_A_HOME if name in kept and name in newest})

    @classmethod
    def of(cls, build: Build) -> Beginning:
        """Read what a build began with; one that kept its configuration alone chose what was no default then.

        Raises:
            ConfigError: its configuration cannot be read any more.
        """
        try:
            raw = json.loads(build.config_json)
            config = in_full(RunConfig.model_validate(_with_what_was(raw)))
        except (ValueError, ConfigError) as error:
            said = explain(error, RunConfig) if isinstance(error, ValidationError) else str(error)
            raise ConfigError(
                f"build {build.number} is unfinished and was configured for another version of Trajmill, or for a "
                f"world that is not here ({said}); finish it there, or leave it behind with --fresh"
            ) from None
        if build.began_with is None:
            return cls(Chosen(config, _chosen_at_first(raw)), FIRST_FORM["prompts"], build)
        kept = json.loads(build.began_with)
        return cls(Chosen(config, frozenset(map(tuple, kept["chosen"]))), kept["prompts"], build)

    def differences(self, now: Chosen) -> list[ChangedValue]:
        """Return what was chosen, then or now, and is not the same: such a build cannot be continued."""
        here, there = _plain(self.chosen.config), _plain(now.config)
        keys = sorted(key for key in self.chosen.keys | now.keys | {("name",)} if not _is_pace(key))
        found = (ChangedValue(key, _at(here, key), _at(there, key)) for key in keys)
        return [one for one in found if one.then != one.now]

    def at_the_pace_of(self, now: RunConfig) -> RunConfig:
        """Return the configuration that the build goes on with."""
        begun, given = _plain(self.chosen.config), _plain(now)
        for section, keys in PACE.items():
            begun[section] = given[section] if keys is None else begun[section] | {k: given[section][k] for k in keys}
        return RunConfig.model_validate(begun)

    def open_in(self, state: State, kind: str) -> Build:
        """Continue the build that began so, or start the next one; another that is unfinished is left behind."""
        unfinished = state.unfinished_build(kind)
        if unfinished is not None and self.build is None:
            state.abandon_build(unfinished.number)
        return state.open_build(kind, *self.in_state())

    def in_state(self) -> tuple[str, str, str]:
        """Return what a home keeps of it: hash and text of the configuration, and the rest."""
        config = self.chosen.config
        config_hash = digest("config", without(config_in_ids(config), PACE))
        kept = {"chosen": sorted(self.chosen.keys), "prompts": self.prompts}
        return config_hash, config.model_dump_json(), canonical_json(kept).decode()


def continue_or_begin(state: State, kind: str, now: Chosen, fresh: bool) -> tuple[Beginning, RunConfig]:
    """Return what the next run of a kind begins with, or began with, and the configuration that it goes on with.

    One stage run by itself gives way to other settings: it has no more to lose than the next one makes up for.

    Raises:
        ConfigError: a whole build is unfinished, and something else is chosen now.
    """
    unfinished = state.unfinished_build(kind)
    if unfinished is not None and not fresh:
        begun = Beginning.of(unfinished)
        differences = begun.differences(now)
        if not differences:
            return begun, begun.at_the_pace_of(now.config)
        if kind == "build":
            raise ConfigError(
                f"build {unfinished.number} is unfinished and began with another configuration: "
                f"{', '.join(map(str, differences))}; run it again with that one, or leave it behind with --fresh"
            )
    return Beginning.of_now(now, state), now.config


def _kept_by(state: State) -> Mapping[str, str]:
    """Return the versions of prompts that the last build of a home began with."""
    if state.last_build() is None:
        return {}
    began_with = state.began_with(state.last_build() or 0)
    versions: Mapping[str, str] = json.loads(began_with)["prompts"] if began_with else FIRST_FORM["prompts"]
    return versions


def _with_what_was(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a kept configuration with the settings that came later as builds did without them."""
    return {**raw, **{name: {**settings, **raw.get(name, {})} for name, settings in BEFORE.items()}}


def _chosen_at_first(raw: Mapping[str, Any]) -> frozenset[Key]:
    """Return what a whole configuration says that is neither a first default nor from the file of ours of its name."""
    said, first = move_world_sections(raw), move_world_sections(FIRST_FORM["run_config"])
    file = move_world_sections(FIRST_FORM["configs"].get(raw["name"], {}))
    return frozenset(key for key in _differing(said, first) if _at(said, key) != _at(file, key))


def _differing(value: Any, base: Any, key: Key = ()) -> Iterator[Key]:
    if not (isinstance(value, Mapping) and isinstance(base, Mapping)):
        if value != base:
            yield key
        return
    for name in (*value, *(name for name in base if name not in value)):
        yield from _differing(value.get(name, _NOTHING), base.get(name, _NOTHING), (*key, name))


def _plain(config: RunConfig) -> dict[str, Any]:
    return config.model_dump(mode="json")


def _is_pace(key: Key) -> bool:
    section, name = key[0], key[1] if len(key) > 1 else ""
    left_out = PACE.get(section, ())
    return left_out is None or name in left_out


def _at(values: Any, key: Key) -> Any:
    for part in key:
        values = values.get(part, _NOTHING) if isinstance(values, Mapping) else _NOTHING
    return values


def _spell(value: Any) -> str:
    return "not set" if value is _NOTHING else canonical_json(value).decode()
