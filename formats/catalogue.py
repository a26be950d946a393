"""What a format of the outside world declares: an importer reads it, an exporter writes it.

The command line, its help, its errors and docs/formats.md are made of the declarations. A module of formats/tasks,
formats/logs, formats/chats, formats/sets or formats/releases declares `IMPORTER` or `EXPORTER`, a world's `importers`
package `IMPORTERS`, an installed package an entry point. docs/formats.md shows how one is added.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from formats.chats.chat import ChatRow
from formats.json_values import holds_values
from formats.releases.attempts import AttemptsOf
from formats.releases.release_folder import ReleaseFolder
from schemas.errors import ConfigError, InputError
from schemas.foreign_row import ForeignRow
from schemas.recording import Recorded
from schemas.rejection import Rejection
from schemas.settings import Settings
from schemas.task_spec import TaskSpec

Kind = Literal["tasks", "questions", "logs", "chats", "sets"]
ROWS: Mapping[Kind, type] = {
    "tasks": TaskSpec,
    "questions": object,
    "logs": Recorded,
    "chats": ChatRow,
    "sets": ForeignRow,
}
"""What a reader yields beside rejections, by the kind of its format; the order is that in which formats are listed."""
MOST_NAMED = 4
"""Files that are named where some are not read."""
ENTRY_POINTS = {"IMPORTER": "trajmill.importers", "EXPORTER": "trajmill.exporters"}

Given = Mapping[str, str]
"""The options of one call by name: what was said, else the default; one that has neither is not there."""


@dataclass(frozen=True)
class Option:
    name: str
    """As it is typed, without the dashes."""
    summary: str
    metavar: str = "TEXT"
    """FILE and DIR are looked for before anything is read."""
    default: str | None = None
    required: bool = False


LICENSE = Option("license", "SPDX name of the rows' licence", default="unknown")
SOURCE_MODEL = Option("source-model", "who wrote the replies, where rows do not say")
CONFIG = Option("config", "the config on whose sandbox and engines they are tried", default="demo")


class FilesFound(NamedTuple):
    """Of what was named for an import."""

    files: list[Path]
    skipped: list[Path]
    """Files of folders that are not read."""


def name_files(paths: Sequence[Path]) -> str:
    """Name some files for people: the first few, and how many more; empty where there are none.

    >>> name_files([Path(one) for one in "abcdef"])
    'a, b, c, d and 2 more'
    """
    more = f" and {len(paths) - MOST_NAMED:,} more" if len(paths) > MOST_NAMED else ""
    return ", ".join(path.name for path in paths[:MOST_NAMED]) + more


class Landing(NamedTuple):
    """Where rows are about to land."""

    home: Path
    servers: Mapping[str, str]
    """URLs of database servers by dialect."""


class Exported(NamedTuple):
    rows: int
    left_out: Counter[str]
    """Rows that the format cannot hold, by reason."""
    note: Mapping[str, Any] = {}
    """What else export.json says: how rows were written, and why so."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """What importers and exporters have in common."""

    name: str
    summary: str
    """Half a sentence for help and docs."""
    page: str | None = None
    """The page of docs/ that says more."""
    options: tuple[Option, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Reason -> the row that is turned away, or left out, for it: a half sentence that begins with a verb."""

    def settle(self, said: Mapping[str, str], others: Iterable[Format] = ()) -> Given:
        """Return the options of a call, defaults among them.

        Raises:
            ConfigError: one is not of this format (the text says which of `others` take it), or is missing.
            InputError: one names a file or folder that is not there.
        """
        known = {option.name: option for option in self.options}
        for name in said.keys() - known.keys():
            takers = [other.name for other in others if any(option.name == name for option in other.options)]
            raise ConfigError(f"{self.name} takes no --{name}; it is an option of {', '.join(takers) or 'no format'}")
        needed = [option for option in self.options if option.required]
        for option in needed:
            if option.name not in said:
                needs = " and ".join(f"--{one.name} {one.metavar}" for one in needed)
                raise ConfigError(f"{self.name} needs {needs}; --{option.name} is missing")
        for name, value in said.items():
            is_there = {"FILE": Path.is_file, "DIR": Path.is_dir}.get(known[name].metavar)
            if is_there and not is_there(Path(value)):
                raise InputError(f"--{name}: no such {'file' if known[name].metavar == 'FILE' else 'folder'}: {value}")
        return {option.name: option.default for option in self.options if option.default is not None} | dict(said)


@dataclass(frozen=True, kw_only=True)
class Importer(Format):
    """How a format comes in. Its kind says what becomes of its rows: docs/formats.md."""

    kind: Kind
    read: Callable[[Sequence[Path], Given], Iterator[object]]
    """Yields every row of some files, in order, as what `ROWS` says or as a Rejection; raises InputError for a file
    that cannot be read at all. It reads and nothing else."""
    suffixes: tuple[str, ...] | None = None
    """Files that are taken of a folder; None: those that hold JSON values, whatever they are called (`holds_values`);
    empty: `read` is given the folder itself."""
    contract: int = 1
    """Raised by hand when the same file is read otherwise; of chats what a newer reading gives supersedes the older."""
    tried: bool = False
    """Tasks: each is tried on its world before it comes in."""
    prove: Callable[[Sequence[Any], Given, Landing], Coroutine[Any, Any, Sequence[object]]] | None = None
    """Logs: does on the world, before rows land, what reading cannot; returns the rows, some of them turned away."""
    derive: Callable[[Path], Mapping[str, Any]] | None = None
    """Questions: the configuration under which tasks are derived from a file or folder."""

    def __post_init__(self) -> None:
        if (self.kind == "questions") != (self.derive is not None):
            raise ValueError(f"importer {self.name}: `derive` belongs to the kind `questions`, which needs it")

    def rows(self, paths: Sequence[Path], given: Given) -> Iterator[Any]:
        """Read; a row of another kind is the reader's fault and ends the import."""
        for row in self.read(paths, given):
            if not isinstance(row, (ROWS[self.kind], Rejection)):
                raise TypeError(f"importer {self.name} of kind {self.kind} gave a {type(row).__name__}")
            yield row

    def find(self, paths: Iterable[Path]) -> FilesFound:
        """Find the files to read; of a folder those that the format takes, sorted.

        Raises:
            InputError: a folder holds none.
        """
        files, skipped = list[Path](), list[Path]()
        for path in paths:
            if not path.is_dir() or self.suffixes == ():
                files.append(path)
                continue
            there = sorted(one for one in path.rglob("*") if not one.is_dir())
            taken = {one for one in there if self._takes(one)}
            left = [one for one in there if one not in taken]
            if not taken:
                wanted = f"{' or '.join(self.suffixes)} file" if self.suffixes else "file of JSON values or Parquet"
                raise InputError(f"the folder {path} holds no {wanted}; {name_files(left) or 'nothing'} is there")
            files += sorted(taken)
            skipped += left
        return FilesFound(files, skipped)

    def _takes(self, path: Path) -> bool:
        return holds_values(path) if self.suffixes is None else path.name.endswith(self.suffixes)


@dataclass(frozen=True, kw_only=True)
class Exporter(Format):
    """How a release is handed on: written into a folder, or pushed to a service."""

    write: Callable[[ReleaseFolder, Path, Given], Exported] | None = None
    """Writes into a new, empty folder."""
    push: Callable[[ReleaseFolder, Given, Settings], str] | None = None
    """Sends it and returns its address there; keys and tokens stand in the settings alone."""
    compare: Callable[[ReleaseFolder, AttemptsOf, Path, Given], Exported] | None = None
    """As `write`, with the home's attempts at the release's tasks beside it: what failed stands in no release."""

    def __post_init__(self) -> None:
        if sum(how is not None for how in (self.write, self.push, self.compare)) != 1:
            raise ValueError(f"exporter {self.name}: it has one of `write`, `push` and `compare`")


F = TypeVar("F", bound=Format)


def find_importers(of_worlds: Iterable[Importer] = (), *, installed: bool = True) -> dict[str, Importer]:
    """Return importers by name, kind by kind: ours, those of worlds, then those of installed packages.

    Raises:
        ConfigError: two have one name, or one of an installed package cannot be loaded.
    """
    ours = [*_declared(("tasks", "logs", "chats", "sets"), "IMPORTER", Importer), *of_worlds]
    found = [*ours, *(_installed("IMPORTER", Importer) if installed else ())]
    return _by_name(sorted(found, key=lambda importer: list(ROWS).index(importer.kind)))


def find_exporters(*, installed: bool = True) -> dict[str, Exporter]:
    """Return exporters by name: ours, then those of installed packages.

    Raises:
        ConfigError: two have one name, or one of an installed package cannot be loaded.
    """
    ours = _declared(("releases",), "EXPORTER", Exporter)
    return _by_name([*ours, *(_installed("EXPORTER", Exporter) if installed else ())])


def choose(formats: Mapping[str, F], name: str, there_are: str = "there are") -> F:
    """Return the format of that name.

    Raises:
        ConfigError: there is none; the text lists those that there are.
    """
    if name not in formats:
        raise ConfigError(f"unknown format {name!r}; {there_are}: {', '.join(formats)}")
    return formats[name]


def _declared(rooms: Iterable[str], attribute: str, of: type[F]) -> Iterator[F]:
    for room in rooms:
        package = importlib.import_module(f"formats.{room}")
        for module in pkgutil.iter_modules(package.__path__, f"formats.{room}."):
            declared = getattr(importlib.import_module(module.name), attribute, None)
            if isinstance(declared, of):
                yield declared


def _installed(attribute: str, of: type[F]) -> Iterator[F]:
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS[attribute]):
        named = f"the format {entry.name!r} of the installed package {entry.dist.name if entry.dist else entry.value!r}"
        try:
            loaded = entry.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"{named} cannot be loaded: {error}. Mend or uninstall the package") from error
        for declared in [loaded] if isinstance(loaded, Format) else loaded:
            if not isinstance(declared, of):
                raise ConfigError(f"{named} is no {of.__name__} but {declared!r}. Mend or uninstall the package")
            yield declared


def _by_name(formats: Iterable[F]) -> dict[str, F]:
    found: dict[str, F] = {}
    for one in formats:
        if one.name in found:
            raise ConfigError(f"two formats are called {one.name!r}. Uninstall the package that brought the second one")
        found[one.name] = one
    return found
