"""Where a RunConfig comes from: a name in deployments/configs/ or a path, and dotted overrides; each value's origin."""

from __future__ import annotations

import math
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from environments.sections import in_full
from schemas.bounded_reading import MAX_DEPTH, NotJson, count_keys, read_text
from schemas.errors import ConfigError, InputError
from schemas.invalid_values import booleans_for_numbers, faults_of, spell
from schemas.run_config import RunConfig, is_world_section, move_world_sections

CONFIGS = Path(__file__).resolve().parent.parent / "deployments" / "configs"
MAX_CONFIG_BYTES = 256 << 10
"""A config of ours has 2 KB; a key of a thousand parts on every line takes two seconds."""
MAX_DOTS = 1000
"""In one line: `tomllib` takes time with the square of a dotted key's parts."""
_TWICE = ("Cannot overwrite a value", "A key stands twice")
"""What `tomllib` says of it, and what we do."""
Key = tuple[str, ...]
"""A dotted key, cut: a model's name may hold dots."""


class Chosen(NamedTuple):
    """A configuration, and which of its values somebody chose."""

    config: RunConfig
    keys: frozenset[Key]
    """Those of a file of one's own and of overrides. What a file of ours says may change like a default: of it the
    name alone."""


def load_config(name: str, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """Read a config by name or path and apply overrides such as `{"mixture.eta": 0.3}`.

    Raises:
        ConfigError: unknown name, unreadable TOML, unknown key or value out of range.
    """
    return read_config(name, overrides).config


def read_config(name: str, overrides: Mapping[str, Any] | None = None) -> Chosen:
    """Read a config as `load_config` does, and tell which of its values were chosen."""
    path, said = _find(name), _in_sections(overrides or {})
    values = _read(path)
    keys: set[Key] = {("name",)} if path.parent == CONFIGS else set(_leaves(values))
    for dotted, value in said.items():
        _set(values, dotted, value)
        keys.update(_leaves(_shallow(value), tuple(dotted.split("."))))
    _require_usable(path, _shallow(values))
    try:
        return Chosen(in_full(RunConfig.model_validate(values)), frozenset(keys))
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error, said)}") from None
    except ConfigError as error:
        by_set = "--set " if any(str(error).startswith(dotted) for dotted in said) else ""
        raise ConfigError(f"{path}: {by_set}{error}") from None


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """Read `key.path=value` pairs; a value is TOML where it parses, else text."""
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set takes key.path=value, such as --set mixture.eta=0.3; this was {pair!r}")
        try:
            overrides[key.strip()] = _toml_value(text.strip())
        except ConfigError as error:
            raise ConfigError(f"--set {key.strip()[:200]}: {error}") from None
    return overrides


def config_origins(name: str, overrides: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield every value with where it came from: dotted key, value, origin."""
    path, said = _find(name), _in_sections(overrides)
    written = {".".join(key) for key in _leaves(_read(path))}
    for key, value in _flatten(load_config(name, overrides)):
        set_by = [o for o in said if _is_set(key, {o: ...})]
        in_file = any(key == w or key.startswith(w + ".") or w.startswith(key + ".") for w in written)
        yield key, value, f"--set {set_by[0]}" if set_by else (path.name if in_file else "default")


def _in_sections(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return overrides with today's keys: `generate.os.requests` is the older name of `worlds.os.requests`.

    Raises:
        ConfigError: a value is given under both names.
    """
    said: dict[str, Any] = {}
    for dotted, value in overrides.items():
        section, _, rest = dotted.partition(".")
        older = section == "generate" and is_world_section(rest.split(".")[0])
        key = f"worlds.{rest}" if older and ("." in rest or isinstance(value, Mapping)) else dotted
        if key in said or (older and key != dotted and key in overrides):
            raise ConfigError(f"--set {dotted} is the older name of --set {key}: keep one of the two")
        said[key] = value
    return said


def _find(name: str) -> Path:
    named = CONFIGS / f"{name}.toml"
    if name in {path.stem for path in CONFIGS.glob("*.toml")}:
        return named
    if name and os.path.lexists(name):  # a folder or a pipe is told by whoever reads it
        return Path(name)
    known = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
    raise ConfigError(f"no config {name!r}: neither a file nor one of {known}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return move_world_sections(_parse_toml(read_text(path, MAX_CONFIG_BYTES)))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except InputError as error:
        raise ConfigError(str(error)) from None
    except ValueError as error:
        raise ConfigError(f"{path} is not readable TOML: {error}") from None


def _parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML within bounds.

    Raises:
        ConfigError: it is deeper, or has a longer key, than is read.
        ValueError: it is none, or has a number of thousands of digits.
    """
    dotted = next((number for number, line in enumerate(text.splitlines(), 1) if line.count(".") > MAX_DOTS), None)
    if dotted is not None:
        raise ConfigError(f"line {dotted} has more than {MAX_DOTS:,} dots, the most that is read")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ValueError(f"line {line} holds a NUL byte: it is damaged, or UTF-16. Save it as UTF-8")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(str(error).replace(*_TWICE)) from None
    except ValueError:
        raise ValueError(f"a number has more than {sys.get_int_max_str_digits()} digits") from None
    except RecursionError:  # a parser in plain Python, so nothing but its own frames is lost
        raise ConfigError(f"more than {MAX_DEPTH} levels, the most that is read") from None
    _shallow(values)
    return values


def _shallow(value: Any) -> Any:
    try:
        count_keys(value)
    except NotJson as error:
        raise ConfigError(str(error)) from None
    return value


def _require_usable(path: Path, values: Mapping[str, Any]) -> None:
    for name, value in _named_values(values):
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ConfigError(f"{path}: {name} = {value}: an integer has 64 bits")
        if isinstance(value, float) and not math.isfinite(value):  # JSON, in which it is kept, has none
            raise ConfigError(f"{path}: {name} = {value}: a number is finite")
    for name, value in booleans_for_numbers(RunConfig, values):
        raise ConfigError(f"{path}: {name} = {spell(value)}: it must be a number")


def _named_values(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _named_values(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _toml_value(text: str) -> Any:
    try:
        return _parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for part in path:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {dotted}: {part!r} is a value, not a section")
    values[last] = value


def _explain(error: ValidationError, overrides: Mapping[str, Any]) -> str:
    faults = faults_of(error, RunConfig)
    return "; ".join(f"{'--set ' if _is_set(key, overrides) else ''}{key}{words}" for key, words in faults)


def _is_set(key: str, overrides: Mapping[str, Any]) -> bool:
    return any(key == o or key.startswith(o + ".") for o in overrides)


def _leaves(values: Any, key: Key = ()) -> Iterator[Key]:
    if not isinstance(values, Mapping) or (key and not values):
        yield key
        return
    for name, value in values.items():
        yield from _leaves(value, (*key, name))


def _flatten(record: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key in type(record).model_fields:
        value = getattr(record, key)
        if isinstance(value, BaseModel):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, Mapping) and value and all(isinstance(one, BaseModel) for one in value.values()):
            for name, one in value.items():
                yield from _flatten(one, f"{prefix}{key}.{name}.")
        elif isinstance(value, Mapping) and value and all(isinstance(one, Mapping) for one in value.values()):
            yield from (
                (f"{prefix}{key}.{world}.{name}", one) for world, said in value.items() for name, one in said.items()
            )
        else:
            yield f"{prefix}{key}", value
