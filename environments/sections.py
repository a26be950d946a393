"""What a configuration says to worlds, read by each; and the form in which a configuration counts in ids."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from environments.registry import world_class, world_names, worlds_of
from schemas.errors import ConfigError
from schemas.record import FIRST_FORM, Record, first_form
from schemas.run_config import RunConfig


def in_full(config: RunConfig) -> RunConfig:
    """Return a configuration that names its worlds and says all that can be said to each.

    Raises:
        ConfigError: there is no such world, or it does not know a key or a value; the text says what there is.
    """
    for name in config.teacher.solvers:
        world_class(name)
    environments = worlds_of(config)
    _require_worlds(config)
    worlds = {name: _section(config, name).model_dump(mode="json") for name in (*environments, *config.worlds)}
    return config.model_copy(update={"environments": environments, "worlds": worlds})


def _require_worlds(config: RunConfig) -> None:
    """Let pass settings by world whose worlds there are: another name would be a setting that nothing reads."""
    collect, teacher = config.collect, config.teacher
    said: dict[str, Mapping[str, Any]] = {
        "teacher.solvers": teacher.solvers,
        "collect.goals": collect.goals,
        "collect.max_turns": collect.max_turns,
        "curate.thresholds": config.curate.thresholds,
    }
    for key, by_world in said.items():
        for name in by_world.keys() - {*world_names()}:
            raise ConfigError(f"{key}.{name}: there is no world {name!r}; there are {', '.join(world_names())}")


def _section(config: RunConfig, name: str) -> Record:
    return config.section(name, world_class(name).Config)


def without(form: Mapping[str, Any], left_out: Mapping[str, Collection[str] | None]) -> dict[str, Any]:
    """Leave sections out of a configuration (None), or some keys of them."""
    kept = {name: one for name, one in form.items() if left_out.get(name, ()) is not None}
    return {
        name: {key: value for key, value in one.items() if key not in (left_out.get(name) or ())}
        if name in left_out
        else one
        for name, one in kept.items()
    }


def config_in_ids(config: RunConfig) -> dict[str, Any]:
    """Return what counts of a configuration, in its first form: sections of worlds stood under `generate`."""
    form = first_form(in_full(config))
    said = {name: first_form(_section(config, name)) for name in form.pop("worlds", {})}
    first = {name: one for name, one in FIRST_FORM["run_config"]["generate"].items() if isinstance(one, dict)}
    form["generate"] |= {name: {**one, **said.pop(name, {})} for name, one in first.items()}
    later = {name: one for name, one in said.items() if one}
    return form | ({"worlds": later} if later else {})
