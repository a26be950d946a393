"""Where a RunConfig comes from: a name in deployments/configs/ or a path, and dotted overrides; each value's origin."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from schemas.errors import ConfigError
from schemas.run_config import RunConfig

CONFIGS = Path(__file__).resolve().parent.parent / "deployments" / "configs"


def load_config(name: str, overrides: Mapping[str, Any] | None = None) -> RunConfig:
    """Read a config by name or path and apply overrides such as `{"mixture.eta": 0.3}`.

    Raises:
        ConfigError: unknown name, unreadable TOML, unknown key or value out of range.
    """
    path = _find(name)
    values = _read(path)
    for dotted, value in (overrides or {}).items():
        _set(values, dotted, value)
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path}: {_explain(error, overrides or {})}") from None


def parse_overrides(pairs: list[str]) -> dict[str, Any]:
    """Read `key.path=value` pairs; a value is TOML where it parses, else text."""
    overrides: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set takes key.path=value, such as --set mixture.eta=0.3; this was {pair!r}")
        overrides[key.strip()] = _toml_value(text.strip())
    return overrides


def config_origins(name: str, overrides: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield every value with where it came from: dotted key, value, origin."""
    path = _find(name)
    written = set(_leaves(_read(path)))
    for key, value in _flatten(load_config(name, overrides)):
        set_by = [o for o in overrides if _is_set(key, {o: ...})]
        in_file = any(key == w or key.startswith(w + ".") for w in written)
        yield key, value, f"--set {set_by[0]}" if set_by else (path.name if in_file else "default")


def _find(name: str) -> Path:
    named = CONFIGS / f"{name}.toml"
    if named.is_file():
        return named
    if Path(name).is_file():
        return Path(name)
    known = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.toml")))
    raise ConfigError(f"no config {name!r}: neither a file nor one of {known}")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not readable TOML: {error}") from None


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _set(values: dict[str, Any], dotted: str, value: Any) -> None:
    *path, last = dotted.split(".")
    for part in path:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {dotted}: {part!r} is a value, not a section")
    values[last] = value


def _explain(error: ValidationError, overrides: Mapping[str, Any]) -> str:
    problems = []
    for problem in error.errors():
        key = ".".join(str(part) for part in problem["loc"])
        where = f"--set {key}" if _is_set(key, overrides) else key
        if problem["type"] == "extra_forbidden":
            problems.append(f"{where}: there is no such key; allowed are {', '.join(_fields_beside(problem['loc']))}")
        elif problem["type"] == "model_type":
            problems.append(
                f"{where} = {problem['input']!r}: this is a section, its keys are {_keys_of(problem['loc'])}"
            )
        else:
            problems.append(f"{where} = {problem['input']!r}: {problem['msg']}")
    return "; ".join(problems)


def _is_set(key: str, overrides: Mapping[str, Any]) -> bool:
    return any(key == o or key.startswith(o + ".") for o in overrides)


def _keys_of(location: tuple[int | str, ...]) -> str:
    return ", ".join(_fields_beside((*location, "")))


def _fields_beside(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = RunConfig
    for part in location[:-1]:
        field = model.model_fields.get(str(part))
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return sorted(model.model_fields)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _flatten(record: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key in type(record).model_fields:
        value = getattr(record, key)
        if isinstance(value, BaseModel):
            yield from _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, Mapping) and value and all(isinstance(one, BaseModel) for one in value.values()):
            for name, one in value.items():
                yield from _flatten(one, f"{prefix}{key}.{name}.")
        else:
            yield f"{prefix}{key}", value
