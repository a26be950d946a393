"""export: a release handed on, in a format of a trainer's or to a service. What a format cannot hold is counted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import orjson

from commands.look import open_home
from commands.terminal import say, say_json, say_table
from formats.catalogue import Exported, Exporter, Given, choose, find_exporters
from formats.releases.release_folder import ReleaseFolder, read_release
from reports.funnel import TableOf
from schemas.errors import ConfigError
from schemas.settings import Settings

NOTE = "export.json"
"""Stands in every exported folder: of which release, in which format, how many rows, what was left out."""


def run_export(format_: str, release: str, out: Path | None, said: Mapping[str, str], json: bool) -> None:
    """Hand a release on and say where it is and what was left out; `said` are options by name."""
    formats = find_exporters()
    exporter = choose(formats, format_, "a release can be exported to")
    given = exporter.settle(said, formats.values())
    if exporter.write is None and out is not None:
        raise ConfigError(f"{format_} writes no folder, so it takes no --out")
    if exporter.write is not None and out is None:
        raise ConfigError(f"{format_} needs --out DIR, a folder that is not there yet")
    found = read_release(release_folder(release))
    if exporter.push is not None:
        address = exporter.push(found, given, Settings())
        if json:
            say_json({"release": found.release_id, "address": address})
        else:
            say(f"Pushed: {address}")
    elif out is not None:
        _report(found, out, write_folder(exporter, found, out, given), json)


def write_folder(exporter: Exporter, release: ReleaseFolder, out: Path, given: Given) -> Exported:
    """Write an export beside its place and rename it into it, so that a folder of that name is whole.

    Raises:
        ConfigError: something stands there; an export is never mixed into what is there.
    """
    assert exporter.write is not None
    if out.exists() or out.is_symlink():
        raise ConfigError(
            f"{out} is there already, and an export is never mixed into what is there; name another --out"
        )
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        exported = exporter.write(release, partial, given)
        note = {"release_id": release.release_id, "format": exporter.name, **_counts(exported)}
        (partial / NOTE).write_bytes(orjson.dumps(note, option=orjson.OPT_INDENT_2) + b"\n")
        partial.rename(out)
    except OSError as error:
        raise ConfigError(f"{out} cannot be written: {error.strerror or error}; name another --out") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return exported


def _counts(exported: Exported) -> dict[str, object]:
    return {"rows": exported.rows, "left_out": dict(sorted(exported.left_out.items()))}


def _report(release: ReleaseFolder, out: Path, exported: Exported, json: bool) -> None:
    if json:
        say_json({"release": release.release_id, "path": str(out), **_counts(exported)})
        return
    left = exported.left_out.total()
    say(f"{out}: {exported.rows:,} rows of {release.release_id}" + (f", {left:,} left out" if left else ""))
    if left:
        say_table("Left out", TableOf(("reason", "rows"), exported.left_out.most_common()))


def release_folder(release: str) -> Path:
    """Return the folder of the release whose id begins so, `latest` the newest, or which is that folder.

    Raises:
        ConfigError: there is none, or several.
    """
    if (Path(release) / "manifest.json").is_file():
        return Path(release)
    warehouse = open_home()
    known = [row[0] for row in warehouse.query("SELECT release_id FROM releases ORDER BY created_at DESC")]
    matching = known[:1] if release == "latest" else [id_ for id_ in known if id_.startswith(release)]
    if len(matching) != 1:
        raise ConfigError(f"no single release {release!r}; there are: {', '.join(known) or 'none yet'}")
    return Path(warehouse.home, "releases", matching[0])
