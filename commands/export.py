"""export: a release handed on, in a format of a trainer's or to a service. What a format cannot hold is counted."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from pathlib import Path

import orjson

from commands.look import open_home
from commands.terminal import say, say_json, say_table
from formats.catalogue import Exported, Exporter, Given, choose, find_exporters
from formats.releases.attempts import AttemptsOf
from formats.releases.release_folder import ReleaseFolder, read_release
from reports.funnel import TableOf
from schemas.errors import ConfigError, InputError
from schemas.release import Release
from schemas.run_config import RunConfig
from schemas.settings import Settings
from warehouse.warehouse import Warehouse

NOTE = "export.json"
"""Stands in every exported folder: of which release, in which format, how many rows, what was left out."""


def run_export(format_: str, release: str, out: Path | None, said: Mapping[str, str], json: bool) -> None:
    """Hand a release on and say where it is and what was left out; `said` are options by name."""
    formats = find_exporters()
    exporter = choose(formats, format_, "a release can be exported to")
    given = exporter.settle(said, formats.values())
    if exporter.push is not None and out is not None:
        raise ConfigError(f"{format_} writes no folder, so it takes no --out")
    if exporter.push is None and out is None:
        raise ConfigError(f"{format_} needs --out DIR, a folder that is not there yet")
    warehouse = open_home()
    found = read_release(release_folder(release, warehouse))
    _check_manifest(warehouse, found)
    found.check_files()
    if exporter.push is not None:
        address = exporter.push(found, given, Settings())
        if json:
            say_json({"release": found.release_id, "address": address})
        else:
            say(f"Pushed: {address}")
    elif out is not None:
        attempts = _find_attempts(warehouse) if exporter.compare else None
        _report(found, out, write_folder(exporter, found, out, given, attempts), json)


def _check_manifest(warehouse: Warehouse, found: ReleaseFolder) -> None:
    """Compare the manifest, which no manifest names, with what the home knows of the release.

    Raises:
        InputError: it has changed.
    """
    published: list[Release] = warehouse.read("releases", "release_id = ?", (found.release_id,))
    told = {file.sha256 for release in published for file in release.files if file.path == "manifest.json"}
    path = found.folder / "manifest.json"
    if told and hashlib.sha256(path.read_bytes()).hexdigest() not in told:
        raise InputError(
            f"{path} is not what was published: its sha256 is not the home's; publish it again, or get it whole again"
        )


def _find_attempts(warehouse: Warehouse) -> AttemptsOf:
    """Return what reads attempts; worlds are made when one is asked for, and not opened."""
    from environments.base import Place
    from environments.registry import Worlds, make_world
    from tasks.publish.read_attempts import attempts_in

    place = Place(RunConfig(), Path(warehouse.home), Settings().cache)
    return attempts_in(warehouse, Worlds({}, partial(make_world, place=place)))


def write_folder(
    exporter: Exporter, release: ReleaseFolder, out: Path, given: Given, attempts: AttemptsOf | None = None
) -> Exported:
    """Write an export beside its place and rename it into it, so that a folder of that name is whole.

    Raises:
        ConfigError: something stands there; an export is never mixed into what is there. Or the disk is full.
    """
    if out.exists() or out.is_symlink():
        raise ConfigError(
            f"{out} is there already, and an export is never mixed into what is there; name another --out"
        )
    beside, made = out.with_name(f".{out.name}.partial"), _missing_parents(out)
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        exported = _write(exporter, release, beside, given, attempts)
        note = {"release_id": release.release_id, "format": exporter.name, **_counts(exported)}
        (beside / NOTE).write_bytes(orjson.dumps(note, option=orjson.OPT_INDENT_2) + b"\n")
        beside.rename(out)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}; name another --out") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if not out.exists():
            _remove_empty(made)
    return exported


def _write(
    exporter: Exporter, release: ReleaseFolder, folder: Path, given: Given, attempts: AttemptsOf | None
) -> Exported:
    if exporter.compare is not None:
        assert attempts is not None
        return exporter.compare(release, attempts, folder, given)
    assert exporter.write is not None
    return exporter.write(release, folder, given)


def _missing_parents(out: Path) -> list[Path]:
    """Return the folders above that are not there yet, the innermost first."""
    return list(takewhile(lambda parent: not parent.exists(), out.parents))


def _remove_empty(folders: Sequence[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _counts(exported: Exported) -> dict[str, object]:
    return {"rows": exported.rows, "left_out": dict(sorted(exported.left_out.items())), **exported.note}


def _report(release: ReleaseFolder, out: Path, exported: Exported, json: bool) -> None:
    if json:
        say_json({"release": release.release_id, "path": str(out), **_counts(exported)})
        return
    left = exported.left_out.total()
    say(f"{out}: {exported.rows:,} rows of {release.release_id}" + (f", {left:,} left out" if left else ""))
    if "strategy" in exported.note:
        say(f"Strategy {exported.note['strategy']} ({exported.note['layout']}): {exported.note['because']}")
    if left:
        say_table("Left out", TableOf(("reason", "rows"), exported.left_out.most_common()))


def release_folder(release: str, warehouse: Warehouse | None = None) -> Path:
    """Return the folder of the release whose id begins so, `latest` the newest, or which is that folder.

    Raises:
        ConfigError: there is none, or several.
    """
    if (Path(release) / "manifest.json").is_file():
        return Path(release)
    warehouse = warehouse or open_home()
    known = [row[0] for row in warehouse.query("SELECT release_id FROM releases ORDER BY created_at DESC")]
    matching = known[:1] if release == "latest" else [id_ for id_ in known if id_.startswith(release)]
    if len(matching) != 1:
        raise ConfigError(f"no single release {release!r}; there are: {', '.join(known) or 'none yet'}")
    return Path(warehouse.home, "releases", matching[0])
