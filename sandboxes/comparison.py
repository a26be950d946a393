"""What changed between two snapshots: `walk.py`, run behind the walls on two views that nobody writes to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandboxes.arguments import RootView
from sandboxes.base import Change, ExecResult, FileDifference, Snapshot
from sandboxes.program import Program
from schemas.errors import SandboxError
from schemas.task_spec import Script

WALK = Path(__file__).with_name("walk.py")
SINCE, AT, LAYERS = "/since", "/at", "/layers"
OUTPUT_BYTES = 32 << 20
"""Above what the walk's most changes take."""
COMPARE_SECONDS = 60.0


@dataclass(frozen=True)
class ComparedView(RootView):
    """The untouched image to work in, both snapshots beside it, and the layers between them."""

    since: tuple[str, ...] = ()
    at: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """Return bwrap's arguments; reading what the agent closed to itself takes one capability."""
        between = self.at[len(self.since) :]
        binds = [part for n, layer in enumerate(between) for part in ("--ro-bind", f"{layer}/u", f"{LAYERS}/{n}")]
        views = [*self._whole(self.since, SINCE), *self._whole(self.at, AT)]
        return [*super().arguments(), *views, *binds, "--cap-add", "CAP_DAC_READ_SEARCH"]

    def _whole(self, layers: tuple[str, ...], target: str) -> list[str]:
        if not layers:
            return ["--ro-bind", self.root, target]
        sources = [self.root, *(f"{layer}/u" for layer in layers)]
        return [*(part for source in sources for part in ("--overlay-src", source)), "--ro-overlay", target]


def layers_between(since: Snapshot, at: Snapshot) -> tuple[str, ...]:
    """Return the layers that came after a snapshot.

    Raises:
        SandboxError: `at` is not later than `since`.
    """
    if at.layers[: len(since.layers)] != since.layers:
        raise SandboxError("diff takes a snapshot and a later one of the same session", transient=False)
    return at.layers[len(since.layers) :]


def compared_view(walls: RootView, top: str, since: Snapshot, at: Snapshot) -> ComparedView:
    """Return the view that a comparison runs in: the session's walls; `top` is an empty layer for the mount points."""
    return ComparedView(
        walls.image,
        (),
        top,
        trusted_tools=True,
        lent=walls.lent,
        contained=walls.contained,
        since=since.layers,
        at=at.layers,
    )


def comparison(view: ComparedView) -> Program:
    """Return the program that compares."""
    layers = (f"{LAYERS}/{number}" for number in range(len(view.at) - len(view.since)))
    return Program(Script(code=_walk_code(), language="python"), (SINCE, AT, *layers))


@cache
def _walk_code() -> str:
    return WALK.read_text(encoding="utf-8")


def read_difference(result: ExecResult) -> FileDifference:
    """Read what the walk printed.

    Raises:
        SandboxError: it did not come to its end.
    """
    lines = result.output.decode("utf-8", "replace").splitlines()
    if result.exit_code != 0 or result.truncated or not lines:
        said = result.text.strip()[-200:]
        raise SandboxError(f"snapshots could not be compared (exit code {result.exit_code}, {result.reason}): {said!r}")
    *rows, end = (json.loads(line) for line in lines)
    return FileDifference(tuple(Change(*row) for row in rows), end["complete"])
