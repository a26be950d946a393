"""Gathering: requests that come at the same time go out together, one group a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from schemas.completion import CompletionRequest
from schemas.run_config import TeacherConfig

_LONGEST = 10
"""Times `batch_wait_seconds` after which a group goes out although requests keep coming."""


@dataclass
class Group:
    """Requests of one model, each with its line of the file."""

    model: str
    begun: float
    joined: float
    requests: list[CompletionRequest] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    size_bytes: int = 0


class Gathering:
    """Keeps one open group a model; belongs to one event loop."""

    def __init__(self, config: TeacherConfig, send: Callable[[Group], None]) -> None:
        """`send` is called once for each group, when it is full or nothing has joined it for a while."""
        self._config = config
        self._send = send
        self._open: dict[str, tuple[Group, asyncio.TimerHandle]] = {}

    def join(self, request: CompletionRequest, line: bytes) -> None:
        """Let a request join the open group of its model."""
        group = self._group(request.model, len(line))
        group.requests.append(request)
        group.lines.append(line)
        group.size_bytes += len(line)
        group.joined = asyncio.get_running_loop().time()
        if len(group.requests) >= self._config.batch_max_requests:
            self._close(group.model)

    def stop(self) -> None:
        """Forget what is open."""
        for _, timer in self._open.values():
            timer.cancel()
        self._open.clear()

    def _group(self, model: str, room: int) -> Group:
        if model in self._open and self._open[model][0].size_bytes + room > self._config.batch_max_bytes:
            self._close(model)
        if model not in self._open:
            now = asyncio.get_running_loop().time()
            self._wait(Group(model, now, now))
        return self._open[model][0]

    def _wait(self, group: Group) -> None:
        """Look again when the group could have become quiet."""
        wait, loop = self._config.batch_wait_seconds, asyncio.get_running_loop()
        quiet = min(group.joined + wait, group.begun + _LONGEST * wait)
        if group.requests and quiet <= loop.time():
            self._close(group.model)
        else:
            self._open[group.model] = (group, loop.call_at(quiet, self._wait, group))

    def _close(self, model: str) -> None:
        group, timer = self._open.pop(model)
        timer.cancel()
        self._send(group)
