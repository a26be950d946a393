"""What an author is told of the image is what a command finds there."""

from __future__ import annotations

import pytest

from environments.os.image_facts import ASKED, read_image
from sandboxes.base import Session
from sandboxes.bubblewrap import Bubblewrap


async def test_a_command_is_told_as_present_where_the_shell_finds_it_and_else_as_missing(sandbox: Bubblewrap) -> None:
    facts = await read_image(sandbox, sandbox.image.digest)
    assert sorted((*facts.present, *facts.missing)) == sorted(set(ASKED))
    session = await sandbox.start()
    try:
        for name in (*facts.present[:6], *facts.missing[:6]):
            found = await session.exec(f"command -v {name}")
            assert (found.exit_code == 0) == (name in facts.present), name
    finally:
        await session.close()


async def test_the_image_is_asked_once(sandbox: Bubblewrap, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await read_image(sandbox, sandbox.image.digest)

    async def start() -> Session:
        raise AssertionError("asked again")

    monkeypatch.setattr(sandbox, "start", start)
    assert await read_image(sandbox, sandbox.image.digest) is first
